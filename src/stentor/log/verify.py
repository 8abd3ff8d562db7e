"""Verifying a log: walk every byte, and name the first that is not what was written."""

import os
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

from stentor.errors import Corrupt, Refused, Unavailable
from stentor.log import payloads
from stentor.log.chain import Chain
from stentor.log.disk import DURABLE, list_segments, read_durable, walk
from stentor.log.segment import SEGMENT_HEADER_BYTES, decode_segment
from stentor.record import (
    HEADER_BYTES,
    RENDITION_NAMES,
    Cursor,
    Header,
    Kind,
    Rendition,
    payload_is_whole,
)

_NAMES = {rendition: name for name, rendition in RENDITION_NAMES.items()}


@dataclass(frozen=True, slots=True)
class Fault:
    """The first thing that is wrong.

    Attributes:
        offset: of the record, or of the one that is due there.
        segment: the file's name.
        position: byte in that file at which the record, or the trouble, begins.
        sentence: what is wrong.
    """

    offset: int
    segment: str
    position: int
    sentence: str


@dataclass(slots=True)
class Parts:
    """The parts of one rendition; samples are at 48 kHz.

    Attributes:
        duration_samples: from the first part's first sample to the last one's end.
        missing_samples: of these, in no part.
    """

    count: int = 0
    payload_bytes: int = 0
    duration_samples: int = 0
    missing_samples: int = 0


@dataclass(slots=True)
class Verdict:
    """What a verifier found.

    Attributes:
        fault: the first thing that is wrong; None when all is as it was written.
        records: records checked.
        cursor: after the last of them.
        head: hex SHA-256 of the last one's header.
        withheld: payloads erased by the host, which is no fault.
    """

    space: str
    fault: Fault | None = None
    records: int = 0
    segments: int = 0
    epochs: int = 0
    cursor: str = "0.0"
    head: str = ""
    sealed: bool = False
    withheld: int = 0
    parts: dict[str, Parts] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """Whether every byte is what was written, as far as this folder can tell."""
        return self.fault is None


def verify(folder: Path, space: str, head: str | None = None) -> Verdict:
    """Check a whole log against itself, its seal, its checkpoints, durable.json and a known head.

    Nothing is changed, and a writer may be at work meanwhile.

    Args:
        head: a head learnt elsewhere, as `E.O:hex` (the cursor after that record) or the hex alone.

    Raises:
        Refused: `head.malformed`.
        Unavailable: `log.unreadable` when there is no log here or it cannot be read.
    """
    wanted = _parse_head(head)
    try:
        promised = read_durable(folder)
    except (Corrupt, Refused) as wrong:
        promised, unread = None, wrong.sentence
    except OSError as error:
        raise _unreadable(folder, error.strerror) from error
    else:
        unread = ""
    names = list_segments(folder)
    if not names:
        raise _unreadable(folder, "there are no segments in it")
    examiner = _Examiner(space, promised, wanted)
    try:
        for name, following in zip_longest(names, names[1:]):
            if not examiner.segment(folder / str(name), following.base if following else None):
                break
    except OSError as error:
        raise _unreadable(folder, error.strerror) from error
    if unread:
        examiner.found(unread, DURABLE, 0)
    return examiner.finish()


