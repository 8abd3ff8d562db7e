"""Pictures of a page as people see it: phone and desktop, light and dark."""

from pathlib import Path
from typing import Literal

from playwright.async_api import Page

SIZES = {"390": (390, 844), "1280": (1_280, 800)}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


async def shoot(page: Page, folder: Path, name: str) -> int:
    """Write `name-WIDTH-SCHEME.png` for each size and scheme; returns how many."""
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    for width, (across, down) in SIZES.items():
        await page.set_viewport_size({"width": across, "height": down})
        for scheme in SCHEMES:
            await page.emulate_media(color_scheme=scheme)
            await page.wait_for_timeout(250)  # transitions end
            await page.screenshot(path=folder / f"{name}-{width}-{scheme}.png", full_page=True)
            count += 1
    await page.emulate_media(color_scheme="light")
    return count


async def overflow(page: Page) -> int:
    """Pixels by which the page is wider than its window; 0 when it fits."""
    found = await page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    return int(found)
