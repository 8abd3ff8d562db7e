"""An edge on a real socket, and a Space for it to carry."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from stentor import tokens
from stentor.config import Settings
from stentor.edge.conversation import Deadlines
from stentor.edge.server import Bounds
from stentor.paths import Paths
from tests.edge.apart import serve_both
from tests.edge.client import Listener, Visitor
from tests.edge.programme import SPACE, Programme


@dataclass
class Running:
    """An edge that serves, and how to reach it."""

    paths: Paths
    port: int
    door: socket.socket
    stop: asyncio.Event
    task: "asyncio.Task[None]"
    guests: list[Visitor] = field(default_factory=list)

    async def visit(self) -> Visitor:
        visitor = await Visitor.to(self.port)
        self.guests.append(visitor)
        return visitor

    async def listen(self, query: str = "", rendition: str = "opus") -> Listener:
        listener = await Listener.to(self.port)
        self.guests.append(listener)
        heard = await listener.begin(f"/s/{SPACE}/live/{rendition}{query}")
        assert heard.status == 200, heard
        assert heard.headers["connection"] == "close", "nothing follows a live response"
        return listener

    def seat(self, expires_in_s: float = 60.0) -> str:
        """The header that vouches for a speaker."""
        expires_at_s = round(time.time() + expires_in_s)
        claims = tokens.Claims("seat", SPACE, "speaker", "abcdefgh", "Ada", expires_at_s)
        return f"Authorization: Bearer {tokens.issue(claims, self.paths.keyring())}"

    async def health(self) -> dict:
        visitor = await Visitor.to(self.port)
        try:
            return (await visitor.get("/healthz")).json()
        finally:
            await visitor.close()

    async def told(self, name: str, wanted: object, within: str = "") -> None:
        """Wait until the gate's health says so: edges say twice a second how they stand."""
        async with asyncio.timeout(2.0):
            while True:
                health = await self.health()
                if (health[within] if within else health)[name] == wanted:
                    return
                await asyncio.sleep(0.05)

    async def close(self) -> None:
        for guest in self.guests:
            await guest.close()
        self.stop.set()
        await self.task


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    made = Paths(tmp_path / "data")
    made.create()
    return made


@pytest.fixture
def programme(paths: Paths) -> Iterator[Programme]:
    made = Programme(paths)
    yield made
    made.close()


def listening() -> socket.socket:
    """A listening socket on a free port of this machine alone."""
    door = socket.create_server(("127.0.0.1", 0), backlog=1024)
    door.setblocking(False)
    return door


@pytest.fixture
async def start(paths: Paths) -> AsyncIterator[Callable[..., Running]]:
    """Starts edges; they are stopped at the end of the test."""
    running: list[Running] = []

    def begin(**options: object) -> Running:
        settings = Settings(data_dir=str(paths.data), **options.pop("settings", {}))
        door = options.pop("door", None) or listening()
        aside = options.pop("aside", None)
        stop = asyncio.Event()
        bounds = Bounds(**options)
        serving = serve_both(
            settings, paths, stop, door=door, index=len(running), aside=aside, bounds=bounds
        )
        task = asyncio.create_task(serving)
        one = Running(paths, door.getsockname()[1], door, stop, task)
        running.append(one)
        return one

    yield begin
    for one in running:
        with contextlib.closing(one.door):
            await one.close()


@pytest.fixture
async def running(start: Callable[..., Running]) -> Running:
    """One edge, patient for half a second."""
    return start(deadlines=Deadlines(header_s=0.5, keep_alive_s=0.5, body_s=0.5, stuck_s=2.0))
