"""Moving records that the disk refused to keep into a file of their own."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stentor.errors import Corrupt
from stentor.log.disk import Disk, put, walk
from stentor.log.segment import SEGMENT_HEADER_BYTES, SegmentHeader, SegmentName
from stentor.record import Header, decode_header, payload_is_whole

SCRATCH = ".rescued"


@dataclass(slots=True)
class Unsynced:
    """A segment file that holds bytes which may not be on the medium yet.

    Attributes:
        synced: byte position up to which they are.
        end: byte position after its last whole record.
    """

    path: Path
    descriptor: int
    synced: int
    end: int


def rescue(file: Unsynced, space: str, disk: Disk) -> bool:
    """Copy the records of a segment that were never synced into another file, and sync that.

    After a failed fsync the kernel may take dirty pages for clean ones: they can still be read,
    but will never be written. A copy is dirty again. It has the same records under the same epoch
    and offsets, so no reader loses its place; the old file keeps what had been synced.

    Returns:
        Whether every record was still there; if not, the first that was not and all after it are
        gone.

    Raises:
        OSError: the disk still refuses; the old file is as it was.
    """
    path, end, synced = file.path, file.end, max(file.synced, SEGMENT_HEADER_BYTES)
    records = _whole(file.descriptor, synced, end)
    first, data = next(records, (None, b""))
    if first is None:
        return synced >= end
    target = path.with_name(str(SegmentName(first.epoch, first.offset)))
    scratch = path.with_name(SCRATCH)
    scratch.unlink(missing_ok=True)
    copy = disk.create(scratch)
    try:
        begin = SegmentHeader(first.epoch, first.offset, first.wall_time, first.prev, space)
        position = put(disk, copy, begin.encode() + data, 0)
        for _, data in records:
            position += put(disk, copy, data, position)
        disk.sync(copy)
    finally:
        os.close(copy)
    disk.rename(scratch, target)
    disk.sync_folder(path.parent)
    if target != path:
        disk.truncate(file.descriptor, synced)
    return position - SEGMENT_HEADER_BYTES == end - synced


def _whole(descriptor: int, begin: int, end: int) -> Iterator[tuple[Header, bytes]]:
    """The records between two byte positions, as far as they are whole."""
    for position, raw, payload in walk(descriptor, begin):
        if position >= end:
            return
        try:
            header = decode_header(raw)
        except Corrupt:
            return
        if not payload_is_whole(header, payload):
            return
        yield header, raw + payload
