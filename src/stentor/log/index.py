"""What a reader remembers of a log: where each record stands, and the parts as columns. Pure."""

from array import array
from bisect import bisect_right
from collections.abc import Sequence

from stentor.log.segment import SEGMENT_HEADER_BYTES, SegmentName
from stentor.record import HEADER_BYTES, Cursor, Header, Kind, Rendition


class PartIndex:
    """The parts of one rendition, as columns of equal length that grow.

    Attributes:
        media_time: decode time of each part's first sample.
        duration: samples at 48 kHz.
        offset: of the record in the log.
        payload_bytes: of the record.
        cumulative: payload bytes of all parts before this one.
        bytes_total: payload bytes of all parts.
    """

    __slots__ = (
        "bytes_total",
        "cumulative",
        "duration",
        "media_time",
        "offset",
        "payload_bytes",
    )

    def __init__(self) -> None:
        self.media_time = array("q")
        self.duration = array("I")
        self.offset = array("q")
        self.payload_bytes = array("I")
        self.cumulative = array("q")
        self.bytes_total = 0

    def __len__(self) -> int:
        return len(self.offset)

    @property
    def media_time_end(self) -> int:
        """The media_time after the last part's last sample; 0 without parts."""
        last = len(self) - 1
        return self.media_time[last] + self.duration[last] if last >= 0 else 0

    def at(self, media_time: int) -> int:
        """The number of the part that holds `media_time`: the last that begins at or before it."""
        return max(0, bisect_right(self.media_time, media_time, 0, len(self)) - 1)

    def add(self, header: Header) -> None:
        """Take the next part."""
        self.media_time.append(header.media_time)
        self.duration.append(header.duration)
        self.payload_bytes.append(header.payload_bytes)
        self.cumulative.append(self.bytes_total)
        self.bytes_total += header.payload_bytes
        # Last, because it is the length: who looks from another thread sees whole rows only.
        self.offset.append(header.offset)

    def cut(self, offset: int) -> None:
        """Forget the parts from `offset` on."""
        keep = bisect_right(self.offset, offset - 1)
        if keep < len(self):
            self.bytes_total = self.cumulative[keep]
        for column in (self.media_time, self.offset, self.cumulative):
            del column[keep:]
        del self.duration[keep:], self.payload_bytes[keep:]


class Index:
    """Where each record of a log stands.

    Attributes:
        segments: the segments in order.
        end: byte position after the last record, in the last segment.
        parts: the columns of each rendition.
    """

    __slots__ = ("_ends", "_others", "_positions", "end", "parts", "segments")

    def __init__(self) -> None:
        self.segments: list[SegmentName] = []
        self.end = 0
        self.parts = {rendition: PartIndex() for rendition in Rendition}
        self._ends: list[int] = []
        self._positions = array("q")
        self._others: dict[tuple[Kind, Rendition], array[int]] = {}

    def begin(self, segment: SegmentName, position: int) -> None:
        """The records that follow stand in this segment, from a byte position on."""
        if self.segments:
            self._ends.append(self.end)
        self.segments.append(segment)
        self.end = position

    def add(self, header: Header, position: int) -> None:
        """Take the next record, which begins at a byte position."""
        self._positions.append(position)
        self.end = position + HEADER_BYTES + header.payload_bytes
        if header.kind is Kind.PART:
            self.parts[header.rendition].add(header)
        else:
            self._others.setdefault((header.kind, header.rendition), array("q")).append(
                header.offset
            )

    def cut(self, offset: int) -> None:
        """Forget the records from `offset` on, and the segments that began after it."""
        while self.segments and self.segments[-1].base > offset:
            self.segments.pop()
            self.end = self._ends.pop() if self._ends else 0
        for number, segment in enumerate(self.segments):
            if segment.base == offset:
                self._shorten(number, SEGMENT_HEADER_BYTES)
            elif offset < self._stop(number):
                self._shorten(number, self._positions[offset])
        del self._positions[offset:]
        for parts in self.parts.values():
            parts.cut(offset)
        for offsets in self._others.values():
            del offsets[bisect_right(offsets, offset - 1) :]

    def run(self, offset: int, records_max: int) -> tuple[SegmentName, list[int]]:
        """Where some records from `offset` on stand in one segment: the bounds between them.

        Record `offset + i` has the bytes from bounds[i] to bounds[i + 1].
        """
        number = bisect_right(self.segments, offset, key=lambda name: name.base) - 1
        stop = min(offset + records_max, self._stop(number))
        bounds = self._positions[offset:stop].tolist()
        bounds.append(self._positions[stop] if stop < self._stop(number) else self._end(number))
        return self.segments[number], bounds

    def offsets(self, kind: Kind, rendition: Rendition = Rendition.NONE) -> Sequence[int]:
        """The offsets of all records of one kind and rendition."""
        if kind is Kind.PART:
            return self.parts[rendition].offset
        return self._others.get((kind, rendition), array("q"))

    def _stop(self, number: int) -> int:
        """The offset after a segment's last record."""
        following = number + 1
        if following < len(self.segments):
            return self.segments[following].base
        return len(self._positions)

    def _end(self, number: int) -> int:
        return self._ends[number] if number < len(self._ends) else self.end

    def _shorten(self, number: int, end: int) -> None:
        if number < len(self._ends):
            self._ends[number] = end
        else:
            self.end = end


def resolve(cursor: Cursor, segments: Sequence[SegmentName], tail: int) -> int:
    """Where reading goes on for a cursor (PROTOCOL.md, "Resolving a cursor").

    Args:
        cursor: what a reader says it wants next.
        segments: the log's segments in order.
        tail: the offset after the last record.
    """
    if not segments or cursor.epoch > segments[-1].epoch:
        return tail
    later = bisect_right(segments, cursor.epoch, key=lambda name: name.epoch)
    end = segments[later].base if later < len(segments) else tail
    return min(cursor.offset, end)
