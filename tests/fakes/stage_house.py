"""A stage with its real socket, logs and UDP ports, and everything a test asks of it.

The stage runs as a task of the test (`StageHouse`) or as a process that can be killed
(`StageProcess`). Speakers, who want TCP, come through a door that passes bytes on to the socket.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import numpy as np

from stentor import stage
from stentor.clock import Clock, SystemClock
from stentor.config import Settings
from stentor.demo.speaker import Pcm, WhipSpeaker, packets_of
from stentor.log import Reader
from stentor.paths import Paths
from stentor.record import Kind, Record
from stentor.tokens import Claims, Role, TokenKind, issue

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 15.0


def tone(hertz: float = 440.0, seconds: float = 60.0, peak: float = 0.3) -> list[bytes]:
    """A steady tone as Opus packets of 20 ms: one second, again and again."""
    at = np.arange(48_000) / 48_000
    samples = (np.sin(2 * np.pi * hertz * at) * peak * 32_767).astype(np.int16)
    frames: list[Pcm] = list(samples.reshape(50, 960))
    return packets_of(frames * 2)[:50] * round(seconds)


class Studio:
    """A seat's token, and the lines of its stream as they come."""

    def __init__(self, house: "House", space: str, speaker: str, token: str) -> None:
        self.house, self.space, self.speaker, self.token = house, space, speaker, token
        self.lines: list[dict[str, Any]] = []
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.ended = asyncio.Event()

    async def command(self, command: str, **fields: object) -> httpx.Response:
        return await self.house.post(
            f"/stage/{self.space}/commands", self.token, {"command": command, **fields}
        )

    async def follow(self) -> Self:
        """Read the stream from now on."""
        self._task = asyncio.create_task(self._read())
        await self.line(lambda line: line["type"] == "state")
        return self

    async def hang_up(self) -> None:
        """Close the stream from this side."""
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait({self._task})

    async def line(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first line, seen or to come, that is wanted."""
        async with asyncio.timeout(WAIT_S):
            while True:
                for line in self.lines:
                    if wanted(line):
                        return line
                self._news.clear()
                await self._news.wait()

    async def event(self, kind: str, **fields: object) -> dict[str, Any]:
        """The first event of this type with these fields."""
        wanted = {"type": kind, **fields}
        return await self.line(lambda line: wanted.items() <= line.items())

    async def card(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first card told that is wanted."""
        line = await self.line(lambda line: line["type"] == "state" and wanted(line["card"]))
        found: dict[str, Any] = line["card"]
        return found

    def speak(self, packets: list[bytes], *, hears: bool = False) -> WhipSpeaker:
        """A speaker on this seat, not publishing yet."""
        url = f"http://127.0.0.1:{self.house.port}/stage/{self.space}/whip"
        return WhipSpeaker(url, self.token, lambda: packets, hears=hears)

    async def _read(self) -> None:
        with contextlib.suppress(httpx.HTTPError):
            path, headers = f"/stage/{self.space}/events", {"Authorization": f"Bearer {self.token}"}
            async with self.house.client.stream("GET", path, headers=headers) as response:
                assert response.status_code == 200, await response.aread()
                async for text in response.aiter_lines():
                    self.lines.append(json.loads(text))
                    self._news.set()
        self.ended.set()


class House(ABC):
    """Data directory, keys, HTTP client and TCP door around a stage."""

    def __init__(self, folder: Path, clock: Clock | None = None, **knobs: Any) -> None:
        self.clock = clock or SystemClock()
        self.settings = Settings(
            **{"data_dir": str(folder), "udp_ports": "42000-42199", "udp_listen": "127.0.0.1"}
            | knobs
        )
        self.paths = Paths(folder)
        self.paths.create()
        self.keyring = self.paths.keyring()
        transport = httpx.AsyncHTTPTransport(uds=str(self.paths.socket("stage")))
        self.client = httpx.AsyncClient(transport=transport, base_url="http://stage", timeout=10)
        self.port = 0
        self._door: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._door = await asyncio.start_server(self._pass_on, "127.0.0.1", 0)
        self.port = self._door.sockets[0].getsockname()[1]
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        await self.stop()
        await self.client.aclose()
        assert self._door is not None
        self._door.close()

    @abstractmethod
    async def start(self) -> None:
        """Have the stage run."""

    @abstractmethod
    async def stop(self) -> None:
        """Have it stop."""

    async def wait_ready(self) -> dict[str, Any]:
        """Wait until the stage answers."""
        async with asyncio.timeout(WAIT_S):
            while True:
                with contextlib.suppress(httpx.HTTPError):
                    return dict((await self.client.get("/stage/health")).json())
                await asyncio.sleep(0.01)

    def token(self, kind: TokenKind, space: str, role: Role, seat: str, valid_s: int = 600) -> str:
        at_s = self.clock.wall_time() // 1_000_000_000
        return issue(Claims(kind, space, role, seat, "Somebody", at_s + valid_s), self.keyring)

    async def post(self, path: str, token: str, body: object) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return await self.client.post(path, json=body, headers=headers)

    async def create(self, **fields: object) -> Studio:
        """A new Space and its host, seated."""
        service = self.token("service", "", "service", "")
        wanted = {"title": "A talk", "host_name": "Ada", "host_id": "acc000000001", **fields}
        answer = await self.post("/stage/spaces", service, wanted)
        assert answer.status_code == 201, answer.text
        space, host = answer.json()["space"], answer.json()["host_speaker"]
        return await self.join(space, self.token("seat", space, "host", host), "Ada")

    async def join(self, space: str, token: str, name: str) -> Studio:
        """Take a seat."""
        answer = await self.post(f"/stage/{space}/join", token, {"name": name, "consent": True})
        assert answer.status_code == 201, answer.text
        return Studio(self, space, answer.json()["speaker"], answer.json()["token"])

    async def invite(self, host: Studio, name: str, role: str = "speaker") -> Studio:
        """Have the host invite somebody, who takes the seat."""
        answer = await host.command("invite.create", name=name, role=role)
        return await self.join(host.space, answer.json()["invite"], name)

    def records(self, space: str) -> list[Record]:
        """All records of a log."""
        with Reader(self.paths.log(space), space) as reader:
            reader.refresh()
            records: list[Record] = []
            while len(records) < reader.tail.offset:
                records += reader.read(len(records))
            return records

    def events(self, space: str) -> list[dict[str, Any]]:
        """All events of a log."""
        records = self.records(space)
        return [json.loads(each.payload) for each in records if each.header.kind is Kind.EVENT]

    def card(self, space: str) -> dict[str, Any]:
        """The card on disk."""
        found: dict[str, Any] = json.loads(self.paths.card(space).read_bytes())
        return found

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            there = await asyncio.open_unix_connection(str(self.paths.socket("stage")))
            both = (_copy(reader, there[1]), _copy(there[0], writer))
            await asyncio.gather(*both)
        writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


class StageHouse(House):
    """The stage as a task."""

    async def start(self) -> None:
        self._stop = asyncio.Event()
        self._task = asyncio.create_task(
            stage.serve(self.settings, self.paths, self.clock, self._stop)
        )
        await self.wait_ready()

    async def stop(self) -> None:
        self._stop.set()
        async with asyncio.timeout(WAIT_S):
            await self._task


class StageProcess(House):
    """The stage as a process of its own."""

    async def start(self) -> None:
        self.started_at = time.monotonic()
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
        knobs = [f"--udp-ports={self.settings.udp_ports}", f"--data={self.settings.data_dir}"]
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "stentor", "stage", *knobs, env=environment
        )
        await self.wait_ready()

    async def stop(self) -> None:
        await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """As by the kernel when memory runs out."""
        await self._end(signal.SIGKILL)

    async def _end(self, number: signal.Signals) -> None:
        if self.process.returncode is None:
            self.process.send_signal(number)
        async with asyncio.timeout(WAIT_S):
            await self.process.wait()


@contextlib.asynccontextmanager
async def speaking(*speakers: WhipSpeaker) -> AsyncIterator[None]:
    """Publish, and hang up at the end."""
    try:
        for speaker in speakers:
            await speaker.publish()
        yield
    finally:
        for speaker in speakers:
            await speaker.disconnect()
