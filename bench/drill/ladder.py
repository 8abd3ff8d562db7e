"""D2: up the ladder step by step and down again, and nobody who listens hears it."""

import asyncio
import json
import sys
from typing import Any

from bench.drill.callers import Callers, get, post, sources
from bench.drill.case import CLOCK, Found
from bench.drill.evening import Evening, evening
from stentor.demo.telling import Telling
from stentor.drill.figures import Crowd, summary
from stentor.log import Reader
from stentor.record import Kind

AUDIENCE = 500
STEPS = (1, 2, 3, 4, 5)
REACHED_S_MAX = 15.0
HELD_S = 5.0
DOWN_S_MAX = 180.0
"""Five steps of 20 s each, the calm before the first, and time to spare."""
LOOK_S = 0.5


async def d2(telling: Telling) -> Found:
    """Forced up by the operator, released, and down by itself."""
    async with evening(telling, edges=2, live=True) as there:
        callers = Callers(there.place.host, there.place.port)
        try:
            async with there.fleet(there.people(AUDIENCE, over_s=4.0)) as crowd:
                await there.watch(CLOCK.now() + 8.0, crowd)
                seen, newcomers = await _up(there, callers)
                telling.say("the operator lets go")
                await ladder(there, "auto")
                down = await _down(there, callers)
                people = Crowd.of(await crowd.report())
        finally:
            callers.close()
        logged = changes_of(there)
    figures = summary(people)
    found = Found(
        {
            "steps_seen": seen + down,
            "logged": [[one.get("step"), one.get("why"), one.get("figures")] for one in logged],
            "newcomer_at": newcomers,
            "audience": figures["heard"],
            "stalls": figures["stalls"],
            "breaks": figures["breaks"],
        }
    )
    wanted = [*STEPS, *reversed(range(5))]
    found.checks = {
        f"steps went {'-'.join(map(str, seen + down))}": seen + down == wanted,
        f"the log tells {'-'.join(str(one.get('step')) for one in logged)}": (
            [one.get("step") for one in logged] == wanted
        ),
        "each step in the log has its trigger and figures": bool(logged)
        and all(one.get("why") and "figures" in one for one in logged),
        f"{figures['stalls']} stalls of the admitted": figures["stalls"] == 0,
        f"a newcomer at step 5: {newcomers.get('5')}": (
            str(newcomers.get("5", "")).startswith("503 door.closed")
        ),
        f"{figures['heard']} of {AUDIENCE} were listening": figures["heard"] >= 0.95 * AUDIENCE,
    }
    return found


async def ladder(there: Evening, step: str) -> None:
    """What an operator says."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "stentor", "ladder", there.space, step,
        "--data", str(there.place.paths.data), stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    if await process.wait():
        there.telling.say(f"stentor ladder {step} ended with {process.returncode}")


async def _up(there: Evening, callers: Callers) -> tuple[list[int], dict[str, str]]:
    seen: list[int] = []
    newcomers: dict[str, str] = {}
    for step in STEPS:
        await ladder(there, str(step))
        until = CLOCK.now() + REACHED_S_MAX
        while CLOCK.now() < until:
            now = (await notice(there, callers)).get("step")
            if isinstance(now, int) and now and (not seen or seen[-1] != now):
                seen.append(now)
                there.telling.say(f"step {now}")
            if now == step:
                break
            await asyncio.sleep(LOOK_S)
        await asyncio.sleep(HELD_S)
        newcomers[str(step)] = await newcomer(there, callers, step)
    return seen, newcomers


async def _down(there: Evening, callers: Callers) -> list[int]:
    seen: list[int] = []
    until = CLOCK.now() + DOWN_S_MAX
    last = STEPS[-1]
    while CLOCK.now() < until and last:
        now = (await notice(there, callers)).get("step", last)
        if now != last:
            seen.append(now)
            last = now
            there.telling.say(f"step {now}")
        await asyncio.sleep(LOOK_S)
    return seen


async def notice(there: Evening, callers: Callers) -> dict[str, Any]:
    """What every waiting page reads."""
    call = callers.call(get(f"/s/{there.space}/admitting"), sources(50)[0])
    await callers.all([call], 5.0)
    await callers.run(0.02)
    callers.hang_up([call])
    try:
        found: dict[str, Any] = json.loads(call.start)
    except ValueError:
        return {}
    return found


async def newcomer(there: Evening, callers: Callers, step: int) -> str:
    """What somebody who comes now is told."""
    call = callers.call(post(f"/s/{there.space}/join"), sources(50)[step])
    await callers.all([call], 5.0)
    await callers.run(0.02)
    callers.hang_up([call])
    try:
        code = str(json.loads(call.start).get("code") or "")
    except ValueError:
        code = ""
    return f"{call.status} {code}".strip()


def changes_of(there: Evening) -> list[dict[str, Any]]:
    """`ladder.changed` of the Space's log, in order."""
    reader = Reader(there.place.paths.log(there.space), there.space)
    reader.refresh()
    events = [
        json.loads(reader.record(header.offset).payload)
        for header in reader.headers(kind=Kind.EVENT)
    ]
    return [one for one in events if one.get("type") == "ladder.changed"]
