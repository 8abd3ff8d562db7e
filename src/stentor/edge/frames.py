"""What goes out on the wire for a record: boxes, the cursor after them, in one HTTP chunk. Pure."""

import msgspec

from stentor.boxes import (
    CARD_SCHEME,
    EVENT_SCHEME,
    LEASE_SCHEME,
    RENDITION_SCHEME,
    cursor_box,
    emsg,
)
from stentor.edge.answer import LAST_CHUNK, chunk
from stentor.edge.ring import Content
from stentor.record import Cursor, Flag, Kind, Record


def frame_of(record: Record) -> bytes:
    """The chunk for a record; empty for one that is not passed on.

    Payloads are never opened: an init or part goes out as it is in the log.
    """
    header = record.header
    if header.kind is Kind.CHECKPOINT:
        return b""
    body = record.payload
    if header.kind is Kind.EVENT:
        body = emsg(EVENT_SCHEME, record.payload, header.media_time, header.offset)
    elif header.kind is Kind.SEAL:
        body = b""  # the cursor alone: a listener then knows that it has everything
    return chunk(body + cursor_box(header.next))


def content_of(record: Record) -> Content:
    """How a ring is to treat the frame of a record."""
    if record.header.kind is not Kind.PART:
        return Content.OTHER
    return Content.START if Flag.INDEPENDENT & record.header.flags else Content.PART


def card_box(card: bytes, number: int, media_time: int) -> bytes:
    """A card as a box.

    Args:
        number: differs between different cards.
        media_time: now, as far as this edge has heard.
    """
    return emsg(CARD_SCHEME, card, media_time, number)


def rendition_box(heard: str, asked: str, media_time: int) -> bytes:
    """Which rendition follows, where it is not what was asked for, or is that again, as a box."""
    told = msgspec.json.encode({"rendition": heard, "asked": asked})
    return emsg(RENDITION_SCHEME, told, media_time, len(heard))


def last_word(why: str, media_time: int, *, chunked: bool) -> bytes:
    """Why a response ends before the programme does, as a box, and its end."""
    box = emsg(LEASE_SCHEME, msgspec.json.encode({"ended": why}), media_time, 0)
    return chunk(box) + LAST_CHUNK if chunked else box


def note_frame(box: bytes, tail: Cursor) -> bytes:
    """The chunk by which listeners learn of what is no record.

    Args:
        box: empty for a heartbeat: "still here, and you have everything before this cursor".
    """
    return chunk(box + cursor_box(tail))


def preface(notes: bytes, init: bytes, tail: Cursor | None) -> bytes:
    """The first chunk of every live response.

    Args:
        notes: card and cadence.
        tail: given when no record follows.
    """
    return chunk(notes + init + (cursor_box(tail) if tail is not None else b""))


def unframed(frame: bytes) -> bytes:
    """The content of a chunk, for HTTP/1.0, which knows none."""
    return frame[frame.index(b"\r\n") + 2 : -2]
