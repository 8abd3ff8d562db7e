"""Gate and edge apart: listeners are handed over, whoever of the two is away for a while."""

import array
import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from stentor.clock import SystemClock
from stentor.config import Settings
from stentor.edge import server
from stentor.edge.admission import Admission
from stentor.edge.links import Link
from stentor.edge.status import Status
from stentor.limits import EDGE_LOOK_S, HANDED_AT_ONCE
from stentor.paths import Paths
from stentor.record import Rendition
from tests.edge.apart import Edge
from tests.edge.client import Listener, Visitor
from tests.edge.conftest import listening
from tests.edge.programme import SPACE, Programme

LIVE = f"/s/{SPACE}/live/opus"
ADMISSION = Admission(SPACE, "opus", chunked=False)


@pytest.fixture
def settings(paths: Paths) -> Settings:
    return Settings(data_dir=str(paths.data), edges=2)


@pytest.fixture
def edge(settings: Settings, paths: Paths) -> Iterator[Callable[[int], Edge]]:
    """Starts edges."""
    edges: list[Edge] = []

    def begin(index: int = 0) -> Edge:
        edges.append(Edge(settings, paths, index))
        return edges[-1]

    yield begin
    for one in edges:
        one.stop()


@pytest.fixture
async def port(settings: Settings, paths: Paths) -> AsyncIterator[int]:
    """A gate's."""
    stop = asyncio.Event()
    with contextlib.closing(listening()) as door:
        serving = server.serve_gate(settings, paths, SystemClock(), stop, door=door, index=0)
        task = asyncio.create_task(serving)
        yield door.getsockname()[1]
        stop.set()
        await task


async def listen(port: int, query: str = "") -> Listener:
    listener = await Listener.to(port)
    heard = await listener.begin(LIVE + query)
    assert heard.status == 200
    return listener


def test_those_on_their_way_take_room_until_the_edge_has_them(tmp_path: Path) -> None:
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)) as hatch:
        hatch.bind(str(tmp_path / "hatch"))
        hatch.listen()
        link = Link(tmp_path / "hatch", 0)
        assert link.open()
        gate, _ = hatch.accept()
        ours, theirs = socket.socketpair()
        assert link.give([ours.detach()], [ADMISSION])
        # What the edge said before it looked: nobody is missing, and nobody is here yet.
        gate.send(msgspec.msgpack.encode(Status(0, listeners_max=3, listeners=1, taken=0)))
        assert link.hear(1.0)
        assert link.room(1.0) == 1
        gate.send(msgspec.msgpack.encode(Status(0, listeners_max=3, listeners=2, taken=1)))
        assert link.hear(1.0)
        assert link.room(1.0) == 1
        for end in (gate, theirs):
            end.close()
        link.close()


async def test_a_listener_is_handed_over_and_hears(
    port: int, edge: Callable[..., Edge], programme: Programme
) -> None:
    one = edge()
    programme.begin()
    programme.play(3)
    listener = await listen(port)
    programme.play(2)
    await listener.until(4)
    assert one.fanout is not None
    assert one.fanout.listeners_count == 1
    programme.end()
    heard = (await listener.to_end()).parts
    # An edge that has just begun may not have read the third part when the listener comes.
    assert heard == programme.payloads(Rendition.OPUS)[-len(heard) :]
    await listener.close()


async def test_whoever_comes_while_edges_are_away_is_kept_until_one_is_back(
    port: int, edge: Callable[..., Edge], programme: Programme
) -> None:
    programme.begin()
    programme.play(3)
    coming = [asyncio.create_task(listen(port)) for _ in range(HANDED_AT_ONCE + 6)]
    await asyncio.sleep(2 * EDGE_LOOK_S)
    edge(1)  # not the gate's own
    for listener in await asyncio.gather(*coming):
        await listener.until(2)
        await listener.close()


async def test_whoever_waits_too_long_is_told_so(port: int, programme: Programme) -> None:
    programme.begin()
    programme.play(3)
    visitor = await Visitor.to(port)
    heard = await visitor.get(LIVE)
    assert (heard.status, heard.json()["code"]) == (503, "door.full")
    assert await visitor.at_end()
    await visitor.close()


async def test_an_edge_that_ends_takes_no_descriptor_with_it(
    port: int, edge: Callable[..., Edge], programme: Programme
) -> None:
    programme.begin()
    programme.play(3)
    visitor = await Visitor.to(port)
    assert (await visitor.get("/healthz")).status == 200, "it has opened all it needs"
    await visitor.close()
    standing = len(list(Path("/proc/self/fd").iterdir()))
    query = ""
    for number in range(5):
        one = edge()
        listener = await listen(port, query)
        live = await listener.until(2)
        assert live.parts == programme.payloads(Rendition.OPUS)[-2:]
        query = f"?cursor={live.cursor}"
        await asyncio.to_thread(one.stop)
        assert await listener.at_end(), number
        await listener.close()
        programme.play(2)
    while len(list(Path("/proc/self/fd").iterdir())) > standing:
        await asyncio.sleep(EDGE_LOOK_S)  # the gate has to notice that the last has gone


@pytest.mark.parametrize(
    ("data", "handed"),
    [
        (b"junk", 3),
        (msgspec.msgpack.encode([ADMISSION]), 3),
        (msgspec.msgpack.encode([ADMISSION] * 3), 1),
        (msgspec.msgpack.encode([]), 0),
        (msgspec.msgpack.encode([[SPACE, 7]]), 1),
    ],
)
def test_what_no_gate_would_hand_over_is_closed(
    edge: Callable[..., Edge], programme: Programme, data: bytes, handed: int
) -> None:
    programme.begin()
    programme.play(3)
    one = edge()
    pairs = [socket.socketpair() for _ in range(handed)]
    with contextlib.closing(one.gate()) as gate:
        rights = array.array("i", [given.fileno() for _, given in pairs])
        gate.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        for ours, given in pairs:
            given.close()
            assert ours.recv(1) == b"", "nobody holds the other end any more"
            ours.close()
        ours, given = socket.socketpair()
        rights = array.array("i", [given.fileno()])
        good = msgspec.msgpack.encode([ADMISSION])
        gate.sendmsg([good], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        given.close()
        assert ours.recv(12) == b"HTTP/1.1 200", "it goes on with its work"
        ours.close()


def test_an_edge_tells_its_gates_how_it_stands(
    edge: Callable[..., Edge], programme: Programme
) -> None:
    programme.begin()
    one = edge()
    with contextlib.closing(one.gate()) as gate:
        for _ in range(2):
            status = msgspec.msgpack.decode(gate.recv(4_096), type=Status)
            assert (status.edge, status.listeners) == (0, 0)
            assert status.listeners_max > 0
