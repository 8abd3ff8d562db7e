"""Whether an answer is whole, and what is in it. Pure.

The drill asks only for what has a length, and for the stream, which never ends: this reads no more
of HTTP than that needs, because it is done thousands of times a second.
"""

import re
from typing import NamedTuple

_LENGTH = re.compile(rb"\r\n[Cc]ontent-[Ll]ength:[ \t]*(\d+)")
_CLOSES = re.compile(rb"\r\n[Cc]onnection:[ \t]*close", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\n[Tt]ransfer-[Ee]ncoding:[ \t]*chunked")
STATUS_BYTES = 12


class Head(NamedTuple):
    """The head of an answer.

    Attributes:
        bytes: how long it is, with the empty line.
        body_bytes: how long its body is; -1: that is not said.
    """

    status: int
    text: str
    bytes: int
    body_bytes: int
    closes: bool


class Answered(NamedTuple):
    """A whole answer."""

    head: Head
    body: bytes


def head_of(data: bytes | bytearray) -> Head | None:
    """The head at the beginning of what came; None while it is not whole, or is none."""
    end = data.find(b"\r\n\r\n")
    if end < 0 or end < STATUS_BYTES:
        return None
    head = bytes(data[:end])
    digits = head[9:STATUS_BYTES]
    status = int(digits) if head.startswith(b"HTTP/1.") and digits.isdigit() else 0
    length = _LENGTH.search(head)
    unsaid = 0 if status in {204, 304} else -1
    body_bytes = int(length[1]) if length else unsaid
    return Head(status, head.decode("latin-1"), end + 4, body_bytes, bool(_CLOSES.search(head)))


def whole(data: bytes | bytearray, *, ended: bool = False) -> Answered | None:
    """The answer at the beginning of what came; None while more is to come.

    Args:
        ended: the connection has ended: what has no length is whole.
    """
    head = head_of(data)
    if head is None:
        return None
    if head.body_bytes < 0:
        chunked = _CHUNKED.search(bytes(data[: head.bytes]))
        if not ended and not (chunked and data.endswith(b"\r\n0\r\n\r\n")):
            return None
        return Answered(head, bytes(data[head.bytes :]))
    if len(data) < head.bytes + head.body_bytes:
        return None
    return Answered(head, bytes(data[head.bytes : head.bytes + head.body_bytes]))
