"""One ticket, two gates, two edges, real sockets: its newest connection is the one that hears."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from stentor.clock import SystemClock
from stentor.config import Settings
from stentor.edge import server
from stentor.edge.server import Bounds
from stentor.gate import tickets
from stentor.gate.signing import Keys
from stentor.gate.tickets import Ticket
from stentor.limits import EDGE_LOOK_S
from stentor.paths import Paths
from stentor.record import Rendition
from tests.edge.apart import Edge
from tests.edge.client import Listener
from tests.edge.conftest import Running, listening
from tests.edge.programme import SPACE, Programme

LIVE = f"/s/{SPACE}/live/opus"
numbers = itertools.count(1)


def ticket(paths: Paths, number: int = 0, lease_s: float = 120.0) -> str:
    """The header that shows a ticket."""
    now_s = time.time()
    keys = Keys(paths.keyring()).at(now_s)
    made = Ticket(SPACE, number or next(numbers), round(now_s + lease_s))
    return f"Stentor-Ticket: {tickets.issue(made, keys)}"


@pytest.fixture
def settings(paths: Paths) -> Settings:
    return Settings(data_dir=str(paths.data), edges=2)


@pytest.fixture
def edges(settings: Settings, paths: Paths) -> Iterator[list[Edge]]:
    """Two."""
    both = [Edge(settings, paths, index, Bounds(lease_grace_s=0.5)) for index in range(2)]
    yield both
    for one in both:
        one.stop()


@pytest.fixture
async def gates(settings: Settings, paths: Paths, edges: list[Edge]) -> AsyncIterator[list[int]]:
    """The ports of two, each with an edge of its own."""
    stop = asyncio.Event()
    with contextlib.ExitStack() as doors:
        ports, tasks = [], []
        for index in range(2):
            door = doors.enter_context(contextlib.closing(listening()))
            serving = server.serve_gate(
                settings, paths, SystemClock(), stop, door=door, index=index
            )
            tasks.append(asyncio.create_task(serving))
            ports.append(door.getsockname()[1])
        yield ports
        stop.set()
        await asyncio.gather(*tasks)


async def listen(port: int, shown: str) -> Listener:
    listener = await Listener.to(port)
    heard = await listener.begin(LIVE, shown)
    assert heard.status == 200, heard
    return listener


def counts(edges: list[Edge]) -> list[int]:
    assert all(edge.fanout is not None for edge in edges)
    return [edge.fanout.listeners_count for edge in edges if edge.fanout is not None]


async def until(happened: Callable[[], bool]) -> None:
    while not happened():
        await asyncio.sleep(0.01)


async def test_the_old_connection_ends_as_it_should_and_is_told_why(
    gates: list[int], edges: list[Edge], paths: Paths, programme: Programme
) -> None:
    programme.begin()
    programme.play(3)
    shown = ticket(paths)
    before = await listen(gates[0], shown)
    await before.until(2)
    for turn in range(1, 9):
        after = await listen(gates[turn % 2], shown)
        ended = await before.to_end()
        assert ended.leases == [{"ended": "elsewhere"}]
        await before.close()
        programme.play(1)
        await after.until(1)
        before = after
    assert sum(counts(edges)) == 1
    programme.end()
    heard = (await before.to_end()).parts
    assert heard == programme.payloads(Rendition.OPUS)[-len(heard) :]
    await before.close()


async def test_tickets_used_many_times_at_once_are_one_stream_each(
    gates: list[int], edges: list[Edge], paths: Paths, programme: Programme
) -> None:
    programme.begin()
    programme.play(3)
    people, uses = 25, 8
    shown = [ticket(paths) for _ in range(people)]

    async def use(person: int, turn: int) -> tuple[Listener, int]:
        listener = await Listener.to(gates[(person + turn) % 2])
        return listener, (await listener.begin(LIVE, shown[person])).status

    used = await asyncio.gather(*(use(one, turn) for turn in range(uses) for one in range(people)))
    await until(lambda: sum(counts(edges)) == people)
    assert {status for _, status in used} <= {200, 423}
    programme.end()
    whole = 0
    for listener, status in used:
        if status == 200:
            live = await listener.to_end()
            whole += not live.leases
            assert live.leases in ([], [{"ended": "elsewhere"}])
        await listener.close()
    assert whole == people


async def test_a_ticket_outlives_an_edge_and_is_one_stream_when_it_is_back(
    gates: list[int], edges: list[Edge], settings: Settings, paths: Paths, programme: Programme
) -> None:
    programme.begin()
    programme.play(3)
    shown = ticket(paths)
    first = await listen(gates[1], shown)
    live = await first.until(2)
    await asyncio.to_thread(edges[1].stop)
    assert await first.at_end()
    programme.play(2)
    second = await Listener.to(gates[1])
    assert (await second.begin(f"{LIVE}?cursor={live.cursor}", shown)).status == 200
    assert (await second.until(2)).parts == programme.payloads(Rendition.OPUS)[-2:]
    edges[1] = Edge(settings, paths, 1, Bounds(lease_grace_s=0.5))
    third = None
    while edges[1].fanout is None or not edges[1].fanout.listeners_count:
        if third is not None:
            await third.close()
        third = await listen(gates[1], shown)  # edge 0 has them until the gate has found edge 1
        await asyncio.sleep(EDGE_LOOK_S)
    assert (await second.to_end()).leases == [{"ended": "elsewhere"}]
    await until(lambda: sum(counts(edges)) == 1)
    for listener in (first, second, third):
        if listener is not None:
            await listener.close()


async def test_whose_lease_is_not_renewed_is_let_go(
    gates: list[int], edges: list[Edge], paths: Paths, programme: Programme
) -> None:
    programme.begin()
    programme.play(3)
    brief, longer = await listen(gates[0], ticket(paths, lease_s=0.5)), None
    longer = await listen(gates[1], ticket(paths))
    assert (await brief.to_end()).leases == [{"ended": "expired"}]
    await until(lambda: sum(counts(edges)) == 1)
    programme.play(1)
    await longer.until(3)
    for listener in (brief, longer):
        await listener.close()


async def test_processes_that_are_door_and_edge_tell_each_other(
    start: Callable[..., Running], paths: Paths, programme: Programme
) -> None:
    programme.begin()
    programme.play(3)
    both = [start(settings={"edges": 2}) for _ in range(2)]
    shown = ticket(paths)
    before = await listen(both[0].port, shown)
    for turn in range(1, 5):
        await asyncio.sleep(EDGE_LOOK_S)  # until they have found each other
        after = await listen(both[turn % 2].port, shown)
        assert (await before.to_end()).leases == [{"ended": "elsewhere"}]
        await before.close()
        before = after
    await before.close()
