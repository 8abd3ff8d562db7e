"""Tickets: what is genuine, and what is not, however it is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stentor import tickets
from stentor.errors import Refused
from stentor.tickets import Ticket
from stentor.tokens import Keyring

SPACE = "0123456789ab"
KEYS = tickets.keys_of(Keyring("0badcafe", {"0badcafe": bytes(32), "feedbeef": b"k" * 32}))
KID = bytes.fromhex("0badcafe")
NOW = 1_000_000.0
TICKET = Ticket(SPACE, 77, int(NOW) + 60, rank=2)


def code(text: str, space: str = SPACE, now: float = NOW) -> str:
    with pytest.raises(Refused) as refused:
        tickets.check(text, space, KEYS, now)
    return refused.value.code


@given(st.integers(0, 2**64 - 1), st.integers(int(NOW), 2**32 - 1), st.integers(0, 255))
def test_a_genuine_ticket_says_what_was_issued(number: int, expires: int, rank: int) -> None:
    ticket = Ticket(SPACE, number, expires, rank)
    for kid in KEYS:
        text = tickets.issue(ticket, kid, KEYS[kid])
        assert tickets.check(text, SPACE, KEYS, NOW) == ticket


def test_another_space_and_another_time() -> None:
    text = tickets.issue(TICKET, KID, KEYS[KID])
    assert code(text, "ba9876543210") == "ticket.wrong_space"
    assert code(text, now=NOW + 61) == "ticket.expired"


def test_no_bit_can_be_changed() -> None:
    text = tickets.issue(TICKET, KID, KEYS[KID])
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for at, letter in enumerate(text):
        for other in (alphabet[alphabet.index(letter) ^ 1], alphabet[alphabet.index(letter) ^ 32]):
            assert code(text[:at] + other + text[at + 1 :]).startswith("ticket."), at


@given(st.text(max_size=200))
def test_whatever_else_is_shown_is_refused(text: str) -> None:
    assert code(text) == "ticket.invalid"


def test_a_key_that_is_not_ours_is_refused() -> None:
    assert code(tickets.issue(TICKET, b"\0\0\0\0", bytes(32))) == "ticket.invalid"
    assert code(tickets.issue(TICKET, KID, b"x" * 32)) == "ticket.invalid"
