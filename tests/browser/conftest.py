"""A house with a Space in it, and a browser that obeys the autoplay rules people meet."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.async_api import CDPSession, Page, async_playwright

from tests.browser.house import House

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
_FLAGS = ["--no-sandbox", "--autoplay-policy=document-user-activation-required"]


@dataclass
class Visit:
    """A page and what went wrong in it."""

    page: Page
    inspector: CDPSession
    faults: list[str]

    async def ask(self, expression: str) -> Any:
        """Evaluate without it counting as a person's press, as `page.evaluate` would."""
        answer = await self.inspector.send(
            "Runtime.evaluate",
            {"expression": expression, "returnByValue": True, "awaitPromise": True},
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def face(self) -> dict[str, Any]:
        """What the player says of itself."""
        return dict(await self.ask("({...window.stentor})"))

    async def until(self, condition: str, seconds: float = 8) -> None:
        """Wait until an expression on the page is true."""
        # Asked from outside, time and again: the page's policy forbids to evaluate text inside it.
        end = asyncio.get_running_loop().time() + seconds
        while not await self.ask(condition):
            late = asyncio.get_running_loop().time() > end
            assert not late, f"{condition}: {await self.face()}"
            await asyncio.sleep(0.05)


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with House() as made:
        yield made


@pytest.fixture
async def visit() -> AsyncIterator[Visit]:
    if CHROMIUM is None:
        pytest.skip("these tests want Chromium")
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)
        page = await browser.new_page()
        visit = Visit(page, await page.context.new_cdp_session(page), [])
        page.on("pageerror", lambda error: visit.faults.append(str(error)))
        page.on(
            "console",
            lambda message: (
                visit.faults.append(message.text)
                if message.type == "error" and "Failed to load resource" not in message.text
                else None
            ),
        )
        yield visit
        await browser.close()
    assert not [fault for fault in visit.faults if "net::" not in fault]
