"""A whole node by HLS: its gates list what its stage says, while it is away and to the end."""

import asyncio
from pathlib import Path

import pytest

from stentor.clock import SystemClock
from stentor.demo import owner
from stentor.demo.evening import together
from stentor.demo.house import House
from tests.edge.client import Visitor
from tests.players import m3u8
from tests.players.follower import Follower

UPDATES = 4
"""Partial segments before the stage is killed, and after it is back."""


async def until_live(follower: Follower) -> None:
    """A gate hears of the start when its log is read: until then a playlist is not there."""
    async with asyncio.timeout(5):
        target = f"{follower.folder}/{follower.name}"
        while (await follower.visitor.get(target)).status == 409:
            await asyncio.sleep(0.05)


async def until(follower: Follower, updates: int) -> None:
    while follower.updates < updates:
        await follower.update()


@pytest.mark.timeout(120)
async def test_playlists_outlive_the_stage(tmp_path: Path) -> None:
    house = House(tmp_path / "data", SystemClock(), edges=2)
    await asyncio.to_thread(house.start)
    try:
        caller = await owner.sign_up(house)
        space = await owner.create_space(caller, "By HLS")
        host = await owner.take_host_seat(house, caller, space, house.clock, None)
        async with together(host.run()):
            await host.commanded("space.start")
            _, port = house.settings.address
            folder = f"/s/{space}/hls"
            # Each line goes to whichever gate takes it; both must say the same.
            names = ("opus.m3u8", "aac.m3u8", "aac-all.m3u8", "opus-low-all.m3u8")
            followers = [Follower(await Visitor.to(port), folder, name) for name in names]
            await asyncio.gather(*(until_live(each) for each in followers))
            await asyncio.gather(*(until(each, UPDATES) for each in followers))
            house.kill("stage")
            await asyncio.gather(*(until(each, 3 * UPDATES) for each in followers))
            await host.commanded("space.end")
            await asyncio.gather(*(each.to_end() for each in followers))
        for follower in followers:
            assert follower.now is not None
            assert not any(segment.gap for segment in follower.now.segments), "silence, no hole"
            await follower.visitor.close()
        visitor = await Visitor.to(port)
        index = (await visitor.get(f"{folder}/index.m3u8")).body.decode()
        assert "opus-all.m3u8" in index
        whole = m3u8.read((await visitor.get(f"{folder}/opus-all.m3u8")).body.decode())
        assert whole.ended
        assert whole.segments == followers[0].now.segments, "nothing was lost at the end"
        await visitor.close()
    finally:
        await asyncio.to_thread(house.stop)
