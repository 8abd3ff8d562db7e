"""The listener's page in a real browser: waiting, playing, coming back, replaying."""

import asyncio
import gzip
import time
from pathlib import Path

from tests.browser.conftest import Visit
from tests.browser.house import SPACE, House

PARTS_PER_HOUR = 18_000
SAFE_S = 2.0
"""Time for the player to settle after it has begun or come back."""


async def played_parts(visit: Visit) -> list[tuple[float, float]]:
    """Start and end of what is buffered, in seconds of media time."""
    return await visit.ask(
        "[...Array(audio.buffered.length).keys()]"
        ".map(k => [audio.buffered.start(k), audio.buffered.end(k)])"
    )


async def test_the_page_is_one_small_request(house: House, visit: Visit) -> None:
    page = await visit.page.goto(f"{house.url}/s/{SPACE}")
    assert page is not None
    body = await page.body()
    assert len(body) < 40_000
    assert len(gzip.compress(body)) < 15_000
    await visit.page.wait_for_timeout(300)
    asked = [path for path in house.requests if not path.endswith("icon.svg")]
    assert asked == [f"/s/{SPACE}"]
    assert f'src="/s/{SPACE}/radio.mp3"' in body.decode(), "there is a way without scripts"


async def test_one_press_while_waiting_lets_it_start_by_itself(house: House, visit: Visit) -> None:
    house.tell(phase="doors", starts_at_ms=round(time.time() * 1000) + 60_000)
    await visit.page.goto(f"{house.url}/s/{SPACE}")
    state = await visit.ask("new AudioContext().state")
    assert state == "suspended", "this browser obeys the autoplay rules"
    await visit.page.click("#listen")
    await visit.until("stentor.state === 'waiting'")
    assert await visit.page.inner_text("#state") == "You are in. It starts by itself."
    await visit.page.wait_for_timeout(1_000)
    async with asyncio.TaskGroup() as group:
        group.create_task(house.perform(4))
        await visit.until("stentor.state === 'playing' && audio.currentTime > 2")
        face = await visit.face()
    assert face["stalls"] == 0
    assert len([path for path in house.requests if "/live/" in path]) == 1


async def test_a_late_listener_is_close_to_live(house: House, visit: Visit) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(house.perform(9, first_part=3 * PARTS_PER_HOUR))
        await visit.page.goto(f"{house.url}/s/{SPACE}")
        await visit.page.wait_for_timeout(1_000)
        await visit.page.click("#listen")
        await visit.until("stentor.state === 'playing'", 2)
        await visit.page.wait_for_timeout(5_000)
        face = await visit.face()
        now = await visit.ask("audio.currentTime")
    assert now > 3 * 3600
    assert face["stalls"] == 0
    assert 0.1 < face["bufferedS"] < 0.9


async def test_a_broken_connection_loses_and_repeats_nothing(house: House, visit: Visit) -> None:
    await visit.page.goto(f"{house.url}/s/{SPACE}")
    async with asyncio.TaskGroup() as group:
        group.create_task(house.perform(8))
        await visit.page.click("#listen")
        await visit.until("audio.currentTime > 1")
        for _ in range(3):
            house.cut()
            await visit.page.wait_for_timeout(900)
        await visit.until("stentor.connects === 4")
    await visit.until(f"audio.buffered.end(0) > {house.parts * 0.2 - 0.05}")
    [(start, end)] = await played_parts(visit)
    assert (await visit.face())["parts"] == round((end - start) / 0.2), "each part came once"
    face = await visit.face()
    assert face["stalls"] == 0
    asked = [path for path in house.requests if "/live/" in path]
    assert len(asked) == 4
    assert all("?cursor=1." in path for path in asked[1:])


async def test_a_silent_connection_is_left_after_two_seconds(house: House, visit: Visit) -> None:
    await visit.page.goto(f"{house.url}/s/{SPACE}")
    async with asyncio.TaskGroup() as group:
        group.create_task(house.perform(9))
        await visit.page.click("#listen")
        await visit.until("audio.currentTime > 1")
        house.silent = True
        await visit.page.wait_for_timeout(1_200)
        house.silent = False
        house.cut()
        await visit.until("stentor.state === 'playing' && stentor.connects === 2")
    await visit.until(f"audio.buffered.end(0) > {house.parts * 0.2 - 0.05}")
    [(start, end)] = await played_parts(visit)
    assert (await visit.face())["parts"] == round((end - start) / 0.2), "each part came once"


