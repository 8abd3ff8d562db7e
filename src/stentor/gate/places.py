"""Places in the waiting room: signed turns, so that nobody has to remember who waits. Pure.

A **turn** is a virtual time of arrival in microseconds (UTC): the second of arrival, and within it
what the seed makes of the place's random identifier, so that nobody gains by milliseconds. Who
comes before the doors open is in one bucket with all the others who do, and shuffled.

Body: `kind(1) kid(4) flags(1) id(8) turn_us(8) space`.
"""

import hashlib
import struct
from collections.abc import Mapping

import msgspec

from stentor.gate.signing import KIND_PLACE, DayKeys, opened, sign
from stentor.limits import SHUFFLE_US

SECOND_US = 1_000_000
RENEWED = 1
"""Its turn lapsed once, and it was given another at the front."""
HELD = 4
"""Its turn has come, but its prefix has as many chairs as it may."""
PATIENT = 2
"""It was bought by waiting, not by computing."""
_FIXED = struct.Struct(">B4sBQQ")


class Place(msgspec.Struct, frozen=True, gc=False):
    """What a place says.

    Attributes:
        number: 64 random bits; the ticket it is exchanged for has the same number, however often it
            is exchanged, so that a place is one stream.
        flags: `RENEWED`, `PATIENT`, `HELD`.
    """

    space: str
    number: int
    turn_us: int
    flags: int = 0


def issue(place: Place, keys: DayKeys) -> str:
    """A place as text."""
    fixed = _FIXED.pack(KIND_PLACE, keys.kid, place.flags, place.number, place.turn_us)
    return sign(fixed + place.space.encode(), keys.key)


def read(text: str, space: str, keys: Mapping[bytes, bytes]) -> Place | None:
    """A genuine place in this Space; None if it is not one."""
    body = opened(text, KIND_PLACE, _FIXED.size + 1, keys)
    if body is None or body[_FIXED.size :] != space.encode():
        return None
    _, _, flags, number, turn_us = _FIXED.unpack_from(body)
    return Place(space, number, turn_us, flags)


def shuffled(seed: bytes, number: int, within_us: int) -> int:
    """Where in a bucket a place lies: what nobody outside can foresee or choose."""
    digest = hashlib.blake2b(number.to_bytes(8, "big"), key=seed, digest_size=8).digest()
    return int.from_bytes(digest, "big") * within_us >> 64


def turn_of(seed: bytes, number: int, now_us: int, opens_us: int) -> int:
    """The turn of a place that is taken now.

    Args:
        opens_us: when the doors open; 0 if they always were.
    """
    if now_us < opens_us:
        return opens_us + shuffled(seed, number, SHUFFLE_US)
    second_us = now_us - now_us % SECOND_US
    return second_us + SHUFFLE_US + shuffled(seed, number, SECOND_US)


def front_us(now_us: int, opens_us: int) -> int:
    """The earliest turn that can still be given: the mark must not pass it."""
    if now_us < opens_us:
        return opens_us
    return now_us - now_us % SECOND_US + SHUFFLE_US
