"""Erasing the sound of a log: payloads become zeros, headers and events stay."""

import os
from pathlib import Path

from stentor.log.disk import Disk, list_segments, walk
from stentor.log.segment import SEGMENT_HEADER_BYTES
from stentor.record import HEADER_BYTES, Kind, decode_header


def erase(folder: Path, disk: Disk) -> None:
    """Overwrite the payload of every init and part record with zeros, and sync.

    May be repeated. On a filesystem that never overwrites in place (Btrfs, ZFS) the old bytes live
    on in free space and snapshots; whoever promises deletion there must see to those.

    Raises:
        OSError: the disk refuses.
        Corrupt: `record.header`: what follows a damaged header cannot be found.
    """
    for name in list_segments(folder):
        descriptor = os.open(folder / str(name), os.O_RDWR | os.O_CLOEXEC)
        try:
            for position, raw, payload in walk(descriptor, SEGMENT_HEADER_BYTES):
                if decode_header(raw).kind in {Kind.INIT, Kind.PART} and payload.strip(b"\0"):
                    disk.write(descriptor, bytes(len(payload)), position + HEADER_BYTES)
            disk.sync(descriptor)
        finally:
            os.close(descriptor)
