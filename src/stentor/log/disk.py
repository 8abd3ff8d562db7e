"""The disk as the log sees it: the few calls that may fail, and what the folder holds."""

import errno
import fcntl
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from stentor.errors import Unavailable
from stentor.limits import PAYLOAD_BYTES_MAX, SCAN_BYTES
from stentor.log.payloads import Durable, decode_durable, encode
from stentor.log.segment import SegmentName, parse_name
from stentor.record import HEADER_BYTES, Cursor

DURABLE = "durable.json"
LOCK = "writer.lock"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_PAYLOAD_BYTES = struct.Struct(">I")
_PAYLOAD_BYTES_AT = 40


class Disk:
    """Every call by which a writer changes the disk; a test hands in one that fails on purpose."""

    def create(self, path: Path) -> int:
        """A new file, open for reading and writing; it must not exist."""
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def write(self, descriptor: int, data: bytes, position: int) -> int:
        """Write at a position with one system call; how many bytes were taken."""
        return os.pwrite(descriptor, data, position)

    def truncate(self, descriptor: int, size: int) -> None:
        """Cut a file."""
        os.ftruncate(descriptor, size)

    def sync(self, descriptor: int) -> None:
        """Wait until a file's bytes, and the size needed to read them, are on the medium."""
        os.fdatasync(descriptor)

    def rename(self, old: Path, new: Path) -> None:
        """Put a file in another's place at once."""
        old.replace(new)

    def sync_folder(self, folder: Path) -> None:
        """Wait until the names in a folder are on the medium."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def put(disk: Disk, descriptor: int, data: bytes, position: int) -> int:
    """Write all of `data`, with one call; its length.

    Raises:
        OSError: also when only a part was taken, as by a disk that is just full.
    """
    if disk.write(descriptor, data, position) < len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return len(data)


def publish(folder: Path, cursor: Cursor, head: bytes, disk: Disk) -> None:
    """Replace durable.json. If the power goes before its name is kept, the old one is still true.

    Raises:
        OSError: the disk refuses.
    """
    scratch = folder / f".{DURABLE}"
    scratch.unlink(missing_ok=True)
    descriptor = disk.create(scratch)
    try:
        put(disk, descriptor, encode(Durable(str(cursor), head.hex())), 0)
        disk.sync(descriptor)
    finally:
        os.close(descriptor)
    disk.rename(scratch, folder / DURABLE)


def refuse(error: OSError, sentence: str) -> NoReturn:
    """Raise what the disk said as `Unavailable`, with what to do about it."""
    reason = error.strerror or str(error)
    if error.errno in _FULL:
        raise Unavailable(
            "log.disk_full", f"{sentence} ({reason}): make room on the disk."
        ) from error
    raise Unavailable(
        "log.write_failed", f"{sentence} ({reason}): look at the disk and its cables."
    ) from error


def lock(folder: Path) -> int:
    """Take the log's lock; it is held until the descriptor is closed or the process ends.

    Raises:
        Unavailable: `log.locked` when another writer holds it.
    """
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as held:
        os.close(descriptor)
        raise Unavailable(
            "log.locked",
            f"Another process writes to {folder}. A log has one writer: stop the other stage.",
        ) from held
    return descriptor


def list_segments(folder: Path) -> list[SegmentName]:
    """The segments of a log in order; empty when there is no folder."""
    try:
        names = os.listdir(folder)  # noqa: PTH208 - five times as fast as iterdir, and called often
    except FileNotFoundError:
        return []
    return sorted(parsed for name in names if (parsed := parse_name(name)))


def read_durable(folder: Path) -> tuple[Cursor, bytes] | None:
    """What durable.json says: cursor and head; None when there is none.

    Raises:
        Corrupt: `log.durable`.
    """
    try:
        data = (folder / DURABLE).read_bytes()
    except FileNotFoundError:
        return None
    return decode_durable(data)


def walk(descriptor: int, position: int) -> Iterator[tuple[int, bytes, bytes]]:
    """The records in a segment file from a byte position on: position, header bytes, payload.

    Nothing is checked here. The last one may be short in header or payload: it is torn, or not
    whole yet. Whoever takes a header must check it before asking for the next record.
    """
    buffer, at = b"", 0
    while True:
        if len(buffer) - at < HEADER_BYTES:
            buffer, at = _fill(descriptor, position), 0
            if not buffer:
                return
        raw = buffer[at : at + HEADER_BYTES]
        if len(raw) < HEADER_BYTES:
            yield position, raw, b""
            return
        payload_bytes = _PAYLOAD_BYTES.unpack_from(raw, _PAYLOAD_BYTES_AT)[0]
        payload_bytes = min(payload_bytes, PAYLOAD_BYTES_MAX)
        end = at + HEADER_BYTES + payload_bytes
        if len(buffer) < end:
            buffer, at = _fill(descriptor, position), 0
            raw, end = buffer[:HEADER_BYTES], HEADER_BYTES + payload_bytes
        payload = buffer[at + HEADER_BYTES : end]
        yield position, raw, payload
        if len(payload) < payload_bytes:
            return
        at = end
        position += HEADER_BYTES + payload_bytes


def _fill(descriptor: int, position: int) -> bytes:
    """What is there, up to SCAN_BYTES; a follower mostly finds 1 kB, and need not allocate more."""
    there = os.fstat(descriptor).st_size - position
    return os.pread(descriptor, min(there, SCAN_BYTES), position) if there > 0 else b""
