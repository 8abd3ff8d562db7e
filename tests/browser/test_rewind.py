"""Going back while a Space is live, and to live again, in a real browser."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.browser.conftest import Visit
from tests.browser.house import SPACE, House
from tests.browser.tape import RECORDER, Tape

BEFORE = 600
"""Parts that were made before anybody comes: two minutes."""


@asynccontextmanager
async def evening(house: House, visit: Visit, *, listen: bool = True) -> AsyncIterator[None]:
    """A Space that has been live for two minutes, and a listener who has come."""
    house.card["started_at_ms"] = round((time.time() - BEFORE / 5) * 1_000)
    playing = asyncio.create_task(house.perform(120, first_part=BEFORE))
    await asyncio.sleep(0.5)
    house.first_part = 0
    await visit.page.goto(f"{house.url}/s/{SPACE}")
    if listen:
        await visit.page.click("#listen")
        await visit.until("stentor.state === 'playing' && audio.currentTime > 121")
    yield
    playing.cancel()


async def rewind_to(visit: Visit, behind_s: float) -> None:
    """Take the bar so far back from live."""
    await visit.ask(
        f"(() => {{ seek.value = stentor.edgeS - {behind_s};"
        "seek.dispatchEvent(new Event('input')) })()"
    )


async def test_a_step_back_and_live_again(house: House, visit: Visit) -> None:
    async with evening(house, visit):
        await visit.page.click("#back")
        await visit.until("audio.currentTime > 106 && audio.currentTime < 110")
        await visit.until("document.getElementById('length').textContent === '−0:15'")
        assert await visit.page.inner_text("#to-live") == "Go live"
        assert await visit.page.inner_text("#state") == "You are hearing an earlier moment."
        await house.quiet()  # a listener has one connection at a time
        await visit.page.wait_for_timeout(4_000)
        await visit.page.click("#to-live")
        await visit.until(
            "stentor.state === 'playing' && stentor.isLive && audio.currentTime > 124"
        )
        face = await visit.face()
        assert house.live == 1
        assert await visit.page.inner_text("#to-live") == "Live"
        assert face["bufferedS"] < 1
    assert face["stalls"] == 0


async def test_anybody_may_begin_at_the_beginning(house: House, visit: Visit) -> None:
    async with evening(house, visit, listen=False):
        await visit.page.click("text=From the beginning")
        await visit.until("stentor.state === 'playing' && audio.currentTime > 0.5")
        assert await visit.ask("audio.currentTime") < 4
        await visit.page.wait_for_timeout(2_500)
        asked = [path for path in house.requests if "/hls/" in path]
        assert asked[:2] == [f"/s/{SPACE}/hls/opus/init.mp4", f"/s/{SPACE}/hls/opus/0.m4s"]
        ahead = await visit.ask("audio.buffered.end(0) - audio.currentTime")
        assert 24 < ahead < 40
        assert not [path for path in house.requests if "/live/" in path]
        behind = await visit.page.inner_text("#length")
        assert behind in {"−2:00", "−2:01", "−2:02"}, "it goes by the server's clock"


async def test_catching_up_goes_over_to_live_without_gap_or_repeat(
    house: House, visit: Visit
) -> None:
    await visit.page.add_init_script(RECORDER)
    async with evening(house, visit):
        await rewind_to(visit, 12)
        await visit.until("audio.currentTime < 115")
        await visit.page.select_option("#speed", "1.5")
        await visit.until("audio.playbackRate === 1.5")
        await visit.until(
            "document.getElementById('state').textContent === 'Catching up with live.'", 20
        )
        await visit.until("stentor.isLive", 30)
        await visit.page.wait_for_timeout(1_500)
        face = await visit.face()
        [(start, end)] = await visit.ask(
            "[...Array(audio.buffered.length).keys()]"
            ".map(k => [audio.buffered.start(k), audio.buffered.end(k)])"
        )
        rate = await visit.ask("audio.playbackRate")
        tape = await Tape.of(visit)
    assert face["stalls"] == 0
    assert face["bufferedS"] < 1
    assert 0.9 < rate < 1.1
    assert end - start > 20, "one stretch of sound, from before to live"
    given = [int(packet.pts or 0) for packet in tape.packets()]
    assert len(given) == len(set(given)), "nothing was given twice"
    assert f"/s/{SPACE}/live/opus?from=" in "".join(house.requests)


async def test_holes_are_passed_over(house: House, visit: Visit) -> None:
    """One of whole media segments (404), and one within a media segment."""
    house.lost = {*range(40, 80), 105, 106, 107}
    async with evening(house, visit):
        await visit.page.focus("#seek")
        await visit.page.keyboard.press("Home")
        await visit.until("audio.currentTime > 5 && audio.currentTime < 9")
        await visit.ask("(audio.playbackRate = 2)")
        await visit.until("audio.currentTime > 16", 8)
        await visit.until("audio.currentTime > 21.7", 8)
        assert (await visit.face())["stalledS"] < 2
        asked = [path for path in house.requests if "/hls/" in path]
        assert len(asked) == len(set(asked)), "what is not there is not asked for again"


async def test_the_bar_is_worked_by_keys_and_read_aloud(house: House, visit: Visit) -> None:
    async with evening(house, visit):
        await visit.page.focus("#seek")
        assert await visit.page.get_attribute("#seek", "aria-valuetext") == "Live"
        await visit.page.keyboard.press("PageDown")
        await visit.until("audio.currentTime > 60.5 && audio.currentTime < 65")
        said = str(await visit.page.get_attribute("#seek", "aria-valuetext"))
        assert said.startswith("1 minute ")
        assert said.endswith(" behind live")
        await visit.page.keyboard.press("ArrowRight")
        await visit.until("audio.currentTime > 65.5 && audio.currentTime < 70")
        await visit.page.keyboard.press("ArrowLeft")
        await visit.until("audio.currentTime < 66")
        await visit.page.keyboard.press("End")
        await visit.until("stentor.isLive && audio.currentTime > 121")


async def test_pausing_keeps_the_place_that_was_gone_back_to(house: House, visit: Visit) -> None:
    async with evening(house, visit):
        await visit.page.click("#listen")
        assert (await visit.page.inner_text("#earlier")).startswith("Go on from 2:0")
        await visit.page.click("#earlier")
        await visit.until("stentor.state === 'playing' && !stentor.isLive")
        await rewind_to(visit, 60)
        await visit.until("audio.currentTime > 61 && audio.currentTime < 66")
        await visit.page.click("#listen")
        await visit.until("stentor.state === 'paused'")
        at = await visit.ask("audio.currentTime")
        assert await visit.page.inner_text("#state") == "Paused. Listen goes on from here."
        await visit.page.wait_for_timeout(1_000)
        await visit.page.click("#listen")
        await visit.until("stentor.state === 'playing'")
        assert 0 <= await visit.ask("audio.currentTime") - at < 0.5
        await visit.page.click("#listen")
        await visit.page.click("#to-live")
        await visit.until("stentor.state === 'playing' && stentor.isLive")


async def test_a_space_that_ends_meanwhile_is_heard_to_its_end(house: House, visit: Visit) -> None:
    async with evening(house, visit):
        await visit.page.click("#back")
        await visit.until("audio.currentTime < 110")
        house.end()
        end = house.parts / 5
        await visit.until("document.getElementById('badge').textContent === 'Recording'", 8)
        assert await visit.page.inner_text("#state") == "It has ended. You hear it to its end."
        assert not await visit.page.is_visible("#to-live")
        await rewind_to(visit, 2.5)
        await visit.ask(
            "(() => { seek.value = seek.max - 2; seek.dispatchEvent(new Event('input')) })()"
        )
        await visit.until(f"audio.currentTime > {end - 2}")
        await visit.page.wait_for_selector("text=Download", timeout=10_000)
        assert await visit.page.inner_text("#listen-word") == "Play"
        assert not visit.faults
