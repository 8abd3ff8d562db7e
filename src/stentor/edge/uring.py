"""Bytes to many sockets by one system call, the same or each their own: io_uring(7), no library.

A `write` from Python costs about a microsecond beside what the kernel does; a thousand of them in
one `io_uring_enter` cost it once. Nothing is left pending between two calls: every request carries
MSG_DONTWAIT, so all have ended when the call returns. Where the kernel does not offer it, or a
container forbids it, there is `write_all`.
"""

import array
import ctypes
import errno
import mmap
import os
import socket
import struct
from collections.abc import Collection
from itertools import islice
from typing import Self

from stentor.limits import URING_BYTES, URING_SENDS

_SETUP, _ENTER = 425, 426  # the same on every architecture
_OP_SEND = 26
_GETEVENTS = 1
_SINGLE_ISSUER, _DEFER_TASKRUN = 1 << 12, 1 << 13
_SINGLE_MMAP = 1
_SQES_OFFSET = 0x10000000
_FLAGS = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL
_PARAMS = struct.Struct("<10I20I")
_REQUEST = struct.Struct("<BBHiQQIIQ24x")
_REQUEST_WORDS = _REQUEST.size // 4
_ANSWER_WORDS = 4
_FD, _SIZE = 1, 6  # words of a request
_REQUEST_DOUBLES, _ADDRESS = _REQUEST.size // 8, 2  # double words, and the one that says where
_RETRIED = frozenset({errno.EAGAIN, errno.EINTR, errno.ENOBUFS, errno.ENOMEM})

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


