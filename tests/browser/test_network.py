"""What a listener's network and edge do to the sound: narrow paths and longer cadences."""

import asyncio
from pathlib import Path

import numpy as np

from tests.browser.conftest import Visit
from tests.browser.house import SPACE, House
from tests.browser.tape import RECORDER, Tape, phases

TONE_HZ = 330
NARROW_BYTES_PER_S = 4_200
"""Less than opus needs (6,100 in this programme) and more than opus-low does (2,700)."""


async def listen(house: House, visit: Visit) -> None:
    await visit.page.add_init_script(RECORDER)
    await visit.page.goto(f"{house.url}/s/{SPACE}")
    await visit.page.click("#listen")
    await visit.until("stentor.state === 'playing' && audio.currentTime > 1.5")


def assert_whole(tape: Tape) -> None:
    """Each sample was given to the decoder once, and nothing jumps where responses changed."""
    assert tape.seams() == []
    steady = phases(tape.sound(), TONE_HZ)[4:]
    assert np.abs(steady - np.median(steady)).max() < 1.5, "no sample is missing or there twice"


async def test_another_rendition_takes_over_to_the_sample(house: House, visit: Visit) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(house.perform(9))
        await listen(house, visit)
        for rendition in ("opus-low", "opus"):
            await visit.page.select_option("#quality", rendition)
            await visit.until(f"stentor.rendition === '{rendition}'")
            await visit.page.wait_for_timeout(1_500)
        face = await visit.face()
        tape = await Tape.of(visit)
    assert face["stalls"] == 0
    assert len(tape.files) == 3
    assert_whole(tape)


async def test_a_narrow_path_is_noticed_and_calm_is_tried(house: House, visit: Visit) -> None:
    """Low by itself within seconds; after a minute of calm the whole rendition is back."""
    playing = asyncio.create_task(house.perform(120))
    await listen(house, visit)
    house.bytes_per_s = NARROW_BYTES_PER_S
    await visit.until("stentor.rendition === 'opus-low'", 6)
    await visit.until("stentor.state === 'playing' && stentor.bufferedS > 1", 10)
    assert await visit.ask("quality.options[0].text") == "Automatic: low now"
    face = await visit.face()
    await visit.page.wait_for_timeout(5_000)
    assert (await visit.face())["stalls"] == face["stalls"], "opus-low fits"
    house.bytes_per_s = 0
    await visit.until("stentor.rendition === 'opus'", 75)
    await visit.page.wait_for_timeout(2_000)
    assert (await visit.face())["stalls"] == face["stalls"], "nobody heard it come back"
    tape = await Tape.of(visit)
    assert tape.seams() == []
    asked = [path.partition("?")[0] for path in house.requests if "/live/" in path]
    assert [path.rsplit("/", 1)[1] for path in asked] == ["opus", "opus-low", "opus"]
    playing.cancel()


async def test_more_than_the_path_carries_is_tried_unheard(house: House, visit: Visit) -> None:
    playing = asyncio.create_task(house.perform(40))
    await listen(house, visit)
    await visit.page.select_option("#quality", "opus-low")
    await visit.until("stentor.rendition === 'opus-low'")
    await visit.page.wait_for_timeout(1_000)
    house.bytes_per_s = NARROW_BYTES_PER_S
    await visit.page.select_option("#quality", "")
    await visit.page.wait_for_timeout(6_000)
    face = await visit.face()
    assert face["rendition"] == "opus-low"
    assert face["stalls"] == 0
    assert house.live == 1, "the try was given up"
    assert (await Tape.of(visit)).seams() == []
    playing.cancel()


async def test_data_that_is_dear_is_saved(house: House, visit: Visit) -> None:
    await visit.page.add_init_script(
        "Object.defineProperty(navigator.connection, 'saveData', { value: true })"
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(house.perform(3))
        await listen(house, visit)
    assert [path for path in house.requests if "/live/" in path] == [f"/s/{SPACE}/live/opus-low"]


async def test_a_longer_cadence_is_not_heard(house: House, visit: Visit) -> None:
    """200, 500, 1,000 ms and back: told in time, so that no step empties what is in hand."""
    playing = asyncio.create_task(house.perform(60))
    await listen(house, visit)
    for cadence_ms, slowest in ((500, 0.92), (1_000, 0.92), (200, 1.0)):
        changing = asyncio.create_task(house.send_every(cadence_ms))
        await visit.page.wait_for_timeout(1_500)
        if slowest < 1:
            assert await visit.ask("audio.playbackRate") == slowest
        await changing
        await visit.page.wait_for_timeout(2_500)
    await visit.until("stentor.bufferedS < 1 && audio.playbackRate >= 1", 10)
    face = await visit.face()
    assert face["stalls"] == 0
    assert face["connects"] == 1
    assert_whole(await Tape.of(visit))
    playing.cancel()


async def test_who_joins_a_slow_edge_begins_with_enough(house: House, visit: Visit) -> None:
    house.cadence_ms = 1_000
    playing = asyncio.create_task(house.perform(20))
    await asyncio.sleep(2.5)
    await listen(house, visit)
    await visit.page.wait_for_timeout(6_000)
    face = await visit.face()
    assert face["stalls"] == 0
    assert face["connects"] == 1, "silence of a second is not the end"
    playing.cancel()


async def test_the_pace_of_every_cadence(house: House, visit: Visit) -> None:
    await visit.page.goto(f"{house.url}/s/{SPACE}")
    told = await visit.ask(Path(__file__).with_name("cadences.js").read_text())
    assert [step[0] for step in told] == [200, 500, 1_000, 2_000, 1_000, 500, 200]
    for _, stalls, slowest, fastest, least_s, _ in told:
        assert stalls == 0
        assert slowest >= 0.92
        assert fastest <= 1.08
        assert least_s > 0.15
    assert told[-1][-1] < 0.45, "it has come back"


async def test_when_less_is_listened_to(house: House, visit: Visit) -> None:
    # Nothing for an outage or for jitter; on a narrow path low, and tries further and further
    # apart; on a path that was narrow for two minutes the whole rendition again.
    await visit.page.goto(f"{house.url}/s/{SPACE}")
    told = await visit.ask(Path(__file__).with_name("thrifts.js").read_text())
    assert told["calm"] == told["one outage"] == told["jitter"] == []
    (first, low), *tries = told["narrow"]
    assert (first < 4, low) == (True, True)
    assert [kind for _, kind in tries] == ["refused"] * 4
    waits = np.diff([first, *(at for at, _ in tries)])
    assert list(np.round(waits / 60)) == [1, 2, 4, 8]
    assert [kind for _, kind in told["narrow for two minutes"]] == [True, "refused", False]
