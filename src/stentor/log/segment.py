"""A segment: the name of one file of a log, and the 128 bytes it begins with. Pure."""

import re
import struct
import zlib
from dataclasses import dataclass

from stentor.errors import Corrupt

MAGIC = b"STENTOR1"
VERSION = 1
SEGMENT_HEADER_BYTES = 128
_LAYOUT = struct.Struct(">8sIIQq32s16s44x")
_CRC = struct.Struct(">I")
_NAME = re.compile(r"([0-9]{10})-([0-9]{20})\.seg")
assert _LAYOUT.size + _CRC.size == SEGMENT_HEADER_BYTES


@dataclass(frozen=True, slots=True, order=True)
class SegmentName:
    """What a segment is called; names sort as their records follow one another."""

    epoch: int
    base: int

    def __str__(self) -> str:
        """The file's name."""
        return f"{self.epoch:010}-{self.base:020}.seg"


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """The beginning of a segment file.

    Attributes:
        base: offset of the first record in this file.
        wall_time: UTC nanoseconds when the file was made.
        prev: SHA-256 of the header before the first record, as that record has it too.
        space: the Space whose log this is.
    """

    epoch: int
    base: int
    wall_time: int
    prev: bytes
    space: str

    @property
    def name(self) -> SegmentName:
        """The name of the file that begins so."""
        return SegmentName(self.epoch, self.base)

    def encode(self) -> bytes:
        """The 128 bytes on disk."""
        space = self.space.encode("ascii")
        body = _LAYOUT.pack(MAGIC, VERSION, self.epoch, self.base, self.wall_time, self.prev, space)
        return body + _CRC.pack(zlib.crc32(body))


def parse_name(name: str) -> SegmentName | None:
    """The epoch and base offset in a file's name; None when it is no segment."""
    match = _NAME.fullmatch(name)
    return SegmentName(int(match[1]), int(match[2])) if match else None


def decode_segment(data: bytes) -> SegmentHeader:
    """Read the beginning of a segment.

    Raises:
        Corrupt: `segment.header` when length, magic, checksum or version is wrong.
    """
    if len(data) < SEGMENT_HEADER_BYTES:
        raise Corrupt("segment.header", "The segment ends within its own header.")
    body, crc = data[: _LAYOUT.size], data[_LAYOUT.size : SEGMENT_HEADER_BYTES]
    if not body.startswith(MAGIC):
        raise Corrupt("segment.header", "This is not the beginning of a segment.")
    if _CRC.unpack(crc)[0] != zlib.crc32(body):
        raise Corrupt("segment.header", "The checksum of the segment's header is wrong.")
    _, version, epoch, base, wall_time, prev, space = _LAYOUT.unpack(body)
    if version != VERSION:
        raise Corrupt("segment.header", f"The segment has version {version}; this reads {VERSION}.")
    return SegmentHeader(
        epoch, base, wall_time, prev, space.rstrip(b"\0").decode("ascii", "replace")
    )