class Uring:
    """One ring. Belongs to the thread that made it.

    Attributes:
        sends_max: by one call.
    """

    def __init__(self) -> None:
        """Ask the kernel for a ring.

        Raises:
            OSError: it has none for us.
        """
        try:
            self._descriptor, params = _set_up(_SINGLE_ISSUER | _DEFER_TASKRUN)
        except OSError:  # before Linux 6.1
            self._descriptor, params = _set_up(0)
        self.sends_max, answers_count, features = params[0], params[1], params[5]
        sq, cq = params[10:20], params[20:30]
        try:
            if not features & _SINGLE_MMAP:
                raise OSError(errno.ENOSYS, "a ring of before Linux 5.4")
            size = max(sq[6] + 4 * self.sends_max, cq[5] + 4 * _ANSWER_WORDS * answers_count)
            self._ring = mmap.mmap(self._descriptor, size)
            self._requests = mmap.mmap(
                self._descriptor, self.sends_max * _REQUEST.size, offset=_SQES_OFFSET
            )
            self._buffer = mmap.mmap(-1, URING_BYTES)
        except OSError:
            os.close(self._descriptor)
            raise
        with memoryview(self._ring) as ring:
            self._words = ring[: size // 4 * 4].cast("I")
            self._answers = ring[cq[5] : cq[5] + 4 * _ANSWER_WORDS * answers_count].cast("i")
        self._tail_word, self._head_word = sq[1] // 4, cq[0] // 4
        self._answers_count = answers_count
        self._request_words = memoryview(self._requests).cast("i")
        self._request_doubles = memoryview(self._requests).cast("Q")
        self._address = ctypes.addressof(ctypes.c_char.from_buffer(self._buffer))
        self._apart = (0, 0)
        """Where what each sends is, and how far apart; nothing: they share what they send."""
        self._addresses = array.array("Q")
        self._tail = self._head = 0
        self._fill(sq[6] // 4)

    def _fill(self, order: int) -> None:
        """What is the same in every request: they differ in descriptor and size alone."""
        for number in range(self.sends_max):
            self._words[order + number] = number
            _REQUEST.pack_into(
                self._requests,
                number * _REQUEST.size,
                *(_OP_SEND, 0, 0, -1, 0, self._address, 0, _FLAGS, number),
            )

    @classmethod
    def open(cls) -> Self | None:
        """A ring that has been seen to send; None where there is none."""
        try:
            ring = cls()
        except (OSError, AttributeError):
            return None
        one, other = socket.socketpair()
        with one, other:
            short, gone = ring.write_all((one.fileno(),), b"heard")
            if not short and not gone and other.recv(8, socket.MSG_DONTWAIT) == b"heard":
                return ring
        ring.close()
        return None

    def close(self) -> None:
        """Give it back; it is not used after this."""
        for view in (self._answers, self._words, self._request_words, self._request_doubles):
            view.release()
        for memory in (self._ring, self._requests, self._buffer):
            memory.close()
        os.close(self._descriptor)

    def write_all(
        self, descriptors: Collection[int], data: bytes
    ) -> tuple[list[tuple[int, int]], list[int]]:
        """Write to plain connections, of which none blocks.

        Args:
            data: at most URING_BYTES.

        Returns:
            Those who took less, with how much; and those who have gone.
        """
        size = len(data)
        self._buffer[:size] = data
        self._set_apart(0, 0)
        short: list[tuple[int, int]] = []
        gone: list[int] = []
        left = iter(descriptors)
        while some := array.array("i", islice(left, self.sends_max)):
            for number, result in self._send(some, size):
                if result < 0:
                    gone.append(some[number])
                else:
                    short.append((some[number], result))
        return short, gone

    def write_each(
        self, descriptors: "array.array[int]", address: int, size: int
    ) -> list[tuple[int, int]]:
        """Write to each of some its own, which are side by side in their order.

        Args:
            descriptors: at most `sends_max`.
            address: of the first one's.
            size: of what each is sent.

        Returns:
            By their number, those who took less, with how much; less than 0: they have gone.
        """
        self._set_apart(address, size)
        return self._send(descriptors, size)

    def _set_apart(self, address: int, stride: int) -> None:
        if (address, stride) == self._apart:
            return
        self._apart = address, stride
        count = self.sends_max
        if stride:
            self._addresses = array.array("Q", range(address, address + count * stride, stride))
        else:
            everywhere = array.array("Q", [self._address]) * count
            self._request_doubles[_ADDRESS::_REQUEST_DOUBLES] = everywhere

    def _send(self, descriptors: "array.array[int]", size: int) -> list[tuple[int, int]]:
        """Send what is in the buffer to some; those that did not take all of it, by number."""
        count, mask = len(descriptors), self.sends_max - 1
        first = self._tail & mask
        until = self.sends_max - first
        self._place(first, descriptors[:until], size)
        self._place(0, descriptors[until:], size)
        if self._apart[1]:
            self._point(first, self._addresses[: min(until, count)])
            self._point(0, self._addresses[until:count])
        self._tail += count
        self._words[self._tail_word] = self._tail & 0xFFFFFFFF
        submitted = 0
        while submitted < count:
            submitted += _enter(self._descriptor, count - submitted)
        return self._results(count, first, size)

    def _place(self, first: int, descriptors: "array.array[int]", size: int) -> None:
        count = len(descriptors)
        if count:
            words, end = self._request_words, (first + count) * _REQUEST_WORDS
            begin = first * _REQUEST_WORDS
            words[begin + _FD : end : _REQUEST_WORDS] = descriptors
            words[begin + _SIZE : end : _REQUEST_WORDS] = array.array("i", [size]) * count

    def _point(self, first: int, addresses: "array.array[int]") -> None:
        begin, end = first * _REQUEST_DOUBLES, (first + len(addresses)) * _REQUEST_DOUBLES
        self._request_doubles[begin + _ADDRESS : end : _REQUEST_DOUBLES] = addresses

    def _results(self, count: int, first: int, size: int) -> list[tuple[int, int]]:
        begin = self._head & (self._answers_count - 1)
        until = min(begin + count, self._answers_count)
        spans = [(begin, until), (0, count - (until - begin))]
        unlike: list[tuple[int, int]] = []
        for start, end in spans:
            given = self._answers[start * _ANSWER_WORDS : end * _ANSWER_WORDS]
            results = given[2::_ANSWER_WORDS].tolist()
            if results.count(size) != len(results):
                numbers = given[0::_ANSWER_WORDS].tolist()
                unlike += [
                    ((number - first) % self.sends_max, 0 if -result in _RETRIED else result)
                    for number, result in zip(numbers, results, strict=True)
                    if result != size
                ]
        self._head += count
        self._words[self._head_word] = self._head & 0xFFFFFFFF
        return unlike


def _set_up(flags: int) -> tuple[int, tuple[int, ...]]:
    params = ctypes.create_string_buffer(_PARAMS.pack(0, 0, flags, *[0] * 27), _PARAMS.size)
    descriptor = _libc.syscall(_SETUP, URING_SENDS, params)
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), "io_uring_setup")
    os.set_inheritable(descriptor, False)
    return descriptor, _PARAMS.unpack(params.raw)


def _enter(descriptor: int, count: int) -> int:
    """Submit, and wait for as many answers."""
    while True:
        done: int = _libc.syscall(_ENTER, descriptor, count, count, _GETEVENTS, None, 0)
        if done > 0:
            return done
        if ctypes.get_errno() != errno.EINTR:
            raise OSError(ctypes.get_errno(), "io_uring_enter")
