"""Many TCP connections of one worker: opened from many addresses, looked after by one epoll."""

import contextlib
import errno
import os
import select
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from stentor.clock import Clock, thread_cpu_s

IP_BIND_ADDRESS_NO_PORT = 24
"""The port is chosen by connect, so that one port serves for many destinations (ip(7))."""
READ_BYTES = 256 * 1024
EVENTS_MAX = 256
"""Sockets looked at in a row: then it is the turn of those who are due."""
BUSY_MAX = 0.85
LAG_S_MAX = 0.25
"""A worker that is so busy, or so late, measures itself rather than the door."""
WINDOW_S = 1.0

T = TypeVar("T")


@dataclass(slots=True)
class Wire(Generic[T]):
    """One connection.

    Attributes:
        owner: whose it is.
        out: what is still to be sent.
        data: what came and was not used.
        began: when it was opened, or asked anew; monotonic seconds.
    """

    socket: socket.socket
    descriptor: int
    owner: T
    out: bytes
    began: float
    data: bytearray = field(default_factory=bytearray)


@dataclass(slots=True)
class Load:
    """How hard a worker works, second by second.

    Attributes:
        busy: the share of a core in each second.
        lag_s: by how much those who were due had their turn too late, the most in each second.
    """

    clock: Clock
    busy: list[float] = field(default_factory=list)
    lag_s: list[float] = field(default_factory=list)
    _since: float = 0.0
    _cpu_s: float = 0.0
    _lag: float = 0.0
    _turned_at: float = 0.0

    def late(self, seconds: float) -> None:
        """Somebody had their turn so late."""
        self._lag = max(self._lag, seconds)

    def look(self, now: float) -> bool:
        """Close the books of a second; True when one is over.

        It is called at each turn: a worker that was kept from its turns heard everything late.
        """
        if self._turned_at:
            self.late(now - self._turned_at)
        self._turned_at = now
        if not self._since:
            self._since, self._cpu_s = now, thread_cpu_s()
        if now - self._since < WINDOW_S:
            return False
        cpu = thread_cpu_s()
        self.busy.append(round((cpu - self._cpu_s) / (now - self._since), 3))
        self.lag_s.append(round(self._lag, 3))
        self._since, self._cpu_s, self._lag = now, cpu, 0.0
        return True

    @property
    def is_limit(self) -> bool:
        """Whether this worker was so busy in any second that its figures are its own."""
        pressed = sum(
            1
            for busy, lag in zip(self.busy, self.lag_s, strict=True)
            if busy > BUSY_MAX or lag > LAG_S_MAX
        )
        return pressed > len(self.busy) // 20


class Switch(Generic[T]):
    """The connections, and who is told when something happens to them."""

    def __init__(
        self,
        clock: Clock,
        to: tuple[str, int],
        arrived: Callable[[Wire[T]], None],
        broken: Callable[[Wire[T]], None],
    ) -> None:
        """Nothing is open.

        Args:
            arrived: something came on a connection; it is in `data`.
            broken: a connection ended, or never came about; it is closed already.
        """
        self._clock = clock
        self._to = to
        self._arrived = arrived
        self._broken = broken
        self._poll = select.epoll()
        self.wires: dict[int, Wire[T]] = {}
        self.opened = 0
        self.starved = 0
        """Connections that could not be opened for want of descriptors or ports: ours, not its."""

    def open(self, owner: T, source: str, request: bytes, receive_bytes: int = 0) -> Wire[T] | None:
        """A new connection that asks something as soon as it is there; None: it cannot be opened.

        Args:
            receive_bytes: how much the kernel is to keep for it; 0: as usual.
        """
        try:
            own = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        except OSError:
            self.starved += 1
            return None
        own.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        if receive_bytes:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        try:
            own.bind((source, 0))
            code = own.connect_ex(self._to)
        except OSError as error:
            code = error.errno or errno.EIO
        if code not in {0, errno.EINPROGRESS}:
            own.close()
            self.starved += code in {errno.EADDRNOTAVAIL, errno.EMFILE}
            return None
        self.opened += 1
        wire = Wire(own, own.fileno(), owner, request, self._clock.now())
        self.wires[wire.descriptor] = wire
        self._poll.register(wire.descriptor, select.EPOLLIN)
        self._send(wire)  # on loopback the handshake is mostly done by now
        return wire

    def ask(self, wire: Wire[T], request: bytes) -> None:
        """Ask something more on a connection."""
        wire.out, wire.began = request, self._clock.now()
        wire.data.clear()
        self._send(wire)

    def push(self, wire: Wire[T]) -> None:
        """Send what has been added to `out`."""
        self._send(wire)

    def close(self, wire: Wire[T]) -> None:
        """Hang up."""
        if self.wires.pop(wire.descriptor, None) is not None:
            wire.socket.close()  # epoll forgets it by itself

    def turn(self, wait_s: float) -> None:
        """Wait a little for what happens, and tell."""
        for descriptor, what in self._poll.poll(wait_s, EVENTS_MAX):
            wire = self.wires.get(descriptor)
            if wire is None:
                continue
            if what & select.EPOLLOUT:
                self._send(wire)
            if what & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
                self._receive(wire)

    def close_all(self) -> None:
        """Hang up on everybody."""
        for wire in list(self.wires.values()):
            self.close(wire)
        self._poll.close()

    def _send(self, wire: Wire[T]) -> None:
        try:
            wire.out = wire.out[wire.socket.send(wire.out) :]
        except BlockingIOError:
            pass
        except OSError as error:
            if error.errno not in {errno.ENOTCONN, errno.EAGAIN}:
                self._lose(wire)
                return
        wanted = select.EPOLLIN | (select.EPOLLOUT if wire.out else 0)
        with contextlib.suppress(OSError):
            self._poll.modify(wire.descriptor, wanted)

    def _receive(self, wire: Wire[T]) -> None:
        try:
            data = wire.socket.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lose(wire)
            return
        wire.data += data
        self._arrived(wire)

    def _lose(self, wire: Wire[T]) -> None:
        self.close(wire)
        self._broken(wire)


def pin(core: int | None) -> None:
    """Keep this process to one core, when there is one for it."""
    if core is not None:
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, {core})
