"""Signed tokens: who may do what in which Space, checked without a database.

Form: `kid.claims.mac`, claims as base64url JSON, mac = HMAC-SHA256 over `kid.claims` (RFC 2104).
The first field of the claims says what the token is for, so that one kind never passes as another.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

from stentor.errors import Refused
from stentor.limits import TOKEN_BYTES_MAX

TokenKind = Literal["seat", "invite", "service"]
"""`seat`: sit on a stage (host, co-host or speaker). `invite`: may be exchanged for one seat.
`service`: web asking the stage to create a Space."""
Role = Literal["host", "cohost", "speaker", "service"]


class Claims(msgspec.Struct, frozen=True):
    """What a token says. `seat` is the speaker's identifier; an invite is for exactly one seat."""

    kind: TokenKind
    space: str
    role: Role
    seat: str
    name: str
    expires_at_s: int


@dataclass(frozen=True, slots=True)
class Keyring:
    """The keys that are valid now; new tokens are signed with `current`."""

    current: str
    keys: Mapping[str, bytes]


_decoder = msgspec.json.Decoder(Claims)


def _mac(key: bytes, text: str) -> str:
    return _b64(hmac.digest(key, text.encode(), hashlib.sha256))


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def issue(claims: Claims, keyring: Keyring) -> str:
    """A token with these claims."""
    text = f"{keyring.current}.{_b64(msgspec.json.encode(claims))}"
    return f"{text}.{_mac(keyring.keys[keyring.current], text)}"


def check(token: str, keyring: Keyring, wall_time_s: float) -> Claims:
    """The claims of a genuine token that has not expired.

    Raises:
        Refused: `token.missing`, `token.invalid` or `token.expired`.
    """
    if not token:
        raise Refused("token.missing", "This needs a token; open the studio's link again.")
    text, _, mac = token.rpartition(".")
    kid, _, body = text.partition(".")
    key = keyring.keys.get(kid)
    genuine = (
        len(token) <= TOKEN_BYTES_MAX
        and token.isascii()
        and key is not None
        and hmac.compare_digest(mac, _mac(key, text))
    )
    if not genuine:
        raise Refused("token.invalid", "This token is not ours; ask for a new link.")
    claims = _decoder.decode(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    if claims.expires_at_s < wall_time_s:
        raise Refused("token.expired", "This link has expired; ask the host for a new one.")
    return claims
