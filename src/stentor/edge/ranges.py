"""Byte ranges of a representation (RFC 9110 section 14). Pure."""

import re

from stentor.errors import Refused

_ONE = re.compile(r"bytes=[ \t]*(?:([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18}))[ \t]*\Z")


def parse_range(header: str, size: int) -> tuple[int, int] | None:
    """The first byte and the byte after the last one that are asked for; None: all of it.

    Several ranges and other units are ignored, as the standard allows (section 14.2).

    Raises:
        Refused: `request.range` when no byte of it exists.
    """
    match = _ONE.match(header)
    if match is None:
        return None
    first, last, suffix = match.groups()
    if suffix is not None:
        if not int(suffix) or not size:
            raise _unsatisfiable(size)
        return max(0, size - int(suffix)), size
    start = int(first)
    if last and int(last) < start:
        return None  # invalid, and therefore ignored (section 14.1.1)
    if start >= size:
        raise _unsatisfiable(size)
    return start, min(size, int(last) + 1) if last else size


def range_applies(if_range: str, etag: str) -> bool:
    """Whether a range is to be honoured: the client's part is of this very representation."""
    return not if_range or if_range == etag


def _unsatisfiable(size: int) -> Refused:
    return Refused("request.range", f"There is nothing in that range: {size} bytes exist.")
