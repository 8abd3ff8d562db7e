"""One Space as the radio process follows it: its log and card on disk become radio streams."""

from collections.abc import Callable

import msgspec

from stentor.limits import (
    OPEN_RECORDS,
    RADIO_BEHIND_PARTS,
    RADIO_LOOK_BACK_RECORDS,
    RADIO_RECORDS_PER_TURN,
    READ_RECORDS_MAX,
)
from stentor.log import Reader
from stentor.paths import Paths
from stentor.radio.broadcast import Audience, Broadcast, Format
from stentor.radio.title import next_voice, title_of
from stentor.record import Cursor, Kind, Record, Rendition
from stentor.relay import RADIO_FORMATS, Place
from stentor.space import card
from stentor.space.events import SpeakingChanged, decode

MakeFormat = Callable[[str, str, int], Format]
"""A format of this name for a Space, from a position on."""


class Station:
    """A Space somebody listens to by radio.

    Attributes:
        over: whether everything has been said.
    """

    def __init__(self, space: str, paths: Paths, make: MakeFormat) -> None:
        self.over = False
        self._space = space
        self._card_path = paths.card(space)
        self._card_version = (0, 0)
        self._card: card.Card | None = None
        self._make = make
        self._reader = Reader(paths.log(space), space)
        self._ready = False
        self._next = Cursor(0, 0)
        self._voice = ""
        self._broadcasts: dict[str, Broadcast] = {}

    @property
    def formats(self) -> list[str]:
        """What is being made."""
        return list(self._broadcasts)

    def join(self, format_name: str, somebody: Audience, after: Place | None, now: float) -> None:
        """Tell somebody a stream, which is begun if need be.

        Raises:
            Corrupt, OSError: as `advance`.
        """
        broadcast = self._broadcasts.get(format_name)
        if broadcast is None:
            made_as = self._make(format_name, self._space, after.position if after else 0)
            self._look_at_card()
            burst_parts = RADIO_FORMATS[format_name].burst_parts
            broadcast = Broadcast(made_as, burst_parts, now, after, self._title())
            self._broadcasts[format_name] = broadcast
            if self._ready:
                self._begin(broadcast, now)
        broadcast.join(somebody, after)

    def leave(self, somebody: Audience) -> None:
        """Somebody has gone; what nobody listens to is no longer made."""
        for name, broadcast in list(self._broadcasts.items()):
            broadcast.audience.discard(somebody)
            if not broadcast.audience:
                del self._broadcasts[name]

    def advance(self, now: float) -> bool:
        """Take some of what the log has got since.

        Returns:
            Whether there is more at once.

        Raises:
            Corrupt: the log is not what was written.
            OSError: it cannot be read.
        """
        if not self._ready:
            if self._reader.refresh(OPEN_RECORDS):
                return True
            self._open(now)
            return False
        self._reader.refresh(READ_RECORDS_MAX)
        start = max(self._reader.resolve(self._next), self._newest(RADIO_BEHIND_PARTS))
        for record in self._reader.read(start, RADIO_RECORDS_PER_TURN):
            self._next = record.header.next
            self._pass_on(record, now)
        return not self.over and self._next.offset < self._reader.tail.offset

    def tick(self, now: float) -> None:
        """Time has passed: the card may be another, and silence may be due."""
        if not self._ready or self.over:
            return
        self._look_at_card()
        for broadcast in self._broadcasts.values():
            broadcast.entitle(self._title())
            broadcast.tick(now)

    def close(self) -> None:
        """Let go of the files and of everybody."""
        self._reader.close()
        for broadcast in list(self._broadcasts.values()):
            broadcast.close()

    def _open(self, now: float) -> None:
        """The log has been read to its tail: begin with its newest parts."""
        self._ready = True
        self._next = self._reader.tail
        self._look_at_card()
        self._voice = self._who_spoke()
        for broadcast in self._broadcasts.values():
            broadcast.entitle(self._title())
            self._begin(broadcast, now)
        if self._reader.sealed:
            self._end()

    def _begin(self, broadcast: Broadcast, now: float) -> None:
        parts = self._reader.parts(broadcast.rendition)
        first = max(0, len(parts) - broadcast.burst_parts)
        if broadcast.media_time >= 0:
            heard = parts.at(broadcast.media_time)
            first = max(0, len(parts) - RADIO_BEHIND_PARTS, heard)
        chosen = [one for one in parts.offset[first:] if one < self._next.offset]
        for offset in chosen:
            record = self._reader.record(offset)
            broadcast.part(record.header, record.payload, now)
        if not chosen:
            broadcast.begin()

    def _newest(self, count: int) -> int:
        """The offset of the oldest of so many newest parts."""
        parts = self._reader.parts(Rendition.OPUS)
        return parts.offset[-count] if len(parts) >= count else 0

    def _pass_on(self, record: Record, now: float) -> None:
        header = record.header
        if header.kind is Kind.PART:
            for broadcast in self._broadcasts.values():
                if broadcast.rendition is header.rendition:
                    broadcast.part(header, record.payload, now)
        elif header.kind is Kind.EVENT:
            self._hear(record.payload)
        elif header.kind is Kind.SEAL:
            self._end()

    def _end(self) -> None:
        self.over = True
        for broadcast in list(self._broadcasts.values()):
            broadcast.end()

    def _hear(self, payload: bytes) -> None:
        speaking = _speaking(payload)
        if speaking is not None:
            self._voice = next_voice(self._voice, speaking)

    def _who_spoke(self) -> str:
        """Who was heard last, as far as the newest records say."""
        start = self._reader.tail.offset - RADIO_LOOK_BACK_RECORDS
        for header in reversed(list(self._reader.headers(start, kind=Kind.EVENT))):
            speaking = _speaking(self._reader.record(header.offset).payload)
            if speaking:
                return speaking[0]
        return ""

    def _title(self) -> str:
        return title_of(self._card, self._voice) if self._card is not None else ""

    def _look_at_card(self) -> None:
        try:
            status = self._card_path.stat()
            version = (status.st_ino, status.st_mtime_ns)
            if version != self._card_version:
                self._card = card.decode(self._card_path.read_bytes())
                self._card_version = version
        except (OSError, msgspec.MsgspecError):
            return  # the stage is about to replace it


def _speaking(payload: bytes) -> list[str] | None:
    """Who is heard, when an event says so."""
    try:
        event = decode(payload)
    except msgspec.MsgspecError:
        return None
    return event.speakers if isinstance(event, SpeakingChanged) else None
