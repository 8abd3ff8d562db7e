"""Logs at hand for replays and playlists: a bounded table of readers, used off the event loop."""

import asyncio
from collections import OrderedDict
from pathlib import Path

import msgspec

from stentor.edge.playlist import Form, Listing
from stentor.edge.static import squeeze
from stentor.errors import Refused
from stentor.ids import SpaceId
from stentor.limits import LOGS_READ_AT_ONCE, OPEN_RECORDS, READ_RECORDS_MAX, SPACES_READ_MAX
from stentor.log import Reader
from stentor.paths import Paths
from stentor.record import RENDITION_NAMES, Kind, Rendition

_Playlist = tuple[object, bytes, bytes]
"""What a playlist was written from, and its text, plain and gzipped."""


class OpenLog:
    """One Space's log, read by one request at a time.

    Attributes:
        reader: what is indexed may be looked at; reading goes through the methods here.
        listings: what HLS lists of each rendition.
        prefixes: what comes before the parts in a rendition's replay, once that was wanted.
    """

    def __init__(self, space: SpaceId, paths: Paths, reading: asyncio.Semaphore) -> None:
        """Args: reading: held while a long log is read, for that keeps a core busy for seconds."""
        self.reader = Reader(paths.log(space), space)
        self.listings = {
            rendition: Listing(name, self.reader.parts(rendition))
            for name, rendition in RENDITION_NAMES.items()
        }
        self._playlists: dict[tuple[Rendition, Form], _Playlist] = {}
        self.prefixes: dict[Rendition, bytes] = {}
        self._reading = reading
        self._lock = asyncio.Lock()
        self._inits: dict[Rendition, bytes] = {}
        self._events: tuple[bytes, bytes] = (b"", b"")

    def __del__(self) -> None:
        # Whoever still reads from a log that had to make room holds it until then.
        self.reader.close()

    async def refresh(self) -> None:
        """Pick up what was appended: a little at once, a long log in a thread.

        Raises:
            Corrupt: the log is not what was written.
        """
        async with self._lock:
            if self.reader.refresh(OPEN_RECORDS):
                async with self._reading:
                    while await asyncio.to_thread(self.reader.refresh, 4 * OPEN_RECORDS):
                        pass
            for listing in self.listings.values():
                listing.refresh(ended=self.reader.sealed)

    def playlist(self, rendition: Rendition, form: Form) -> tuple[bytes, bytes]:
        """A playlist as it is now, plain and gzipped; written once for everybody."""
        listing = self.listings[rendition]
        others = tuple(other for other in self.listings.values() if other is not listing)
        state = tuple((each.done, each.ended) for each in self.listings.values())
        known = self._playlists.get((rendition, form))
        if known is None or known[0] != state:
            text = listing.text(form, others)
            known = self._playlists[rendition, form] = state, text, squeeze(text)
        return known[1:]

    async def init(self, rendition: Rendition) -> bytes:
        """The rendition's init.

        Raises:
            Refused: `space.not_live` before the start.
            Corrupt: it was erased or damaged.
        """
        if rendition not in self._inits:
            async with self._lock:
                record = await asyncio.to_thread(self.reader.latest, Kind.INIT, rendition)
            if record is None:
                raise Refused("space.not_live", "This Space has not begun.")
            if not self.reader.sealed:
                return record.payload
            self._inits[rendition] = record.payload
        return self._inits[rendition]

    async def payloads(self, rendition: Rendition, first: int, end: int) -> bytes:
        """The payloads of a rendition's parts from number `first` to before `end`, joined.

        Raises:
            Corrupt: one was erased or damaged.
        """
        async with self._lock:
            return await asyncio.to_thread(self._payloads, rendition, first, end)

    async def events(self) -> bytes:
        """`{"events": [{"offset": n, "media_time": n, "event": {...}}, ...]}` as JSON.

        Raises:
            Corrupt: one was damaged.
        """
        async with self._lock:
            head, events = self._events
            if head != self.reader.head:
                head = self.reader.head
                events = await asyncio.to_thread(self._read_events)
                self._events = head, events
            return events

    def _payloads(self, rendition: Rendition, first: int, end: int) -> bytes:
        parts = self.reader.parts(rendition)
        if first >= end:
            return b""
        offset, last = parts.offset[first], parts.offset[end - 1]
        pieces = []
        while offset <= last:
            for record in self.reader.read(offset, min(READ_RECORDS_MAX, last - offset + 1)):
                header = record.header
                if header.kind is Kind.PART and header.rendition is rendition:
                    pieces.append(record.payload)
                offset = header.offset + 1
        return b"".join(pieces)

    def _read_events(self) -> bytes:
        listed = [
            {
                "offset": header.offset,
                "media_time": header.media_time,
                "event": msgspec.Raw(self.reader.record(header.offset).payload),
            }
            for header in self.reader.headers(kind=Kind.EVENT)
        ]
        return msgspec.json.encode({"events": listed})


class Shelf:
    """The logs of Spaces that are being replayed or listed; the longest unused one makes room."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._logs: OrderedDict[SpaceId, OpenLog] = OrderedDict()
        self._reading = asyncio.Semaphore(LOGS_READ_AT_ONCE)

    def folder(self, space: SpaceId) -> Path:
        """Where a Space's log is."""
        return self._paths.log(space)

    def opened(self, space: SpaceId) -> OpenLog:
        """A Space's log, as far as it was read."""
        log = self._logs.get(space)
        if log is None:
            log = self._logs[space] = OpenLog(space, self._paths, self._reading)
        self._logs.move_to_end(space)
        if len(self._logs) > SPACES_READ_MAX:
            self._logs.popitem(last=False)
        return log

    async def log(self, space: SpaceId) -> OpenLog:
        """A Space's log, up to its tail.

        Raises:
            Corrupt: the log is not what was written.
        """
        log = self.opened(space)
        await log.refresh()
        return log
