"""What listeners behind the rings may cost those at the tail."""

import asyncio
import select
import socket
from collections.abc import Iterator

import pytest

from stentor.clock import SystemClock
from stentor.edge.admission import Admission
from stentor.edge.cadence import Cadence
from stentor.edge.clients import Shares
from stentor.edge.delivery import Delivery
from stentor.edge.follow import FollowedSpace
from stentor.edge.gathering import Gathering
from stentor.edge.leases import Leases
from stentor.edge.listener import Behind, Listener
from stentor.ids import SpaceId
from stentor.limits import LOG_READS_PER_TURN, READ_RECORDS_MAX, RESUME_PARTS_MAX, RING_PARTS
from stentor.paths import Paths
from stentor.record import Cursor, Rendition
from tests.edge.client import Live, boxes
from tests.edge.conftest import Running
from tests.edge.programme import SPACE, Programme

ROOM = 4 << 20
RECORDS_PER_READ = READ_RECORDS_MAX // 8


@pytest.fixture
def gathering(paths: Paths, programme: Programme) -> Iterator[Gathering]:
    """A Space whose log is longer than its rings."""
    programme.begin()
    programme.play(RING_PARTS + 40)
    space = FollowedSpace(SpaceId(SPACE), paths)
    while not space.open_further():
        pass
    yield Gathering(space, 0.0)
    space.close()


class Room:
    """A delivery with real sockets whose peers can take whatever they are sent."""

    def __init__(self, gathering: Gathering) -> None:
        self.gathering = gathering
        self.epoll = select.epoll()
        self.delivery = Delivery(self.epoll, SystemClock(), Cadence(), Shares(1), Leases(0.0))
        self.peers: list[socket.socket] = []

    def admit(self, cursor: Cursor, send_buffer: int = 0) -> Listener:
        listener = self.take_in(cursor, send_buffer)
        self.delivery.begin(self.gathering, listener)
        return listener

    def take_in(self, cursor: Cursor | None, send_buffer: int = 0) -> Listener:
        """A listener who has not begun."""
        ours, theirs = socket.socketpair()
        for one in (ours, theirs):
            one.setblocking(False)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ROOM)
        if send_buffer:
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        self.peers.append(theirs)
        at = (cursor.epoch, cursor.offset) if cursor is not None else None
        admission = Admission(SPACE, "opus", chunked=False, cursor=at)
        listener = Listener(ours.detach(), admission.client)
        listener.behind = Behind(admission)
        assert self.delivery.add(listener)
        listener.gathering = self.gathering
        listener.lane = self.gathering.lane("opus", chunked=False, sealing=None)
        return listener

    def heard(self, number: int) -> bytes:
        """What came, without the head of the answer."""
        try:
            data = self.peers[number].recv(ROOM)
        except BlockingIOError:
            return b""
        return data.partition(b"\r\n\r\n")[2] if data.startswith(b"HTTP") else data

    def close(self) -> None:
        for listener in list(self.delivery.listeners.values()):
            self.delivery.drop(listener, "")
        for peer in self.peers:
            peer.close()
        self.epoll.close()


@pytest.fixture
def room(gathering: Gathering) -> Iterator[Room]:
    made = Room(gathering)
    yield made
    made.close()


def parts_in(data: bytes) -> int:
    return sum(kind == "moof" for kind, _ in boxes(data))


def test_a_turn_reads_the_log_once_for_each_and_seldom_for_all(room: Room) -> None:
    crowd = [room.admit(Cursor(1, 0)) for _ in range(LOG_READS_PER_TURN + 4)]
    first = [parts_in(room.heard(number)) for number in range(len(crowd))]
    assert all(0 < parts < RECORDS_PER_READ for parts in first[:LOG_READS_PER_TURN])
    assert first[LOG_READS_PER_TURN:] == [0] * 4, "their turn comes"
    room.delivery.begin_turn(1.0)
    for listener in reversed(crowd):
        room.delivery.happened(listener, select.EPOLLOUT)
    assert [parts_in(room.heard(number)) for number in (-1, -2, -3, -4)] == first[:4]


def test_turn_by_turn_everything_is_sent_once(room: Room, programme: Programme) -> None:
    listener = room.admit(Cursor(1, 0))
    data = b""
    for turn in range(1_000):
        data += room.heard(0)
        if not room.delivery.behind:
            break
        room.delivery.begin_turn(float(turn))
        room.delivery.happened(listener, select.EPOLLOUT)
    live = Live()
    live.take(data)
    assert live.parts == programme.payloads(Rendition.OPUS)


