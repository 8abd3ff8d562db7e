"""Passwords: which are refused, and how they are hashed (argon2id, RFC 9106), a few at a time."""

import asyncio
import functools
import unicodedata
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from stentor.errors import Refused, Unavailable
from stentor.limits import (
    HASHES_AT_ONCE,
    HASHES_WAITING_MAX,
    PASSWORD_CHARS_MAX,
    PASSWORD_CHARS_MIN,
)

_HASHER = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=4)
_NOBODY = (
    "$argon2id$v=19$m=65536,t=3,p=4$exMRIvabdmntV7V9/iIxRA$"
    "lhjdxShXXQNABLX4n6wib0Q7c2IEOw3Da7gPFdvQNLM"
)
"""Compared with when there is no such account: it takes as long and never fits."""


class Passwords:
    """The hashing of one process, bounded: each hash takes 64 MiB and about 140 ms of a core."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(HASHES_AT_ONCE)
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """The hash to store.

        Raises:
            Unavailable: `web.busy` when too many are waiting.
        """
        async with self._turn():
            return await asyncio.to_thread(_HASHER.hash, normal(password))

    async def fits(self, password: str, stored: str | None) -> bool:
        """Whether the password is the one of that hash; as slow when there is no hash.

        Raises:
            Unavailable: `web.busy` when too many are waiting.
        """
        async with self._turn():
            return await asyncio.to_thread(_fits, normal(password), stored)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        if self._waiting >= HASHES_WAITING_MAX:
            raise Unavailable(
                "web.busy", "Many people are signing in just now. Try again in a moment.", 3.0
            )
        self._waiting += 1
        try:
            async with self._turns:
                yield
        finally:
            self._waiting -= 1


def _fits(password: str, stored: str | None) -> bool:
    try:
        _HASHER.verify(stored or _NOBODY, password)
    except (VerificationError, InvalidHashError):
        return False
    return stored is not None


def normal(password: str) -> str:
    """The password as it is compared: keyboards differ in how they compose accents (NFKC)."""
    return unicodedata.normalize("NFKC", password)


def check_new(password: str, name: str) -> None:
    """Refuse a password that is too short, too long, well known, or the account's own name.

    Raises:
        Refused: `account.invalid`, with what to do.
    """
    text = normal(password)
    if not PASSWORD_CHARS_MIN <= len(password) <= PASSWORD_CHARS_MAX:
        raise Refused(
            "account.invalid",
            f"A password has {PASSWORD_CHARS_MIN} to {PASSWORD_CHARS_MAX} characters; "
            "a few words in a row are easy to remember.",
        )
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in text):
        raise Refused("account.invalid", "A password is made of characters that can be typed.")
    plain = text.casefold()
    of_one = len(set(plain)) == 1
    if of_one or plain in _well_known() or plain == normal(name).casefold():
        raise Refused(
            "account.invalid",
            "This password is among the first that are guessed. Choose another one.",
        )


@functools.cache
def _well_known() -> frozenset[str]:
    text = files("stentor.social").joinpath("well-known-passwords.txt").read_text("utf-8")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))
