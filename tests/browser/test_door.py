"""Before the door, in a real browser: waiting, let in, turned away, and what is said meanwhile."""

import asyncio
import time
from pathlib import Path

import pytest

from tests.browser.conftest import Visit
from tests.browser.house import SPACE, House

STATE = "document.querySelector('#state').textContent"


async def arrive(house: House, visit: Visit) -> asyncio.Task[None]:
    """Somebody presses Listen while it is live."""
    live = asyncio.create_task(house.perform(60))
    await visit.page.goto(f"{house.url}/s/{SPACE}")
    await visit.page.click("#listen")
    return live


async def test_what_a_person_in_the_line_is_told(house: House, visit: Visit) -> None:
    await visit.page.goto(f"{house.url}/static/404.html")
    told = await visit.ask(Path(__file__).with_name("queues.js").read_text())
    assert told["first"] == {"low": 60, "likely": 100, "high": 180}
    assert told["steady"] == [1_000, 0, {"low": 60, "likely": 100, "high": 180}]
    assert told["faster"] == [400, 0.5, {"low": 12, "likely": 20, "high": 36}]
    assert told["forecast"] == pytest.approx(
        {"low": 10 + 30 * 400 / 900, "likely": 40, "high": 80 * 2_000 / 1_400}
    )
    assert told["lined"] == 399, "whoever came with many others was told too few at first"
    assert told["held"] == [400, 0.5], "the line does not grow before anybody"
    assert told["bare"] == [None, 0, 100]
    assert told["called"] == [False, True]
    assert told["looks"] == [3.75, 6.25, 1.5, 10, 30]
    assert told["words"] == [
        "a few seconds",
        "less than a minute",
        "about a minute",
        "one to two minutes",
        "about 1 to 2 minutes",
        "about 3 to 4 minutes",
        "about 2 to 7 minutes",
        "about 50 to 67 minutes",
        "about 1 to 3 hours",
        "",
    ]
    assert told["nothing"] == ["", "", "", ""]
    doubt = "Whether it is a crowd or an attack is not known."
    reduced = "Audio quality is reduced for everyone"
    assert told["ladder"] == [
        f"{reduced}: 3.1 × the expected arrivals. {doubt}",
        "The sound is a little further behind for everyone: the processors are at 93 %.",
        f"{reduced}, and no new live listeners are let in: the host has decided so.",
        f"{reduced}, and newcomers are let in slowly.",
    ]


async def test_a_place_is_kept_and_the_sound_begins_by_itself(house: House, visit: Visit) -> None:
    house.door.queue(100, ahead=400)
    live = await arrive(house, visit)
    await visit.until(f"{STATE}.startsWith('You have a place')")
    assert await visit.page.inner_text(".wait .ahead") == "400\npeople are ahead of you"
    assert "About 1 to 3 minutes." in await visit.page.inner_text(".wait .expect")
    assert await visit.page.inner_text("#listen") == "Leave"
    await visit.until("!!document.querySelector('.wait .meta').textContent")
    assert not house.live, "no live response is asked for without a ticket"

    house.door.mark_us += 60_000_000
    await visit.ask("window.dispatchEvent(new Event('online'))")  # it looks again at once
    await visit.until("document.querySelector('.wait .ahead b').textContent === '160'")

    await visit.page.reload()
    await visit.until(f"{STATE}.startsWith('You have a place')")
    await visit.page.click("text=Turn the sound on")
    house.door.call()
    await visit.ask("window.dispatchEvent(new Event('online'))")
    await visit.until("stentor.state === 'playing'")
    assert await visit.page.locator(".wait").count() == 0
    live.cancel()


async def test_a_door_that_fails_is_a_calm_sentence(house: House, visit: Visit) -> None:
    house.door.fault = 503
    house.away.add("/static/entrance.js")
    live = await arrive(house, visit)
    await visit.until(f"{STATE}.startsWith('The door does not answer')")
    house.door.fault = 0
    await visit.until("stentor.state === 'playing'", 12)
    live.cancel()


