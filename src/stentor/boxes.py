"""MP4 boxes that both the stage and the edge write: plain bytes, no media inside."""

import struct

from stentor.record import Cursor

CARD_SCHEME = "urn:stentor:card:1"
EVENT_SCHEME = "urn:stentor:event:1"
CADENCE_SCHEME = "urn:stentor:cadence:1"
LEASE_SCHEME = "urn:stentor:lease:1"
RENDITION_SCHEME = "urn:stentor:rendition:1"
CURSOR_TAG = b"stcu"
CURSOR_BOX_BYTES = 24


def box(kind: bytes, *payload: bytes) -> bytes:
    """A box (ISO/IEC 14496-12 section 4.2): 32-bit size, four-character kind, payload."""
    body = b"".join(payload)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def full_box(kind: bytes, version: int, flags: int, *payload: bytes) -> bytes:
    """A box with version and flags."""
    return box(kind, struct.pack(">I", version << 24 | flags), *payload)


def emsg(scheme: str, data: bytes, media_time: int, number: int) -> bytes:
    """An event message box, version 1 (ISO/IEC 23009-1 section 5.10.3.3), timescale 48,000.

    Args:
        number: distinguishes messages of one scheme; the low 32 bits are used.
    """
    times = struct.pack(">IQII", 48_000, max(0, media_time), 0, number & 0xFFFFFFFF)
    return full_box(b"emsg", 1, 0, times, scheme.encode() + b"\0", b"\0", data)


def cursor_box(cursor: Cursor) -> bytes:
    """The 24 bytes that say "you have everything before this cursor"; players skip it."""
    return struct.pack(
        ">I4s4sIQ", CURSOR_BOX_BYTES, b"skip", CURSOR_TAG, cursor.epoch, cursor.offset
    )
