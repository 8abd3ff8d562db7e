"""Sessions of accounts, as far as the door must know them: whether this node gave one. Pure.

A session's text carries a MAC, so that gates can tell without the database that somebody has an
account here. Whether it was ended since only web knows: at the door it counts for its whole time.

Form: base64url of u16 day, 24 random bytes, and 16 bytes of HMAC-SHA256 over both.
"""

import base64
import binascii
import hashlib
import hmac
import struct

from stentor.limits import SESSION_DAYS
from stentor.tokens import Keyring

ENTROPY_BYTES = 24
_DAY = struct.Struct(">H")
_MAC_BYTES = 16
_BODY_BYTES = _DAY.size + ENTROPY_BYTES
_DAY_S = 86_400


def issue(entropy: bytes, keyring: Keyring, wall_time_s: float) -> str:
    """A new session's text."""
    body = _DAY.pack(int(wall_time_s // _DAY_S) & 0xFFFF) + entropy
    return base64.urlsafe_b64encode(body + _mac(body, keyring.keys[keyring.current])).decode()


def number_of(text: str, keyring: Keyring, wall_time_s: float) -> int:
    """The 64 bits that a session is known by at the door; 0: it is none of this node's, or old."""
    if len(text) != (_BODY_BYTES + _MAC_BYTES) * 4 // 3 or not text.isascii():
        return 0
    try:
        data = base64.urlsafe_b64decode(text)
    except (binascii.Error, ValueError):
        return 0
    body, mac = data[:_BODY_BYTES], data[_BODY_BYTES:]
    for key in keyring.keys.values():
        if hmac.compare_digest(mac, _mac(body, key)):
            age_days = (int(wall_time_s // _DAY_S) - _DAY.unpack_from(body)[0]) & 0xFFFF
            digest = hashlib.blake2b(body, key=key, digest_size=8).digest()
            return int.from_bytes(digest, "big") if age_days <= SESSION_DAYS else 0
    return 0


def _mac(body: bytes, key: bytes) -> bytes:
    return hmac.digest(key, b"stentor session 1" + body, "sha256")[:_MAC_BYTES]
