"""The phone in the pocket, as far as it can be emulated; see docs/topics/player.md."""

import asyncio
import time

from tests.browser.conftest import Visit
from tests.browser.house import SPACE, House

POCKET = """
let hidden = false;
const due = [];
Object.defineProperty(document, "hidden", { get: () => hidden });
Object.defineProperty(document, "visibilityState", { get: () => (hidden ? "hidden" : "visible") });
window.hide = (on) => {
  hidden = on;
  document.dispatchEvent(new Event("visibilitychange"));
  if (!on) for (const act of due.splice(0)) act();
};
for (const name of ["setTimeout", "setInterval"]) {
  const real = window[name].bind(window);
  window[name] = (act, ms) => real(() => (hidden ? due.push(act) : act()), ms);
}
"""
"""A hidden page, whose timers come when it is seen again: browsers let them come once a minute."""

LOCK_SCREEN = """
window.buttons = {};
const set = MediaSession.prototype.setActionHandler;
MediaSession.prototype.setActionHandler = function (name, act) {
  buttons[name] = act;
  return set.call(this, name, act);
};
const place = MediaSession.prototype.setPositionState;
MediaSession.prototype.setPositionState = function (state) {
  window.shown = state;
  return place.call(this, state);
};
"""
"""What the system is told, and its buttons."""


async def listen(house: House, visit: Visit, script: str) -> None:
    await visit.page.add_init_script(script)
    await visit.page.set_viewport_size({"width": 320, "height": 640})
    await visit.page.goto(f"{house.url}/s/{SPACE}")
    await visit.page.click("#listen")
    await visit.until("stentor.state === 'playing' && audio.currentTime > 1")
    await visit.until("navigator.mediaSession.metadata !== null")


async def test_sound_does_not_wait_for_the_timers_of_a_hidden_page(
    house: House, visit: Visit
) -> None:
    playing = asyncio.create_task(house.perform(60))
    await listen(house, visit, POCKET)
    await visit.ask("hide(true)")
    await visit.page.wait_for_timeout(4_000)
    face = await visit.face()
    assert face["stalls"] == 0
    house.cut()
    await visit.until("stentor.connects === 2 && stentor.state === 'playing'", 3)
    assert (await visit.face())["stalls"] == 0, "a broken connection is replaced in time"
    house.refusing = 503
    house.cut()
    await visit.page.wait_for_timeout(3_000)
    house.refusing = 0
    await visit.until("stentor.state === 'playing'", 6)
    house.silent = True
    await visit.page.wait_for_timeout(3_000)
    house.silent = False
    await visit.until("stentor.connects > 3 && stentor.state === 'playing'", 6)
    await visit.ask("hide(false)")
    await visit.until(f"audio.currentTime > {house.parts / 5}")
    [(start, end)] = await visit.ask("[[audio.buffered.start(0), audio.buffered.end(0)]]")
    assert await visit.ask("audio.buffered.length") == 1
    assert (await visit.face())["parts"] == round((end - start) * 5), "each part came once"
    playing.cancel()


async def test_going_back_goes_on_in_a_hidden_page(house: House, visit: Visit) -> None:
    house.card["started_at_ms"] = round((time.time() - 120) * 1_000)
    playing = asyncio.create_task(house.perform(60, first_part=600))
    await asyncio.sleep(0.5)
    house.first_part = 0
    await listen(house, visit, POCKET + LOCK_SCREEN)
    await visit.ask("hide(true)")
    await visit.ask("buttons.seekto({ seekTime: 10 })")
    await visit.until("audio.currentTime > 10.5 && audio.currentTime < 14")
    await visit.page.wait_for_timeout(9_000)
    assert await visit.ask("audio.currentTime") > 18.5
    assert (await visit.face())["stalls"] == 0
    playing.cancel()


async def test_the_lock_screen_shows_the_place_and_moves_it(house: House, visit: Visit) -> None:
    house.card["started_at_ms"] = round((time.time() - 120) * 1_000)
    playing = asyncio.create_task(house.perform(60, first_part=600))
    await asyncio.sleep(0.5)
    house.first_part = 0
    await listen(house, visit, LOCK_SCREEN)
    told = await visit.ask("[navigator.mediaSession.metadata.title, Object.keys(buttons).sort()]")
    assert told == [
        "The night shift",
        ["pause", "play", "seekbackward", "seekforward", "seekto", "stop"],
    ]
    await visit.ask("buttons.seekbackward({})")
    await visit.until("audio.currentTime < 110 && audio.currentTime > 104")
    assert await visit.ask("document.documentElement.scrollWidth") == 320, "it fits a small phone"
    await visit.until("shown.position < 110 && shown.duration > 120 && shown.playbackRate === 1")
    await visit.ask("buttons.seekforward({ seekOffset: 5 })")
    await visit.until("audio.currentTime > 110 && audio.currentTime < 118")
    await visit.ask("buttons.seekforward({})")
    await visit.until("stentor.isLive && audio.currentTime > 121")
    await visit.ask("buttons.pause({})")
    await visit.until("stentor.state === 'paused'")
    await visit.ask("buttons.play({})")
    await visit.until("stentor.state === 'playing'")
    playing.cancel()


async def test_after_a_call_it_goes_on_live(house: House, visit: Visit) -> None:
    """A call pauses the element from outside, and lets it play again, or shows the page again."""
    playing = asyncio.create_task(house.perform(60))
    await listen(house, visit, POCKET)
    await visit.ask("audio.pause()")
    await visit.until("stentor.state === 'paused'")
    said = await visit.page.inner_text("#state")
    assert said == "Something interrupted the sound. Listen goes on live."
    await house.quiet()
    await visit.ask("audio.play()")
    await visit.until("stentor.state === 'playing' && stentor.bufferedS < 1")
    await visit.ask("(hide(true), audio.pause())")
    await visit.page.wait_for_timeout(1_000)
    await visit.ask("hide(false)")
    await visit.until("stentor.state === 'playing' && stentor.bufferedS < 1")
    playing.cancel()


async def test_a_network_that_comes_back_is_used_at_once(house: House, visit: Visit) -> None:
    playing = asyncio.create_task(house.perform(60))
    await listen(house, visit, "")
    await visit.page.context.set_offline(True)
    house.cut()
    await visit.page.wait_for_timeout(4_000)
    assert await visit.ask("stentor.state") == "reconnecting"
    await visit.page.context.set_offline(False)
    await visit.until("stentor.state === 'playing'", 1.5)
    assert await visit.ask("audio.buffered.length") == 1, "what was missed was sent again"
    playing.cancel()


async def test_another_network_is_taken_before_the_old_one_is_known_dead(
    house: House, visit: Visit
) -> None:
    """The address changes: what was open says nothing more, and nothing tells of its end."""
    playing = asyncio.create_task(house.perform(60))
    await listen(house, visit, "")
    house.dead = 1
    await visit.ask("navigator.connection.dispatchEvent(new Event('change'))")
    await visit.until("stentor.connects === 2", 2)
    await visit.until("stentor.state === 'playing' && stentor.bufferedS > 0.2", 2)
    assert (await visit.face())["stalledS"] < 1.5
    playing.cancel()