class _Examiner:
    """Follows a log from its beginning and remembers the first fault."""

    def __init__(
        self, space: str, promised: tuple[Cursor, bytes] | None, wanted: tuple[Cursor | None, bytes]
    ) -> None:
        self._chain = Chain(space)
        self._verdict = Verdict(space)
        self._promised = promised
        self._wanted, self._wanted_seen = wanted, not wanted[1]
        self._ends: dict[Rendition, int] = {}
        self._erased: Fault | None = None
        self._deleted = False
        self._segment, self._position = "", 0

    def found(self, sentence: str, segment: str | None = None, position: int | None = None) -> None:
        """Remember a fault, if it is the first."""
        if self._verdict.fault is None:
            self._verdict.fault = Fault(
                self._chain.offset,
                segment or self._segment,
                self._position if position is None else position,
                sentence,
            )

    def segment(self, path: Path, limit: int | None) -> bool:
        """Examine a segment; False when what follows cannot be followed.

        Args:
            limit: base of the next segment: records from there on count in that one.
        """
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._segment, self._position = path.name, 0
            begin = decode_segment(os.pread(descriptor, SEGMENT_HEADER_BYTES, 0))
            if str(begin.name) != path.name:
                raise Corrupt("log.chain", f"The file should be called {begin.name}.")
            epoch = self._chain.epoch
            self._chain.begin(begin)
            self._verdict.segments += 1
            self._verdict.epochs += self._chain.epoch != epoch
            self._position = SEGMENT_HEADER_BYTES
            # Twice: while somebody writes, the last record may just have become whole.
            if self._records(descriptor, limit) and (torn := self._records(descriptor, limit)):
                self.found(torn)
                return False
        except Corrupt as wrong:
            self.found(wrong.sentence)
            return False
        finally:
            os.close(descriptor)
        return True

    def finish(self) -> Verdict:
        """The verdict, after the last segment."""
        verdict, chain = self._verdict, self._chain
        verdict.records, verdict.cursor, verdict.head = (
            chain.offset,
            str(chain.tail),
            chain.head.hex(),
        )
        if self._erased is not None and not self._deleted:
            verdict.withheld = 0
            if verdict.fault is None or self._erased.offset <= verdict.fault.offset:
                verdict.fault = self._erased
        if self._promised:
            cursor = self._promised[0]
            if cursor.offset > chain.offset or cursor.epoch > chain.epoch:
                self.found(
                    f"The log was safe on disk up to {cursor}, says {DURABLE}; it ends at "
                    f"{chain.tail}: what came after is missing."
                )
        elif chain.offset and not verdict.sealed:
            self.found(f"{DURABLE} is missing: nobody can tell whether the end was cut off.")
        if not self._wanted_seen:
            place = f" at {self._wanted[0]}" if self._wanted[0] is not None else ""
            self.found(f"The head you gave is not in this log{place}: it was cut, or is another.")
        return verdict

    def _records(self, descriptor: int, limit: int | None) -> str:
        """Take the records from the position on; what is torn at the end, if anything is."""
        for _, raw, payload in walk(descriptor, self._position):
            if self._chain.offset == limit:
                break
            if len(raw) < HEADER_BYTES:
                return f"The record's header ends after {len(raw)} of {HEADER_BYTES} bytes."
            header = self._chain.check(raw)
            if len(payload) < header.payload_bytes:
                return (
                    f"The record's payload ends after {len(payload)} of "
                    f"{header.payload_bytes} bytes."
                )
            self._payload(header, payload)
            self._chain.advance(raw)
            self._position += HEADER_BYTES + header.payload_bytes
            self._heads()
        return ""

    def _payload(self, header: Header, payload: bytes) -> None:
        """Check what a record holds, and count it."""
        if header.kind is Kind.PART:
            self._count(header)
        if not payload_is_whole(header, payload):
            if header.kind in {Kind.INIT, Kind.PART} and not payload.strip(b"\0"):
                self._verdict.withheld += 1
                if self._erased is None:
                    sentence = "The payload was erased, but no event says that the host did so."
                    self._erased = Fault(header.offset, self._segment, self._position, sentence)
            else:
                self.found("The payload is not what was written.")
            return
        if self._verdict.sealed and header.kind is not Kind.EVENT:
            self.found("Only events may follow the seal.")
        match header.kind:
            case Kind.EVENT:
                self._deleted |= payloads.type_of(payload) == "recording.deleted"
            case Kind.CHECKPOINT:
                said = payloads.decode_checkpoint(payload)
                self._stands(said.cursor, said.head)
            case Kind.SEAL:
                self._verdict.sealed = True
                self._seal(payloads.decode_seal(payload))
            case Kind.INIT | Kind.PART:
                pass

    def _count(self, header: Header) -> None:
        parts = self._verdict.parts.setdefault(_NAMES[header.rendition], Parts())
        end = header.media_time + header.duration
        begin = self._ends.get(header.rendition, header.media_time)
        parts.count += 1
        parts.payload_bytes += header.payload_bytes
        parts.missing_samples += max(0, header.media_time - begin)
        parts.duration_samples += end - begin
        self._ends[header.rendition] = end

    def _stands(self, cursor: str, head: str) -> None:
        """Compare what a checkpoint or seal says of the record before it."""
        if cursor != str(self._chain.tail) or head != self._chain.head.hex():
            self.found(
                f"It says that the log stood at {cursor} with head {head[:16]}…: it did not."
            )

    def _seal(self, said: payloads.Seal) -> None:
        self._stands(said.cursor, said.head)
        counts = {name: parts.count for name, parts in self._verdict.parts.items()}
        sizes = {name: parts.payload_bytes for name, parts in self._verdict.parts.items()}
        if said.records != self._chain.offset or said.parts != counts or said.bytes != sizes:
            self.found("The totals in the seal are not those of the records before it.")

    def _heads(self) -> None:
        """Compare the head with what was promised or is known for this place."""
        chain = self._chain
        if self._promised:
            cursor, head = self._promised
            if cursor.offset == chain.offset and head != chain.head:
                self.found(f"{DURABLE} knows another head for {cursor}.")
        place, head = self._wanted
        if head == chain.head:  # which has the epoch in it
            self._wanted_seen |= place is None or place.offset == chain.offset


def _parse_head(text: str | None) -> tuple[Cursor | None, bytes]:
    """A head as people pass it on; empty bytes when there is none."""
    if not text:
        return None, b""
    place, _, digits = text.rpartition(":")
    try:
        cursor = Cursor.parse(place) if place else None
        head = bytes.fromhex(digits)
    except (Refused, ValueError) as wrong:
        raise _malformed() from wrong
    if len(head) != 32:
        raise _malformed()
    return cursor, head


def _malformed() -> Refused:
    return Refused("head.malformed", "A head is 64 hexadecimal digits, or 1.4711:DIGITS.")


def _unreadable(folder: Path, reason: str | None) -> Unavailable:
    return Unavailable("log.unreadable", f"The log in {folder} cannot be read: {reason}.")