def test_a_listener_is_stuck_when_its_kernel_takes_nothing(room: Room) -> None:
    listener = room.admit(Cursor(1, 0), send_buffer=4_096)

    def stuck(now: float) -> bool:
        room.delivery.begin_turn(now)
        room.delivery.drop_stuck(10.0)
        return listener.descriptor not in room.delivery.listeners

    began = room.delivery.now
    assert not stuck(began + 5)
    assert room.heard(0), "though there is not yet room for the next"
    assert not stuck(began + 11)
    assert not stuck(began + 20.5)
    assert stuck(began + 21)
    assert room.delivery.dropped["stuck"] == 1


def test_a_listener_in_the_log_is_let_go_when_it_never_catches_up(
    room: Room, programme: Programme
) -> None:
    listener = room.admit(Cursor(1, 0), send_buffer=4_096)
    waits = room.admit(Cursor(1, 0), send_buffer=4_096)
    programme.play(RESUME_PARTS_MAX, (Rendition.OPUS,))
    while room.gathering.space.advance():
        pass
    for turn in range(1_000):
        if not room.delivery.listeners:
            break
        room.heard(0)
        room.delivery.begin_turn(float(turn))
        room.delivery.happened(listener, select.EPOLLOUT)
    assert listener.descriptor not in room.delivery.listeners
    assert waits.descriptor in room.delivery.listeners
    assert room.delivery.dropped["slow"] == 1


def test_whoever_comes_from_a_faster_edge_is_known(
    gathering: Gathering, programme: Programme
) -> None:
    space = gathering.space
    cursor = programme.headers[-1].next
    assert not space.is_behind(cursor)
    assert not space.is_behind(None)
    programme.play(1)
    ahead = programme.headers[-1].next
    assert space.is_behind(ahead)
    while space.advance():
        pass
    assert not space.is_behind(ahead)


async def test_a_live_space_without_parts_says_every_second_that_it_is_there(
    running: Running, programme: Programme
) -> None:
    programme.begin()
    programme.play(2)
    listener = await running.listen()
    live = await listener.until(2)
    while live.cursor != programme.writer.tail:
        live.take(await listener.chunk())
    async with asyncio.timeout(2.0):  # a player's patience
        beat = await listener.chunk()
    assert [kind for kind, _ in boxes(beat)] == ["skip"]


def test_a_newcomer_is_promised_nothing_its_slot_has_still_to_send(
    paths: Paths, programme: Programme
) -> None:
    space = FollowedSpace(SpaceId(SPACE), paths)
    while not space.open_further():
        pass
    room = Room(Gathering(space, 0.0))
    room.admit(None)  # its slot has everything there is: nothing but an announcement
    programme.begin()
    programme.play(1)
    while space.advance():
        pass
    room.admit(None)
    live = Live()
    live.take(room.heard(1))
    assert live.parts == []
    assert live.cursor is None, "the part is behind that cursor, and has not been sent"
    stream = space.streams["opus"]
    stream.wheel.flush(0.0, 0.0)
    while stream.wheel.due_at() <= 0.0:
        room.delivery.call(room.gathering, stream)
    room.delivery.work()
    live.take(room.heard(1))
    assert live.parts == programme.payloads(Rendition.OPUS)
    assert live.cursor is not None
    assert (live.cursor.epoch, live.cursor.offset) <= (space.next.epoch, space.next.offset)
    room.close()
    space.close()


@pytest.mark.parametrize("ring", [False, True], ids=["writes", "ring"])
def test_who_comes_together_hears_what_each_alone_hears(
    room: Room, programme: Programme, *, ring: bool
) -> None:
    if ring:
        room.delivery.open()
    alone = room.take_in(None)
    alone.behind = Behind(Admission(SPACE, "opus", chunked=False))
    room.delivery.begin(room.gathering, alone)
    crowd = [room.take_in(None, send_buffer=4_096 if number == 3 else 0) for number in range(12)]
    for listener in crowd:
        listener.behind = None
    room.peers[1 + 5].close()  # before a byte was sent
    room.delivery.drop(crowd[7], "")  # it has given way meanwhile
    lane = room.gathering.lane("opus", chunked=False, sealing=None)
    room.delivery.begin_together(room.gathering, lane, crowd)
    heard = [room.heard(number) if number != 1 + 5 else b"" for number in range(13)]
    slow = crowd[3]
    for turn in range(100):
        room.delivery.begin_turn(float(turn))
        if slow.behind is not None:
            room.delivery.happened(slow, select.EPOLLOUT)
        heard[1 + 3] += room.heard(1 + 3)
    assert heard[0].count(b"moof") > 0
    whole = [number for number in range(1, 13) if number not in {1 + 5, 1 + 7}]
    assert all(heard[number] == heard[0] for number in whole)
    assert room.delivery.dropped["left"] == 1
    assert len(room.delivery.listeners) == 11
    assert not room.delivery.behind
    assert lane.count == 11
