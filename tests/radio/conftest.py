"""A radio process in this one, a Space for it, and edges that ask."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from stentor import radio
from stentor.config import Settings
from stentor.paths import Paths
from stentor.relay import Ask, Message, Messages, Place, Word, encode_ask
from tests.edge.programme import SPACE, Programme
from tests.fakes.clock import JumpingClock
from tests.radio.melody import sung


@dataclass
class Edge:
    """A connection to the radio process, as an edge has it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    messages: Messages = field(default_factory=Messages)
    told: list[Message] = field(default_factory=list)

    async def until(self, word: Word, count: int = 1) -> list[Message]:
        """The messages of a kind, once there are so many."""
        async with asyncio.timeout(10):
            while len(found := self.of(word)) < count:
                data = await self.reader.read(65_536)
                assert data, f"closed after {len(self.told)} messages"
                self.told += self.messages.feed(data)
        return found

    async def until_samples(self, media_time: int) -> None:
        """Until the programme has been heard up to there."""
        while not self.of(Word.AUDIO) or self.of(Word.AUDIO)[-1].place.media_time < media_time:
            await self.until(Word.AUDIO, len(self.of(Word.AUDIO)) + 1)

    async def closed(self) -> bool:
        """Whether the radio process has ended the connection, after whatever it said."""
        async with asyncio.timeout(10):
            while data := await self.reader.read(65_536):
                self.told += self.messages.feed(data)
        return True

    def of(self, word: Word) -> list[Message]:
        return [message for message in self.told if message.word is word]

    @property
    def audio(self) -> bytes:
        return b"".join(message.payload for message in self.of(Word.AUDIO))

    @property
    def stream(self) -> bytes:
        """What a listener would have been sent who came with the first message."""
        return self.of(Word.HEADER)[0].payload + self.audio


@dataclass
class Station:
    """A radio process that serves."""

    paths: Paths
    clock: JumpingClock
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    edges: list[Edge] = field(default_factory=list)
    task: "asyncio.Task[None] | None" = None

    async def open(self) -> None:
        self.stop.clear()
        settings = Settings(data_dir=str(self.paths.data))
        self.task = asyncio.create_task(radio.serve(settings, self.paths, self.clock, self.stop))
        while not self.paths.socket("radio").exists():
            await asyncio.sleep(0)
            assert not self.task.done()

    async def line(self, line: bytes) -> Edge:
        """Connect and say something."""
        reader, writer = await asyncio.open_unix_connection(str(self.paths.socket("radio")))
        writer.write(line)
        self.edges.append(Edge(reader, writer))
        return self.edges[-1]

    async def ask(self, format_name: str, after: Place | None = None) -> Edge:
        """An edge asks for a stream."""
        edge = await self.line(encode_ask(Ask(SPACE, format_name, after)))
        await edge.until(Word.TITLE)
        return edge

    async def close(self) -> None:
        for edge in self.edges:
            edge.writer.close()
        self.stop.set()
        if self.task is not None:
            await self.task


@pytest.fixture
def clock() -> JumpingClock:
    return JumpingClock()


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    made = Paths(tmp_path / "data")
    made.create()
    return made


@pytest.fixture
def programme(paths: Paths, clock: JumpingClock) -> Iterator[Programme]:
    made = Programme(paths, clock=clock, sound=sung)
    yield made
    made.close()


@pytest.fixture
async def station(paths: Paths, clock: JumpingClock) -> AsyncIterator[Station]:
    made = Station(paths, clock)
    await made.open()
    yield made
    await made.close()
