"""A listener: a socket and a place in a ring. Never a queue, never a task."""

import contextlib
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stentor.edge.follow import Stream
from stentor.ids import SpaceId
from stentor.limits import LISTENER_DEAD_MS, LISTENER_SEND_BUFFER_BYTES, LISTENER_UNSENT_BYTES
from stentor.record import Cursor, Rendition

if TYPE_CHECKING:
    from stentor.edge.delivery import Gathering

WOULD_BLOCK = (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError)
_TCP_NOTSENT_LOWAT = 25  # not named by the socket module before Python 3.12


@dataclass(frozen=True, slots=True)
class Admission:
    """What a listener was let in for.

    Attributes:
        cursor: where it goes on; None to begin at the newest parts.
        chunked: whether it understands chunks (HTTP/1.1).
        head: the head of the answer it gets.
        ended: makes the whole answer it gets when the Space turns out to have ended.
        failed: makes the whole answer it gets when the Space cannot be followed.
    """

    space: SpaceId
    rendition: Rendition
    cursor: Cursor | None
    chunked: bool
    head: bytes
    ended: Callable[[], bytes]
    failed: Callable[[], bytes]


class Listener:
    """One admitted socket. While it is at the tail nothing here changes from part to part.

    Attributes:
        gathering: its Space with all who listen to it, once it has a place there.
        stream: what it hears, once it has begun.
        pending: the bytes being sent, mostly a shared frame; empty at the tail.
        sent: how many of them were taken.
        position: of the next frame in the ring.
        offset: of the next record, while it reads from the log; -1 in the ring.
        released: called once it is closed.
        joined: cards before this position are older than the one it began with.
        stuck_since: when its socket last took something, while it is behind.
        ends: whether the connection closes once `pending` is sent.
        waits: whether the thread waits for room in its socket.
    """

    __slots__ = (
        "admission",
        "descriptor",
        "ends",
        "gathering",
        "joined",
        "offset",
        "pending",
        "position",
        "released",
        "send",
        "sent",
        "socket",
        "stream",
        "stuck_since",
        "waits",
    )

    def __init__(
        self, connection: socket.socket, admission: Admission, released: Callable[[], None]
    ) -> None:
        self.socket = connection
        self.released = released
        self.descriptor = connection.fileno()
        self.send: Callable[[bytes | memoryview], int] = connection.send
        self.admission = admission
        self.gathering: Gathering | None = None
        self.stream: Stream | None = None
        self.pending = b""
        self.sent = 0
        self.position = 0
        self.offset = -1
        self.joined = 0
        self.stuck_since = 0.0
        self.ends = False
        self.waits = False

    def push(self) -> bool:
        """Send what is pending; True when the socket took all of it.

        Raises:
            OSError: the listener has gone.
        """
        # TLS wants a write it refused again with the very same bytes: `pending` keeps them.
        while self.sent < len(self.pending):
            view = memoryview(self.pending)[self.sent :] if self.sent else self.pending
            try:
                self.sent += self.send(view)
            except WOULD_BLOCK:
                return False
        self.pending = b""
        self.sent = 0
        return True

    def close(self) -> None:
        """End the connection; what it was sent still reaches it."""
        with contextlib.suppress(OSError):
            if self.ends and isinstance(self.socket, ssl.SSLSocket):
                self.socket.unwrap()  # sends close_notify: the answer was whole
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)
        self.socket.close()
        self.released()


def bound(connection: socket.socket) -> None:
    """Keep small what the kernel holds for one listener: the rest waits in the ring, shared."""
    with contextlib.suppress(OSError):  # it may have gone already
        options = connection.setsockopt
        options(socket.SOL_SOCKET, socket.SO_SNDBUF, LISTENER_SEND_BUFFER_BYTES)
        options(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, LISTENER_UNSENT_BYTES)
        options(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, LISTENER_DEAD_MS)
