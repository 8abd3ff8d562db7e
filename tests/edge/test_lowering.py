"""Everybody hears the low rendition, in the responses they have, and the whole one again."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable

import pytest

from stentor.paths import Paths
from stentor.record import Rendition
from tests.edge.client import Listener
from tests.edge.conftest import Running
from tests.edge.desk import Desk
from tests.edge.programme import Programme
from tests.edge.test_reporting import notice

LOWERED = {"rendition": "opus-low", "asked": "opus"}
RAISED = {"rendition": "opus", "asked": "opus"}


@pytest.fixture
async def desk(paths: Paths) -> AsyncIterator[Desk]:
    made = Desk(paths)
    yield made
    made.close()


def renditions(listener: Listener) -> list[dict]:
    return [event for event in listener.live.events if "rendition" in event]


def whole(programme: Programme, listener: Listener) -> list[Rendition]:
    """Of each part from the first one heard on, the rendition it came in; none is missing."""
    known = {
        payload: (number, rendition)
        for rendition in (Rendition.OPUS, Rendition.OPUS_LOW)
        for number, payload in enumerate(programme.payloads(rendition))
    }
    heard = [known[part] for part in listener.live.parts]
    first = heard[0][0]
    assert [number for number, _ in heard] == list(range(first, first + len(heard)))
    return [rendition for _, rendition in heard]


async def test_all_cross_over_to_the_sample_and_back(
    start: Callable[..., Running], desk: Desk, programme: Programme
) -> None:
    programme.begin()
    programme.play(3)
    running = start()
    listeners = [await running.listen() for _ in range(3)]
    low_by_choice = await running.listen(rendition="opus-low")
    aac = await running.listen(rendition="aac")
    await desk.report()
    for low, told in ((True, LOWERED), (False, RAISED)):
        desk.say(notice(step=3 if low else 0, low=low))
        for listener in listeners:
            while not renditions(listener) or renditions(listener)[-1] != told:
                programme.play(1)
                await asyncio.sleep(0.02)  # lest the others fall out of the ring
                listener.live.take(await listener.chunk())
        newcomer = await running.listen()
        programme.play(2)
        await newcomer.until(4)
        assert set(whole(programme, newcomer)) == {Rendition.OPUS_LOW if low else Rendition.OPUS}
        assert renditions(newcomer) == ([LOWERED] if low else [])
        listeners.append(newcomer)
    programme.play(3)
    programme.end()
    for listener in listeners:
        await listener.to_end()
        heard = whole(programme, listener)
        assert heard[-1] is Rendition.OPUS
        changes = [(one, two) for one, two in itertools.pairwise(heard) if one != two]
        began_low = heard[0] is Rendition.OPUS_LOW
        assert len(changes) == len(renditions(listener)) - began_low
    for listener, rendition in ((low_by_choice, Rendition.OPUS_LOW), (aac, Rendition.AAC)):
        heard_parts = (await listener.to_end()).parts
        assert heard_parts == programme.payloads(rendition)[-len(heard_parts) :]
        assert not renditions(listener)


async def test_nobody_crosses_where_one_rendition_is_ahead(
    start: Callable[..., Running], desk: Desk, programme: Programme
) -> None:
    programme.begin()
    programme.play(3)
    running = start()
    listener = await running.listen()
    await desk.report()
    programme.play(1, (Rendition.OPUS,))
    desk.say(notice(low=True))
    await desk.report()
    await desk.report()
    await listener.until(3)
    assert not renditions(listener)
    programme.played -= 1
    programme.play(1, (Rendition.OPUS_LOW, Rendition.AAC))
    programme.play(4)
    while not renditions(listener):
        programme.play(1)
        listener.live.take(await listener.chunk())
    programme.end()
    await listener.to_end()
    whole(programme, listener)
