"""What edges and the radio process say to each other over `radio.sock`: pure bytes.

An edge connects and asks once, with a line of JSON; the radio process answers with messages for as
long as the connection lives. PROTOCOL.md ("Radio between processes") has the layout.
"""

import enum
import struct
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from stentor.errors import Corrupt
from stentor.limits import (
    PART_SAMPLES,
    RADIO_BLOCK_BYTES,
    RADIO_MESSAGE_BYTES_MAX,
    RADIO_SPARE_S,
    SAMPLE_RATE,
)

_HEAD = struct.Struct(">B3xIqq")


@dataclass(frozen=True, slots=True)
class RadioFormat:
    """How a radio stream is announced to those who ask for it.

    Attributes:
        kbps: kilobits a second, on average.
        icy: whether the speaker's name can be woven into it (ICY metadata).
    """

    content_type: str
    kbps: int
    icy: bool

    @property
    def burst_parts(self) -> int:
        """Parts everybody begins with: what lets any player begin at once and not run dry."""
        burst_s = RADIO_BLOCK_BYTES / (self.kbps * 125) + RADIO_SPARE_S
        return -(-round(burst_s * SAMPLE_RATE) // PART_SAMPLES)


RADIO_FORMATS: dict[str, RadioFormat] = {
    "mp3": RadioFormat("audio/mpeg", 64, icy=True),
    "aac": RadioFormat("audio/aac", 64, icy=True),
    "ogg": RadioFormat("audio/ogg", 32, icy=False),
}
"""The formats of radio streams, by the ends of their addresses."""


class Place(NamedTuple):
    """How far a radio stream has come. An edge gives it back when it has to ask again.

    Attributes:
        media_time: of the sample after the last one of the programme; -1 before its start.
        position: samples of the stream so far, silence that was put in included.
    """

    media_time: int
    position: int


class Ask(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an edge wants.

    Attributes:
        format: a name of `RADIO_FORMATS`.
        after: the place its listeners have reached; None when they have heard nothing yet.
    """

    space: str
    format: str
    after: tuple[int, int] | None = None


NOWHERE = Place(-1, 0)
"""Before the first sample."""


class Word(enum.IntEnum):
    """What a message says."""

    HEADER = 1
    """Bytes that everybody who begins must have first; they replace the header before."""
    AUDIO = 2
    """Encoded frames, whole ones: a player can begin with them."""
    TITLE = 3
    """Who speaks and in which Space, as UTF-8."""
    END = 4
    """The programme is over."""


_WORDS = frozenset(map(int, Word))


class Message(NamedTuple):
    """One message; `place` counts for AUDIO only."""

    word: Word
    payload: bytes
    place: Place


def encode_ask(ask: Ask) -> bytes:
    """The line an edge sends."""
    return msgspec.json.encode(ask) + b"\n"


def decode_ask(line: bytes) -> Ask:
    """Read an edge's line.

    Raises:
        Corrupt: `relay.malformed`.
    """
    try:
        return msgspec.json.decode(line, type=Ask)
    except msgspec.MsgspecError as wrong:
        raise Corrupt("relay.malformed", f"This asks for no radio stream: {wrong}.") from wrong


def encode(word: Word, payload: bytes = b"", place: Place = NOWHERE) -> bytes:
    """The bytes of a message."""
    return _HEAD.pack(word, len(payload), *place) + payload


class Messages:
    """Messages out of bytes as they arrive."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Message]:
        """The messages that became whole.

        Raises:
            Corrupt: `relay.malformed`.
        """
        data = self._rest + data
        found: list[Message] = []
        at = 0
        while len(data) - at >= _HEAD.size:
            number, size, media_time, position = _HEAD.unpack_from(data, at)
            if size > RADIO_MESSAGE_BYTES_MAX or number not in _WORDS:
                raise Corrupt("relay.malformed", "This is not a message of the radio process.")
            end = at + _HEAD.size + size
            if end > len(data):
                break
            payload = data[at + _HEAD.size : end]
            found.append(Message(Word(number), payload, Place(media_time, position)))
            at = end
        self._rest = data[at:]
        return found
