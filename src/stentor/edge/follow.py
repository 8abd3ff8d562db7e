"""One Space as an edge follows it: its log and card on disk become frames in rings."""

from bisect import bisect_right
from collections import deque
from dataclasses import dataclass, field

from stentor.edge.cards import KnownCard, read_card
from stentor.edge.frames import card_box, content_of, frame_of, note_frame
from stentor.edge.ring import Content, Ring
from stentor.edge.wheel import Wheel
from stentor.ids import SpaceId
from stentor.limits import (
    JOIN_PARTS,
    OPEN_RECORDS,
    READ_RECORDS_MAX,
    REREAD_HASHES,
    RESUME_PARTS_MAX,
    RING_PARTS,
    RING_START_PARTS,
)
from stentor.log import Reader
from stentor.paths import Paths
from stentor.record import RENDITION_NAMES, Cursor, Kind, Record, Rendition


@dataclass(slots=True, eq=False)
class Stream:
    """One rendition of one Space, or its radio in one format.

    Attributes:
        over: whether nothing will follow what is in the ring.
        join_parts: parts a listener begins with, at least.
        init: the newest init; empty before the start.
        wheel: when those who listen to it have their turn.
        parts_new: parts that have come since the wheel was last told of them.
        others_new: whether other frames have.
        said_at: when listeners were last given anything.
        media_time: after the last sample of the newest part.
    """

    rendition: Rendition
    ring: Ring
    init: bytes = b""
    over: bool = False
    join_parts: int = JOIN_PARTS
    wheel: Wheel = field(default_factory=Wheel)
    parts_new: int = 0
    others_new: bool = False
    said_at: float = 0.0
    media_time: int = 0


