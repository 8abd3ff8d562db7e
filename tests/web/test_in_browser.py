"""A host's way through the pages of a whole node in Chromium, with scripts and without."""

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright

from stentor.clock import SystemClock
from stentor.demo.house import House
from stentor.paths import Paths
from stentor.web.scheduled import scheduled
from tests.web.conftest import PASSWORD

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture
def node(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path / "data", SystemClock())
    made.start()
    yield made
    made.stop()


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("these tests want Chromium")
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        await browser.close()


async def open_page(context: BrowserContext, complaints: list[str]) -> Page:
    """A page whose faults, and breaches of the content security policy, are collected."""
    page = await context.new_page()

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return page


async def test_a_host_sets_up_announces_and_signs_in(node: House, chromium: Browser) -> None:
    complaints: list[str] = []
    context = await chromium.new_context(timezone_id="America/St_Johns", locale="en-GB")
    page = await open_page(context, complaints)
    await page.goto(node.setup_link)
    assert urlsplit(page.url).fragment == "", "the code is in neither address bar nor history"
    assert not await page.get_by_label("Setup code").is_visible()
    await page.get_by_label("Your name").fill("Ann")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Make the account").click()
    await page.wait_for_url("**/new")

    await page.get_by_label("Title").fill("An evening <in> summer")
    # Half an hour's zone, and summer time there, whatever the season of this test.
    start = "2027-07-01T19:30"
    await page.get_by_label("Day and time").fill(start)
    assert await page.get_by_label("At a time I announce").is_checked()
    assert "St Johns" in await page.locator("#zone").inner_text()
    await page.get_by_role("button", name="Make the Space").click()
    await page.wait_for_url("**/studio/*")
    space = urlsplit(page.url).path.removeprefix("/studio/")
    first = scheduled(Paths(node.data), space)
    assert first is not None
    assert first.starts_at_ms == 1_814_479_200_000, "22:00 in UTC"

    so_far = list(complaints)
    await page.goto(f"{urlsplit(page.url).scheme}://{urlsplit(page.url).netloc}/account")
    item = page.get_by_role("listitem").filter(has_text="An evening <in> summer")
    assert "19:30" in await item.inner_text()
    await page.get_by_role("button", name="Sign out of this browser").click()
    await page.get_by_role("link", name="Sign in", exact=True).click()
    assert complaints == so_far, "our pages obey their own policy"
    await context.close()

    context = await chromium.new_context(java_script_enabled=False)
    page = await open_page(context, complaints)
    await page.goto(node.setup_link)
    assert page.url.endswith("/login#" + urlsplit(node.setup_link).fragment)
    await page.get_by_label("Name").fill("ann")
    await page.get_by_label("Password").fill("not the password")
    await page.get_by_role("button", name="Sign in").click()
    assert await page.get_by_role("alert").inner_text() == "Name or password is wrong."
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("link", name="Ann", exact=True).click()
    item = page.get_by_role("listitem").filter(has_text="An evening <in> summer")
    assert "Thu 01 Jul 2027, 22:00 UTC" in await item.inner_text()
    await context.close()
