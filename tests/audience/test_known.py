"""Prefixes of earlier Spaces: who is known, and for how long."""

import pytest

from stentor.audience.known import Known
from stentor.errors import Corrupt
from stentor.limits import KNOWN_PREFIXES_MAX
from tests.audience.numbers import hashes

TURN_S = 100.0


def test_who_stayed_is_known_and_hardly_anybody_else() -> None:
    known = Known(0.0)
    known.add(hashes(0, 5_000), 1.0, TURN_S)
    assert all(prefix in known for prefix in hashes(0, 5_000))
    assert sum(prefix in known for prefix in hashes(5_000, 15_000)) < 10
    assert known.history == pytest.approx(5_000, abs=5)


def test_who_does_not_come_again_is_forgotten() -> None:
    known = Known(0.0)
    known.add([11, 22], 1.0, TURN_S)
    known.add([22], 150.0, TURN_S)
    assert 11 in known
    known.add([], 255.0, TURN_S)
    assert 11 not in known
    assert 22 in known
    known.add([], 500.0, TURN_S)
    assert 22 not in known, "nothing happened for longer than both are kept"


def test_a_file_comes_back_as_it_was() -> None:
    known = Known(7.0)
    known.add([1, 2, 3], 8.0, TURN_S)
    again = Known.decode(known.encode())
    assert (again.history, 2 in again, 9 in again) == (3, True, False)
    again.add([], 110.0, TURN_S)
    assert again.encode() != known.encode(), "it turns when the first one would have"
    for damaged in (b"", b"\x00", known.encode()[:-1], known.encode()[:100]):
        with pytest.raises(Corrupt):
            Known.decode(damaged)


def test_a_filter_that_is_full_is_the_older_one_from_then_on() -> None:
    known = Known(0.0)
    known.add(hashes(0, KNOWN_PREFIXES_MAX + 5_000), 1.0, TURN_S)
    assert known.history <= 2 * KNOWN_PREFIXES_MAX
    missed = sum(prefix not in known for prefix in hashes(0, KNOWN_PREFIXES_MAX + 5_000))
    assert missed == 0
    wrong = sum(prefix in known for prefix in hashes(300_000, 310_000))
    assert wrong < 200
