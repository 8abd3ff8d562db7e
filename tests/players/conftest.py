"""An edge and a Space for players that are not ours, and a Space that goes on as time does."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from stentor.paths import Paths
from tests.edge.conftest import Running, paths, programme, start
from tests.edge.programme import SPACE, Programme
from tests.players.melody import sound

__all__ = ["paths", "programme", "start"]

BEGUN_PARTS = 300
"""A minute has passed when the players come."""
PART_S = 0.2
PLAYER_S = 40


@pytest.fixture
async def running(start: Callable[..., Running]) -> Running:
    """One edge, as patient as out in the world."""
    return start()


@dataclass
class Broadcast:
    """A Space that is really live."""

    running: Running
    programme: Programme
    playing: "asyncio.Task[None]"

    @property
    def hls(self) -> str:
        """Where HLS players look for it."""
        return f"http://127.0.0.1:{self.running.port}/s/{SPACE}/hls"

    def ended(self) -> None:
        """The Space is over."""
        self.playing.cancel()
        self.programme.end()


@pytest.fixture
async def broadcast(start: Callable[..., Running], paths: Paths) -> AsyncIterator[Broadcast]:
    programme = Programme(paths, sound=sound)
    programme.begin()
    programme.play(BEGUN_PARTS)
    loop = asyncio.get_running_loop()
    begun = loop.time()

    async def go_on() -> None:
        while True:
            await asyncio.sleep(begun + (programme.played - BEGUN_PARTS + 1) * PART_S - loop.time())
            programme.play(1)

    playing = asyncio.create_task(go_on())
    yield Broadcast(start(), programme, playing)
    playing.cancel()
    programme.close()


@pytest.fixture
def player() -> Callable[..., Awaitable[bytes]]:
    """Runs a player to its end, and gives what it wrote."""

    async def run(
        name: str, *arguments: str | Path, stop_after_s: float = 0, **environment: str
    ) -> bytes:
        program = shutil.which(name)
        if program is None:
            pytest.skip(f"this test wants {name}")
        process = await asyncio.create_subprocess_exec(
            program,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={"HOME": "/nonexistent", "PATH": "/usr/bin:/bin", **environment},
        )
        if stop_after_s:
            asyncio.get_running_loop().call_later(stop_after_s, process.terminate)
        try:
            async with asyncio.timeout(PLAYER_S):
                heard, told = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        assert stop_after_s or process.returncode == 0, told.decode(errors="replace")[-2_000:]
        return heard

    return run
