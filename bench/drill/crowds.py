"""B8, B15 and B16: bots that really listen, an edge that dies, many people behind one address."""

import contextlib
from typing import Any

from bench.drill.case import CLOCK, Found
from bench.drill.evening import CAPACITY, Evening, evening
from stentor.demo.telling import Telling
from stentor.drill.figures import Crowd, per_second, percentile, summary
from stentor.drill.plan import ATTACKERS_NETWORK, PEOPLE_NETWORK
from stentor.limits import PATIENCE_S

BOTS = 5_000
BOT_PREFIXES = 20
PEOPLE = 500
LEASE_S = 60.0
"""Half of the usual one, to save time; the grace after it, 30 s, stays as it is."""
LEASE_S_MANY = 30.0
BOTS_FIRST_S = 12.0
"""Bots are all inside before the first person comes."""
SHARE_MIN = 0.95
LISTENERS = 3_000
BACK_S_MAX = 30.0
BEHIND_ONE = 2_000
FLOOD_PER_S = 3_000.0


async def b8(telling: Telling) -> Found:
    """Bots hold every place; people come."""
    few = await _bots(telling, BOT_PREFIXES, LEASE_S)
    many = await _bots(telling, BOTS, LEASE_S_MANY)
    found = Found({"prefixes_20": few, "prefixes_5000": many, "lease_s": LEASE_S})
    found.checks = {
        f"{few['people_in']} of {PEOPLE} people in within two leases ({few['bots_inside_before']}"
        f" bots were inside before)": few["people_in"] >= SHARE_MIN * PEOPLE,
    }
    found.notes.append(
        f"bots from {BOTS:,} prefixes: {many['people_in']} of {PEOPLE} people in (no promise)"
    )
    return found


async def _bots(telling: Telling, prefixes: int, lease_s: float) -> dict[str, Any]:
    """One run: bots from so many prefixes, then people."""
    telling.say(f"{BOTS:,} bots from {prefixes:,} prefixes, capacity {CAPACITY:,}")
    async with evening(telling, "--lease", f"{lease_s:g}", live=True) as there:
        crowd = there.people(
            BOTS, prefixes=prefixes, network=ATTACKERS_NETWORK, over_s=8.0, computing=1.0
        )
        async with there.fleet(crowd) as bots:
            await there.watch(CLOCK.now() + BOTS_FIRST_S, bots)
            inside_before = int(bots.look()["hearing"])
            async with there.fleet(there.people(PEOPLE, prefixes=PEOPLE, over_s=5.0)) as people:
                await there.watch(CLOCK.now() + 6.0 + 2 * lease_s, people, bots)
                found = Crowd.of(await people.report())
            theirs = Crowd.of(await bots.report())
    waits = [one["first_at"] - one["came_at"] for one in found.heard]
    within = sum(1 for wait in waits if wait <= 2 * lease_s)
    figures = summary(found)
    return {
        "people_in": within,
        "share": round(within / PEOPLE, 4),
        "wait_p50_s": round(percentile(waits, 0.5), 1),
        "wait_p95_s": round(percentile(waits, 0.95), 1),
        "bots_inside_before": inside_before,
        "bots_inside_after": sum(1 for one in theirs.persons if one["streams"]),
        "stalls": figures["stalls"],
        "told": figures["told"],
        "bots_told": summary(theirs)["told"],
    }


async def b15(telling: Telling) -> Found:
    """An edge dies, and everybody on it comes back at once."""
    async with evening(telling, edges=2, capacity=0, live=True) as there:
        async with there.fleet(there.people(LISTENERS, over_s=10.0)) as crowd:
            await there.watch(CLOCK.now() + 18.0, crowd)
            before = crowd.look()
            assert there.place.house is not None
            killed_at = CLOCK.now()
            there.place.house.kill("edge-0")
            telling.say("edge 0 is killed")
            await there.watch(killed_at + BACK_S_MAX + 2.0, crowd)
            reports = await crowd.report()
        found = Crowd.of(reports)
    return _storm(found, killed_at, before)


def _storm(crowd: Crowd, killed_at: float, before: Any) -> Found:
    """Who was on the edge, and when they heard again."""
    moved = [one for one in crowd.persons if one["breaks"]]
    back = [one["back_at"] - killed_at for one in moved if one["back_at"] >= killed_at]
    in_time = sum(1 for wait in back if wait <= BACK_S_MAX)
    figures = summary(crowd)
    rate = per_second([killed_at + wait for wait in back], killed_at)
    found = Found(
        {
            "hearing_before": before["hearing"],
            "moved": len(moved),
            "back": in_time,
            "share": round(in_time / max(1, len(moved)), 4),
            "back_p50_s": round(percentile(back, 0.5), 3),
            "back_p99_s": round(percentile(back, 0.99), 3),
            "back_per_s": rate[:10],
            "parts_lost": figures["parts_lost"],
            "stalls_of_others": sum(
                1 for one in crowd.persons if not one["breaks"] and one["stalls"]
            ),
            "told": figures["told"],
            "generator_limits": figures["generator_limits"],
        }
    )
    found.note_generator(figures)
    found.checks = {
        f"{len(moved):,} listeners lost their edge": len(moved) >= LISTENERS // 10,
        f"{in_time:,} of them back within {BACK_S_MAX:g} s": in_time >= SHARE_MIN * len(moved),
    }
    return found


async def b16(telling: Telling) -> Found:
    """Two thousand people behind one address; then a flooder behind it as well."""
    quiet = await _behind_one(telling, flooded=False)
    flooded = await _behind_one(telling, flooded=True)
    found = Found({"quiet": quiet, "flooded": flooded})
    found.checks = {
        f"{one['heard']:,} of {BEHIND_ONE:,} people behind one address heard it{how}": (
            one["heard"] >= SHARE_MIN * BEHIND_ONE
        )
        for how, one in (("", quiet), (", with a flooder behind it too", flooded))
    }
    found.checks[f"{flooded['breaks']} of the admitted lost their line under the flood"] = (
        flooded["breaks"] == 0
    )
    return found


async def _behind_one(telling: Telling, *, flooded: bool) -> dict[str, Any]:
    """One run."""
    async with (
        evening(telling, edges=2, capacity=0, live=True) as there,
        contextlib.AsyncExitStack() as stack,
    ):
        gang = await stack.enter_async_context(_flooder(there)) if flooded else None
        people = there.people(BEHIND_ONE, prefixes=1, hosts=1, over_s=10.0)
        async with there.fleet(people) as crowd:
            fleets = [crowd, gang] if gang is not None else [crowd]
            # Who cannot compute has a turn a minute later.
            watched_s = 40.0 + (PATIENCE_S + 20.0) * flooded
            await there.watch(CLOCK.now() + watched_s, *fleets)
            found = summary(Crowd.of(await crowd.report()))
        if gang is not None:
            found["flood"] = [
                {name: one[name] for name in ("opened", "statuses", "seconds", "let_in", "silent")}
                for one in await gang.report()
            ]
    return found


def _flooder(there: Evening) -> Any:
    """Somebody who floods from the very address the people are behind."""
    return there.fleet(
        there.attackers("flood", 500, FLOOD_PER_S, prefixes=1, hosts=1, network=PEOPLE_NETWORK)
    )
