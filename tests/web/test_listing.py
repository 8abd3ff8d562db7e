"""The home page's lists: order, bounds, what is left out, and times in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stentor.limits import HOME_SPACES_MAX
from stentor.space.card import Card
from stentor.web import listing

NOW_MS = 1_700_000_000_000
HOUR_MS = 3_600_000


def card(**fields: object) -> Card:
    given = {"space": "0123456789ab", "phase": "replay", "title": "A title", "host_name": "Ann"}
    return Card(**{**given, **fields})  # type: ignore[arg-type]


def titles(items: list[listing.Item]) -> list[str]:
    return [item.title for item in items]


def test_coming_spaces_are_in_the_order_of_their_start() -> None:
    coming = [
        card(phase="scheduled", title="later", starts_at_ms=NOW_MS + 2 * HOUR_MS),
        card(phase="scheduled", title="open"),
        card(phase="scheduled", title="sooner", starts_at_ms=NOW_MS + HOUR_MS),
        card(phase="doors", title="doors"),
        card(phase="scheduled", title="late", starts_at_ms=NOW_MS - HOUR_MS),
        card(phase="scheduled", title="never came", starts_at_ms=NOW_MS - 25 * HOUR_MS),
    ]
    home = listing.home(coming, NOW_MS)
    assert titles(home.coming) == ["doors", "late", "sooner", "later", "open"]


def test_past_spaces_are_the_newest_first_without_those_taken_back() -> None:
    past = [
        card(title="old", ended_at_ms=1),
        card(title="new", ended_at_ms=2, phase="ended"),
        card(title="withdrawn", ended_at_ms=3, phase="withdrawn"),
        card(title="deleted", ended_at_ms=3, phase="deleted"),
    ]
    assert titles(listing.home(past, NOW_MS).past) == ["new", "old"]
    mine = [card(title="mine", phase=each.phase, host_id="me") for each in past]
    assert len(listing.hosted_by([*past, *mine], "me")) == 4


@given(st.lists(st.sampled_from(list(listing.BADGES)), max_size=400))
def test_a_page_is_bounded_and_the_live_come_first(phases: list[str]) -> None:
    home = listing.home([card(phase=phase) for phase in phases], NOW_MS)
    assert len(home.live) + len(home.coming) + len(home.past) <= HOME_SPACES_MAX
    assert len(home.live) == min(HOME_SPACES_MAX, phases.count("live"))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, ""),
        (7, "7 s"),
        (60, "1 min"),
        (3_599, "59 min"),
        (3_600, "1 h 0 min"),
        (90_000, "25 h 0 min"),
    ],
)
def test_a_duration_in_words(seconds: int, words: str) -> None:
    assert listing.duration(seconds * 48_000) == words


@given(st.integers(-(2**63), 2**63))
def test_no_time_in_a_card_breaks_a_page(at_ms: int) -> None:
    assert listing.iso(at_ms).endswith("Z")
    assert listing.plain(at_ms).endswith("UTC")
