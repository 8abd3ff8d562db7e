"""B1 and B2: a flash crowd at the scheduled second, quiet and under attack."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

from bench.drill.case import CLOCK, Found
from bench.drill.evening import CAPACITY, Evening, evening
from bench.edge import tools
from stentor.demo.telling import Telling
from stentor.drill.figures import Crowd, percentile, summary
from stentor.errors import StentorError, Unavailable

PEOPLE = 20_000
OVER_S = 10.0
LEAD_S = 16.0
"""From the announcement to the start: stage, speakers and attackers are there before."""
DOORS_BEFORE_S = 5.5
AFTER_S = 15.0
"""People are watched for so long after the last one came."""
START_S_MAX = 1.0
PAGE_S_MAX = 1.0
ATTACKERS = 10 * CAPACITY
ASKS_EVERY_S = 2.0
"""Ten times capacity, without tickets, who ask again every other second: four in five for the live
response, the others take places."""
ATTACKS_PER_S = round(ATTACKERS / ASKS_EVERY_S)
ATTACK_PREFIXES = 200
HONEST_SHARE_MIN = 0.95
AWAY_S = 3.0
BACK_S_MAX = 5.0
HOSTS_START_S_MAX = 3.0
ANSWER_S = 15.0


_quiet: dict[str, dict[str, Any]] = {}
"""The quiet run of this process: B2 is compared with B1's, when that was run."""


async def b1(telling: Telling) -> Found:
    """Quiet."""
    told = _quiet["run"] = await run(telling, attacked=False)
    found = Found(told, promises(told))
    found.note_generator(told)
    return found


async def b2(telling: Telling) -> Found:
    """Under attack, compared with a quiet run."""
    quiet = _quiet.get("run") or await run(telling, attacked=False)
    told = await run(telling, attacked=True)
    honest, before = told["heard"], quiet["heard"]
    told["heard_quiet"] = before
    told["honest_share"] = round(honest / max(1, before), 4)
    found = Found(told)
    found.checks = {
        f"{honest:,} honest people heard it, {before:,} in the quiet run": (
            honest >= HONEST_SHARE_MIN * before and before > 0
        ),
        f"{told['stalls']} stalls of the admitted": told["stalls"] == 0,
        f"{told['missing_ms']} ms of the host's sound missing": told["missing_ms"] == 0,
        f"a dropped speaker back after {told['back_s']} s": 0 <= told["back_s"] <= BACK_S_MAX,
        f"a host's start effective after {told['hosts_start_s']} s": (
            0 <= told["hosts_start_s"] <= HOSTS_START_S_MAX
        ),
    }
    found.note_generator(told)
    return found


def promises(told: dict[str, Any]) -> dict[str, bool]:
    """B1's."""
    return {
        f"the first part was heard {told['first_part_s']} s after the scheduled time": (
            0 <= told["first_part_s"] <= START_S_MAX
        ),
        f"Space page p99 {told['page_p99_s']} s": 0 <= told["page_p99_s"] < PAGE_S_MAX,
        f"{told['failures']} answers 5xx": told["failures"] == 0,
        f"{told['with_neither']} of {told['people']:,} have neither audio nor a place": (
            told["with_neither"] == 0 and told["people"] == PEOPLE
        ),
        f"{told['stalls']} stalls of the admitted": told["stalls"] == 0,
        f"{told['heard']:,} heard it, of {CAPACITY:,} who may": told["heard"] >= 0.9 * CAPACITY,
    }


