"""Reading fragmented MP4 as a listener does: boxes, and what a `moof` says of its part."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from stentor.errors import Corrupt

_SIZE = struct.Struct(">I4s")
_DEFAULT_DURATION = 0x8
"""tfhd flag: default-sample-duration is present (ISO/IEC 14496-12 section 8.8.7)."""
_TFHD_BEFORE = ((0x1, 8), (0x2, 4))
"""Optional tfhd fields that stand before it: base-data-offset, sample-description-index."""
_TRUN_FIELDS = ((0x100, 4), (0x200, 4), (0x400, 4), (0x800, 4))
"""trun fields of each sample: duration, size, flags, composition time offset."""


@dataclass(frozen=True, slots=True)
class Fragment:
    """What a part says of itself: its number, and decode time and duration in samples."""

    sequence: int
    media_time: int
    duration: int


def boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The boxes in `data`, in order: (kind, the whole box).

    Raises:
        Corrupt: `boxes.torn` when the last one is not whole.
    """
    at = 0
    while at < len(data):
        size, kind = _SIZE.unpack_from(data, at) if at + 8 <= len(data) else (0, b"")
        if size < 8 or at + size > len(data):
            raise Corrupt("boxes.torn", f"A box at {at} is not whole.")
        yield kind, data[at : at + size]
        at += size


def fragment(moof: bytes) -> Fragment:
    """Read a `moof` of one track (ISO/IEC 14496-12 section 8.8).

    Raises:
        Corrupt: `boxes.torn`.
    """
    sequence = media_time = duration = default = 0
    for kind, box in boxes(moof[8:]):
        if kind == b"mfhd":
            sequence = int.from_bytes(box[12:16], "big")
        elif kind == b"traf":
            for inner, content in boxes(box[8:]):
                if inner == b"tfhd":
                    default = _default_duration(content)
                elif inner == b"tfdt":
                    media_time = int.from_bytes(content[12 : 20 if content[8] else 16], "big")
                elif inner == b"trun":
                    duration += _run_duration(content, default)
    return Fragment(sequence, media_time, duration)


def emsg_parts(box: bytes) -> tuple[str, int, bytes]:
    """Scheme, presentation time and message of an `emsg` version 1 (ISO/IEC 23009-1)."""
    scheme, _, rest = box[32:].partition(b"\0")
    _, _, message = rest.partition(b"\0")
    return scheme.decode(), int.from_bytes(box[16:24], "big"), message


def _default_duration(tfhd: bytes) -> int:
    flags = int.from_bytes(tfhd[9:12], "big")
    if not flags & _DEFAULT_DURATION:
        return 0
    at = 16 + sum(size for flag, size in _TFHD_BEFORE if flags & flag)
    return int.from_bytes(tfhd[at : at + 4], "big")


def _run_duration(trun: bytes, default: int) -> int:
    flags = int.from_bytes(trun[9:12], "big")
    samples = int.from_bytes(trun[12:16], "big")
    if not flags & 0x100:
        return samples * default
    at = 16 + (4 if flags & 0x1 else 0) + (4 if flags & 0x4 else 0)
    step = sum(size for flag, size in _TRUN_FIELDS if flags & flag)
    starts = range(at, at + samples * step, step)
    return sum(int.from_bytes(trun[start : start + 4], "big") for start in starts)
