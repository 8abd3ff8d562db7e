"""Opening a log for writing: find the last whole record, cut what is torn after it."""

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from stentor.errors import Corrupt, Refused
from stentor.log.chain import Chain
from stentor.log.disk import Disk, list_segments, read_durable, walk
from stentor.log.segment import SEGMENT_HEADER_BYTES, decode_segment
from stentor.record import HEADER_BYTES, Header, Kind, Rendition, payload_is_whole

telemetry = logging.getLogger(__name__)

Tell = Callable[[Header, bytes], None]
"""Is given a record's header and payload."""


@dataclass(slots=True)
class Totals:
    """What the parts of a rendition add up to."""

    parts: int = 0
    payload_bytes: int = 0
    media_time_end: int = 0

    def add(self, header: Header) -> None:
        """Take the next part."""
        self.parts += 1
        self.payload_bytes += header.payload_bytes
        self.media_time_end = header.media_time + header.duration


@dataclass(frozen=True, slots=True)
class Recovered:
    """What was found when a log was opened, or recovered after a failure.

    Attributes:
        records: whole records found.
        cut_bytes: bytes of torn or unreadable records that were cut.
        lost: records that durable.json had promised and that are not there: the disk lied.
        last: for each rendition with parts, the media_time after its last sample and its parts.
        wall_time: of the last record, UTC nanoseconds; 0 when there is none.
    """

    records: int = 0
    cut_bytes: int = 0
    lost: int = 0
    last: dict[Rendition, tuple[int, int]] = field(default_factory=dict)
    wall_time: int = 0


@dataclass(slots=True)
class Found:
    """The state of a log that is being made whole.

    Attributes:
        epoch: the last that began.
        safe: records before this offset had been synced.
        tell: is given each record but parts, so that who opens a log need not read it twice.
    """

    chain: Chain
    epoch: int = 0
    safe: int = 0
    cut_bytes: int = 0
    lost: int = 0
    sealed: bool = False
    totals: dict[Rendition, Totals] = field(default_factory=dict)
    wall_time: int = 0
    tell: Tell | None = None

    def add(self, header: Header, payload: bytes) -> None:
        """Take the next record."""
        self.wall_time = header.wall_time
        if header.kind is Kind.PART:
            self.totals.setdefault(header.rendition, Totals()).add(header)
        elif self.tell is not None:
            self.tell(header, payload)
        self.sealed = self.sealed or header.kind is Kind.SEAL

    def recovered(self) -> Recovered:
        """The same, as the writer tells it."""
        last = {key: (of.media_time_end, of.parts) for key, of in self.totals.items()}
        return Recovered(self.chain.offset, self.cut_bytes, self.lost, last, self.wall_time)


def restore(folder: Path, space: str, disk: Disk, tell: Tell | None = None) -> Found:
    """Make a log whole and safe on disk, and say where it stands.

    Records that were safe on disk before are never cut: damage among them is an error, for a
    person to look at. What is not whole after them was torn by a crash, and is cut.

    Raises:
        Corrupt: `log.corrupt`.
    """
    names = list_segments(folder)
    found = Found(Chain(space), epoch=names[-1].epoch if names else 0, tell=tell)
    found.safe = promised = _promised(folder)
    if names:  # an epoch begins after everything before it was synced
        found.safe = max(promised, min(n.base for n in names if n.epoch == names[-1].epoch))
    for number, name in enumerate(names):
        later = names[number + 1 :]
        if not _restore_segment(folder / str(name), found, later[0].base if later else None, disk):
            for unreachable in later:
                _remove(folder / str(unreachable), found)
            break
    found.lost = max(0, promised - found.chain.offset)
    if names:
        disk.sync_folder(folder)
    if found.cut_bytes or found.lost:
        telemetry.warning(
            "log %s: cut %d bytes that were not whole; %d records are missing that had been synced",
            space,
            found.cut_bytes,
            found.lost,
        )
    return found


def _promised(folder: Path) -> int:
    """The offset before which all is durable, by durable.json; 0 when it does not say."""
    try:
        durable = read_durable(folder)
    except (Corrupt, Refused) as wrong:  # it is made anew; the beginning of the epoch says enough
        telemetry.warning("%s: %s", folder, wrong.sentence)
        return 0
    return durable[0].offset if durable else 0


def _restore_segment(path: Path, found: Found, limit: int | None, disk: Disk) -> bool:
    """Take one segment's whole records and cut the rest; False when the log ends before it.

    Args:
        limit: base offset of the segment after this one: records from there on count in that one.
    """
    chain = found.chain
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        data = os.pread(descriptor, SEGMENT_HEADER_BYTES, 0)
        if len(data) < SEGMENT_HEADER_BYTES:  # the writer died while it made this file
            _remove(path, found)
            return True
        try:
            chain.begin(decode_segment(data))
        except Corrupt as wrong:
            if chain.offset < found.safe:
                raise _unfit(path, chain.offset, wrong.sentence) from wrong
            _remove(path, found)
            return False
        end = _whole_records(descriptor, path, found, limit)
        cut = os.fstat(descriptor).st_size - end
        if cut:
            found.cut_bytes += cut
            disk.truncate(descriptor, end)
        if cut or chain.offset > found.safe:
            disk.sync(descriptor)
        return True
    finally:
        os.close(descriptor)


def _whole_records(descriptor: int, path: Path, found: Found, limit: int | None) -> int:
    """Follow a segment's records; the byte position after the last whole one."""
    chain, position = found.chain, SEGMENT_HEADER_BYTES
    for at, raw, payload in walk(descriptor, position):
        if chain.offset == limit:
            break
        safe = chain.offset < found.safe
        try:
            if len(raw) < HEADER_BYTES:
                break
            header = chain.check(raw)
        except Corrupt as wrong:
            if safe:
                raise _unfit(path, chain.offset, wrong.sentence) from wrong
            break
        if len(payload) < header.payload_bytes:
            break
        # Sound that was safe is not hashed again, which takes long, and may have been erased.
        sound = header.kind in {Kind.INIT, Kind.PART}
        if not (safe and sound) and not payload_is_whole(header, payload):
            if safe:
                raise _unfit(path, chain.offset, "Its payload is not what was written.")
            break
        chain.advance(raw)
        found.add(header, payload)
        position = at + HEADER_BYTES + header.payload_bytes
    if chain.offset < min(found.safe, chain.offset if limit is None else limit):
        raise _unfit(path, chain.offset, "The segment ends before the next one begins.")
    return position


def _remove(path: Path, found: Found) -> None:
    found.cut_bytes += path.stat().st_size
    path.unlink()


def _unfit(path: Path, offset: int, sentence: str) -> Corrupt:
    return Corrupt(
        "log.corrupt",
        f"{path}: record {offset} was safe on disk and is damaged. {sentence} Nothing was "
        "changed; run `stentor verify`, then restore the folder from a copy or begin a new Space.",
    )
