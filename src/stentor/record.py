"""The record: the one unit that every stop carries, as a header and a payload.

The layout is fixed by PROTOCOL.md ("The record"). A log is a chain: each header holds the SHA-256
of the header before it and of its own payload, so a payload can be erased and the rest still
verifies.
"""

import enum
import hashlib
import struct
import zlib
from dataclasses import dataclass
from typing import Self

import msgspec

from stentor.errors import Corrupt, Refused

MAGIC = b"STR1"
HEADER_BYTES = 128
_LAYOUT = struct.Struct(">4sBBHIQqIqI32s32s16x")
_CRC = struct.Struct(">I")
assert _LAYOUT.size + _CRC.size == HEADER_BYTES


class Kind(enum.IntEnum):
    """What a payload is."""

    INIT = 1
    """The initialisation segment of a rendition (`ftyp` and `moov`)."""
    PART = 2
    """A short run of encoded audio: one CMAF chunk (`moof` and `mdat`)."""
    EVENT = 3
    """Something happened: a JSON object with a `type`."""
    CHECKPOINT = 4
    """The chain so far: JSON with the head and what is durable."""
    SEAL = 5
    """The end of the conversation: JSON with totals. Only events may follow."""


class Rendition(enum.IntEnum):
    """Which encoding a record belongs to; NONE for events, checkpoints and seals."""

    NONE = 0
    OPUS = 1
    """Opus, 32 kbit/s mono, 20 ms frames: what browsers play."""
    OPUS_LOW = 2
    """Opus, 16 kbit/s mono, 40 ms frames."""
    AAC = 3
    """AAC-LC, 64 kbit/s mono, 1024-sample frames: HLS and older players."""


RENDITION_NAMES: dict[str, Rendition] = {
    "opus": Rendition.OPUS,
    "opus-low": Rendition.OPUS_LOW,
    "aac": Rendition.AAC,
}
"""The names of renditions in addresses."""


class Flag(enum.IntFlag):
    """What a reader must know of a part without opening it."""

    NONE = 0
    INDEPENDENT = 1
    """A player can start here."""
    GAP = 2
    """The stage was away: this part is silence put in its place."""


# Logs of many hours are read header by header: looking up is five times as fast as calling.
_KINDS = {kind.value: kind for kind in Kind}
_RENDITIONS = {rendition.value: rendition for rendition in Rendition}
_FLAGS = {value: Flag(value) for value in range(max(Flag) * 2)}


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """Where a reader is: the offset of the next record it wants, in the epoch it knows.

    A new epoch begins whenever a writer recovers the log, so that one (epoch, offset) never names
    two different records.
    """

    epoch: int
    offset: int

    def __str__(self) -> str:
        """The form in addresses and events: `epoch.offset`."""
        return f"{self.epoch}.{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `epoch.offset`.

        Raises:
            Refused: `cursor.malformed` when it is anything else.
        """
        epoch, dot, offset = text.partition(".")
        plain = epoch.isascii() and offset.isascii() and epoch.isdigit() and offset.isdigit()
        if not dot or not plain or len(epoch) > 10 or len(offset) > 20:
            raise _malformed_cursor()
        cursor = cls(int(epoch), int(offset))
        # What no record can say must not come as far as those who write it in 32 and 64 bits.
        if cursor.epoch >= 1 << 32 or cursor.offset >= 1 << 64:
            raise _malformed_cursor()
        return cursor


def _malformed_cursor() -> Refused:
    return Refused("cursor.malformed", "A cursor looks like 1.4711: epoch, dot, offset.")


class Header(msgspec.Struct, frozen=True):
    """All that is known of a record without its payload.

    Attributes:
        media_time: samples at 48 kHz since the programme's first sample; 0 before it.
        duration: samples at 48 kHz; 0 for anything but parts.
        wall_time: UTC nanoseconds when the record was made.
        prev: SHA-256 of the header before this one.
    """

    kind: Kind
    rendition: Rendition
    flags: Flag
    epoch: int
    offset: int
    media_time: int
    duration: int
    wall_time: int
    payload_bytes: int
    payload_sha256: bytes
    prev: bytes

    def encode(self) -> bytes:
        """The 128 bytes on disk."""
        body = _LAYOUT.pack(
            MAGIC,
            self.kind,
            self.rendition,
            self.flags,
            self.epoch,
            self.offset,
            self.media_time,
            self.duration,
            self.wall_time,
            self.payload_bytes,
            self.payload_sha256,
            self.prev,
        )
        return body + _CRC.pack(zlib.crc32(body))

    def hash(self) -> bytes:
        """SHA-256 of the encoded header: the next record's `prev`, and the log's head."""
        return hashlib.sha256(self.encode()).digest()

    @property
    def cursor(self) -> Cursor:
        """The cursor at which this record is read."""
        return Cursor(self.epoch, self.offset)

    @property
    def next(self) -> Cursor:
        """The cursor after this record."""
        return Cursor(self.epoch, self.offset + 1)


@dataclass(frozen=True, slots=True)
class Record:
    """One entry of a log."""

    header: Header
    payload: bytes


def decode_header(data: bytes) -> Header:
    """Read a header.

    Raises:
        Corrupt: `record.header` when magic, checksum or a field is wrong.
    """
    if len(data) != HEADER_BYTES or not data.startswith(MAGIC):
        raise Corrupt("record.header", "This is not the header of a record.")
    (crc,) = _CRC.unpack_from(data, _LAYOUT.size)
    if crc != zlib.crc32(data[: _LAYOUT.size]):
        raise Corrupt("record.header", "The checksum of a record's header is wrong.")
    _, kind, rendition, flags, *rest = _LAYOUT.unpack_from(data)
    try:
        known = _FLAGS.get(flags)
        known = Flag(flags) if known is None else known
        return Header(_KINDS[kind], _RENDITIONS[rendition], known, *rest)
    except KeyError as unknown:
        sentence = f"A record's header has a kind or rendition {unknown} that we do not know."
        raise Corrupt("record.header", sentence) from unknown


def genesis(space: str) -> bytes:
    """The `prev` of a log's first record: it binds the chain to its Space."""
    return hashlib.sha256(b"stentor log 1\n" + space.encode()).digest()


def payload_is_whole(header: Header, payload: bytes) -> bool:
    """Whether `payload` is what was written under `header`."""
    whole = len(payload) == header.payload_bytes
    return whole and hashlib.sha256(payload).digest() == header.payload_sha256
