"""Reading a log while another process writes it: catch up, then follow."""

import os
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from stentor.errors import Corrupt
from stentor.limits import READ_BYTES_MAX, READ_RECORDS_MAX, READER_SEGMENTS_MAX
from stentor.log.chain import Chain
from stentor.log.disk import list_segments, walk
from stentor.log.index import Index, PartIndex, resolve
from stentor.log.segment import (
    SEGMENT_HEADER_BYTES,
    SegmentHeader,
    SegmentName,
    decode_segment,
)
from stentor.record import (
    HEADER_BYTES,
    Cursor,
    Header,
    Kind,
    Record,
    Rendition,
    decode_header,
    payload_is_whole,
)


class Reader:
    """One process's view of a log; it never changes anything on disk.

    Nothing is read before the first `refresh()`. The folder may come into being later. A reader
    belongs to one thread.
    """

    def __init__(self, folder: Path, space: str) -> None:
        self._folder = folder
        self._chain = Chain(space)
        self._index = Index()
        self._open: OrderedDict[SegmentName, int] = OrderedDict()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def tail(self) -> Cursor:
        """The cursor after the last record seen; `0.0` before there is a log."""
        return self._chain.tail

    @property
    def head(self) -> bytes:
        """SHA-256 of the last header seen."""
        return self._chain.head

    @property
    def sealed(self) -> bool:
        """Whether the log has its seal: only events may still come."""
        return bool(self._index.offsets(Kind.SEAL))

    def refresh(self, records_max: int | None = None) -> bool:
        """Pick up the records appended since.

        Args:
            records_max: take at most about so many now, so that a caller with other duties can
                read a long log in slices; then True means "there may be more".

        Returns:
            Whether there was any.

        Raises:
            Corrupt: `log.chain` when a later segment does not continue what is here.
        """
        before, cut = self._chain.offset, False
        limit = None if records_max is None else before + records_max
        while True:
            self._scan(limit)
            if limit is not None and self._chain.offset >= limit:
                return True
            following = self._following()
            if following is None:
                return cut or self._chain.offset > before
            # All records of the segment before were written before this one came to be. Its last
            # one is whole then, or its sound was erased; either is its place in the log.
            self._scan(limit, following.base)
            if limit is not None and self._chain.offset >= limit:
                return True
            cut = self._begin(following) or cut

    def resolve(self, cursor: Cursor) -> int:
        """The offset at which reading goes on for a cursor (PROTOCOL.md, "The record")."""
        return resolve(cursor, self._index.segments, self._chain.offset)

    def read(self, offset: int, records_max: int = READ_RECORDS_MAX) -> list[Record]:
        """Records from `offset` on, bounded in number and in bytes; empty only at the tail.

        Raises:
            Corrupt: `record.payload` when one is not what was written (it may have been erased).
        """
        if offset < 0:
            raise ValueError("offsets begin at 0")
        stop = min(self._chain.offset, offset + records_max)
        records: list[Record] = []
        bytes_left = READ_BYTES_MAX
        while offset < stop:
            taken = self._run(offset, stop - offset, bytes_left)
            if not taken:
                break
            records.extend(taken)
            offset += len(taken)
            bytes_left -= sum(HEADER_BYTES + record.header.payload_bytes for record in taken)
        return records

    def record(self, offset: int) -> Record:
        """One record.

        Raises:
            IndexError: there is none with this offset (yet).
            Corrupt: `record.payload` as in `read`.
        """
        if not 0 <= offset < self._chain.offset:
            raise IndexError(f"the log has no record {offset}")
        return self.read(offset, 1)[0]

    def header(self, offset: int) -> Header:
        """One record's header; its payload is not touched, and may have been erased.

        Raises:
            IndexError: there is none with this offset (yet).
        """
        if not 0 <= offset < self._chain.offset:
            raise IndexError(f"the log has no record {offset}")
        name, bounds = self._index.run(offset, 1)
        return decode_header(os.pread(self._descriptor(name), HEADER_BYTES, bounds[0]))

    def headers(
        self, start: int = 0, stop: int | None = None, kind: Kind | None = None
    ) -> Iterator[Header]:
        """Headers of the offsets from `start` up to `stop` (the tail), all or of one kind."""
        stop = self._chain.offset if stop is None else min(stop, self._chain.offset)
        if kind is None:
            chosen: Iterator[int] = iter(range(start, stop))
        else:
            columns = (self._index.offsets(kind, rendition) for rendition in Rendition)
            chosen = iter(sorted(o for column in columns for o in column if start <= o < stop))
        for offset in chosen:
            yield self.header(offset)

    def latest(self, kind: Kind, rendition: Rendition = Rendition.NONE) -> Record | None:
        """The newest record of a kind and rendition; None when there is none yet."""
        offsets = self._index.offsets(kind, rendition)
        return self.record(offsets[-1]) if offsets else None

    def parts(self, rendition: Rendition) -> PartIndex:
        """All parts of a rendition as columns; the same object grows with each `refresh()`."""
        return self._index.parts[rendition]

    def close(self) -> None:
        """Let go of the files; what is indexed stays."""
        while self._open:
            os.close(self._open.popitem()[1])

    def _scan(self, limit: int | None, base: int | None = None) -> None:
        """Index what is whole in the segment reached; stop before the first that is not (yet).

        Args:
            base: of the segment after this one, when there is one: where this one ends.
        """
        if not self._index.segments or (base is not None and self._chain.offset >= base):
            return
        descriptor = self._descriptor(self._index.segments[-1])
        size = os.fstat(descriptor).st_size
        if size <= self._index.end:
            return
        for position, raw, payload in walk(descriptor, self._index.end):
            if len(raw) < HEADER_BYTES:
                return
            try:
                header = self._chain.check(raw)
            except Corrupt:
                return
            end = position + HEADER_BYTES + header.payload_bytes
            # What follows says that a record was written to its end; the very last is checked.
            last = end == size and base is None
            if end > size or (last and not payload_is_whole(header, payload)):
                return
            self._chain.advance(raw)
            self._index.add(header, position)
            if self._chain.offset == base or (limit is not None and self._chain.offset >= limit):
                return

    def _following(self) -> SegmentHeader | None:
        """The segment after the one reached, once its header is whole."""
        reached = self._index.segments[-1] if self._index.segments else SegmentName(0, 0)
        for name in list_segments(self._folder):
            if name <= reached:
                continue
            try:
                data = os.pread(self._descriptor(name), SEGMENT_HEADER_BYTES, 0)
                return decode_segment(data)
            except (Corrupt, FileNotFoundError):
                self._forget(name)  # not whole yet, or left by a writer that died making it
        return None

    def _begin(self, segment: SegmentHeader) -> bool:
        """Go on in the next segment; True when that took records back that had been read.

        A writer that could not trust its disk copies what was not yet safe into a new segment, or
        gives it up; either way the new segment begins before our tail.
        """
        cut = segment.base < self._chain.offset
        if cut:
            before = self.header(segment.base - 1).hash() if segment.base else None
            self._index.cut(segment.base)
            self._chain.back(segment.base, before)
        self._chain.begin(segment)
        self._index.begin(segment.name, SEGMENT_HEADER_BYTES)
        return cut

    def _run(self, offset: int, records_max: int, bytes_max: int) -> list[Record]:
        """Some records from `offset` on out of one segment; none if the first has no room."""
        name, bounds = self._index.run(offset, records_max)
        begin = bounds[0]
        count = bisect_right(bounds, begin + bytes_max) - 1
        data = os.pread(self._descriptor(name), bounds[count] - begin, begin)
        records = []
        for number in range(count):
            at, end = bounds[number] - begin, bounds[number + 1] - begin
            header = decode_header(data[at : at + HEADER_BYTES])
            payload = data[at + HEADER_BYTES : end]
            if header.offset != offset + number or not payload_is_whole(header, payload):
                raise _damaged(offset + number)
            records.append(Record(header, payload))
        return records

    def _descriptor(self, name: SegmentName) -> int:
        """A segment's file, from the few that are kept open."""
        descriptor = self._open.get(name)
        if descriptor is not None:
            self._open.move_to_end(name)
            return descriptor
        descriptor = os.open(self._folder / str(name), os.O_RDONLY | os.O_CLOEXEC)
        self._open[name] = descriptor
        if len(self._open) > READER_SEGMENTS_MAX:
            os.close(self._open.popitem(last=False)[1])
        return descriptor

    def _forget(self, name: SegmentName) -> None:
        descriptor = self._open.pop(name, None)
        if descriptor is not None:
            os.close(descriptor)


def _damaged(offset: int) -> Corrupt:
    return Corrupt(
        "record.payload",
        f"Record {offset} is not what was written; `stentor verify` says what is wrong.",
    )
