"""Cards in memory: read once a second at most, read again only when they were replaced."""

from pathlib import Path

from stentor.paths import Paths
from stentor.space import card as cards
from stentor.space.card import Card
from stentor.web.cards import Cards
from tests.fakes.shifted_clock import ShiftedClock


def put(paths: Paths, space: str, title: str) -> None:
    path = paths.card(space)
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(".card")
    scratch.write_bytes(cards.encode(Card(space, "replay", title, "Ann")))
    scratch.replace(path)


async def test_cards_are_read_again_when_they_were_replaced(tmp_path: Path) -> None:
    paths, clock = Paths(tmp_path), ShiftedClock()
    paths.create()
    kept = Cards(paths, clock)
    assert list(await kept.newest()) == []
    put(paths, "0000000000aa", "one")
    assert list(await kept.newest()) == [], "within the same second"
    clock.ahead_s += 1
    first = await kept.newest()
    assert [card.title for card in first] == ["one"]
    clock.ahead_s += 1
    assert await kept.newest() is first, "nothing has changed"
    put(paths, "0000000000aa", "two")
    put(paths, "0000000000bb", "three")
    clock.ahead_s += 1
    assert [card.title for card in await kept.newest()] == ["three", "two"]
    for space in ["0000000000aa", "0000000000bb"]:
        paths.card(space).unlink()
    clock.ahead_s += 1
    assert list(await kept.newest()) == []


async def test_one_card_is_always_fresh(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    paths.create()
    kept = Cards(paths, ShiftedClock())
    assert kept.one("0000000000aa") is None
    for title in ["one", "two"]:
        put(paths, "0000000000aa", title)
        card = kept.one("0000000000aa")
        assert card is not None
        assert card.title == title
    for space in ["..", "", "nothing", "../0000000000aa"]:
        assert kept.one(space) is None
