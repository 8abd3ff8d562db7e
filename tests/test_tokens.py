"""Tokens: genuine ones pass, everything else is refused with its own reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stentor import tokens
from stentor.errors import Refused

RING = tokens.Keyring("k1", {"k1": b"1" * 32, "k0": b"0" * 32})
CLAIMS = tokens.Claims("seat", "0123456789ab", "host", "abcdefgh", "Ada", 1_000)


def refused(token: str, now: float = 0.0, ring: tokens.Keyring = RING) -> str:
    with pytest.raises(Refused) as caught:
        tokens.check(token, ring, now)
    return caught.value.code


def test_what_was_issued_is_read_back() -> None:
    assert tokens.check(tokens.issue(CLAIMS, RING), RING, 999) == CLAIMS


def test_a_key_that_was_rotated_away_from_still_verifies() -> None:
    old = tokens.issue(CLAIMS, tokens.Keyring("k0", RING.keys))
    assert tokens.check(old, RING, 0) == CLAIMS
    assert refused(old, ring=tokens.Keyring("k1", {"k1": b"1" * 32})) == "token.invalid"


def test_an_expired_token_is_refused_as_expired() -> None:
    assert refused(tokens.issue(CLAIMS, RING), 1_001) == "token.expired"


def test_none_is_refused_as_missing() -> None:
    assert refused("") == "token.missing"


@pytest.mark.parametrize("junk", ["a", "a.b", "a.b.c", "....", "k1.e30.", "k1..x", "\u00e9.b.c"])
def test_junk_is_refused(junk: str) -> None:
    assert refused(junk) == "token.invalid"


@given(st.data())
def test_any_changed_character_is_refused(data: st.DataObject) -> None:
    token = tokens.issue(CLAIMS, RING)
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters(min_codepoint=33, max_codepoint=126))
    changed = token[:at] + other + token[at + 1 :]
    if changed != token:
        assert refused(changed) == "token.invalid"
