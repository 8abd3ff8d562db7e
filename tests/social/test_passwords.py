"""Passwords: which are refused, how they are compared, and how many are hashed at once."""

import asyncio

import pytest

from stentor.errors import Refused, Unavailable
from stentor.limits import HASHES_WAITING_MAX, PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN
from stentor.social.passwords import Passwords, check_new


@pytest.mark.parametrize(
    "password",
    [
        "",
        "x" * (PASSWORD_CHARS_MIN - 1),
        "ab" * PASSWORD_CHARS_MAX,
        "Password123",
        "1234567890",
        "ｐａｓｓｗｏｒｄ１２３",
        "zzzzzzzzzzzzzz",
        "Annabella Smith",
        "with a\nline break",
        "half a pair \ud800 here",
    ],
)
def test_a_password_is_refused(password: str) -> None:
    with pytest.raises(Refused) as refused:
        check_new(password, "Annabella Smith")
    assert refused.value.code == "account.invalid"
    assert not password or password not in refused.value.sentence


@pytest.mark.parametrize(
    "password", ["correct horse hat", "только буквы", "🎙🎚🎛 🎙🎚🎛 🎙🎚🎛", "x1" * 128]
)
def test_no_kind_of_character_is_demanded(password: str) -> None:
    check_new(password, "Ann")


async def test_a_hash_fits_its_password_however_it_is_typed() -> None:
    passwords = Passwords()
    stored = await passwords.hash("cafe\u0301 au lait")
    assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert await passwords.fits("caf\u00e9 au lait", stored)
    assert not await passwords.fits("cafe au lait", stored)
    assert not await passwords.fits("anything at all", None)
    assert not await passwords.fits("anything at all", "not a hash")


async def test_too_many_at_once_are_told_to_wait() -> None:
    passwords = Passwords()
    tasks = [
        asyncio.create_task(passwords.fits("anything at all", None))
        for _ in range(HASHES_WAITING_MAX)
    ]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable) as busy:
        await passwords.fits("one more", None)
    assert busy.value.code == "web.busy"
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert await passwords.fits("after that", None) is False
