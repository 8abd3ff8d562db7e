"""The public page of an incident, as web gives it."""

import asyncio

from bench.incident.disk import write
from stentor.space import card as cards
from tests.audience.test_incident import SPACE, small
from tests.web.conftest import Web


async def test_the_page_is_made_once_and_then_the_same(house: Web) -> None:
    await asyncio.to_thread(write, house.paths, small(history=0))
    browser = await house.browser()
    first = await browser.get(f"/s/{SPACE}/incident")
    assert first.status_code == 200
    assert first.headers["content-type"].startswith("text/html")
    assert "style-src 'sha256-" in first.headers["content-security-policy"]
    assert "Nothing was rough" in first.text
    made = house.paths.incident(SPACE).stat().st_mtime_ns
    again = await browser.get(f"/s/{SPACE}/incident")
    assert again.text == first.text
    assert house.paths.incident(SPACE).stat().st_mtime_ns == made


async def test_there_is_none_before_the_end_or_without_a_ledger(house: Web) -> None:
    browser = await house.browser()
    assert (await browser.get(f"/s/{SPACE}/incident")).status_code == 404
    live = cards.Card(SPACE, "live", "Now", "Ada", started_at_ms=1)
    house.paths.space(SPACE).mkdir(parents=True)
    house.paths.card(SPACE).write_bytes(cards.encode(live))
    early = await browser.get(f"/s/{SPACE}/incident", headers={"Accept": "application/json"})
    assert early.status_code == 409
    over = cards.Card(SPACE, "replay", "Now", "Ada", started_at_ms=1, ended_at_ms=2)
    house.paths.card(SPACE).write_bytes(cards.encode(over))
    house.paths.log(SPACE).mkdir()
    empty = await browser.get(f"/s/{SPACE}/incident", headers={"Accept": "application/json"})
    assert empty.status_code == 404
    assert empty.json()["code"] == "report.empty"
