"""Identifiers: their types and their form. Making one needs chance, which is passed in."""

import re
from typing import NewType

SpaceId = NewType("SpaceId", str)
"""12 characters of lower-case Crockford base 32 (60 bits); part of the Space's address forever."""
SpeakerId = NewType("SpeakerId", str)
"""8 characters of the same alphabet: one seat on one stage."""
AccountId = NewType("AccountId", str)
"""12 characters of the same alphabet."""

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
SPACE_ID_CHARS = 12
SPEAKER_ID_CHARS = 8
_FORM = re.compile(f"[{ALPHABET}]+")


def encode(entropy: bytes, chars: int) -> str:
    """An identifier of `chars` characters from at least 5 * chars / 8 random bytes."""
    number = int.from_bytes(entropy, "big")
    out = []
    for _ in range(chars):
        number, digit = divmod(number, 32)
        out.append(ALPHABET[digit])
    return "".join(out)


def is_space_id(text: str) -> bool:
    """Whether `text` has the form of a Space's identifier (not whether the Space exists)."""
    return len(text) == SPACE_ID_CHARS and _FORM.fullmatch(text) is not None


def is_speaker_id(text: str) -> bool:
    """Whether `text` has the form of a speaker's identifier."""
    return len(text) == SPEAKER_ID_CHARS and _FORM.fullmatch(text) is not None
