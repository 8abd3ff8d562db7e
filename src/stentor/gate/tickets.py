"""Tickets: who may listen to which Space and until when, checked in microseconds. Pure.

Body: `kind(1) kid(4) rank(1) expires_at_s(4) number(8) space`. A ticket is a lease: it ends by
itself and is renewed by showing it. The number is what one stream at a time is counted by.
"""

import struct
from collections.abc import Mapping
from typing import Final

import msgspec

from stentor.errors import Refused
from stentor.gate.signing import KIND_TICKET, DayKeys, opened_whole, sign
from stentor.limits import CLOCK_SKEW_S, TICKET_AHEAD_MAX_S

ANYBODY = 0
ACCOUNT = 1
ON_STAGE = 2
"""Ranks: host, co-host and speakers are `ON_STAGE`."""

INVALID: Final = "ticket.invalid"
WRONG_SPACE: Final = "ticket.wrong_space"
EXPIRED: Final = "ticket.expired"
_FIXED = struct.Struct(">B4sBIQ")
_FIXED_BYTES, _LEAST_BYTES = _FIXED.size, _FIXED.size + 1
_SENTENCES = {
    INVALID: "This ticket is not ours; load the Space's page again.",
    WRONG_SPACE: "This ticket is for another Space.",
    EXPIRED: "This ticket has expired; load the Space's page again.",
}


class Ticket(msgspec.Struct, frozen=True, gc=False):
    """What a ticket says.

    Attributes:
        number: of its holder; no two holders of one Space have the same.
        rank: 0 anybody, 1 an account, 2 host, co-host or speaker.
    """

    space: str
    number: int
    expires_at_s: int
    rank: int = ANYBODY


def issue(ticket: Ticket, keys: DayKeys) -> str:
    """A ticket as text."""
    fixed = _FIXED.pack(KIND_TICKET, keys.kid, ticket.rank, ticket.expires_at_s, ticket.number)
    return sign(fixed + ticket.space.encode(), keys.key)


def read(text: str, space: str, keys: Mapping[bytes, bytes], wall_time_s: float) -> Ticket | str:
    """A genuine ticket for this Space that is valid now, or the code of what is wrong with it.

    Nothing is raised: a flood of bad tickets is to cost as little as it can.
    """
    opened = opened_whole(text, KIND_TICKET, _LEAST_BYTES, keys)
    if opened is None:
        return INVALID
    body, _ = opened
    _, _, rank, expires_at_s, number = _FIXED.unpack_from(body)
    if body[_FIXED_BYTES:] != space.encode():
        return WRONG_SPACE
    if expires_at_s + CLOCK_SKEW_S < wall_time_s:
        return EXPIRED
    if rank > ON_STAGE or expires_at_s > wall_time_s + TICKET_AHEAD_MAX_S:
        return INVALID
    return Ticket(space, number, expires_at_s, rank)


def read_expired(
    text: str, space: str, keys: Mapping[bytes, bytes], wall_time_s: float, since_s: float
) -> Ticket | None:
    """A genuine ticket for this Space that expired at most `since_s` ago."""
    found = read(text, space, keys, wall_time_s - since_s)
    return found if isinstance(found, Ticket) else None


def check(text: str, space: str, keys: Mapping[bytes, bytes], wall_time_s: float) -> Ticket:
    """As `read`, for those who handle errors.

    Raises:
        Refused: `ticket.invalid`, `ticket.wrong_space` or `ticket.expired`.
    """
    found = read(text, space, keys, wall_time_s)
    if isinstance(found, str):
        raise refused(found)
    return found


def refused(code: str) -> Refused:
    """The error for a code."""
    return Refused(code, _SENTENCES[code])
