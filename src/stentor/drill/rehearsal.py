"""A rehearsal before the show: people come, attackers may too, and a certificate at the end."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from stentor import __version__
from stentor.clock import Clock
from stentor.config import Settings
from stentor.demo.studio import Studio
from stentor.demo.telling import Telling
from stentor.drill import certificate, fleet, ground, plan, target
from stentor.drill.certificate import Certificate
from stentor.drill.figures import Crowd, percentile, summary
from stentor.drill.fleet import Fleet
from stentor.drill.ground import Ground
from stentor.drill.plan import Arrival, Attack, Attackers, People
from stentor.errors import StentorError
from stentor.paths import Paths

ARRIVE_S = 10.0
"""A crowd is there within this time, or within half of the drill."""
CONNECT_S = 10.0
EVERY_S = 2.0
PEOPLE_PER_PREFIX = 5
BOT_PREFIXES = 20
PAGE_S_MAX = 1.0
MISSING_MS_PER_MINUTE = 60.0
LEAD_S = 3.0
"""Attackers are there before the people."""
SOUND_S = 3.0
"""The host's voice is heard for so long before anybody counts what is missing of it."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be rehearsed."""

    listeners: int
    arrival: Arrival
    attack: Attack
    seconds: float
    to: str = ""

    @property
    def over_s(self) -> float:
        """Within this time everybody comes."""
        return min(ARRIVE_S, self.seconds / 2)


@dataclass(frozen=True, slots=True)
class Force:
    """Attackers of a kind: how many at once, how many requests a second, from how many /24s."""

    count: int
    per_s: float
    prefixes: int


FORCES: dict[str, Force] = {
    "flood": Force(2_000, 10_000.0, 200),
    "slow": Force(5_000, 2_500.0, 100),
    "tickets": Force(500, 2_000.0, 50),
    "udp": Force(1, 150_000.0, 1),
}
"""What comes at an attack's full strength; the certificate says how much of it came."""


