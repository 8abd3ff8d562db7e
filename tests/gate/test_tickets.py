"""Tickets, places and challenges: what is genuine, and what is not, however it is written."""

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stentor.errors import Refused
from stentor.gate import challenge, places, tickets
from stentor.gate.places import Place
from stentor.gate.signing import (
    KIND_CHALLENGE,
    KIND_PLACE,
    KIND_TICKET,
    Keys,
    day_keys,
    mac_of,
    opened,
    sign,
)
from stentor.gate.tickets import Ticket
from stentor.limits import CHALLENGE_S, CLOCK_SKEW_S, DOOR_KEY_S
from stentor.tokens import Keyring

SPACE = "0123456789ab"
OTHER = "ba9876543210"
RING = Keyring("0badcafe", {"0badcafe": bytes(32), "feedbeef": b"k" * 32})
NOW = 20_000 * DOOR_KEY_S + 40_000.0
KEYS = day_keys(RING, NOW)
TICKET = Ticket(SPACE, 77, int(NOW) + 60, rank=2)
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def code(text: str, space: str = SPACE, now: float = NOW) -> str:
    with pytest.raises(Refused) as refused:
        tickets.check(text, space, day_keys(RING, now).valid, now)
    return refused.value.code


@given(st.integers(0, 2**64 - 1), st.integers(int(NOW), int(NOW) + 86_400), st.integers(0, 2))
def test_a_genuine_ticket_says_what_was_issued(number: int, expires: int, rank: int) -> None:
    ticket = Ticket(SPACE, number, expires, rank)
    assert tickets.check(tickets.issue(ticket, KEYS), SPACE, KEYS.valid, NOW) == ticket


def test_another_space_and_another_time() -> None:
    text = tickets.issue(TICKET, KEYS)
    assert code(text, OTHER) == "ticket.wrong_space"
    assert code(text, now=NOW + 61 + CLOCK_SKEW_S) == "ticket.expired"
    late = NOW + 60 + CLOCK_SKEW_S
    assert tickets.read_expired(text, SPACE, KEYS.valid, late + 100, 100.0) == TICKET
    assert tickets.read_expired(text, SPACE, KEYS.valid, late + 102, 100.0) is None


@given(st.floats(-CLOCK_SKEW_S, CLOCK_SKEW_S))
def test_clocks_may_differ_by_the_skew(skew: float) -> None:
    for midnight in (NOW, 20_001 * DOOR_KEY_S, 20_001 * DOOR_KEY_S - 0.5):
        text = tickets.issue(Ticket(SPACE, 1, int(midnight) + 40), day_keys(RING, midnight))
        now = midnight + skew
        assert tickets.check(text, SPACE, day_keys(RING, now).valid, now).number == 1
        gone = Ticket(SPACE, 1, int(midnight) - int(max(0, skew)) - 1)
        text = tickets.issue(gone, day_keys(RING, midnight))
        now = midnight - abs(skew)
        assert tickets.check(text, SPACE, day_keys(RING, now).valid, now).number == 1


def test_keys_change_with_the_day_and_two_of_them_are_valid() -> None:
    keys = Keys(RING)
    old = tickets.issue(Ticket(SPACE, 1, int(NOW) + 86_400), keys.at(NOW))
    assert len(KEYS.valid) == 4, "two days of each of two keys"
    assert tickets.read(old, SPACE, keys.at(NOW + DOOR_KEY_S / 2).valid, NOW) != tickets.INVALID
    assert keys.at(NOW).kid != keys.at(NOW + DOOR_KEY_S).kid
    assert tickets.read(old, SPACE, keys.at(NOW + 2 * DOOR_KEY_S).valid, NOW) == tickets.INVALID
    assert tickets.read(old, SPACE, keys.at(NOW - 2 * DOOR_KEY_S).valid, NOW) == tickets.INVALID
    assert keys.at(NOW) == day_keys(RING, NOW)


def test_no_bit_can_be_changed() -> None:
    text = tickets.issue(TICKET, KEYS)
    for at, letter in enumerate(text):
        for other in (ALPHABET[ALPHABET.index(letter) ^ 1], ALPHABET[ALPHABET.index(letter) ^ 32]):
            assert code(text[:at] + other + text[at + 1 :]).startswith("ticket."), at
    assert code(text + "=") == code(text + "A") == code(" " + text) == "ticket.invalid"


