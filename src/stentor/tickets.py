"""Tickets: who may listen to which Space, checked in microseconds without any state.

Form: base64url of `kind(1) kid(4) class(1) expires_at_s(4) number(8) space` and 16 bytes of
HMAC-SHA256 over it (RFC 2104, truncated as in section 5). The first byte says what the bytes are,
so that one kind of secret never passes as another. Pure.
"""

import base64
import binascii
import hashlib
import hmac
import struct
from collections.abc import Mapping

import msgspec

from stentor.errors import Refused
from stentor.limits import TICKET_BYTES_MAX
from stentor.tokens import Keyring

KIND_LISTEN = 1
_FIXED = struct.Struct(">B4sBIQ")
_MAC_BYTES = 16


class Ticket(msgspec.Struct, frozen=True):
    """What a ticket says.

    Attributes:
        number: of its holder; no two holders of one Space have the same.
        rank: 0 is everybody.
    """

    space: str
    number: int
    expires_at_s: int
    rank: int = 0


def keys_of(keyring: Keyring) -> dict[bytes, bytes]:
    """The keys for tickets, by their four bytes of name; made from those for tokens."""
    return {
        bytes.fromhex(kid): hmac.digest(key, b"stentor ticket 1", hashlib.sha256)
        for kid, key in keyring.keys.items()
    }


def issue(ticket: Ticket, kid: bytes, key: bytes) -> str:
    """A ticket as text.

    Args:
        kid: four bytes that name the key.
    """
    fixed = _FIXED.pack(KIND_LISTEN, kid, ticket.rank, ticket.expires_at_s, ticket.number)
    body = fixed + ticket.space.encode()
    mac = hmac.digest(key, body, hashlib.sha256)[:_MAC_BYTES]
    return _text(body + mac)


def check(text: str, space: str, keys: Mapping[bytes, bytes], wall_time_s: float) -> Ticket:
    """What a genuine ticket for this Space says.

    Raises:
        Refused: `ticket.invalid`, `ticket.wrong_space` or `ticket.expired`.
    """
    if len(text) > TICKET_BYTES_MAX or not text.isascii():
        raise _invalid()
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise _invalid() from None
    body, mac = data[:-_MAC_BYTES], data[-_MAC_BYTES:]
    # One ticket is written in one way: who counts tickets may count their text.
    if len(body) <= _FIXED.size or _text(data) != text:
        raise _invalid()
    kind, kid, rank, expires_at_s, number = _FIXED.unpack_from(body)
    key = keys.get(kid)
    if kind != KIND_LISTEN or key is None:
        raise _invalid()
    if not hmac.compare_digest(mac, hmac.digest(key, body, hashlib.sha256)[:_MAC_BYTES]):
        raise _invalid()
    if body[_FIXED.size :] != space.encode():
        raise Refused("ticket.wrong_space", "This ticket is for another Space.")
    if expires_at_s < wall_time_s:
        raise Refused("ticket.expired", "This ticket has expired; load the Space's page again.")
    return Ticket(space, number, expires_at_s, rank)


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _invalid() -> Refused:
    return Refused("ticket.invalid", "This ticket is not ours; load the Space's page again.")
