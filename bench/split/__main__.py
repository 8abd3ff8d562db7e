"""`make split`: take gates from their edges and edges from their gates, again and again.

With plain HTTP the door (gate-0, gate-1) and the fan-out (edge-0, edge-1) are processes of their
own. While some listen and others keep coming, kill -9 goes ten times to each of gate-0 and edge-0:

  a gate   nobody who listens notices; whoever comes has sound within 2 s; it is back within 2 s
  an edge  its listeners go on with their cursors within 2 s, nothing is missing or twice; nobody
           else notices; it is back within 2 s
  the others, meanwhile and afterwards: less than 2 % of a core, no descriptor and no memory more

Then edges are stopped (SIGSTOP) for some seconds: one, and whoever comes goes to its sibling once
it has been silent for EDGE_SILENT_S; both, and they are told so. Nothing grows. The last line is
one JSON object, also written to build/split.json. Nothing leaves this machine.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.abuse.grounds import CLOCK, node
from bench.abuse.offences import LIVE_SPACE
from bench.abuse.watch import cpu_s, descriptors, memory_mb
from bench.faults import back_after, wrong_parts
from bench.split.joins import Join, Joins
from stentor.demo import interruption, sockets
from stentor.demo.crowd import Crowd
from stentor.demo.house import House
from stentor.demo.telling import Telling, finish, table
from stentor.errors import StentorError, Unavailable
from stentor.limits import EDGE_SILENT_S

KILLS = 20
LISTENERS = 30
MORE = 6
"""So many more before each death of an edge: those of the last one are all at its sibling."""
EVERY_S = 5.2
"""Each of the two is killed every ten seconds: a process that lived so long is started at once."""
BACK_S_MAX = 2.0
CPU_SHARE_MAX = 0.02
MEMORY_MB_MAX = 8.0
DESCRIPTORS_MAX = 3
"""More than before, apart from connections: somebody who is just coming has some for a moment."""
FROZEN_S = 6.0
JOINS_PER_S = 10.0
JOINS_PER_S_FROZEN = 150.0
SOON_S = 1.0
"""Whoever comes after an edge's silence was noticed has an answer within this."""
SETTLE_S = 2.0
PATIENCE_S = 15.0