@given(st.text(max_size=200) | st.text(ALPHABET, max_size=100))
def test_whatever_else_is_shown_is_refused(text: str) -> None:
    assert code(text) == "ticket.invalid"
    assert places.read(text, SPACE, KEYS.valid) is None
    assert challenge.paid(text, 0, SPACE, KEYS.valid, NOW) is None


def test_a_key_that_is_not_ours_is_refused() -> None:
    strange = day_keys(Keyring("0badcafe", {"0badcafe": b"x" * 32}), NOW)
    assert code(tickets.issue(TICKET, strange)) == "ticket.invalid"


@given(
    st.sampled_from([KIND_TICKET, KIND_PLACE, KIND_CHALLENGE, 0, 4, 255]), st.binary(max_size=40)
)
def test_one_kind_never_passes_as_another(kind: int, rest: bytes) -> None:
    """Whatever we would sign as one kind, the readers of the others do not take it."""
    text = sign(bytes([kind]) + KEYS.kid + rest + SPACE.encode(), KEYS.key)
    if kind != KIND_TICKET:
        assert code(text) == "ticket.invalid"
    if kind != KIND_PLACE:
        assert places.read(text, SPACE, KEYS.valid) is None
    if kind != KIND_CHALLENGE:
        assert challenge.paid(text, 0, SPACE, KEYS.valid, NOW) is None


def test_a_ticket_of_the_far_future_or_of_an_unknown_rank_is_none() -> None:
    assert code(tickets.issue(Ticket(SPACE, 1, int(NOW) + 10 * 86_400), KEYS)) == "ticket.invalid"
    assert code(tickets.issue(Ticket(SPACE, 1, int(NOW) + 60, rank=3), KEYS)) == "ticket.invalid"


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**63), st.integers(0, 7))
def test_a_place_says_what_was_issued(number: int, turn_us: int, flags: int) -> None:
    place = Place(SPACE, number, turn_us, flags)
    text = places.issue(place, KEYS)
    assert places.read(text, SPACE, KEYS.valid) == place
    assert places.read(text, OTHER, KEYS.valid) is None


@given(st.integers(0, 2**64 - 1), st.integers(0, 12))
def test_a_challenge_buys_its_place_and_only_that(number: int, bits: int) -> None:
    place = Place(SPACE, number, 5)
    asked = challenge.ask(place, bits, KEYS, NOW)
    solution = challenge.solve(asked)
    assert 0 <= solution <= asked.maxnumber
    assert challenge.paid(asked.salt, solution, SPACE, KEYS.valid, NOW) == place
    assert challenge.paid(asked.salt, solution, SPACE, KEYS.valid, NOW) == place, "the same one"
    for wrong in (solution + 1, solution - 1, -1, 1 << 70):
        assert challenge.paid(asked.salt, wrong, SPACE, KEYS.valid, NOW) is None
    assert challenge.paid(asked.salt, solution, OTHER, KEYS.valid, NOW) is None
    late = NOW + CHALLENGE_S + 2
    assert challenge.paid(asked.salt, solution, SPACE, KEYS.valid, late) is None


@given(st.binary(max_size=200), st.binary(min_size=1, max_size=64))
def test_the_hmac_is_the_standards(body: bytes, key: bytes) -> None:
    assert mac_of(body, key) == hmac.digest(key, body, "sha256")


@pytest.mark.parametrize("size", [32, 33, 34])
def test_a_text_is_written_in_one_way(size: int) -> None:
    """Whatever else decodes to the same bytes is refused (RFC 4648 sections 3.2 to 3.5)."""
    text = sign(bytes((KIND_TICKET,)) + KEYS.kid + bytes(size), KEYS.key)
    assert opened(text, KIND_TICKET, 1, KEYS.valid) is not None
    others = {text[:-1] + letter for letter in ALPHABET + "+/=!% \n"}
    others |= {text.replace("-", "+"), text.replace("_", "/"), text + "=", text + "A", " " + text}
    others |= {text[:20] + letter + text[20:] for letter in "\n=!"}
    for other in others - {text}:
        assert opened(other, KIND_TICKET, 1, KEYS.valid) is None, other
