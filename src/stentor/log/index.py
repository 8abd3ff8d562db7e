"""What a reader remembers of a log: where each record stands, and the parts as columns. Pure."""

from array import array
from bisect import bisect_right
from collections.abc import Sequence

from stentor.log.segment import SegmentName
from stentor.record import Cursor, Header, Kind, Rendition


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
        return self.media_time[-1] + self.duration[-1] if self.offset else 0

    def at(self, media_time: int) -> int:
        """The number of the part that holds `media_time`: the last that begins at or before it."""
        return max(0, bisect_right(self.media_time, media_time) - 1)

    def add(self, header: Header) -> None:
        """Take the next part."""
        self.media_time.append(header.media_time)
        self.duration.append(header.duration)
        self.offset.append(header.offset)
        self.payload_bytes.append(header.payload_bytes)
        self.cumulative.append(self.bytes_total)
        self.bytes_total += header.payload_bytes

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
        positions: byte position of each record in its segment, by offset.
        parts: the columns of each rendition that has parts.
    """

    __slots__ = ("_others", "parts", "positions", "segments")

    def __init__(self) -> None:
        self.segments: list[SegmentName] = []
        self.positions = array("q")
        self.parts = {rendition: PartIndex() for rendition in Rendition}
        self._others: dict[tuple[Kind, Rendition], array[int]] = {}

    def begin(self, segment: SegmentName) -> None:
        """The records that follow stand in this segment."""
        self.segments.append(segment)

    def add(self, header: Header, position: int) -> None:
        """Take the next record."""
        self.positions.append(position)
        if header.kind is Kind.PART:
            self.parts[header.rendition].add(header)
        else:
            self._others.setdefault((header.kind, header.rendition), array("q")).append(
                header.offset
            )

    def cut(self, offset: int) -> None:
        """Forget the records from `offset` on."""
        del self.positions[offset:]
        for parts in self.parts.values():
            parts.cut(offset)
        for offsets in self._others.values():
            del offsets[bisect_right(offsets, offset - 1) :]

    def segment_of(self, offset: int) -> SegmentName:
        """The segment in which a record stands."""
        return self.segments[bisect_right(self.segments, offset, key=lambda name: name.base) - 1]

    def offsets(self, kind: Kind, rendition: Rendition = Rendition.NONE) -> Sequence[int]:
        """The offsets of all records of one kind and rendition."""
        if kind is Kind.PART:
            return self.parts[rendition].offset
        return self._others.get((kind, rendition), array("q"))


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
