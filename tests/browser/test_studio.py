"""The studio in a real browser, with a microphone, before a whole node."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.browser.conftest import CHROMIUM
from tests.browser.node import Node

_FLAGS = [
    "--no-sandbox",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with Node(tmp_path / "data") as made:
        yield made


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("these tests want Chromium")
    async with async_playwright() as play:
        made = await play.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)
        yield made
        await made.close()


async def test_a_full_house_has_a_line_before_its_door(tmp_path: Path, browser: Browser) -> None:
    async with Node(tmp_path / "data", "--listeners-max", "1") as node:
        host = await host_at_the_door(node, browser)
        await host.click("#join")
        await until(host, "globalThis.stentor?.card?.speakers?.some((one) => one.connected)")
        await host.click("#start")  # before that it would ask: start in silence?
        await until(host, "stentor.card.phase === 'live'")
        await expect(host.locator("#count-capacity")).to_have_text("1", timeout=10_000)
        address = host.url.replace("/studio/", "/s/")
        first, second = [await (await browser.new_context()).new_page() for _ in range(2)]
        for page in (first, second):
            await page.goto(address)
            await page.click("#listen")
            if page is first:
                await until(page, "stentor.state === 'playing'", 20)
        await expect(second.locator("#state")).to_contain_text("You have a place", timeout=10_000)
        assert await face(second, "connects") == 0
        await first.close()
        await until(second, "stentor.state === 'playing'", 30)

        await host.select_option("#step", "5")
        await host.click("#force")
        await host.click("#ask-yes")
        await expect(second.locator("#notice")).to_contain_text("no new live listeners are let in")
        third = await (await browser.new_context()).new_page()
        await third.goto(address)
        await third.click("#listen")
        await expect(third.locator("#state")).to_have_text("No new live listeners are let in now.")
        await until(second, "stentor.rendition === 'opus-low' && stentor.state === 'playing'", 20)


async def host_at_the_door(node: Node, browser: Browser) -> Page:
    context = await browser.new_context()
    space = await node.make_space(context.request, "The night shift")
    page = await context.new_page()
    await page.goto(f"{node.url}/studio/{space}")
    await expect(page.locator("#join")).to_be_visible()
    return page


async def face(page: Page, name: str) -> Any:
    return await page.evaluate(f"globalThis.stentor?.{name}")


async def until(page: Page, condition: str, seconds: float = 10) -> None:
    end = asyncio.get_running_loop().time() + seconds
    while not await page.evaluate(condition):
        assert asyncio.get_running_loop().time() < end, condition
        await asyncio.sleep(0.05)


async def test_a_host_a_guest_and_a_listener(node: Node, browser: Browser) -> None:
    host = await host_at_the_door(node, browser)
    space = host.url.rsplit("/", 1)[1]
    assert await host.input_value("#name") == "Ada Holm"
    await expect(host.locator(".consent h2")).to_have_text("This conversation is recorded")
    await host.click("#check")
    await expect(host.locator("#own-hint")).to_have_text("We hear you.", timeout=8_000)
    await host.click("#join")
    await expect(host.locator("#line")).to_have_text("Connected to the stage.", timeout=10_000)

    await host.fill("#guest", "Bengt Berg")
    await host.click("#invite button")
    await expect(host.locator("#invited")).to_be_visible()
    link = await host.input_value("#link")
    elsewhere = await browser.new_context()
    guest = await elsewhere.new_page()
    await guest.goto(link)
    await expect(guest.locator("#join")).to_be_visible()
    assert "#" not in guest.url, "the invitation is gone from the address bar"
    assert await guest.input_value("#name") == "Bengt Berg"
    await guest.click("#join")
    await expect(host.locator("#people li")).to_have_count(2)
    await expect(guest.locator("#direction")).to_be_hidden()

    listener = await elsewhere.new_page()
    await listener.goto(f"{node.url}/s/{space}")
    await listener.click("#listen")
    await host.click("#start")
    await until(listener, "stentor.state === 'playing' && audio.currentTime > 1")
    await expect(listener.locator(".seat")).to_have_count(2)

    await host.get_by_role("button", name="Mute Bengt Berg").click()
    await expect(guest.locator("#mute-says")).to_have_text("You are muted. Nobody hears you.")
    await until(host, "document.activeElement.ariaLabel === 'Remove Bengt Berg'")
    await guest.locator("#title").click()
    await guest.keyboard.press("Space")
    await until(guest, "stentor.muted === false")

    await host.click("#end")
    await host.click("#ask-yes")
    await expect(host.locator("#over-says")).to_contain_text("public", timeout=10_000)
    await expect(listener.locator("#badge")).to_have_text("Recording", timeout=10_000)
    await host.click("#withdraw")
    await host.click("#ask-yes")
    await expect(host.locator("#restore")).to_be_visible()


async def test_everything_by_keyboard(node: Node, browser: Browser) -> None:
    host = await host_at_the_door(node, browser)
    await host.focus("#join")
    await host.keyboard.press("Enter")
    await expect(host.locator("#line")).to_have_text("Connected to the stage.", timeout=10_000)
    await host.keyboard.press("m")
    await expect(host.locator("#mute")).to_have_attribute("aria-pressed", "true")
    await expect(host.locator("#say")).to_have_text("You are muted.")
    await host.keyboard.press("m")
    await expect(host.locator("#mute")).to_have_attribute("aria-pressed", "false")
    await until(host, "stentor.card.speakers[0].muted !== true")
    for control in ("#doors", "#start"):
        await host.focus(control)
        await host.keyboard.press("Enter")
        await expect(host.locator(control)).to_be_hidden()
    await host.focus("#end")
    await host.keyboard.press("Enter")
    await expect(host.locator("#ask")).to_be_visible()
    assert await host.evaluate("document.activeElement.value") == "no", "the safe answer first"
    await host.keyboard.press("Escape")
    await expect(host.locator("#end")).to_be_visible()


async def test_a_voice_comes_back_after_the_stage_was_killed(node: Node, browser: Browser) -> None:
    """Without the page being touched, and as muted as it was."""
    host = await host_at_the_door(node, browser)
    await host.click("#join")
    await until(host, "globalThis.stentor?.state === 'connected'")
    await host.click("#start")
    await until(host, "stentor.card.phase === 'live'")
    listener = await host.context.new_page()
    await listener.goto(host.url.replace("/studio/", "/s/"))
    await listener.click("#listen")
    await until(listener, "stentor.state === 'playing'")
    os.kill(node.pid("stage"), signal.SIGKILL)
    await until(host, "stentor.publishes >= 2 && stentor.state === 'connected'", 15)
    assert await face(host, "muted") is False
    await until(host, "stentor.card.speakers[0].connected === true")
    parts = await face(listener, "parts")
    await until(listener, f"stentor.parts > {parts} + 10 && stentor.state === 'playing'")


async def test_a_reload_leads_straight_back(node: Node, browser: Browser) -> None:
    host = await host_at_the_door(node, browser)
    await host.click("#join")
    await until(host, "globalThis.stentor?.state === 'connected'")
    await host.reload()
    await until(host, "globalThis.stentor?.state === 'connected'")
    await expect(host.locator("#people li")).to_have_count(1)


async def test_without_a_microphone_it_says_why(node: Node, browser: Browser) -> None:
    async with async_playwright() as play:
        plain = await play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        host = await host_at_the_door(node, plain)
        await host.click("#check")
        await expect(host.locator("#microphone-error")).not_to_be_empty()
        await plain.close()


async def test_strangers_are_led_to_the_door(node: Node, browser: Browser) -> None:
    context = await browser.new_context()
    space = await node.make_space(context.request, "The night shift")
    stranger = await (await browser.new_context()).new_page()
    await stranger.goto(f"{node.url}/studio/{space}")
    await expect(stranger.locator("#closed-link")).to_have_text("Sign in")
    await stranger.goto(f"{node.url}/studio/{space}#invite=a.b.c")
    await stranger.reload()
    await expect(stranger.locator("#join")).to_be_visible()
    await stranger.fill("#name", "Nobody")
    await stranger.click("#join")
    await expect(stranger.locator("#door-error")).not_to_be_empty()


async def test_who_has_left_is_not_heard(node: Node, browser: Browser) -> None:
    """Also when a microphone was being asked for in that moment."""
    host = await host_at_the_door(node, browser)
    await host.evaluate(
        """() => {
          const { mediaDevices } = navigator;
          const ask = mediaDevices.getUserMedia.bind(mediaDevices);
          window.tracks = [];
          window.allowed = Promise.resolve();
          mediaDevices.getUserMedia = async (wishes) => {
            const stream = await ask(wishes);
            tracks.push(...stream.getTracks());
            await allowed;
            return stream;
          };
        }"""
    )
    await host.click("#join")
    await until(host, "globalThis.stentor?.state === 'connected'")
    await host.evaluate("() => { allowed = new Promise((done) => (window.allow = done)) }")
    await host.click("summary")
    await host.click("#processing")
    await until(host, "tracks.length === 2")
    await host.click("#leave")
    await expect(host.locator("#closed")).to_be_visible()
    await host.evaluate("() => allow()")
    await until(host, "tracks.every(({ readyState }) => readyState === 'ended')")
    await host.evaluate("() => navigator.mediaDevices.dispatchEvent(new Event('devicechange'))")
    await host.keyboard.press("m")
    assert await face(host, "publishes") == 1
    assert await face(host, "state") == "idle"
    assert await face(host, "muted") is False, "the keys of the stage do nothing here"


async def test_the_studio_shows_what_the_stage_does(node: Node, browser: Browser) -> None:
    """Muted from another window with the same seat; a title by Enter; focus that is not lost."""
    host = await host_at_the_door(node, browser)
    await host.click("#join")
    await until(host, "globalThis.stentor?.state === 'connected'")
    await host.evaluate(
        """async () => {
          const space = location.pathname.split("/")[2];
          const Authorization = `Bearer ${sessionStorage.getItem(`stentor.seat.${space}`)}`;
          await fetch(`/stage/${space}/commands`, { method: "POST",
            headers: { Authorization, "Content-Type": "application/json" }, body: JSON.stringify(
              { command: "speaker.mute", speaker: stentor.card.speakers[0].id }) });
        }"""
    )
    await expect(host.locator("#mute-says")).to_have_text("You are muted. Nobody hears you.")
    await host.click("#mute")
    await until(host, "stentor.card.speakers[0].muted !== true && !stentor.muted")

    await host.click("#edit")
    await host.fill("#edit-name", "The day shift")
    await host.keyboard.press("Enter")
    await expect(host.locator("#title")).to_have_text("The day shift")
    for control, following in (("doors", "start"), ("start", "end")):
        await host.focus(f"#{control}")
        await host.keyboard.press("Enter")
        await until(host, f"document.activeElement.id === '{following}'")


async def test_where_site_data_is_blocked(node: Node, browser: Browser) -> None:
    host = await host_at_the_door(node, browser)
    await host.add_init_script(
        """for (const name of ["localStorage", "sessionStorage"]) {
          const get = () => { throw new DOMException("blocked", "SecurityError"); };
          Object.defineProperty(window, name, { get });
        }"""
    )
    await host.reload()
    await host.click("#join")
    await expect(host.locator("#line")).to_have_text("Connected to the stage.", timeout=10_000)
