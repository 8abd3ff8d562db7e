"""What a drill does: who comes when, from which address, and what they do. Pure."""

import random
from typing import Literal

import msgspec

from stentor.errors import Refused
from stentor.limits import (
    DRILL_ATTACKERS_MAX,
    DRILL_LISTENERS_MAX,
    DRILL_SECONDS_MAX,
)

Arrival = Literal["step", "ramp", "shuffle"]
"""`step`: all within a few seconds, evenly. `ramp`: more and more a second until the start.
`shuffle`: all are there before the doors open."""
Attack = Literal["none", "flood", "slow", "tickets", "listening-bots", "udp"]
ARRIVALS: tuple[Arrival, ...] = ("step", "ramp", "shuffle")
ATTACKS: tuple[Attack, ...] = ("none", "flood", "slow", "tickets", "listening-bots", "udp")

PEOPLE_NETWORK = 16
"""The first of the 127.N.0.0/16 that people come from; attackers are elsewhere."""
ATTACKERS_NETWORK = 128
HOSTS = 250
"""Addresses used of each /24."""


class People(msgspec.Struct, frozen=True):
    """A crowd of one worker process: everything it needs to know.

    Attributes:
        space: where they want to listen.
        count: how many they are, all workers together.
        share: this worker's (number, of how many).
        prefixes: over so many /24s they are spread.
        network: the first of the 127.N.0.0/16 they come from.
        arrivals_s: how the crowd comes: kind and over how many seconds.
        computing: the share that can solve a challenge; the others wait instead.
        hosts: addresses used of each /24; 1: all of them are behind one.
        keys: of the node's door (`challenge.Solver`); empty: not known.
        begins_at: monotonic seconds of the first moment, the same for all workers; 0: at once.
        seed: of all chance.
    """

    host: str
    port: int
    space: str
    count: int
    share: tuple[int, int] = (0, 1)
    prefixes: int = 1
    network: int = PEOPLE_NETWORK
    arrival: Arrival = "step"
    over_s: float = 10.0
    rendition: str = "opus"
    computing: float = 0.9
    hosts: int = HOSTS
    keys: dict[str, str] = {}
    begins_at: float = 0.0
    seed: int = 1
    core: int | None = None


class Attackers(msgspec.Struct, frozen=True):
    """Attackers of one worker process.

    Attributes:
        kind: what they do (`attacks.py`).
        count: connections at once, all workers together.
        per_s: requests a second, all workers together; 0: as many as go.
    """

    host: str
    port: int
    space: str
    kind: str
    count: int
    per_s: float = 0.0
    share: tuple[int, int] = (0, 1)
    prefixes: int = 1
    network: int = ATTACKERS_NETWORK
    hosts: int = HOSTS
    seed: int = 1
    core: int | None = None
    ports: tuple[int, ...] = ()


def check(listeners: int, seconds: float, attackers: int) -> None:
    """That a drill keeps to its bounds.

    Raises:
        Refused: `drill.size`.
    """
    if not 1 <= listeners <= DRILL_LISTENERS_MAX:
        raise Refused("drill.size", f"Between 1 and {DRILL_LISTENERS_MAX:,} listeners come.")
    if not 1 <= seconds <= DRILL_SECONDS_MAX:
        raise Refused("drill.size", f"A drill takes between 1 and {DRILL_SECONDS_MAX:g} s.")
    if not 0 <= attackers <= DRILL_ATTACKERS_MAX:
        raise Refused("drill.size", f"At most {DRILL_ATTACKERS_MAX:,} attackers come.")


def arrivals(kind: Arrival, count: int, over_s: float, seed: int) -> list[float]:
    """When each of `count` people comes, in seconds from the first moment; in order."""
    chance = random.Random(seed)  # noqa: S311 - a crowd, not a secret
    match kind:
        case "step" | "shuffle":
            return sorted(chance.uniform(0.0, over_s) for _ in range(count))
        case "ramp":  # density grows evenly: the inverse of its integral
            return sorted(over_s * chance.random() ** 0.5 for _ in range(count))


def address(network: int, prefix: int, host: int) -> str:
    """Where somebody comes from: host `host` of the /24 number `prefix`."""
    return f"127.{network + prefix // 256 % 64}.{prefix % 256}.{1 + host % HOSTS}"


def source_of(number: int, prefixes: int, network: int, hosts: int = HOSTS) -> str:
    """The address of person `number` of a crowd that is spread over `prefixes` networks."""
    return address(network, number % prefixes, number // prefixes % hosts)