async def run(telling: Telling, *, attacked: bool) -> dict[str, Any]:
    """One evening with 20,000 people in 10 s around the start."""
    async with (
        evening(
            telling,
            starts_in_s=LEAD_S,
            doors_before_s=DOORS_BEFORE_S,
            guest=attacked,
        ) as there,
        contextlib.AsyncExitStack() as stack,
    ):
        marks: dict[str, Any] = {}
        if attacked:
            await stack.enter_async_context(attack(there, marks))
        people = there.people(PEOPLE, over_s=OVER_S)
        first_at = there.starts_at - OVER_S / 2
        crowd = await stack.enter_async_context(
            there.fleet(people, begin_s=max(0.5, first_at - CLOCK.now()))
        )
        await there.watch(there.starts_at + 0.5, crowd)
        before = await there.place.missing_ms()
        if attacked:
            marks |= await _in_the_middle(there)
        most: dict[str, float] = {}
        await there.watch(first_at + OVER_S + AFTER_S, crowd, most=most)
        after = await there.place.missing_ms()
        host = there.host.speaker
        marks["missing_ms"] = round(after.get(host, 1e6) - before.get(host, 0.0), 1)
        found = Crowd.of(await crowd.report())
    figures = summary(found) | marks
    figures["listeners_max"] = most.get("hearing", 0)
    figures["first_part_s"] = _first_part_s(found, there.starts_at)
    return figures


def _first_part_s(crowd: Crowd, starts_at: float) -> float:
    """When the programme was heard, after its time, by those who were inside before; p99."""
    waited = [
        one["first_at"] - starts_at
        for one in crowd.persons
        if one["inside_at"] and one["inside_at"] < starts_at - 0.1 and one["first_at"]
    ]
    return round(percentile(waited, 0.99), 3)


@contextlib.asynccontextmanager
async def attack(there: Evening, figures: dict[str, Any]) -> AsyncIterator[None]:
    """Ten times capacity, without tickets; what came of it is put into the figures."""
    program = str(tools.program("crowd"))
    live_per_s = ATTACKS_PER_S * 4 // 5
    command = [program, "--to", f"{there.place.host}:{there.place.port}"]
    command += ["--path", f"/s/{there.space}/live/opus", "--until", "body", "--in-flight", "4000"]
    command += ["--rate", str(live_per_s), "--seconds", "120", "--settle", "0"]
    command += ["--prefixes", str(ATTACK_PREFIXES)]
    placing = there.attackers("places", 1_000, ATTACKS_PER_S - live_per_s, prefixes=ATTACK_PREFIXES)
    process = await asyncio.create_subprocess_exec(
        "nice", "-n", "10", "taskset", "-c", str(there.core or 0), *command,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    began = CLOCK.now()
    try:
        async with there.fleet(placing) as gang:
            yield
            reports = await gang.report()
        seconds = CLOCK.now() - began
        process.terminate()
        said, _ = await process.communicate()
        told = json.loads(said or b"{}")
        asked = told.get("done", 0) + told.get("failed", 0)
        figures["attack_live_per_s"] = round(asked / seconds)
        figures["attack_places_per_s"] = round(sum(one["opened"] for one in reports) / seconds)
        figures["attack_statuses"] = told.get("status", {})
        figures["attack_let_in"] = told.get("done", 0)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _in_the_middle(there: Evening) -> dict[str, Any]:
    """A speaker's network drops, and another host starts: both while the attack goes on."""
    figures: dict[str, Any] = {"back_s": -1.0, "hosts_start_s": -1.0}
    place, clock = there.place, CLOCK
    try:
        other = await place.create_space("Another evening")
        second = await place.take_host_seat(other, None)
        began = clock.now()
        command = asyncio.create_task(second.commanded("space.start"))
        while '"phase":"live"' not in place.paths.card(other).read_text():
            await asyncio.sleep(0.02)
            if clock.now() - began > ANSWER_S:
                break
        else:
            figures["hosts_start_s"] = round(clock.now() - began, 3)
        await command
    except (StentorError, OSError) as error:
        there.telling.say(f"another host cannot start: {error}")
    assert there.guest is not None
    there.network.cut()
    cut_at = clock.now()
    there.telling.say("a speaker's network drops")
    await asyncio.sleep(AWAY_S)
    there.network.mend()
    mended_at = clock.now()
    with contextlib.suppress(Unavailable):
        news = await there.host.heard(
            "speaker.connected", cut_at + 0.5, 15.0, speaker=there.guest.speaker
        )
        figures["back_s"] = round(max(0.0, news.at - mended_at), 3)
    return figures