class FollowedSpace:
    """A Space's rings, kept up with its log. Belongs to one thread.

    Attributes:
        ready: whether the log has been read up to its tail once.
        sealed: whether the programme is over and everything is in the rings.
        next: the cursor of the next record.
        lag_ns: how old the newest part was when it was read.
    """

    def __init__(self, space: SpaceId, paths: Paths) -> None:
        self.space = space
        self.log_folder = paths.log(space)
        self.card_path = paths.card(space)
        self.ready = False
        self.sealed = False
        self.next = Cursor(0, 0)
        self.newest_wall_time = 0
        self.card: KnownCard | None = None
        self.reader = Reader(self.log_folder, space)
        self.streams: dict[str, Stream] = {}
        self._sent: deque[bytes] = deque(maxlen=REREAD_HASHES)

    @property
    def is_live(self) -> bool:
        """Whether parts are to be expected at any moment."""
        return self.card is not None and self.card.card.phase == "live" and not self.sealed

    def is_behind(self, cursor: Cursor | None) -> bool:
        """Whether somebody who comes from a faster edge knows records that are not read here yet.

        To whom that is so after the log has been read to its end, the cursor names nothing.
        """
        tail = self.next
        return cursor is not None and (cursor.epoch, cursor.offset) > (tail.epoch, tail.offset)

    def close(self) -> None:
        """Let go of the files."""
        self.reader.close()

    def open_further(self) -> bool:
        """Index some more of the log, and fill the rings once its tail is reached.

        Returns:
            Whether it is ready now.

        Raises:
            Corrupt: the log is not what was written.
            OSError: it cannot be read.
        """
        if self.reader.refresh(OPEN_RECORDS):
            return False
        start = self._start()
        self.streams = {
            name: Stream(rendition, Ring(start)) for name, rendition in RENDITION_NAMES.items()
        }
        for stream in self.streams.values():
            latest = self.reader.latest(Kind.INIT, stream.rendition)
            stream.init = latest.payload if latest is not None else b""
        self.next = Cursor(self.reader.tail.epoch, start)
        while self._take(start):
            start = self.next.offset
        self.next = self.reader.tail
        self.refresh_card()
        for stream in self.streams.values():
            stream.parts_new = 0
        self.ready = True
        return True

    def advance(self) -> bool:
        """Take what the log has got since into the rings, a bounded number of records.

        Returns:
            Whether there is more at once.

        Raises:
            Corrupt: the log is not what was written.
            OSError: it cannot be read.
        """
        more = self.reader.refresh(READ_RECORDS_MAX)
        # The same rule as for listeners: a new epoch may begin before our tail.
        start = self.reader.resolve(self.next)
        if start < self.reader.tail.offset and self._take(start):
            return True
        self.next = self.reader.tail
        return more

    def refresh_card(self) -> bool:
        """Look at the card; when it has changed, listeners are told. True when it has."""
        known = read_card(self.card_path, self.card)
        if known is None or known is self.card:
            return False
        same = self.card is not None and known.data == self.card.data
        self.card = known
        if same:
            return False
        for stream in self.streams.values():
            self.note(stream, self._card_box(stream))
        return True

    def note(self, stream: Stream, box: bytes) -> None:
        """Tell the listeners of a stream something that is no record.

        Args:
            box: empty to tell them no more than where they are.
        """
        stream.ring.append(note_frame(box, self.next), self.next.offset, Content.NOTE)
        stream.others_new = True

    def card_now(self, stream: Stream) -> bytes:
        """The card as a box; empty while there is none."""
        return self._card_box(stream) if self.card is not None else b""

    def offset_for(self, stream: Stream, cursor: Cursor | None, since: int | None) -> int | None:
        """Where a listener goes on or begins, as far back as is kept; None: at the newest parts.

        Args:
            cursor: it has everything before this.
            since: it wants the part that holds this media_time.
        """
        parts = self.reader.parts(stream.rendition)
        oldest = self.oldest(stream)
        if cursor is not None:
            return max(oldest, self.reader.resolve(cursor))
        if since is None or not len(parts):
            return None
        number = max(0, bisect_right(parts.media_time, since) - 1)
        if since >= parts.media_time[number] + parts.duration[number]:
            return self.next.offset
        return max(oldest, parts.offset[number])

    def oldest(self, stream: Stream, spare_parts: int = 0) -> int:
        """The oldest offset that is kept for a stream's listeners, or some parts before it."""
        parts = self.reader.parts(stream.rendition)
        kept = RESUME_PARTS_MAX + spare_parts
        return parts.offset[-kept] if len(parts) > kept else 0

    def frames_from_log(
        self, offset: int, rendition: Rendition, bytes_max: int
    ) -> tuple[list[bytes], int]:
        """Frames for a listener behind the ring, and the offset after them.

        Raises:
            Corrupt: the log is not what was written.
            OSError: it cannot be read.
        """
        frames: list[bytes] = []
        left = bytes_max
        for record in self.reader.read(offset, READ_RECORDS_MAX // 8):
            if left <= 0:
                break
            offset = record.header.offset + 1
            if record.header.rendition in (rendition, Rendition.NONE):
                frame = frame_of(record)
                frames.append(frame)
                left -= len(frame)
        return [frame for frame in frames if frame], offset

    def _card_box(self, stream: Stream) -> bytes:
        assert self.card is not None, "asked only when there is a card"
        return card_box(self.card.data, self.card.number, stream.media_time)

    def _start(self) -> int:
        """The offset at which the rings begin."""
        tail = self.reader.tail.offset
        starts = [
            parts.offset[max(0, len(parts) - RING_START_PARTS)]
            for rendition in RENDITION_NAMES.values()
            if len(parts := self.reader.parts(rendition))
        ]
        return min(starts, default=max(0, tail - RING_PARTS // 2))

    def _take(self, start: int) -> bool:
        """Put records from `start` on into the rings; True when it did not get to the tail."""
        again = start < self.next.offset
        for record in self.reader.read(start, READ_RECORDS_MAX):
            self.next = record.header.next
            if again and record.header.payload_sha256 in self._sent:
                continue
            self._pass_on(record)
        return self.next.offset < self.reader.tail.offset

    def _pass_on(self, record: Record) -> None:
        header = record.header
        frame = frame_of(record)
        if not frame or self.sealed:
            return
        self._sent.append(header.payload_sha256)
        chosen = list(self.streams.values())
        if header.rendition is not Rendition.NONE:
            chosen = [stream for stream in chosen if stream.rendition is header.rendition]
        for stream in chosen:
            if header.kind is Kind.INIT:
                stream.init = record.payload
            if header.kind is Kind.PART:
                stream.media_time = header.media_time + header.duration
                self.newest_wall_time = header.wall_time
                stream.parts_new += 1
            else:
                stream.others_new = True
            stream.ring.append(frame, header.offset, content_of(record))
        if header.kind is Kind.SEAL:
            self.sealed = True
            for stream in self.streams.values():
                stream.over = True
