"""The beat keeps to the clock: it makes up for lateness, and says what it cannot make up for."""

import asyncio

from stentor.clock import SystemClock
from stentor.limits import STALL_S
from stentor.stage.beat import EDGES_MS, FRAME_S, Beat, Lateness
from tests.fakes.clock import JumpingClock


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def beat_for(clock: JumpingClock, beat: Beat, jumps: list[float]) -> None:
    """Let the beat run while the clock jumps; its own sleeps are cut short by a real loop."""
    task = asyncio.create_task(beat.run())
    await turns(3)
    for seconds in jumps:
        before = made = beat.lateness.count
        clock.jump(seconds)
        async with asyncio.timeout(10):  # a busy machine takes its time
            while made == before or made < beat.lateness.count:
                made = beat.lateness.count
                await asyncio.sleep(FRAME_S * 1.5)
    task.cancel()
    await asyncio.wait({task})


async def test_deadlines_are_whole_frames_after_the_start() -> None:
    clock, deadlines = JumpingClock(now=10.0), list[float]()
    beat = Beat(clock, deadlines.append, lambda _: None)
    await beat_for(clock, beat, [FRAME_S, FRAME_S, FRAME_S])
    assert deadlines == [10.0 + number * FRAME_S for number in range(len(deadlines))]
    assert len(deadlines) == 4


async def test_a_late_beat_is_made_up_for() -> None:
    clock, deadlines, lost = JumpingClock(now=10.0), list[float](), list[int]()
    beat = Beat(clock, deadlines.append, lost.append)
    await beat_for(clock, beat, [0.5])
    assert len(deadlines) == 26
    assert lost == []
    assert 450 < beat.lateness.max_ms <= 500


async def test_a_very_late_beat_says_how_much_is_lost_and_goes_on_from_the_clock() -> None:
    clock, deadlines, lost = JumpingClock(now=10.0), list[float](), list[int]()
    beat = Beat(clock, deadlines.append, lost.append)
    await beat_for(clock, beat, [STALL_S + 4.0])
    frames = round((STALL_S + 4.0) / FRAME_S)
    assert sum(lost) + len(deadlines) == frames + 1
    assert 0 <= deadlines[-1] - (clock.now() - FRAME_S) <= FRAME_S
    assert beat.lateness.missed == sum(lost)


async def test_it_does_not_drift() -> None:
    clock, seen = SystemClock(), list[float]()
    beat = Beat(clock, seen.append, lambda lost: None)
    task = asyncio.create_task(beat.run())
    while len(seen) < 25:
        await asyncio.sleep(FRAME_S)
    task.cancel()
    await asyncio.wait({task})
    frames = [(deadline - seen[0]) / FRAME_S for deadline in seen]
    assert all(abs(number - round(number)) < 1e-6 for number in frames)
    assert seen[-1] <= clock.now()


def test_lateness_is_counted_in_buckets() -> None:
    lateness = Lateness()
    for late_ms in [0.1] * 98 + [4.4, 250.0]:
        lateness.add(late_ms / 1000)
    assert lateness.quantile_ms(0.5) == EDGES_MS[0]
    assert lateness.quantile_ms(0.99) == 5.0
    assert lateness.quantile_ms(1.0) == 250.0
    assert lateness.report() == {
        "count": 100,
        "missed": 0,
        "late_p50_ms": 0.25,
        "late_p99_ms": 5.0,
        "late_max_ms": 250.0,
    }


def test_without_beats_there_is_no_lateness() -> None:
    assert Lateness().report()["late_max_ms"] == 0.0
