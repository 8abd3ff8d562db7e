"""B9, B10 and A3: heads that never end, readers who do not read, and junk at the stage's port."""

import asyncio
import contextlib
import http.client
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from bench.drill.case import CLOCK, Found
from bench.drill.evening import Evening, evening
from stentor.demo.telling import Telling
from stentor.drill.figures import Crowd, percentile, summary
from stentor.drill.fleet import Fleet

AUDIENCE = 500
SLOW = 5_000
SLOW_PER_S = 2_500.0
PREFIXES = 100
BEFORE_S = 6.0
ATTACK_S = 25.0
PAGE_S_MAX = 1.0
VISIT_EVERY_S = 0.1
VISITOR = "127.5.5.5"
ANSWER_S = 10.0
JUNK_PER_S = 150_000.0
JUNK_S = 30.0
MISSING_MS_MAX = 60.0
CLOSED_S_MAX = 12.5
"""Heads have 10 s (HEADER_DEADLINE_S), and those who dawdle are looked for every so often."""


@dataclass(slots=True)
class Visits:
    """Somebody who loads the Space's page again and again while a case goes on."""

    there: Evening
    took_s: list[float] = field(default_factory=list)
    failed: int = 0

    @contextlib.asynccontextmanager
    async def going_on(self) -> AsyncIterator["Visits"]:
        """As long as the block does."""
        task = asyncio.create_task(self._visit())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _visit(self) -> None:
        while True:
            began = CLOCK.now()
            if await asyncio.to_thread(self._load):
                self.took_s.append(CLOCK.now() - began)
            else:
                self.failed += 1
            await asyncio.sleep(VISIT_EVERY_S)

    def _load(self) -> bool:
        place = self.there.place
        line = http.client.HTTPConnection(
            place.host, place.port, timeout=ANSWER_S, source_address=(VISITOR, 0)
        )
        try:
            line.request("GET", f"/s/{self.there.space}")
            answer = line.getresponse()
            answer.read()
            return answer.status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            line.close()

    def figures(self) -> dict[str, Any]:
        """How they fared."""
        return {
            "visits": len(self.took_s),
            "visits_failed": self.failed,
            "page_p50_s": round(percentile(self.took_s, 0.5), 4),
            "page_p99_s": round(percentile(self.took_s, 0.99), 4),
            "page_max_s": round(max(self.took_s, default=-1.0), 4),
        }


async def b9(telling: Telling) -> Found:
    """Five thousand heads that never end."""
    found, gang = await attacked(telling, "slow")
    last = gang["closed_last_s"]
    found.checks[f"{gang['closed']:,} were closed, the last after {last} s"] = (
        gang["closed"] >= SLOW // 2 and last is not None and last <= CLOSED_S_MAX
    )
    return found


async def b10(telling: Telling) -> Found:
    """Five thousand who ask for pages and read nothing of them."""
    found, _ = await attacked(telling, "slow-read")
    return found


async def attacked(telling: Telling, kind: str) -> tuple[Found, dict[str, Any]]:
    """People listen, a visitor comes again and again, and connections are held meanwhile."""
    async with (
        evening(telling, edges=2, live=True) as there,
        there.fleet(there.people(AUDIENCE, over_s=4.0)) as crowd,
    ):
        await there.watch(CLOCK.now() + BEFORE_S, crowd)
        attackers = there.attackers(kind, SLOW, SLOW_PER_S, prefixes=PREFIXES)
        visits = Visits(there)
        async with there.fleet(attackers) as gang, visits.going_on():
            await there.watch(CLOCK.now() + ATTACK_S, crowd, gang)
            reports = await gang.report()
        people = Crowd.of(await crowd.report())
    told = gang_of(reports)
    figures = summary(people)
    found = Found(
        visits.figures()
        | {
            "audience": figures["heard"],
            "stalls": figures["stalls"],
            "breaks": figures["breaks"],
            "generator_lag_s_max": figures["generator_lag_s_max"],
            "attack": told,
        }
    )
    found.note_generator(figures)
    found.checks = {
        f"Space page p99 {found.figures['page_p99_s']} s": (
            0 <= found.figures["page_p99_s"] < PAGE_S_MAX and not visits.failed
        ),
        f"{figures['stalls']} stalls of the admitted": figures["stalls"] == 0,
        f"{figures['heard']} of {AUDIENCE} were listening": figures["heard"] >= 0.95 * AUDIENCE,
        f"{told['opened']:,} attackers came": told["opened"] >= SLOW,
    }
    return found, told


def gang_of(reports: list[dict[str, Any]]) -> dict[str, Any]:
    """The reports of attackers as one."""
    names = ("opened", "held", "let_in", "silent", "closed", "starved")
    sums: dict[str, Any] = {name: sum(one.get(name) or 0 for one in reports) for name in names}
    ends = [one["closed_last_s"] for one in reports if one.get("closed_last_s") is not None]
    sums["closed_last_s"] = max(ends, default=None)
    return sums


async def a3(telling: Telling) -> Found:
    """150,000 datagrams of junk a second at the port a speaker is heard on."""
    async with evening(telling, guest=True, live=True) as there:
        await asyncio.sleep(4.0)  # jitter buffers have settled
        ports = there.stage_port()
        before = await there.place.missing_ms()
        junk = there.attackers("udp", 1, JUNK_PER_S, ports=ports)
        began = CLOCK.now()
        async with there.fleet(junk) as gang:
            await _wait(there, gang, JUNK_S)
            sent = (await gang.report())[0]
        seconds = CLOCK.now() - began
        after = await there.place.missing_ms()
    missing = {
        name: round(after.get(name, 1e6) - before.get(name, 0.0), 1)
        for name in (there.host.speaker, there.guest.speaker if there.guest else "")
    }
    worst = max(missing.values())
    found = Found(
        {
            "datagrams": sent["sent"],
            "per_s": sent["per_s"],
            "seconds": round(seconds, 1),
            "ports": list(ports),
            "missing_ms": list(missing.values()),
            "missing_ms_per_minute": round(worst * 60 / seconds, 1),
        }
    )
    found.checks = {
        f"{worst} ms missing in {seconds:.0f} s": worst * 60 / seconds <= MISSING_MS_MAX,
        f"{sent['per_s']:,} datagrams a second": sent["per_s"] >= 0.9 * JUNK_PER_S,
    }
    return found


async def _wait(there: Evening, gang: Fleet, seconds: float) -> None:
    await there.watch(CLOCK.now() + seconds, gang)
