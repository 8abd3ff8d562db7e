"""A studio's stream: the state first, then what happens; who is too slow is let go."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from stentor.errors import Refused
from stentor.limits import STREAM_LINES_MAX, STREAMS_PER_SEAT_MAX, STUDIO_FOLLOWERS_MAX
from stentor.stage.stream import Stream


class Desk:
    """Follows a stream as a studio whose state counts how often it was asked for."""

    def __init__(self, stream: Stream) -> None:
        self.told = 0
        self.removed = False
        self.lines = stream.follow("ada00001", self._state, lambda: self.removed)

    def _state(self) -> bytes:
        self.told += 1
        return b'{"type":"state","told":%d}' % self.told

    async def next(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in (await anext(self.lines)).splitlines()]


async def test_the_state_comes_first_and_again_when_it_changes() -> None:
    stream = Stream()
    desk = Desk(stream)
    assert await desk.next() == [{"type": "state", "told": 1}]
    stream.say(b'{"type":"a"}')
    stream.state_changed()
    stream.say(b'{"type":"b"}')
    stream.state_changed()
    assert await desk.next() == [{"type": "a"}, {"type": "b"}, {"type": "state", "told": 2}]
    assert stream.is_followed_by("ada00001")


async def test_a_waiting_studio_is_woken() -> None:
    stream = Stream()
    desk = Desk(stream)
    await desk.next()
    waiting = asyncio.create_task(desk.next())
    await asyncio.sleep(0)
    stream.say(b'{"type":"a"}')
    assert await waiting == [{"type": "a"}]


async def test_the_end_is_told_before_the_stream_ends() -> None:
    stream = Stream()
    desk = Desk(stream)
    await desk.next()
    stream.say(b'{"type":"last"}')
    stream.close()
    assert await desk.next() == [{"type": "last"}]
    with pytest.raises(StopAsyncIteration):
        await desk.next()
    assert not stream.is_followed_by("ada00001")


async def test_who_is_removed_hears_it_and_is_let_go() -> None:
    stream = Stream()
    desk = Desk(stream)
    await desk.next()
    desk.removed = True
    stream.say(b'{"type":"speaker.removed"}')
    assert await desk.next() == [{"type": "speaker.removed"}]
    with pytest.raises(StopAsyncIteration):
        await desk.next()


async def test_who_has_fallen_out_of_the_ring_is_dropped() -> None:
    stream = Stream()
    slow, quick = Desk(stream), Desk(stream)
    await slow.next()
    await quick.next()
    for _ in range(STREAM_LINES_MAX):
        stream.say(b"{}")
    assert len(await quick.next()) == STREAM_LINES_MAX
    stream.say(b"{}")
    with pytest.raises(StopAsyncIteration):
        await slow.next()
    assert await quick.next() == [{}]
    assert stream.dropped == 1


async def test_followers_are_bounded() -> None:
    stream = Stream()
    following: list[AsyncIterator[bytes]] = []
    for number in range(STUDIO_FOLLOWERS_MAX):
        seat = f"seat{number // STREAMS_PER_SEAT_MAX}"
        following.append(stream.follow(seat, lambda: b"{}", lambda: False))
        await anext(following[-1])
    with pytest.raises(Refused, match="studios"):
        stream.follow("other", lambda: b"{}", lambda: False)
    again = stream.follow("seat0", lambda: b"{}", lambda: False)
    assert await anext(again) == b"{}\n", "who was cut off comes back even now"
    assert stream.followers == STUDIO_FOLLOWERS_MAX


async def test_the_newest_streams_of_a_seat_are_kept() -> None:
    stream = Stream()
    desks = [Desk(stream) for _ in range(STREAMS_PER_SEAT_MAX + 1)]
    for desk in desks[:-1]:
        await desk.next()
    oldest = asyncio.create_task(desks[0].next())
    await asyncio.sleep(0)
    await desks[-1].next()
    with pytest.raises(StopAsyncIteration):
        await oldest
    assert stream.followers == STREAMS_PER_SEAT_MAX
    stream.say(b'{"type":"a"}')
    for desk in desks[1:]:
        assert await desk.next() == [{"type": "a"}]
