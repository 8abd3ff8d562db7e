"""Proof of work: a place that is not paid for yet, and its price in hashes. Pure.

The scheme is ALTCHA's: the client looks for the number in 0 ... maxnumber whose SHA-256 together
with the salt is the one asked for. The mean is half of the most, and both are known beforehand.
The salt is the place itself, signed: identifier, turn, Space, expiry and bits. So

* whoever computes loses no turn: it was given with the challenge;
* a solution shown twice buys the same place twice, which is one place: nothing has to be
  remembered to prevent a replay, and any gate may check what another gave;
* checking is one HMAC: the first 16 bytes of it sign the salt, from the others, which are told
  nobody, comes the number.

Body: `kind(1) kid(4) bits(1) expires_at_s(4) id(8) turn_us(8) space`.
"""

import hashlib
import struct
from collections.abc import Mapping

import msgspec

from stentor.gate.places import Place
from stentor.gate.signing import KIND_CHALLENGE, DayKeys, opened_whole, signed_whole
from stentor.limits import CHALLENGE_BITS_MAX, CHALLENGE_S

_FIXED = struct.Struct(">B4sBIQQ")
_BITS_AT = 5


class Challenge(msgspec.Struct, frozen=True, gc=False):
    """What a client is asked: find n in 0 ... `maxnumber` with SHA-256(salt + n) = `challenge`.

    Attributes:
        challenge: hexadecimal.
        salt: text; n is appended to it in decimal.
    """

    challenge: str
    salt: str
    maxnumber: int
    expires_at_s: int
    algorithm: str = "SHA-256"


def ask(place: Place, bits: int, keys: DayKeys, wall_time_s: float) -> Challenge:
    """A challenge that buys this place."""
    bits = min(bits, CHALLENGE_BITS_MAX)
    expires_at_s = int(wall_time_s) + CHALLENGE_S
    fixed = _FIXED.pack(KIND_CHALLENGE, keys.kid, bits, expires_at_s, place.number, place.turn_us)
    body = fixed + place.space.encode()
    salt, secret = signed_whole(body, keys.key)
    number = _number(secret, bits)
    challenge = hashlib.sha256(f"{salt}{number}".encode()).hexdigest()
    return Challenge(challenge, salt, 1 << bits, expires_at_s)


def paid(
    salt: str, solution: int, space: str, keys: Mapping[bytes, bytes], wall_time_s: float
) -> Place | None:
    """The place that a solution buys; None if it is wrong, too late, or for another Space."""
    found = opened_whole(salt, KIND_CHALLENGE, _FIXED.size + 1, keys)
    if found is None:
        return None
    body, secret = found
    _, _, bits, expires_at_s, number, turn_us = _FIXED.unpack_from(body)
    if (
        solution != _number(secret, bits)
        or expires_at_s < wall_time_s
        or body[_FIXED.size :] != space.encode()
    ):
        return None
    return Place(space, number, turn_us)


def answer(salt: str, keys: Mapping[bytes, bytes]) -> int:
    """The solution, for those who have the keys: gates, and the simulation's people."""
    found = opened_whole(salt, KIND_CHALLENGE, _FIXED.size, keys)
    assert found is not None, "only genuine ones are asked about"
    return _number(found[1], found[0][_BITS_AT])


def solve(challenge: Challenge) -> int:
    """What a client does: for programs that come as clients."""
    salt = challenge.salt.encode()
    wanted = bytes.fromhex(challenge.challenge)
    begun = hashlib.sha256(salt)
    for number in range(challenge.maxnumber + 1):
        trial = begun.copy()
        trial.update(b"%d" % number)
        if trial.digest() == wanted:
            return number
    raise AssertionError("every challenge has a solution")


def _number(secret: bytes, bits: int) -> int:
    return int.from_bytes(secret[:8], "big") >> 64 - bits if bits else 0