async def test_closed_doors_say_when_the_recording_will_be_here(house: House, visit: Visit) -> None:
    at_ms = round(time.time() * 1_000) + 3_600_000
    house.door.mode = "closed"
    house.door.told = {"step": 5, "why": "cpu", "figures": {"busy": 0.97}, "recording_at_ms": at_ms}
    live = await arrive(house, visit)
    await visit.until(f"{STATE} === 'No new live listeners are let in now.'")
    await visit.until("!!document.querySelector('.wait .expect')")
    assert "The recording will be here" in await visit.page.inner_text(".wait .expect")
    assert "the processors are at 97 %" in await visit.page.inner_text(".wait")
    house.door.mode = "open"
    await visit.ask("window.dispatchEvent(new Event('online'))")
    await visit.until("stentor.state === 'playing'")
    live.cancel()


async def test_a_challenge_is_computed_beside_the_page(house: House, visit: Visit) -> None:
    house.door.bits = 19
    house.away.add("/static/solver.js")
    live = await arrive(house, visit)
    await visit.until("stentor.state === 'playing'", 15)
    solutions = [join["solution"] for join in house.door.joins if "solution" in join]
    assert solutions == [(1 << 19) * 4 // 5], house.door.joins
    live.cancel()


async def test_who_cannot_compute_waits_instead(house: House, visit: Visit) -> None:
    house.door.bits = 26
    live = await arrive(house, visit)
    await visit.page.click("text=Wait 20 s longer instead")
    await visit.until("stentor.state === 'playing'")
    assert house.door.joins[-1] == {"patience": True}
    live.cancel()


async def test_the_ticket_is_renewed_and_the_ladder_is_heeded(house: House, visit: Visit) -> None:
    house.door.renew_after_s = 1.0
    live = await arrive(house, visit)
    await visit.until("stentor.state === 'playing'")
    await visit.until("document.querySelector('#notice').hidden")
    figures = {"arrivals_per_expected": 3.1}
    at_ms = round(time.time() * 1_000)
    house.event(type="ladder.changed", step=3, why="arrivals", figures=figures, by="", at_ms=at_ms)
    house.door.told = {"step": 3, "since_ms": at_ms, "why": "arrivals", "figures": figures}
    house.lower("opus-low")
    await visit.until("stentor.rendition === 'opus-low'", 8)
    notice = await visit.page.inner_text("#notice")
    assert notice.startswith("Audio quality is reduced for everyone since ")
    assert "3.1 × the expected arrivals. Whether it is a crowd or an attack" in notice
    async with asyncio.timeout(8):
        while house.door.tickets < 3:
            await asyncio.sleep(0.1)
    assert await visit.ask("audio.buffered.length") == 1, "one unbroken stretch of sound"
    live.cancel()


async def test_everybody_hears_less_in_the_response_there_is(house: House, visit: Visit) -> None:
    live = await arrive(house, visit)
    await visit.until("stentor.state === 'playing'")
    await visit.until("document.querySelector('#notice').hidden")
    asked = len([path for path in house.requests if "/live/" in path])
    house.lower("opus-low")
    await visit.until("stentor.rendition === 'opus-low'")
    await asyncio.sleep(3)  # whoever minded would have gone back to the other by now
    house.lower("opus")
    await visit.until("stentor.rendition === 'opus'")
    await asyncio.sleep(1)
    assert len([path for path in house.requests if "/live/" in path]) == asked
    face = await visit.face()
    assert (face["stalls"], face["state"]) == (0, "playing")
    live.cancel()


async def test_what_another_device_took_over_is_not_taken_back(house: House, visit: Visit) -> None:
    live = await arrive(house, visit)
    await visit.until("stentor.state === 'playing'")
    await visit.until("document.querySelector('#notice').hidden")
    house.take_over()
    await visit.until("stentor.reason === 'elsewhere'")
    assert await visit.page.inner_text("#listen") == "Listen here"
    asked = len(house.requests)
    await asyncio.sleep(2)
    assert not [path for path in house.requests[asked:] if "/live/" in path]
    await visit.page.click("#listen")
    await visit.until("stentor.state === 'playing'")
    live.cancel()


async def test_one_tab_is_heard(house: House, visit: Visit) -> None:
    live = await arrive(house, visit)
    await visit.until("stentor.state === 'playing'")
    async with visit.page.expect_popup() as popup:
        await visit.page.evaluate("void window.open(location.href)")
    other = await popup.value
    await other.click("#listen")
    await visit.until("stentor.reason === 'elsewhere'")
    assert await visit.page.inner_text("#listen") == "Listen here"
    assert await visit.ask(STATE) == "You are listening in another tab."
    await visit.page.click("#listen")
    await visit.until("stentor.state === 'playing'")
    await other.wait_for_function("stentor.state === 'paused'", polling=100)
    live.cancel()
