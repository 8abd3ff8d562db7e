"""STUN (RFC 8489) as far as an ICE-lite agent needs it: read a binding request, write an answer.

Nothing here raises because of bytes from outside: what is not a well-formed binding request is
None.
"""

import hmac
import ipaddress
import struct
import zlib
from typing import NamedTuple

from stentor import limits

BINDING_REQUEST = 0x0001
BINDING_SUCCESS = 0x0101
BINDING_ERROR = 0x0111
MAGIC_COOKIE = 0x2112A442
HEADER_BYTES = 20

USERNAME = 0x0006
MESSAGE_INTEGRITY = 0x0008
ERROR_CODE = 0x0009
UNKNOWN_ATTRIBUTES = 0x000A
XOR_MAPPED_ADDRESS = 0x0020
PRIORITY = 0x0024
USE_CANDIDATE = 0x0025
FINGERPRINT = 0x8028
ICE_CONTROLLED = 0x8029
ICE_CONTROLLING = 0x802A

_HEADER = struct.Struct("!HHI12s")
_PAIR = struct.Struct("!HH")
_UNDERSTOOD = frozenset({USERNAME, MESSAGE_INTEGRITY, PRIORITY, USE_CANDIDATE})
_FINGERPRINT_XOR = 0x5354554E
_USERNAME_BYTES_MAX = 513


class Request(NamedTuple):
    """A binding request; not yet authentic, see `is_authentic`."""

    transaction: bytes
    username: bytes
    signed: bytes
    """What MESSAGE-INTEGRITY covers, its length field already as the MAC wants it."""
    mac: bytes
    use_candidate: bool
    controlled: bool
    unknown: tuple[int, ...]
    """Attributes that must be understood and are not."""


def read_request(data: bytes) -> Request | None:
    """The binding request in a datagram, or None if it is anything else or malformed.

    MESSAGE-INTEGRITY must be there; FINGERPRINT, if there, must be right. Attributes between the
    two are not signed and therefore ignored (RFC 8489 section 14.5).
    """
    if not HEADER_BYTES <= len(data) <= limits.STUN_BYTES_MAX:
        return None
    kind, length, cookie, transaction = _HEADER.unpack_from(data)
    if kind != BINDING_REQUEST or cookie != MAGIC_COOKIE:
        return None
    if length != len(data) - HEADER_BYTES or length % 4:
        return None
    username = mac = signed = None
    use_candidate = controlled = False
    unknown: list[int] = []
    at = HEADER_BYTES
    for _ in range(limits.STUN_ATTRIBUTES_MAX):
        if at == len(data):
            break
        name, size = _PAIR.unpack_from(data, at)
        value = data[at + 4 : at + 4 + size]
        if len(value) != size or at + 4 + size > len(data):
            return None
        if name == FINGERPRINT:
            if not _is_fingerprint(data, at, value):
                return None
        elif mac is None:
            if name == USERNAME and size <= _USERNAME_BYTES_MAX:
                username = value
            elif name == MESSAGE_INTEGRITY:
                mac, signed = value, _with_length(data[:at], at + 24 - HEADER_BYTES)
            elif name == USE_CANDIDATE:
                use_candidate = True
            elif name == ICE_CONTROLLED:
                controlled = True
            elif name < 0x8000 and name not in _UNDERSTOOD:
                unknown.append(name)
        at += 4 + size + -size % 4
    if at != len(data) or username is None or signed is None or mac is None or len(mac) != 20:
        return None
    return Request(transaction, username, signed, mac, use_candidate, controlled, tuple(unknown))


def is_authentic(request: Request, password: bytes) -> bool:
    """Whether the request was made by somebody who knows `password` (RFC 8489 section 9.1.3)."""
    return hmac.compare_digest(hmac.digest(password, request.signed, "sha1"), request.mac)


def success(request: Request, host: str, port: int, password: bytes) -> bytes:
    """The answer to an authentic request, telling its sender the address it was seen from."""
    body = _attribute(XOR_MAPPED_ADDRESS, _xor_address(host, port, request.transaction))
    return _seal(BINDING_SUCCESS, request.transaction, body, password)


def failure(request: Request, code: int, reason: str, password: bytes) -> bytes:
    """The answer to an authentic request that cannot be granted (RFC 8489 section 14.8)."""
    body = _attribute(ERROR_CODE, struct.pack("!HBB", 0, *divmod(code, 100)) + reason.encode())
    if request.unknown:
        names = b"".join(name.to_bytes(2, "big") for name in request.unknown)
        body += _attribute(UNKNOWN_ATTRIBUTES, names)
    return _seal(BINDING_ERROR, request.transaction, body, password)


def _with_length(data: bytes, length: int) -> bytes:
    return data[:2] + length.to_bytes(2, "big") + data[4:]


def _attribute(name: int, value: bytes) -> bytes:
    return _PAIR.pack(name, len(value)) + value + bytes(-len(value) % 4)


def _is_fingerprint(data: bytes, at: int, value: bytes) -> bool:
    """FINGERPRINT is the last attribute and the CRC-32 of all before it (section 14.7)."""
    if len(value) != 4 or at + 8 != len(data):
        return False
    return int.from_bytes(value, "big") == zlib.crc32(data[:at]) ^ _FINGERPRINT_XOR


def _xor_address(host: str, port: int, transaction: bytes) -> bytes:
    address = ipaddress.ip_address(host)
    mask = MAGIC_COOKIE.to_bytes(4, "big") + transaction
    packed = bytes(byte ^ key for byte, key in zip(address.packed, mask, strict=False))
    family = 1 if address.version == 4 else 2
    return struct.pack("!BBH", 0, family, port ^ (MAGIC_COOKIE >> 16)) + packed


def _seal(kind: int, transaction: bytes, body: bytes, password: bytes) -> bytes:
    """A message with MESSAGE-INTEGRITY and FINGERPRINT behind `body`."""
    signed = _HEADER.pack(kind, len(body) + 24, MAGIC_COOKIE, transaction) + body
    mac = hmac.digest(password, signed, "sha1")
    data = _with_length(signed + _attribute(MESSAGE_INTEGRITY, mac), len(body) + 32)
    return data + _attribute(FINGERPRINT, (zlib.crc32(data) ^ _FINGERPRINT_XOR).to_bytes(4, "big"))
