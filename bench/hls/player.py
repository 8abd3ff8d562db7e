"""A low-latency HLS player that only counts: it asks as one does, and keeps a playhead."""

import asyncio
import re
from dataclasses import dataclass, field

from stentor.clock import Clock
from stentor.edge.playlist import PART_HOLD_BACK_S, PARTIAL_SAMPLES, PARTIALS
from stentor.limits import SAMPLE_RATE

PARTIAL_S = PARTIAL_SAMPLES / SAMPLE_RATE
STALL_S = 0.02
SETTLED_S = 0.1
"""A playlist that was waited for longer than this is the newest there is."""
RETRY_S = 1.0
_PART = re.compile(rb'URI="[a-z-]+/(\d+)\.(\d+)\.m4s"(?!,LAST)')
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


class Line:
    """One connection that is kept."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def get(self, target: str) -> tuple[int, bytes]:
        """One answer: status and body; a connection that was closed meanwhile is made anew."""
        for tries in (1, 2):
            try:
                return await self._ask(target)
            except (OSError, asyncio.IncompleteReadError):
                self.close()
                if tries == 2:
                    raise
        raise AssertionError("one of two tries ends it")

    async def _ask(self, target: str) -> tuple[int, bytes]:
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        assert self._reader is not None
        self._writer.write(f"GET {target} HTTP/1.1\r\nHost: radio\r\n\r\n".encode())
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if length is None:
            return int(head[9:12]), await self._chunks()
        return int(head[9:12]), await self._reader.readexactly(int(length[1]))

    async def _chunks(self) -> bytes:
        assert self._reader is not None
        body = b""
        while size := int(await self._reader.readline(), 16):
            body += (await self._reader.readexactly(size + 2))[:-2]
        await self._reader.readexactly(2)
        return body

    def close(self) -> None:
        """Let go of the connection."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


@dataclass
class Player:
    """One listener.

    Attributes:
        arrived_at_s: when each partial segment was there (monotonic), by number.
        stalls: how often the playhead ran out of sound.
        errors: answers that were none.
        begun_at_s: when it began to play (monotonic), and
        head: which partial segment's time it began with, fractions included.
    """

    port: int
    path: str
    rendition: str
    clock: Clock
    arrived_at_s: dict[int, float] = field(default_factory=dict)
    stalls: int = 0
    errors: int = 0
    begun_at_s: float = 0.0
    head: float = 0.0

    async def run(self) -> None:
        """Play until cancelled."""
        lists, sound = Line(self.port), Line(self.port)
        try:
            newest = await self._tune_in(lists)
            first = max(0, newest - 4)
            for number in range(first, newest + 1):
                await self._fetch(sound, number)
            self.begun_at_s = self.clock.now()
            self.head = newest + 1 - PART_HOLD_BACK_S / PARTIAL_S
            await asyncio.gather(self._follow(lists, newest), self._listen(sound, newest + 1))
        finally:
            lists.close()
            sound.close()

    async def _tune_in(self, line: Line) -> int:
        """The newest partial segment: a cache may have an old playlist (appendix C)."""
        newest = await self._load(line, "")
        while True:
            asked_at = self.clock.now()
            newest = max(newest, await self._load(line, self._after(newest)))
            if self.clock.now() - asked_at > SETTLED_S:
                return newest

    async def _follow(self, line: Line, newest: int) -> None:
        while True:
            newest = max(newest, await self._load(line, self._after(newest) + "&_HLS_skip=YES"))

    def _after(self, newest: int) -> str:
        number, index = divmod(newest + 1, PARTIALS)
        return f"?_HLS_msn={number}&_HLS_part={index}"

    async def _load(self, line: Line, query: str) -> int:
        """The newest partial segment in a playlist; -1 when it cannot be had now."""
        status, body = await line.get(f"{self.path}/{self.rendition}.m3u8{query}")
        listed = body.partition(b"#EXT-X-PRELOAD")[0]
        found = _PART.findall(listed)
        if status != 200 or not found:
            self.errors += 1
            await asyncio.sleep(RETRY_S)
            return -1
        return int(found[-1][0]) * PARTIALS + int(found[-1][1])

    async def _listen(self, line: Line, number: int) -> None:
        while True:
            await self._fetch(line, number)
            number += 1

    async def _fetch(self, line: Line, number: int) -> None:
        """A partial segment, as it was hinted at; and whether it came in time."""
        segment, index = divmod(number, PARTIALS)
        while True:
            status, body = await line.get(f"{self.path}/{self.rendition}/{segment}.{index}.m4s")
            if status == 200 and body[4:8] == b"moof":
                break
            self.errors += 1
            await asyncio.sleep(RETRY_S)
        now = self.clock.now()
        self.arrived_at_s[number] = now
        if self.begun_at_s:
            late_s = now - self.begun_at_s - (number - self.head) * PARTIAL_S
            if late_s > STALL_S:
                self.stalls += 1
                self.head -= late_s / PARTIAL_S
