"""The login throttle: what it allows, whom it never locks out, and how large it grows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stentor.limits import LOGIN_TRIES_PER_HOUR, LOGIN_TRIES_PER_PREFIX_PER_HOUR
from stentor.social.throttle import Throttle, TooMany


def tries_until_refused(throttle: Throttle, name: str, prefix: str, now: float) -> int:
    for count in range(1_000):
        try:
            throttle.take(name, prefix, now)
        except TooMany:
            return count
    raise AssertionError("never refused")


def test_an_hour_s_tries_are_allowed_at_once_and_then_one_by_one() -> None:
    throttle = Throttle()
    assert tries_until_refused(throttle, "ann", "192.0.2.1", 0.0) == LOGIN_TRIES_PER_HOUR
    with pytest.raises(TooMany) as refused:
        throttle.take("ann", "192.0.2.1", 0.0)
    wait_s = refused.value.retry_after_s
    assert 0 < wait_s <= 3600 / LOGIN_TRIES_PER_HOUR
    with pytest.raises(TooMany):
        throttle.take("ann", "192.0.2.1", wait_s - 1)
    throttle.take("ann", "192.0.2.1", wait_s)
    with pytest.raises(TooMany):
        throttle.take("ann", "192.0.2.1", wait_s)


def test_an_owner_is_not_locked_out_from_elsewhere() -> None:
    throttle = Throttle()
    for attacker in range(300):
        tries_until_refused(throttle, "ann", f"attacker {attacker}", 0.0)
    throttle.take("ann", "192.0.2.1", 0.0)


def test_one_prefix_cannot_try_many_names() -> None:
    throttle = Throttle()
    for count in range(LOGIN_TRIES_PER_PREFIX_PER_HOUR):
        throttle.take(f"name {count}", "192.0.2.1", 0.0)
    with pytest.raises(TooMany):
        throttle.take("one more", "192.0.2.1", 0.0)


def test_the_right_password_clears_the_account_there_and_not_the_prefix() -> None:
    throttle = Throttle()
    for _ in range(LOGIN_TRIES_PER_PREFIX_PER_HOUR):
        throttle.take("ann", "192.0.2.1", 0.0)
        throttle.forgive("ann", "192.0.2.1")
    with pytest.raises(TooMany):
        throttle.take("ann", "192.0.2.1", 0.0)


def test_the_table_is_bounded_and_forgets_what_is_longest_unused() -> None:
    throttle = Throttle(entries_max=100)
    tries_until_refused(throttle, "ann", "192.0.2.1", 0.0)
    for count in range(1_000):
        throttle.take("bob", f"prefix {count}", 1.0)
        assert len(throttle) <= 100


@given(st.lists(st.floats(0, 7200), max_size=60))
def test_in_no_hour_more_than_twice_the_number_is_allowed(steps: list[float]) -> None:
    throttle, now = Throttle(), 0.0
    allowed: list[float] = []
    for step in steps:
        now += step / 50
        try:
            throttle.take("ann", "192.0.2.1", now)
        except TooMany as refused:
            assert 0 < refused.retry_after_s <= 3600
        else:
            allowed.append(now)
    for start in allowed:
        assert sum(start <= at <= start + 3600 for at in allowed) <= 2 * LOGIN_TRIES_PER_HOUR
