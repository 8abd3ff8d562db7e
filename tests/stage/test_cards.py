"""Cards reach the disk whole, the newest of each, without anybody waiting for it."""

import asyncio
import stat
from pathlib import Path

from stentor.stage.cards import Cards


async def test_the_newest_card_is_on_disk_in_the_end(tmp_path: Path) -> None:
    cards = Cards()
    for number in range(1_000):
        cards.put(tmp_path / "a.json", b"%d" % number)
    cards.put(tmp_path / "b.json", b"b")
    await cards.settle()
    assert (tmp_path / "a.json").read_bytes() == b"999"
    assert (tmp_path / "b.json").read_bytes() == b"b"
    assert stat.S_IMODE((tmp_path / "a.json").stat().st_mode) == 0o600
    cards.close()


async def test_closing_writes_what_is_waiting(tmp_path: Path) -> None:
    cards = Cards()
    cards.put(tmp_path / "a.json", b"a")
    cards.close()
    assert (tmp_path / "a.json").read_bytes() == b"a"


async def test_a_card_that_was_refused_is_tried_again(tmp_path: Path) -> None:
    cards, folder = Cards(), tmp_path / "later"
    cards.put(folder / "a.json", b"old")
    await cards.settle()
    assert not folder.exists()
    cards.put(folder / "a.json", b"new")
    folder.mkdir()
    async with asyncio.timeout(10):
        while not (folder / "a.json").exists():
            await asyncio.sleep(0.01)
    await cards.settle()
    assert (folder / "a.json").read_bytes() == b"new"
    cards.close()


async def test_a_dead_disk_does_not_keep_anybody(tmp_path: Path) -> None:
    cards = Cards()
    cards.put(tmp_path / "nowhere" / "a.json", b"a")
    async with asyncio.timeout(5):
        await cards.settle()
        await asyncio.to_thread(cards.close)
