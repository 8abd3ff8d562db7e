"""A small programme in a log, with every kind of record, to be read, cut and damaged."""

import hashlib
from pathlib import Path

from stentor.limits import PART_SAMPLES
from stentor.log import Disk, Reader, Writer
from stentor.log.disk import list_segments
from stentor.record import Cursor, Kind, Record, Rendition
from tests.fakes.still_clock import StillClock

SPACE = "0123456789ab"
RENDITIONS = (Rendition.OPUS, Rendition.OPUS_LOW, Rendition.AAC)


def sound(number: int, size: int = 90) -> bytes:
    """Bytes that differ from part to part and are never all zero."""
    block = hashlib.sha256(b"%d" % number).digest()
    return (block * (size // len(block) + 1))[:size]


def open_writer(folder: Path, disk: Disk | None = None, segment_bytes_max: int = 2**26) -> Writer:
    return Writer.open(folder, SPACE, StillClock(), segment_bytes_max=segment_bytes_max, disk=disk)


def begin(writer: Writer) -> None:
    """Announce the Space and append an init for each rendition."""
    writer.append(Kind.EVENT, b'{"type":"space.scheduled"}')
    for rendition in RENDITIONS:
        writer.append(Kind.INIT, b"init" + bytes([rendition]), rendition=rendition)


def parts(writer: Writer, first: int, count: int) -> None:
    """Append `count` times 200 ms of every rendition, from part `first` on."""
    for number in range(first, first + count):
        for rendition in RENDITIONS:
            writer.append(
                Kind.PART,
                sound(number * 4 + rendition),
                rendition=rendition,
                media_time=number * PART_SAMPLES,
                duration=PART_SAMPLES,
            )


def write(folder: Path, count: int = 3, segment_bytes_max: int = 2**26) -> Cursor:
    """A whole, sealed programme of two epochs; its tail."""
    with open_writer(folder, segment_bytes_max=segment_bytes_max) as writer:
        begin(writer)
        parts(writer, 0, count)
        writer.checkpoint()
    with open_writer(folder, segment_bytes_max=segment_bytes_max) as writer:
        parts(writer, count, count)
        writer.append(Kind.EVENT, b'{"type":"space.ended"}', media_time=2 * count * PART_SAMPLES)
        writer.seal(2 * count * PART_SAMPLES)
        return writer.tail


def read_all(folder: Path) -> list[Record]:
    """Every record of a log, through a fresh reader."""
    with Reader(folder, SPACE) as reader:
        reader.refresh()
        records: list[Record] = []
        while taken := reader.read(len(records), 7):
            records.extend(taken)
        return records


def files(folder: Path) -> list[Path]:
    """The segment files of a log, in order."""
    return [folder / str(name) for name in list_segments(folder)]


def descriptors() -> int:
    """How many descriptors this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))