@dataclass(slots=True)
class Rehearsal:
    """One drill on one node."""

    order: Order
    settings: Settings
    clock: Clock
    telling: Telling
    cores: set[int]
    core: int | None
    marks: dict[str, Any] = field(default_factory=dict)

    async def run(self) -> Certificate:
        """All of it.

        Raises:
            StentorError: it could not be held.
        """
        async with self._ground() as place:
            space = await place.create_space("Drill")
            host = await place.take_host_seat(space, ground.voice())
            try:
                place.follow(host)
                return await self._rehearse(place, space, host)
            finally:
                with contextlib.suppress(StentorError):
                    await host.command("space.end")
                    await host.command("recording.delete")

    @contextlib.asynccontextmanager
    async def _ground(self) -> AsyncIterator[Ground]:
        if self.order.to:
            address = target.parse(self.order.to)
            async with ground.running(Paths(self.settings.data_dir), address, self.clock) as place:
                self.telling.say(f"the node at http://{address[0]}:{address[1]} is rehearsed with")
                yield place
            return
        with tempfile.TemporaryDirectory(prefix="stentor-drill-") as folder:
            flags = own_flags(self.settings)
            edges = self.settings.edge_count
            async with ground.fresh(
                Path(folder), self.clock, self.cores, *flags, edges=edges
            ) as place:
                self.telling.say(f"a node of its own answers at http://{place.host}:{place.port}")
                yield place

    async def _rehearse(self, place: Ground, space: str, host: Studio) -> Certificate:
        order = self.order
        await host.heard("speaker.connected", 0.0, CONNECT_S)
        if order.arrival != "shuffle":
            await host.commanded("doors.open")
        async with contextlib.AsyncExitStack() as stack:
            gang = await self._attack(stack, place, space)
            people = People(
                place.host,
                place.port,
                space,
                order.listeners,
                prefixes=max(1, order.listeners // PEOPLE_PER_PREFIX),
                arrival=order.arrival,
                over_s=order.over_s,
                keys=place.door_keys(),
                core=self.core,
            )
            crowd = await stack.enter_async_context(Fleet.of(people, self.clock.now()))
            began = self.clock.now()
            most = await self._play(place, host, crowd, gang, began)
            self.marks["missing_ms"] = sum((await place.missing_ms()).values()) - self.marks.pop(
                "missing_before_ms"
            )
            reports = await crowd.report()
            attacked = await gang.report() if gang is not None else []
        return self._certify(Crowd.of(reports), most, attacked)

    async def _attack(
        self, stack: contextlib.AsyncExitStack, place: Ground, space: str
    ) -> Fleet | None:
        order = self.order
        if order.attack == "none":
            return None
        if order.attack == "listening-bots":
            bots = People(
                place.host,
                place.port,
                space,
                order.listeners,
                prefixes=BOT_PREFIXES,
                network=plan.ATTACKERS_NETWORK,
                over_s=LEAD_S,
                computing=1.0,
                keys=place.door_keys(),
                core=self.core,
            )
            gang = await stack.enter_async_context(Fleet.of(bots, self.clock.now()))
            await asyncio.sleep(LEAD_S + fleet.BEGIN_S)
            return gang
        force = FORCES[order.attack]
        ports: tuple[int, ...] = ()
        if order.attack == "udp":
            udp = self.settings.udp_range
            if place.house is not None:
                udp = place.house.settings.udp_range
            ports = tuple(ground.stage_ports(place.pids["stage"], udp))
        attackers = Attackers(
            place.host,
            place.port,
            space,
            order.attack,
            force.count,
            force.per_s,
            prefixes=force.prefixes,
            core=self.core,
            ports=ports,
        )
        gang = await stack.enter_async_context(Fleet.of(attackers, self.clock.now()))
        await asyncio.sleep(1.0)
        return gang

    async def _play(
        self, place: Ground, host: Studio, crowd: Fleet, gang: Fleet | None, began: float
    ) -> int:
        """The evening itself; the most that listened at once."""
        order, clock = self.order, self.clock
        start_at = began + fleet.BEGIN_S + order.over_s / 2
        doors_at = began + fleet.BEGIN_S + order.over_s
        if order.arrival == "shuffle":
            start_at = doors_at + LEAD_S
        most, started = 0, False
        doors = order.arrival != "shuffle"
        while (now := clock.now()) < began + fleet.BEGIN_S + order.seconds:
            if not doors and now >= doors_at:
                doors = True
                await host.commanded("doors.open")
                self.telling.say("the doors are open")
            if not started and now >= start_at:
                started = True
                await host.commanded("space.start")
                self.marks["start_s"] = round(clock.now() - now, 3)
                self.marks["missing_before_ms"] = sum((await place.missing_ms()).values())
                self.telling.say("the programme has started")
            look = crowd.look()
            most = max(most, int(look["hearing"]))
            self._tell(look, gang)
            await asyncio.sleep(min(EVERY_S, max(0.05, start_at - now if not started else EVERY_S)))
        self.marks.setdefault("missing_before_ms", 0.0)
        return most

    def _tell(self, look: fleet.Look, gang: Fleet | None) -> None:
        if not look:
            return
        attack = ""
        if gang is not None and (found := gang.look()):
            many = found.get("sent") or found.get("opened") or found.get("came") or 0
            attack = f"; attackers: {many:,}"
        self.telling.say(
            f"{look['came']:,} came, {look['hearing']:,} hear it, {look['waiting']:,} wait, "
            f"{look['turned_away']:,} were told no, {look['stalls']} stalls; "
            f"generator {look['busy']:.0%}{attack}"
        )

    def _certify(self, crowd: Crowd, most: int, attacked: list[dict[str, Any]]) -> Certificate:
        order = self.order
        found = summary(crowd)
        joined = [
            one["came_at"] + max(0.0, one["page_s"]) + one["join_s"]
            for one in crowd.persons
            if one["join_s"] >= 0
        ]
        measured = found | {
            "joins_per_s_max": _most_in_a_second(joined),
            "listeners_max": most,
            "missing_ms": round(self.marks.get("missing_ms", 0.0), 1),
            "start_s": self.marks.get("start_s", -1.0),
            "attack": _attack_figures(attacked),
        }
        minutes = max(1.0, order.seconds / 60)
        promises = {
            "nobody inside stalled": found["stalls"] == 0,
            "no answer was a failure of the node's": found["failures"] == 0,
            "everybody had sound or a place, or a word why not": found["with_neither"]
            <= found["turned_away"],
            f"Space page p99 below {PAGE_S_MAX:g} s": 0 <= found["page_p99_s"] < PAGE_S_MAX,
            f"at most {MISSING_MS_PER_MINUTE:g} ms a minute of the speaker's sound missing": (
                measured["missing_ms"] <= MISSING_MS_PER_MINUTE * minutes
            ),
        }
        wall = self.clock.wall_time()
        return Certificate(
            certificate.made_at(wall),
            certificate.valid_until(wall),
            __version__,
            certificate.settings_hash(self.settings),
            certificate.machine() | {"node_cores": sorted(self.cores), "generator_core": self.core},
            {
                "listeners": order.listeners,
                "arrival": order.arrival,
                "over_s": order.over_s,
                "attack": order.attack,
                "seconds": order.seconds,
                "where": "a node that was running" if order.to else "a node of the drill's own",
            },
            found["arrivals_per_s"],
            measured,
            promises,
            _not_tested(order),
        )


def own_flags(settings: Settings) -> list[str]:
    """The flags that give a node of the drill's own the settings that are rehearsed."""
    defaults = Settings()
    own = {"data_dir", "listen", "udp_ports", "udp_listen", "udp_public", "public_url", "edges"}
    own |= {"stage_listen"}
    own |= {"tls_cert", "tls_key", "trusted_proxy", "proxy_protocol"}
    flags = []
    for name, value in msgspec.structs.asdict(settings).items():
        if name not in own and value != getattr(defaults, name):
            flags += [f"--{name.replace('_', '-')}", str(value)]
    return flags


def _most_in_a_second(times: list[float]) -> int:
    ordered, most, first = sorted(times), 0, 0
    for last, at in enumerate(ordered):
        while at - ordered[first] > 1.0:
            first += 1
        most = max(most, last - first + 1)
    return most


def _attack_figures(reports: list[dict[str, Any]]) -> dict[str, Any]:
    """How much of an attack came; empty: none was asked for."""
    if not reports:
        return {}
    if "persons" in reports[0]:
        bots = Crowd.of(reports)
        listened = [one["last_at"] - one["first_at"] for one in bots.heard]
        return {
            "bots": len(bots.persons),
            "heard": len(bots.heard),
            "listened_p50_s": round(percentile(listened, 0.5), 1),
        }
    names = ("opened", "sent", "let_in", "silent", "closed", "held")
    sums = {name: sum(report.get(name) or 0 for report in reports) for name in names}
    seconds = max(report["seconds"] for report in reports)
    return sums | {
        "per_s": round((sums["opened"] or sums["sent"]) / max(1e-9, seconds)),
        "generator_limits": any(report["is_limit"] for report in reports),
    }


def _not_tested(order: Order) -> list[str]:
    found = list(certificate.NEVER_TESTED)
    others = [one for one in plan.ATTACKS if one not in {"none", order.attack}]
    found.append(f"attacks of other kinds: {', '.join(others)}")
    found.append(f"arrivals of other kinds than {order.arrival}, and more than {order.listeners:,}")
    found.append(f"more than {order.seconds:g} s: what grows slowly is not seen")
    return found