@dataclass(slots=True)
class Drill:
    """A node whose halves are taken apart."""

    house: House
    telling: Telling
    crowd: Crowd
    joins: Joins
    listeners: int = LISTENERS
    found: list[dict[str, Any]] = field(default_factory=list)

    async def run(self, kills: int) -> dict[str, Any]:
        """All of it; the figures."""
        usual = self._standing()
        steady = self.house.processes()
        for number in range(kills):
            if number % 2:
                await self._kill("gate-0")
                continue
            await self.crowd.join(MORE, over_s=0.2)
            self.listeners += MORE
            if not await self.crowd.all_hearing(self.listeners, PATIENCE_S):
                raise Unavailable("demo.failed", "Not all new listeners hear the programme.")
            await self._kill("edge-0")
        await asyncio.sleep(SETTLE_S)
        left = self._left(usual, steady)
        self.telling.say(f"after {kills} kills: {left}")
        one = await self._freeze(["edge-0"])
        both = await self._freeze(["edge-0", "edge-1"])
        deaths = {kind: [one for one in self.found if one["kind"] == kind] for kind in KINDS}
        figures: dict[str, Any] = {
            "listeners": self.listeners,
            "kills": kills,
            **{kind: summary(some) for kind, some in deaths.items() if some},
            "left": left,
            "one_edge_frozen": one,
            "both_edges_frozen": both,
        }
        figures["ok"] = all(one["ok"] for one in self.found) and all(
            part["ok"] for part in (left, one, both)
        )
        return figures

    async def _kill(self, name: str) -> None:
        """Kill one, and look at everybody."""
        victim = self.house.pid(name)
        held = await asyncio.to_thread(sockets.remote_ports, victim) if victim else set()
        moved = {number for number, port in enumerate(await self.crowd.ports()) if port in held}
        before = await self.crowd.report()
        standing = self._standing()
        killed_at = CLOCK.now()
        self.house.kill(name)
        back_s = await self._back(name, victim, killed_at)
        await asyncio.sleep(max(0.0, killed_at + 1.0 - CLOCK.now()))
        used = {one: cpu_s(pid) for one, pid in self._others(name).items()}
        since = CLOCK.now()
        await asyncio.sleep(max(0.0, killed_at + EVERY_S - CLOCK.now() - 0.7))
        shares = {
            one: (cpu_s(pid) - used[one]) / (CLOCK.now() - since)
            for one, pid in self._others(name).items()
        }
        report = await self.crowd.report()
        now = self._standing()
        others = [one for number, one in enumerate(report.listeners) if number not in moved]
        gone = [one for number, one in enumerate(report.listeners) if number in moved]
        came = self.joins.since(killed_at - SOON_S, CLOCK.now() - SOON_S)
        figures: dict[str, Any] = {
            "kind": name.partition("-")[0],
            "back_s": back_s,
            "moved": len(gone),
            "stalls_of_others": sum(one.stalls_between(killed_at, report.now) for one in others),
            "broken_of_others": sum(
                1 for one in others for broken_at, _, _ in one.resumes if broken_at >= killed_at
            ),
            "resume_max_s": max((back_after(one, killed_at) for one in gone), default=0.0),
            "join_max_s": max((one.took_s for one in came), default=0.0),
            "cpu_share_max": max(shares.values()),
            "descriptors_more": max(
                now[one][0] - standing[one][0] for one in self._others(name) if one in standing
            ),
            **wrong_parts(before, report),
        }
        figures["ok"] = (
            figures["back_s"] <= BACK_S_MAX
            and not figures["stalls_of_others"]
            and not figures["broken_of_others"]
            and figures["resume_max_s"] <= BACK_S_MAX
            and figures["join_max_s"] <= BACK_S_MAX
            and figures["cpu_share_max"] < CPU_SHARE_MAX
            and figures["descriptors_more"] <= DESCRIPTORS_MAX
            and not any(figures[f"parts_{how}"] for how in ("lost", "twice", "torn"))
        )
        self.found.append(figures)
        told = ", ".join(f"{key} {value:.3g}" for key, value in figures.items() if key not in WORDS)
        self.telling.say(f"{name}: {told}{'' if figures['ok'] else '  (NOT as promised)'}")
        await asyncio.sleep(max(0.0, killed_at + EVERY_S - CLOCK.now()))

    async def _back(self, name: str, before: int | None, since: float) -> float:
        """Seconds until another process does what this one did."""
        kind, _, index = name.partition("-")
        while CLOCK.now() - since < PATIENCE_S:
            pid = self.house.pid(name)
            if pid not in (None, before):
                answers = self._gate_answers if kind == "gate" else self._edge_answers
                if await asyncio.to_thread(answers, int(index)):
                    return CLOCK.now() - since
            await asyncio.sleep(0.01)
        return float("inf")

    def _gate_answers(self, index: int) -> bool:
        """Whether the gate of this pair answers: it is the only one that speaks of its edge."""
        with (
            contextlib.suppress(OSError),
            socket.create_connection(self.house.settings.address, 1.0) as visitor,
        ):
            visitor.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            return b'"edge":%d,' % index in visitor.recv(4_096)
        return False

    def _edge_answers(self, index: int) -> bool:
        """Whether an edge tells a gate how it stands."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as gate:
            gate.settimeout(1.0)
            with contextlib.suppress(OSError):
                gate.connect(str(self.house.paths.socket(f"edge-{index}")))
                return bool(gate.recv(4_096))
        return False

    def _others(self, name: str) -> dict[str, int]:
        """Gates and edges but one."""
        return {
            one: pid
            for one, pid in self.house.processes().items()
            if one.partition("-")[0] in KINDS and one != name
        }

    def _standing(self) -> dict[str, tuple[int, float]]:
        """Descriptors that are no connections, and memory, of every process."""
        return {
            name: (descriptors([pid]) - len(sockets.remote_ports(pid)), memory_mb([pid]))
            for name, pid in self.house.processes().items()
        }

    def _left(self, before: dict[str, tuple[int, float]], steady: dict[str, int]) -> dict[str, Any]:
        """What the processes that lived through all of it hold more than before."""
        now = self._standing()
        lived = [name for name, pid in self.house.processes().items() if steady.get(name) == pid]
        more = {name: now[name][0] - before[name][0] for name in lived}
        grown = {name: round(now[name][1] - before[name][1], 1) for name in lived}
        good = max(more.values()) <= DESCRIPTORS_MAX and max(grown.values()) <= MEMORY_MB_MAX
        return {"descriptors_more": more, "memory_mb_more": grown, "ok": good}

    async def _freeze(self, names: list[str]) -> dict[str, Any]:
        """Stop edges for some seconds while people come."""
        gates = {name: pid for name, pid in self.house.processes().items() if "gate" in name}
        await asyncio.sleep(SETTLE_S)
        before = await asyncio.to_thread(self._standing)
        report = await self.crowd.report()
        most = 0
        began = CLOCK.now()
        async with self.joins.coming(JOINS_PER_S_FROZEN), self._stopped(names):
            while CLOCK.now() - began < FROZEN_S:
                await asyncio.sleep(0.25)
                standing = await asyncio.to_thread(self._standing)  # it reads much of /proc
                most = max(most, *(standing[name][0] for name in gates))
        await asyncio.sleep(SETTLE_S)
        after = await asyncio.to_thread(self._standing)
        noticed = self.joins.since(began + EDGE_SILENT_S + 0.5, began + FROZEN_S - SOON_S)
        early = self.joins.since(began, began + EDGE_SILENT_S + 0.5)
        figures: dict[str, Any] = {
            "came": len(early) + len(noticed),
            "early_max_s": longest(early),
            "answered_max_s": max((one.first_word_s for one in noticed), default=float("inf")),
            "refused": sum(1 for one in noticed if one.refused),
            "never": sum(1 for one in [*early, *noticed] if one.took_s == float("inf")),
            "gate_descriptors_max": most - max(before[name][0] for name in gates),
            "gate_descriptors_more": max(after[name][0] - before[name][0] for name in gates),
            "gate_memory_mb_more": round(
                max(after[name][1] - before[name][1] for name in gates), 1
            ),
            **wrong_parts(report, await self.crowd.report()),
        }
        alone = len(names) == 2
        figures["ok"] = (
            figures["answered_max_s"] <= SOON_S
            and bool(figures["refused"]) == alone
            and not figures["never"]
            and figures["gate_descriptors_more"] <= DESCRIPTORS_MAX
            and figures["gate_memory_mb_more"] <= MEMORY_MB_MAX
            and not any(figures[f"parts_{how}"] for how in ("lost", "twice", "torn"))
        )
        self.telling.say(f"{' and '.join(names)} stopped for {FROZEN_S:g} s: {figures}")
        return figures

    @contextlib.asynccontextmanager
    async def _stopped(self, names: list[str]) -> AsyncIterator[None]:
        pids = [pid for name in names if (pid := self.house.pid(name))]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)


KINDS = ("gate", "edge")
WORDS = ("kind", "ok")


def longest(some: list[Join]) -> float:
    """The longest that one of them waited for sound."""
    return round(max((one.took_s for one in some), default=0.0), 3)


def summary(some: list[dict[str, Any]]) -> dict[str, Any]:
    """The worst of each figure."""
    worst = {key: max(one[key] for one in some) for key in some[0] if key not in WORDS}
    rounded = {key: round(value, 4) for key, value in worst.items()}
    return {"deaths": len(some), **rounded, "ok": all(one["ok"] for one in some)}


async def drill(kills: int, telling: Telling) -> dict[str, Any]:
    """Everything in a temporary directory."""
    with (
        tempfile.TemporaryDirectory(prefix="stentor-split-") as folder,
        node(Path(folder)) as house,
    ):
        host, port = house.settings.address
        async with Crowd(host, port, LIVE_SPACE) as crowd:
            await crowd.join(LISTENERS, over_s=1.0)
            if not await crowd.all_hearing(LISTENERS, PATIENCE_S):
                raise Unavailable("demo.failed", "Not all listeners hear the programme.")
            telling.say(f"{LISTENERS} listen at {house.url}")
            await asyncio.sleep(SETTLE_S)
            joins = Joins(port)
            one = Drill(house, telling, crowd, joins)
            async with joins.coming(JOINS_PER_S):
                return await one.run(kills)


def main() -> int:
    """Run the drill; the exit code is 0 when every promise was kept."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.split",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--kills", type=int, default=KILLS, help=f"how many (default {KILLS})")
    options = parser.parse_args()
    telling = Telling(CLOCK)
    try:
        found = interruption.run(drill(max(2, min(100, options.kills)), telling))
    except StentorError as error:
        print(f"split: {error.sentence}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    found["took_s"] = round(telling.elapsed_s, 1)
    rows = [
        (name, ", ".join(f"{key} {value}" for key, value in one.items() if key != "ok"), one["ok"])
        for name, one in found.items()
        if isinstance(one, dict)
    ]
    print("\n" + table(rows) + "\n")
    return finish(found, "split.json", as_json=True)


if __name__ == "__main__":
    sys.exit(main())
