"""The JSON that the log itself writes and reads: checkpoints, seals, and durable.json. Pure."""

import msgspec

from stentor.errors import Corrupt
from stentor.record import Cursor


class Checkpoint(msgspec.Struct, frozen=True):
    """The chain as of the record before, and what was on disk then."""

    cursor: str
    head: str
    durable: str


class Seal(msgspec.Struct, frozen=True):
    """The totals of a finished log, as of the record before.

    Attributes:
        parts: parts by rendition's name.
        bytes: payload bytes of those parts by rendition's name.
        duration_samples: length of the programme at 48 kHz.
    """

    cursor: str
    head: str
    records: int
    parts: dict[str, int]
    bytes: dict[str, int]
    duration_samples: int


class Durable(msgspec.Struct, frozen=True):
    """durable.json: everything before `cursor` has been fsynced; `head` is the last header's."""

    cursor: str
    head: str


class _Typed(msgspec.Struct, frozen=True):
    type: str = ""


def encode(payload: Checkpoint | Seal | Durable) -> bytes:
    """The JSON of one of the above."""
    return msgspec.json.encode(payload)


def decode_checkpoint(payload: bytes) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        Corrupt: `record.payload` when it is not one.
    """
    try:
        return msgspec.json.decode(payload, type=Checkpoint)
    except msgspec.MsgspecError as wrong:
        raise Corrupt("record.payload", f"This is not a checkpoint: {wrong}.") from wrong


def decode_seal(payload: bytes) -> Seal:
    """Read a seal.

    Raises:
        Corrupt: `record.payload` when it is not one.
    """
    try:
        return msgspec.json.decode(payload, type=Seal)
    except msgspec.MsgspecError as wrong:
        raise Corrupt("record.payload", f"This is not a seal: {wrong}.") from wrong


def decode_durable(data: bytes) -> tuple[Cursor, bytes]:
    """Read durable.json: the cursor and the head.

    Raises:
        Corrupt: `log.durable` when it is not what we write.
        Refused: `cursor.malformed`.
    """
    try:
        durable = msgspec.json.decode(data, type=Durable)
        return Cursor.parse(durable.cursor), bytes.fromhex(durable.head)
    except (msgspec.MsgspecError, ValueError) as wrong:
        raise Corrupt("log.durable", f"durable.json cannot be read: {wrong}.") from wrong


def type_of(payload: bytes) -> str:
    """The `type` of an event; empty when it has none that can be read."""
    try:
        return msgspec.json.decode(payload, type=_Typed).type
    except msgspec.MsgspecError:
        return ""
