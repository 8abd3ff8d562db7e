"""The ring must do exactly what one `write` after the other does."""

import array
import ctypes
import errno
import mmap
import random
import resource
import socket
from collections.abc import Collection, Iterator

import pytest

from stentor.edge.listener import Listener
from stentor.edge.sender import write_each
from stentor.edge.uring import Uring
from stentor.limits import URING_BYTES, URING_SENDS

MANY = URING_SENDS + 200
TOO_MUCH = 200_000


@pytest.fixture
def ring() -> Iterator[Uring]:
    ring = Uring.open()
    if ring is None:
        pytest.skip("this kernel or container has no io_uring; listeners are written to one by one")
    yield ring
    ring.close()


@pytest.fixture
def pairs() -> Iterator[list[tuple[socket.socket, socket.socket]]]:
    pairs = [socket.socketpair() for _ in range(MANY)]
    for pair in pairs:
        for one in pair:
            one.setblocking(False)
    yield pairs
    for pair in pairs:
        for one in pair:
            one.close()


def test_everybody_gets_everything_in_order(
    ring: Uring, pairs: list[tuple[socket.socket, socket.socket]]
) -> None:
    chance = random.Random(1)
    for _ in range(12):  # the ring's places are used again and again, from any of them on
        some = chance.sample(pairs, chance.choice([1, 7, 600, URING_SENDS, MANY]))
        data = chance.randbytes(chance.randint(1, 5_000))
        assert ring.write_all([ours.fileno() for ours, _ in some], data) == ([], [])
        assert all(theirs.recv(len(data) + 1) == data for _, theirs in some)


def test_everybody_gets_their_own(
    ring: Uring, pairs: list[tuple[socket.socket, socket.socket]]
) -> None:
    chance = random.Random(2)
    memory = mmap.mmap(-1, URING_SENDS * 600)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for _ in range(12):
        some = chance.sample(pairs, chance.choice([1, 7, 600, URING_SENDS]))
        size = chance.randint(1, 600)
        memory[: len(some) * size] = chance.randbytes(len(some) * size)
        some[0][1].close()
        some[0][0].setblocking(False)
        ours = array.array("i", [one.fileno() for one, _ in some])
        assert ring.write_each(ours, address, size) == [(0, -errno.EPIPE)]
        for number, (_, theirs) in enumerate(some[1:], start=1):
            assert theirs.recv(size + 1) == memory[number * size : (number + 1) * size]
        pairs.remove(some[0])
        some[0][0].close()
        assert ring.write_all([one.fileno() for one, _ in some[1:]], b"all") == ([], [])
        assert all(theirs.recv(9) == b"all" for _, theirs in some[1:])


def test_who_is_full_and_who_has_gone_is_told_as_by_write(
    ring: Uring, pairs: list[tuple[socket.socket, socket.socket]]
) -> None:
    data = bytes(TOO_MUCH)
    assert TOO_MUCH <= URING_BYTES
    for number, write in enumerate((ring.write_all, _one_by_one)):
        some = pairs[30 * number : 30 * number + 30]
        ours = [one for one, _ in some]
        for _, theirs in some[:10]:
            theirs.close()
        for one in ours[10:20]:
            one.send(data)  # its buffer is nearly full
        short, gone = write([one.fileno() for one in ours], data)
        assert gone == [one.fileno() for one in ours[:10]]
        assert {descriptor for descriptor, _ in short} == {one.fileno() for one in ours[10:20]}
        assert all(0 <= sent < TOO_MUCH for _, sent in short)
        for _, theirs in some[20:]:
            got = 0
            while got < TOO_MUCH:
                got += len(theirs.recv(TOO_MUCH))


def _one_by_one(
    descriptors: Collection[int], data: bytes
) -> tuple[list[tuple[int, int]], list[int]]:
    short, gone = write_each([Listener(one) for one in descriptors], data)
    return [(descriptor, sent) for descriptor, _, sent in short], gone


def test_without_descriptors_there_is_no_ring() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
        assert Uring.open() is None
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