async def test_an_unavailable_edge_is_tried_again(house: House, visit: Visit) -> None:
    house.refusing = 503
    await visit.page.goto(f"{house.url}/s/{SPACE}")
    async with asyncio.TaskGroup() as group:
        group.create_task(house.perform(7))
        await visit.page.click("#listen")
        await visit.page.wait_for_timeout(1_500)
        assert await visit.ask("stentor.state") == "reconnecting"
        house.refusing = 0
        await visit.until("stentor.state === 'playing'", 6)


async def test_jitter_is_learnt_and_forgotten_without_jumps(house: House, visit: Visit) -> None:
    """Parts that come up to 250 ms late now and then cost a little delay and no further stall."""
    await visit.page.goto(f"{house.url}/s/{SPACE}")
    async with asyncio.TaskGroup() as group:
        playing = group.create_task(house.perform(14))
        await visit.page.click("#listen")
        await visit.until("audio.currentTime > 1")
        while not playing.done():
            house.late_s = 0.25 if house.parts % 8 == 0 else 0.0
            await asyncio.sleep(0.1)
    face = await visit.face()
    assert face["stalls"] <= 1
    assert len(await played_parts(visit)) == 1


async def test_after_the_end_the_recording_is_there(house: House, visit: Visit) -> None:
    await visit.page.goto(f"{house.url}/s/{SPACE}")
    async with asyncio.TaskGroup() as group:
        group.create_task(house.perform(3))
        await visit.page.click("#listen")
        await visit.until("audio.currentTime > 1")
    house.event(type="speaking", speakers=["a"])
    house.end()
    await visit.page.wait_for_selector("#seek")
    assert await visit.page.inner_text("#badge") == "Recording"
    await visit.page.click("#listen")
    await visit.until("stentor.state === 'playing' && audio.currentTime > 0.5")
    await visit.page.focus("#seek")
    await visit.page.keyboard.press("Home")
    await visit.until("audio.currentTime < 0.5")
    assert (await visit.page.get_attribute("#seek", "aria-valuetext")) == "0 seconds of 3 seconds"
    await visit.page.keyboard.press("End")
    await visit.until("stentor.state === 'ended'")


async def test_a_long_recording_is_fetched_where_it_is_heard(house: House, visit: Visit) -> None:
    house.parts = PARTS_PER_HOUR
    house.tell(phase="replay", duration_samples=3600 * 48_000)
    await visit.page.goto(f"{house.url}/s/{SPACE}")
    await visit.page.click("#listen")
    await visit.until("audio.currentTime > 0.3")
    await visit.page.focus("#seek")
    await visit.ask(
        "document.getElementById('seek').value = 3000;"
        "document.getElementById('seek').dispatchEvent(new Event('input'))"
    )
    await visit.until("audio.currentTime > 3000.3")
    await visit.page.keyboard.press("PageDown")
    await visit.until("audio.currentTime > 2940.2 && audio.currentTime < 2960")
    ranges = await played_parts(visit)
    assert sum(end - start for start, end in ranges) < 200, "only what is near is kept"


async def test_a_withdrawn_recording_says_so(house: House, visit: Visit) -> None:
    house.tell(phase="withdrawn")
    await visit.page.goto(f"{house.url}/s/{SPACE}")
    assert await visit.page.inner_text("#state") == "The host has withdrawn this recording."
    assert not await visit.page.is_visible("#listen")


async def test_pausing_lets_go_and_listening_again_is_live(house: House, visit: Visit) -> None:
    await visit.page.goto(f"{house.url}/s/{SPACE}")
    async with asyncio.TaskGroup() as group:
        group.create_task(house.perform(9))
        await visit.page.click("#listen")
        await visit.until("audio.currentTime > 1")
        await visit.page.click("#listen")
        await visit.until("stentor.state === 'paused'")
        await visit.page.wait_for_timeout(1_500)
        await visit.page.click("#listen")
        await visit.until("stentor.state === 'playing' && audio.currentTime > 3")
        face = await visit.face()
    assert face["bufferedS"] < 0.7


async def test_the_low_rendition_takes_over_without_a_hole(house: House, visit: Visit) -> None:
    await visit.page.goto(f"{house.url}/s/{SPACE}")
    async with asyncio.TaskGroup() as group:
        group.create_task(house.perform(6))
        await visit.page.click("#listen")
        await visit.until("audio.currentTime > 1")
        await visit.page.select_option("#quality", "opus-low")
        await visit.until("stentor.rendition === 'opus-low' && stentor.connects === 2")
        await visit.page.wait_for_timeout(1_500)
        face = await visit.face()
    assert face["stalledS"] < 0.3
    assert len(await played_parts(visit)) == 1


