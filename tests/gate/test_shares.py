"""Shares of prefixes: later, never refused; and what max-min gives."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stentor.gate.shares import (
    Shares,
    burst_of,
    keeps_chair,
    level,
    prefix_key,
    prefix_of,
    share_of_prefix,
)
from stentor.limits import SHARE_BURST_CALM, SHARE_REFILL_S

NOW_US = 1_700_000_000_000_000


@pytest.mark.parametrize(
    ("address", "prefix"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:23ff::1", "2001:db8:1:2300::/56"),
        ("fe80::1%eth0", "fe80::/56"),
        ("", "unknown"),
        ("1.2.3", "unknown"),
        ("1.2.3.4.5", "unknown"),
        ("01.2.3.4", "unknown"),
    ],
)
def test_the_prefix_of_an_address(address: str, prefix: str) -> None:
    assert prefix_of(address) == prefix


def test_a_key_of_a_prefix_depends_on_the_secret() -> None:
    assert prefix_key("203.0.113.0/24", b"a" * 32) != prefix_key("203.0.113.0/24", b"b" * 32)


@given(st.integers(1, 300), st.integers(8, 256))
def test_a_burst_costs_nothing_and_what_follows_is_spaced(count: int, burst: int) -> None:
    shares = Shares()
    later = [shares.take(1, NOW_US, burst) for _ in range(count)]
    each_us = SHARE_REFILL_S * 1_000_000 // burst
    assert later == [max(0, at + 1 - burst) * each_us for at in range(count)]


def test_ten_thousand_places_of_one_prefix_get_no_more_than_its_share_ahead_of_others() -> None:
    """B7: whatever order they come in, the share in any time is burst and refill."""
    shares = Shares()
    turns = sorted(NOW_US + shares.take(7, NOW_US, burst_of(25, 1_000, 1)) for _ in range(10_000))
    for within_s in (0, 30, 60, 300):
        ahead = sum(turn <= NOW_US + within_s * 1_000_000 for turn in turns)
        assert ahead <= 25 * (1 + within_s / SHARE_REFILL_S) + 1
    assert shares.take(8, NOW_US, burst_of(25, 1_000, 1)) == 0, "others pay nothing for it"


def test_who_waits_has_a_share_again() -> None:
    shares = Shares()
    assert [shares.take(1, NOW_US, 10) for _ in range(10)] == [0] * 10
    assert shares.take(1, NOW_US, 10) > 0
    assert shares.take(1, NOW_US + 2 * SHARE_REFILL_S * 1_000_000, 10) == 0


def test_the_table_is_bounded() -> None:
    shares = Shares(most=1_000)
    for prefix in range(10_000):
        shares.take(prefix, NOW_US, 10)
    assert len(shares) <= 1_000
    assert [shares.take(9_999, NOW_US, 10) for _ in range(10)][-1] > 0, "the latest are known"


@given(st.lists(st.floats(0, 1_000), max_size=30), st.floats(1, 5_000))
def test_max_min(demands: list[float], supply: float) -> None:
    share = level(demands, supply)
    given_ = [min(one, share) for one in demands]
    if math.isinf(share):
        assert sum(demands) <= supply * (1 + 1e-9) + 1e-6
    else:
        assert sum(given_) == pytest.approx(supply), "nothing is left over while somebody lacks"


def test_seats_of_a_prefix() -> None:
    assert share_of_prefix([100.0] * 5, 400, 1_000) == 0, "enough for everybody"
    assert share_of_prefix([250.0] * 20, 500, 1_000) == 25
    assert share_of_prefix([250.0] * 20, 5_000, 1_000) == 10, "never nothing"
    assert share_of_prefix([9_000.0], 200_000, 100_000) == 1_000, "a telephone company is people"
    assert burst_of(0, 1_000, 1) == SHARE_BURST_CALM
    assert burst_of(0, 300_000, 20) == 187


def test_the_share_of_renewed_tickets_is_what_was_meant() -> None:
    kept = sum(keeps_chair(number, b"s" * 32, 25, 250, 7) for number in range(10_000))
    assert 850 < kept < 1_150
    assert all(keeps_chair(number, b"s" * 32, 25, 25, 7) for number in range(100))
