"""One real listener: headless Chromium on the Space's page, with what it played written down."""

import contextlib
import itertools
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stentor.clock import Clock
from stentor.demo import sockets
from stentor.demo.playhead import STALL_S
from stentor.limits import PART_SAMPLES

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page, Playwright

PRESS_MS_MAX = 10_000
IN_FLIGHT_S = 0.03
"""A part that was on its way when its edge died is not one from the next edge."""
HEAD_EVERY_S = 0.05
"""How often the page notes where the playhead is."""
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)


def program() -> str:
    """Where Chromium is; empty when it, or playwright, is not installed."""
    try:
        import playwright.async_api  # noqa: F401 - is it there?
    except ImportError:
        return ""
    return shutil.which("chromium") or shutil.which("chromium-browser") or ""


@dataclass(slots=True)
class Played:
    """What a browser appended and played; times are monotonic seconds of this machine."""

    parts: list[tuple[float, int]]
    """(when, decode time in samples)"""
    heads: list[tuple[float, float, bool]]
    """(when, seconds on the media clock, whether it was paused)"""
    page: dict[str, Any]
    """What the page says of itself."""
    errors: list[str]

    @property
    def lost(self) -> int:
        """Parts left out between the first and the last."""
        steps = [after[1] - before[1] for before, after in itertools.pairwise(self.parts)]
        return sum(round(step / PART_SAMPLES) - 1 for step in steps if step > 0)

    @property
    def twice(self) -> int:
        """Parts that were appended again."""
        times = [at for _, at in self.parts]
        return len(times) - len(set(times))

    def waits(self) -> list[tuple[float, float]]:
        """(when, seconds): where the playhead stood still for more than 20 ms while it should run.

        Chromium moves `currentTime` in steps, so a wait shows as time that passed without sound.
        """
        found: list[tuple[float, float]] = []
        started = False
        for before, after in itertools.pairwise(self.heads):
            stood = after[1] <= before[1]
            started = started or (not stood and after[1] > 0)
            if not started or after[2] or not stood:
                continue
            wait = after[0] - before[0]
            if found and abs(found[-1][0] + found[-1][1] - before[0]) < HEAD_EVERY_S / 2:
                found[-1] = (found[-1][0], found[-1][1] + wait)
            else:
                found.append((before[0], wait))
        return [(at, wait) for at, wait in found if wait > STALL_S + HEAD_EVERY_S]

    def back_after(self, moment: float) -> float:
        """Seconds from `moment`, when the connection was lost, to the next part; -1 without one."""
        later = [at for at, _ in self.parts if at > moment + IN_FLIGHT_S]
        return min(later) - moment if later else -1.0


@dataclass(slots=True)
class BrowserListener:
    """A listener in Chromium; `async with`."""

    url: str
    port: int
    clock: Clock
    _play: "Playwright | None" = None
    _browser: "Browser | None" = None
    _page: "Page | None" = None
    _context: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    async def __aenter__(self) -> "BrowserListener":
        from playwright.async_api import async_playwright

        self._play = await self._context.enter_async_context(async_playwright())
        self._browser = await self._play.chromium.launch(
            executable_path=program(), headless=True, args=list(_FLAGS), handle_sigint=False
        )
        # Small and without motion: nobody looks, and drawing takes the processor from listeners.
        self._page = await self._browser.new_page(
            viewport={"width": 390, "height": 600}, reduced_motion="reduce"
        )
        script = Path(__file__).with_name("page.js")
        await self._page.add_init_script(path=script)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._browser is not None:
            with contextlib.suppress(Exception):  # it may have been ended with us by Ctrl-C
                await self._browser.close()
        await self._context.aclose()

    async def listen(self) -> None:
        """Open the Space's page and press Listen."""
        assert self._page is not None
        await self._page.goto(self.url)
        await self._page.click("#listen", timeout=PRESS_MS_MAX)

    def local_ports(self) -> set[int]:
        """The ports from which this browser is connected to the door."""
        own = {pid for pid in sockets.descendants(os.getpid()) if "chrom" in _name(pid)}
        return sockets.local_ports(own, self.port)

    async def played(self) -> Played:
        """What it has appended and played so far."""
        assert self._page is not None
        now = self.clock.now()
        taken = await self._page.evaluate(
            "() => ({now: performance.now(), ...window.drill, page: {...window.stentor}})"
        )
        shift = (now + self.clock.now()) / 2 - taken["now"] / 1000
        return Played(
            [(at / 1000 + shift, int(time)) for at, time in taken["parts"]],
            [(at / 1000 + shift, head, bool(paused)) for at, head, paused in taken["heads"]],
            taken["page"],
            taken["errors"],
        )


def _name(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text()
    return ""
