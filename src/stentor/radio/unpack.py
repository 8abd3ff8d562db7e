"""Encoded frames out of a part: the way back from what the stage's muxer writes. Pure."""

import struct
from collections.abc import Iterator

from stentor.errors import Corrupt

_DATA_OFFSET, _FIRST_FLAGS = 0x1, 0x4
_PER_SAMPLE = (0x100, 0x200, 0x400, 0x800)
_SIZE = 0x200


def frames_of(part: bytes) -> list[bytes]:
    """The frames of a part (`moof` + `mdat`), in order.

    Raises:
        Corrupt: `boxes.torn` when it is not a part.
    """
    try:
        sizes = [size for run in _find(part, b"moof", b"traf", b"trun") for size in _sizes(run)]
        data = next(_find(part, b"mdat"))
    except (struct.error, StopIteration) as wrong:
        raise Corrupt("boxes.torn", "A part lacks a box it should have.") from wrong
    if sum(sizes) != len(data):
        raise Corrupt("boxes.torn", "A part's frames are not as long as it says.")
    frames = []
    at = 0
    for size in sizes:
        frames.append(data[at : at + size])
        at += size
    return frames


def _find(data: bytes, kind: bytes, *inner: bytes) -> Iterator[bytes]:
    """What the boxes of a kind hold; of their inner boxes, when those are named."""
    at = 0
    while at + 8 <= len(data):
        size, found = struct.unpack_from(">I4s", data, at)
        if size < 8 or at + size > len(data):
            raise Corrupt("boxes.torn", "A box is longer than the part it is in.")
        if found == kind:
            body = data[at + 8 : at + size]
            if inner:
                yield from _find(body, *inner)
            else:
                yield body
        at += size


def _sizes(run: bytes) -> list[int]:
    """The sizes a `trun` gives (ISO/IEC 14496-12 section 8.8.8)."""
    flags, count = struct.unpack_from(">II", run)
    if not flags & _SIZE:
        raise Corrupt("boxes.torn", "A part does not say how long its frames are.")
    words = sum(1 for flag in _PER_SAMPLE if flags & flag)
    before = sum(1 for flag in _PER_SAMPLE if flags & flag and flag < _SIZE)
    at = 8 + 4 * bool(flags & _DATA_OFFSET) + 4 * bool(flags & _FIRST_FLAGS)
    numbers = struct.unpack_from(f">{count * words}I", run, at)
    return list(numbers[before::words])
