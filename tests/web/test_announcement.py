"""Announcements: what is trimmed, what is refused, and which moment a form's time means."""

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stentor.errors import Refused
from stentor.limits import DESCRIPTION_CHARS_MAX, TITLE_CHARS_MAX
from stentor.web.announcement import Announcement, checked, starts_at_ms

NOW_MS = 1_700_000_000_000
DAY_MS = 86_400_000


def test_spaces_and_line_ends_are_put_in_order() -> None:
    made = checked(Announcement("  A \t title\n", " one\r\ntwo\rthree \n"), NOW_MS)
    assert made == Announcement("A title", "one\ntwo\nthree")


@pytest.mark.parametrize(
    ("title", "description", "starts"),
    [
        ("", "", 0),
        (" \n ", "", 0),
        ("x" * (TITLE_CHARS_MAX + 1), "", 0),
        ("A title", "x" * (DESCRIPTION_CHARS_MAX + 1), 0),
        ("with \0 zero", "", 0),
        ("A title", "bell \a", 0),
        ("half \ud800 pair", "", 0),
        ("A title", "", -1),
        ("A title", "", NOW_MS - DAY_MS),
        ("A title", "", NOW_MS + 800 * DAY_MS),
    ],
)
def test_it_is_refused_with_a_sentence(title: str, description: str, starts: int) -> None:
    with pytest.raises(Refused) as refused:
        checked(Announcement(title, description, starts), NOW_MS)
    assert refused.value.code == "space.invalid"
    assert refused.value.sentence.endswith(".")


@given(st.text(), st.text(), st.integers())
def test_what_is_taken_stays_as_it_is(title: str, description: str, starts: int) -> None:
    try:
        made = checked(Announcement(title, description, starts), NOW_MS)
    except Refused:
        return
    assert checked(made, NOW_MS) == made


@pytest.mark.parametrize(
    ("text", "offset", "expected"),
    [
        ("2026-11-22T19:30", 0, "2026-11-22T19:30+00:00"),
        ("2026-11-22T19:30", 60, "2026-11-22T19:30+01:00"),
        ("2026-11-22T19:30:15", -210, "2026-11-22T19:30:15-03:30"),
        ("2026-12-31T23:59", -720, "2027-01-01T11:59+00:00"),
    ],
)
def test_a_form_s_time_is_where_the_person_is(text: str, offset: int, expected: str) -> None:
    moment = datetime.datetime.fromisoformat(expected)
    assert starts_at_ms(text, offset) == moment.timestamp() * 1000


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("", 0),
        ("tomorrow", 0),
        ("2026-02-30T10:00", 0),
        ("2026-11-22T19:30", 10_000),
        ("0001-01-01T00:00", 900),
        ("9999-12-31T23:59", -900),
        ("2026-11-22T19:30Z", 0),
    ],
)
def test_a_time_that_is_none_is_refused(text: str, offset: int) -> None:
    with pytest.raises(Refused):
        starts_at_ms(text, offset)
