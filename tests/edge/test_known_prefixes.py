"""A gate and the prefixes of earlier Spaces."""

from pathlib import Path

from stentor.audience.known import Known
from stentor.edge.known_prefixes import KnownPrefixes
from stentor.limits import STAYING_PER_REPORT
from stentor.paths import write_whole


def test_it_follows_the_file_and_a_damaged_one_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "known.prefixes"
    prefixes = KnownPrefixes(path)
    prefixes.look()
    assert (prefixes.history, 5 in prefixes) == (0, False)
    known = Known(0.0)
    known.add([5], 1.0, 100.0)
    write_whole(path, known.encode())
    prefixes.look()
    assert (prefixes.history, 5 in prefixes, 6 in prefixes) == (1, True, False)
    write_whole(path, b"nonsense")
    prefixes.look()
    assert (prefixes.history, 5 in prefixes) == (0, False)
    path.unlink()
    prefixes.look()
    assert prefixes.history == 0


def test_each_is_told_once_to_each_usher_and_never_too_many(tmp_path: Path) -> None:
    prefixes = KnownPrefixes(tmp_path / "none")
    for number in range(STAYING_PER_REPORT + 2):
        prefixes.stays("one", number)
        prefixes.stays("one", number)
    assert len(prefixes.take(fresh=True)["one"]) == STAYING_PER_REPORT
    assert len(prefixes.take(fresh=False)["one"]) == 2
    assert prefixes.take(fresh=False) == {}
    prefixes.stays("two", 7)
    again = prefixes.take(fresh=True)
    assert len(again["one"]) == STAYING_PER_REPORT
    assert again["two"] == [7]
