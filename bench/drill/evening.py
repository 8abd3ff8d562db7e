"""A node with a stage, a host who speaks, and whoever else a case wants there."""

import asyncio
import contextlib
import os
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.drill.case import CLOCK
from stentor import node
from stentor.demo.network import Network
from stentor.demo.studio import Studio
from stentor.demo.telling import Telling
from stentor.drill import fleet, ground
from stentor.drill.fleet import Fleet
from stentor.drill.ground import Ground
from stentor.drill.plan import Attackers, People

CAPACITY = 1_000
"""To which a node is pinned where a case speaks of a multiple of it."""
CONNECT_S = 20.0
SPEAKER_NICENESS = -10
"""This process speaks: a client that is late would look like a network that is."""
EVERY_S = 2.0


@dataclass(slots=True)
class Evening:
    """One node's evening.

    Attributes:
        guest: a second speaker, behind a network that can be cut; None: there is none.
        starts_at: when the programme is due, in monotonic seconds; 0: its host says when.
    """

    place: Ground
    space: str
    host: Studio
    telling: Telling
    core: int | None
    guest: Studio | None = None
    network: Network = field(default_factory=Network)
    starts_at: float = 0.0

    def people(self, count: int, **more: Any) -> People:
        """A crowd that wants to hear this."""
        more.setdefault("prefixes", max(1, count // 5))
        more.setdefault("keys", self.place.door_keys())
        return People(self.place.host, self.place.port, self.space, count, core=self.core, **more)

    def attackers(self, kind: str, count: int, per_s: float, **more: Any) -> Attackers:
        """A gang that wants nobody to hear it."""
        return Attackers(
            self.place.host, self.place.port, self.space, kind, count, per_s, core=self.core, **more
        )

    @contextlib.asynccontextmanager
    async def fleet(self, what: People | Attackers, **more: Any) -> AsyncIterator[Fleet]:
        """They come now."""
        async with Fleet.of(what, CLOCK.now(), **more) as there:
            yield there

    async def watch(
        self, until: float, *fleets: Fleet, most: dict[str, float] | None = None
    ) -> None:
        """Tell how it goes until then; `most` keeps the largest of each figure of the first."""
        while (left := until - CLOCK.now()) > 0:
            await asyncio.sleep(min(left, EVERY_S))
            lines = [look for one in fleets if (look := one.look())]
            if not lines:
                continue
            if most is not None:
                for name, value in lines[0].items():
                    most[name] = max(most.get(name, 0), value)
            self.telling.say("; ".join(line_of(look) for look in lines))

    def stage_port(self) -> tuple[int, ...]:
        """Where the stage hears its speakers."""
        assert self.place.house is not None
        ports = self.place.house.settings.udp_range
        return tuple(ground.stage_ports(self.place.pids["stage"], ports))


def line_of(look: fleet.Look) -> str:
    """A line of progress of one fleet."""
    if "came" in look:
        return (
            f"{look['came']:,} came, {look['hearing']:,} hear it, {look['waiting']:,} wait, "
            f"{look['turned_away']:,} told no, {look['stalls']} stalls, "
            f"generator {look['busy']:.0%}"
        )
    if "sent" in look:
        return f"{look['sent']:,} datagrams"
    return f"{look['opened']:,} attacks, {look['held']:,} held, {look['let_in']} let in"


@contextlib.asynccontextmanager
async def evening(
    telling: Telling,
    *flags: str,
    edges: int = 2,
    capacity: int = CAPACITY,
    starts_in_s: float = 0.0,
    doors_before_s: float = 0.0,
    guest: bool = False,
    live: bool = False,
    listen: str = "",
) -> AsyncIterator[Evening]:
    """A fresh node with a Space, its host connected; its generators have the last core.

    Args:
        capacity: how many may listen at once; 0: as many as it can.
        starts_in_s: the Space is announced for then, and starts by itself.
        live: the programme runs already.
    """
    cores, core = fleet.cores()
    node.set_niceness(SPEAKER_NICENESS)
    more = [*flags]
    if capacity:
        more += ["--listeners-max", str(capacity)]
    if doors_before_s:
        more += ["--doors-before-s", str(doors_before_s)]
    with tempfile.TemporaryDirectory(prefix="stentor-drill-") as folder:
        async with ground.fresh(
            Path(folder), CLOCK, cores, *more, edges=edges, listen=listen
        ) as place:
            if core is not None:
                os.sched_setaffinity(0, {core})
            try:
                yield await _begin(place, telling, core, starts_in_s, guest=guest, live=live)
            finally:
                os.sched_setaffinity(0, cores | ({core} if core is not None else set()))


async def _begin(
    place: Ground,
    telling: Telling,
    core: int | None,
    starts_in_s: float,
    *,
    guest: bool,
    live: bool,
) -> Evening:
    starts_at = CLOCK.now() + starts_in_s if starts_in_s else 0.0
    space = await place.create_space("A drill", starts_in_s)
    host = await place.take_host_seat(space, ground.voice(0))
    there = Evening(place, space, host, telling, core, starts_at=starts_at)
    place.follow(host)
    if guest:
        invitation = (await host.commanded("invite.create", name="Guest", role="speaker"))["invite"]
        there.guest = await place.take_seat(
            space, str(invitation), "Guest", ground.voice(1), there.network
        )
        place.follow(there.guest)
    for seat in filter(None, (host, there.guest)):
        await host.heard("speaker.connected", 0.0, CONNECT_S, speaker=seat.speaker)
    if live:
        await host.commanded("doors.open")
        await host.commanded("space.start")
    telling.say(f"a node answers at http://{place.host}:{place.port}")
    return there