async def test_boxes_are_found_however_the_bytes_are_cut(house: House, visit: Visit) -> None:
    house.parts = 40
    await visit.page.goto(f"{house.url}/s/{SPACE}")
    script = Path(__file__).with_name("cut_boxes.js").read_text()
    boxes = 3 + 2 * house.parts  # ftyp, moov, sidx; moof and mdat
    assert await visit.ask(script) == [boxes, True, f"2.{2**32 + 5}"]


async def test_the_pace_follows_lateness(house: House, visit: Visit) -> None:
    """Parts 200 ms apart; the target is now minus the playhead: lateness, one part, safety."""
    await visit.page.goto(f"{house.url}/s/{SPACE}")
    told = await visit.ask(Path(__file__).with_name("paces.js").read_text())
    assert told["calm"] == 0.45
    assert told["one outage"] == 0.45
    assert 0.7 < told["jitter"] <= 0.76
    assert told["stalled"] == 0.55
    assert told["speeds"] == [1, 1.08, 1.03, 1, 0.97, 1, 1]


async def test_a_coming_space_goes_into_the_calendar(house: House, visit: Visit) -> None:
    house.tell(phase="scheduled", title="Rain; sun, wind", starts_at_ms=4_102_444_800_000)
    await visit.page.goto(f"{house.url}/s/{SPACE}")
    await visit.until("document.getElementById('away').textContent.startsWith('Starts in ')")
    async with visit.page.expect_download() as loading:
        await visit.page.click("#remind")
    download = await loading.value
    assert download.suggested_filename.endswith(".ics")
    text = Path(await download.path()).read_bytes().decode()
    assert "\r\nDTSTART:21000101T000000Z\r\n" in text
    assert "\r\nSUMMARY:Rain\\; sun\\, wind\r\n" in text
    assert max(len(line) for line in text.encode().split(b"\r\n")) <= 75


async def test_a_browser_without_media_source_gets_the_playlist(house: House, visit: Visit) -> None:
    await visit.page.add_init_script("delete window.MediaSource; delete window.ManagedMediaSource")
    await visit.page.goto(f"{house.url}/s/{SPACE}")
    await visit.page.wait_for_timeout(300)
    await visit.page.click("#listen")
    await visit.until("audio.src.endsWith('/hls/aac.m3u8')")
    await visit.until("stentor.state === 'waiting'")
    assert not [path for path in house.requests if "/live/" in path]


async def test_a_hole_in_a_recording_is_passed_over(house: House, visit: Visit) -> None:
    """One within a run, and one at the beginning of the next (10 s a run)."""
    house.parts = 120
    house.lost = {10, 11, 12, *range(45, 56)}
    house.tell(phase="replay", duration_samples=24 * 48_000)
    await visit.page.goto(f"{house.url}/s/{SPACE}")
    await visit.page.click("#listen")
    await visit.until("audio.currentTime > 1.5")
    await visit.until("audio.currentTime > 2.7", 3)
    await visit.page.evaluate(
        "() => { const seek = document.getElementById('seek'); seek.value = 8.3;"
        "seek.dispatchEvent(new Event('input')) }"
    )
    await visit.until("audio.currentTime > 11.3", 4)
    fetched = [path for path in house.requests if path.endswith(".mp4")]
    assert len(fetched) <= 6, "each run once or twice, and the index"


async def test_a_script_that_is_away_is_tried_again(house: House, visit: Visit) -> None:
    house.parts = 20
    house.away = {"/static/recording.js", "/static/replay.js"}
    house.tell(phase="replay", duration_samples=4 * 48_000)
    await visit.page.goto(f"{house.url}/s/{SPACE}")
    await visit.page.wait_for_selector("#seek", timeout=15_000)
    await visit.page.click("#listen")
    await visit.until("audio.currentTime > 0.3")


async def test_without_media_source_the_end_is_not_the_beginning(
    house: House, visit: Visit
) -> None:
    await visit.page.add_init_script("delete window.MediaSource; delete window.ManagedMediaSource")
    house.parts = 10
    await visit.page.goto(f"{house.url}/s/{SPACE}")
    await visit.page.click("#listen")
    await visit.until("stentor.state === 'playing'")
    house.ended = True
    house.tell(phase="replay", duration_samples=2 * 48_000)
    await visit.page.wait_for_selector("#seek", timeout=15_000)
    assert await visit.ask("audio.paused")
    assert await visit.page.inner_text("#listen-word") == "Play"
    await visit.page.click("#listen")
    await visit.until("stentor.state === 'playing'")
    assert house.requests.count(f"/s/{SPACE}/hls/aac.m3u8") == 1
