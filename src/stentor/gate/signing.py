"""Signed texts of the door: tickets, places and challenges, checked without any state. Pure.

Form: base64url of `kind(1) kid(4) ...` and 16 bytes of HMAC-SHA256 over it (RFC 2104, truncated as
in section 5). The first byte says what the bytes are, so that one kind never passes as another.
The keys are derived from the node's keyring and the day: each gate has the same ones without asking
anybody, they change at midnight (UTC), and yesterday's are valid for a day more.
"""

import binascii
import functools
import hashlib
import hmac
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from stentor.limits import CLOCK_SKEW_S, DOOR_KEY_S, TICKET_BYTES_MAX
from stentor.tokens import Keyring

KIND_TICKET = 1
KIND_PLACE = 2
KIND_CHALLENGE = 3
MAC_BYTES = 16
KID = slice(1, 5)
KEYS_TAKEN_UP = 64
"""Keys that are at hand taken up: those of two days, of each key of the keyring."""


@dataclass(frozen=True, slots=True)
class DayKeys:
    """The keys of a day and of the one before.

    Attributes:
        kid: four bytes that name the key with which new texts are signed.
        valid: all keys that are taken, by their kid; two for each key of the keyring.
        until_s: wall time at which they must be derived anew.
    """

    kid: bytes
    key: bytes
    valid: Mapping[bytes, bytes]
    until_s: float


class Keys:
    """The door's keys at any time."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._kept: DayKeys | None = None

    def at(self, wall_time_s: float) -> DayKeys:
        """The keys at this time; derived when the day changes."""
        kept = self._kept
        if kept is None or not kept.until_s - DOOR_KEY_S <= wall_time_s < kept.until_s:
            kept = self._kept = day_keys(self._keyring, wall_time_s)
        return kept


def day_keys(keyring: Keyring, wall_time_s: float) -> DayKeys:
    """Derive the keys that are valid at a time.

    The last seconds of a day take the next day's key in place of yesterday's: clocks differ.
    """
    today = int(wall_time_s // DOOR_KEY_S)
    newest = int((wall_time_s + CLOCK_SKEW_S) // DOOR_KEY_S)
    valid = {
        _kid(key, day): _day_key(key, day)
        for key in keyring.keys.values()
        for day in (newest, newest - 1)
    }
    current = keyring.keys[keyring.current]
    turns_s = (today + 1) * DOOR_KEY_S
    until_s = turns_s if newest > today else turns_s - CLOCK_SKEW_S
    return DayKeys(_kid(current, today), _day_key(current, today), valid, until_s)


def seed_of(keyring: Keyring, space: str) -> bytes:
    """What shuffles the turns of a Space: secret until it is over, the same at each gate."""
    return hmac.digest(keyring.keys[keyring.current], b"stentor turns 1" + space.encode(), "sha256")


def seed_hash_of(seed: bytes) -> str:
    """What is logged before anybody comes, so that the seed cannot be chosen afterwards."""
    return hashlib.sha256(seed).hexdigest()


def prefix_secret(keyring: Keyring) -> bytes:
    """What turns prefixes of addresses into keys that tell nobody an address."""
    return hmac.digest(keyring.keys[keyring.current], b"stentor prefix 1", "sha256")


def sign(body: bytes, key: bytes) -> str:
    """A body as signed text."""
    mac = mac_of(body, key)[:MAC_BYTES]
    return _text(body + mac)


def signed_whole(body: bytes, key: bytes) -> tuple[str, bytes]:
    """As `sign`, and the 16 bytes of the HMAC that are told nobody."""
    mac = mac_of(body, key)
    return _text(body + mac[:MAC_BYTES]), mac[MAC_BYTES:]


def opened(text: str, kind: int, least_bytes: int, keys: Mapping[bytes, bytes]) -> bytes | None:
    """The body of a genuine text of this kind; None if it is not one. Cheapest checks first."""
    found = opened_whole(text, kind, least_bytes, keys)
    return found[0] if found is not None else None


def opened_whole(
    text: str, kind: int, least_bytes: int, keys: Mapping[bytes, bytes]
) -> tuple[bytes, bytes] | None:
    """As `opened`, and the 16 bytes of the HMAC that were never told anybody."""
    size = len(text)
    if not 0 < size <= TICKET_BYTES_MAX or not text.isascii():
        return None
    try:
        encoded = text.encode().translate(_URLSAFE) + _PADS[size % 4]
        data = binascii.a2b_base64(encoded, strict_mode=True)
    except ValueError:
        return None
    body = data[:-MAC_BYTES]
    if len(body) < least_bytes or body[0] != kind:
        return None
    key = keys.get(body[KID])
    if key is None:
        return None
    mac = mac_of(body, key)
    if not hmac.compare_digest(data[-MAC_BYTES:], mac[:MAC_BYTES]):
        return None
    # One text is written in one way: who counts texts may count them as they are. Of what its last
    # letter could say besides, nothing is said (RFC 4648 section 3.5).
    if text[-1] not in _LAST[size % 4]:
        return None
    return body, mac[MAC_BYTES:]


def mac_of(body: bytes, key: bytes) -> bytes:
    """HMAC-SHA256 as `hmac.digest` has it, whose cost is mostly in taking up the key each time."""
    inner, outer = _taken_up(key)
    digest = inner.copy()
    digest.update(body)
    whole = outer.copy()
    whole.update(digest.digest())
    return whole.digest()


@functools.lru_cache(KEYS_TAKEN_UP)
def _taken_up(key: bytes) -> "tuple[hashlib._Hash, hashlib._Hash]":
    """Both hashes of RFC 2104 section 2, the key in them and nothing else."""
    assert len(key) <= _BLOCK_BYTES, "the door's keys are short"
    block = key.ljust(_BLOCK_BYTES, b"\0")
    return hashlib.sha256(block.translate(_INNER)), hashlib.sha256(block.translate(_OUTER))


_BLOCK_BYTES = 64
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))
_PADS = (b"", b"===", b"==", b"=")
_URLSAFE = bytes.maketrans(b"-_+/", b"+/!!")
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_LAST = (_LETTERS, "", _LETTERS[::16], _LETTERS[::4])
"""Letters a text may end with, by its length modulo 4."""
_TO_URLSAFE = bytes.maketrans(b"+/", b"-_")


def _text(data: bytes) -> str:
    encoded = binascii.b2a_base64(data, newline=False)
    return encoded.translate(_TO_URLSAFE, b"=").decode()


def _kid(key: bytes, day: int) -> bytes:
    return hmac.digest(key, b"stentor door kid 1" + struct.pack(">I", day), "sha256")[:4]


def _day_key(key: bytes, day: int) -> bytes:
    return hmac.digest(key, b"stentor door key 1" + struct.pack(">I", day), "sha256")
