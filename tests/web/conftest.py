"""A real web process's insides on a real Unix socket, and browsers that come to it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from stentor import social, web
from stentor.config import Settings
from stentor.paths import Paths
from stentor.social import Account
from stentor.space import card as cards
from stentor.space.card import Card
from tests.fakes.shifted_clock import ShiftedClock

PASSWORD = "correct horse hat"
ORIGIN = "http://localhost:8080"


class Web:
    """One data directory and web serving it."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(data_dir=str(folder))
        self.paths = Paths(folder)
        self.paths.create()
        self.clock = ShiftedClock()
        self._stop = asyncio.Event()
        self._serving: asyncio.Task[None] | None = None
        self._browsers = contextlib.AsyncExitStack()

    async def start(self) -> None:
        serve = web.serve(self.settings, self.paths, self.clock, self._stop)
        self._serving = asyncio.create_task(serve)
        while not self.paths.socket("web").exists():
            assert not self._serving.done(), self._serving.exception()
            await asyncio.sleep(0)

    async def stop(self) -> None:
        await self._browsers.aclose()
        self._stop.set()
        if self._serving is not None:
            await self._serving

    async def browser(self, address: str = "192.0.2.1", **headers: str) -> httpx.AsyncClient:
        """A browser as the edge passes it on; `headers` beside or in place of the usual."""
        given: dict[str, str] = {
            "X-Forwarded-For": address,
            "X-Forwarded-Proto": "http",
            "X-Forwarded-Host": "localhost:8080",
            "Origin": ORIGIN,
            "Accept": "text/html,*/*",
        }
        for name, value in headers.items():
            given[name.replace("_", "-")] = value
        client = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=str(self.paths.socket("web"))),
            base_url=ORIGIN,
            headers={name: value for name, value in given.items() if value},
            timeout=60,
        )
        return await self._browsers.enter_async_context(client)

    @property
    def secret(self) -> str:
        link = social.setup_link(self.paths, self.settings)
        assert link is not None
        return link.partition("#")[2]

    async def owner(self, name: str = "Ann") -> tuple[httpx.AsyncClient, Account]:
        """The first owner's browser, signed in by the setup."""
        browser = await self.browser()
        body = {"secret": self.secret, "name": name, "password": PASSWORD}
        answer = await browser.post("/api/setup", json=body)
        assert answer.status_code == 201, answer.text
        return browser, Account(**answer.json()["account"])

    def put_card(self, card: Card) -> None:
        """Write a card as the stage does."""
        path = self.paths.card(card.space)
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_name(".card")
        scratch.write_bytes(cards.encode(card))
        scratch.replace(path)

    def make_card(self, **fields: Any) -> Card:
        """A card with what is not said filled in, written."""
        given = {"space": "0123456789ab", "phase": "replay", "title": "A title", "host_name": "Ann"}
        card = Card(**{**given, **fields})
        self.put_card(card)
        return card


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Web]:
    made = Web(tmp_path / "data")
    await made.start()
    yield made
    await made.stop()
