"""A listener: a descriptor and a place in a lane. Never a queue, never a task."""

import array
import contextlib
import fcntl
import os
import socket
import ssl
import termios
from collections.abc import Mapping
from typing import TYPE_CHECKING

from stentor.edge.admission import Admission
from stentor.edge.leases import Lease

if TYPE_CHECKING:
    from stentor.edge.gathering import Gathering
    from stentor.edge.lane import Lane, Slot

_Short = list[tuple[int, int]]
WOULD_BLOCK = (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError)


def unacknowledged(descriptor: int) -> int:
    """Bytes the kernel still holds for a connection's other end (SIOCOUTQ, tcp(7))."""
    held = array.array("i", [0])
    with contextlib.suppress(OSError):
        fcntl.ioctl(descriptor, termios.TIOCOUTQ, held)
    return held[0]


class Behind:
    """What is known of a listener only while it is not at its slot's place.

    Attributes:
        admission: what it was let in for, until it has begun.
        pending: the bytes being sent, mostly a shared frame.
        sent: how many of them were taken.
        position: of the next frame in the ring.
        offset: of the next record, while it reads from the log; -1 in the ring.
        joined: notes before this position are older than those it began with.
        stuck_since: when its socket last took something.
        queued: bytes its kernel held for it then, sent or not.
        ends: whether the connection closes once `pending` is sent.
        waits: whether the thread waits for room in its socket.
    """

    __slots__ = (
        "admission",
        "ends",
        "joined",
        "offset",
        "pending",
        "position",
        "queued",
        "sent",
        "stuck_since",
        "waits",
    )

    def __init__(self, admission: Admission | None = None) -> None:
        self.admission = admission
        self.pending = b""
        self.sent = 0
        self.position = 0
        self.offset = -1
        self.joined = 0
        self.stuck_since = 0.0
        self.queued = 0
        self.ends = False
        self.waits = False

    def twin(self, pending: bytes) -> "Behind":
        """Another who is at the same place, with so much to be sent."""
        twin = Behind()
        twin.pending, twin.position, twin.joined = pending, self.position, self.joined
        return twin


class Listener:
    """One admitted connection. While it is in its slot's place nothing here ever changes.

    Attributes:
        wire: the connection where it is more than a descriptor: its TLS state.
        client: who is counted for it; empty: nobody.
        gathering: its Space with all who listen to it, once it has a place there.
        lane: with whom it shares its bytes, likewise.
        slot: once it has begun.
        lease: what it listens by; None without a ticket.
        behind: None while it has what its slot has, and before it was looked at.
    """

    __slots__ = ("behind", "client", "descriptor", "gathering", "lane", "lease", "slot", "wire")

    def __init__(
        self, descriptor: int, admission: Admission, wire: ssl.SSLSocket | None = None
    ) -> None:
        """Take a connection over; a plain one is a descriptor and nothing more."""
        self.descriptor = descriptor
        self.wire = wire
        self.client = admission.client
        self.gathering: Gathering | None = None
        self.lane: Lane | None = None
        self.slot: Slot | None = None
        self.lease: Lease | None = None
        self.behind: Behind | None = None

    def push(self, behind: Behind) -> bool:
        """Send what is pending; True when the socket took all of it.

        Raises:
            OSError: the listener has gone.
        """
        # TLS wants a write it refused again with the very same bytes: `pending` keeps them.
        while behind.sent < len(behind.pending):
            view = memoryview(behind.pending)[behind.sent :] if behind.sent else behind.pending
            try:
                if self.wire is None:
                    behind.sent += os.write(self.descriptor, view)
                else:
                    behind.sent += self.wire.send(view)
            except WOULD_BLOCK:
                return False
        behind.pending = b""
        behind.sent = 0
        return True

    def close(self) -> None:
        """End the connection; the end of an answer still reaches it."""
        ends = self.behind is not None and self.behind.ends
        if self.wire is None and not ends:
            try:
                os.close(self.descriptor)
            except OSError:  # an error that was left to be told; it is closed
                return
            return
        wire: socket.socket | None = self.wire
        with contextlib.suppress(OSError):
            if self.wire is not None and ends:
                self.wire.unwrap()  # sends close_notify: the answer was whole
            elif wire is None and ends:
                wire = socket.socket(fileno=self.descriptor)
        if wire is None:
            with contextlib.suppress(OSError):
                os.close(self.descriptor)
            return
        with contextlib.suppress(OSError):
            wire.shutdown(socket.SHUT_WR)
        wire.close()


def write_all(members: Mapping[int, Listener], data: bytes) -> tuple[_Short, list[int]]:
    """Write to plain connections, which are descriptors and nothing more.

    Returns:
        Those who took less, with how much; and those who have gone.
    """
    size, write = len(data), os.write
    short: _Short = []
    gone: list[int] = []
    for descriptor in members:
        try:
            sent = write(descriptor, data)
        except BlockingIOError:
            short.append((descriptor, 0))
        except OSError:
            gone.append(descriptor)
        else:
            if sent != size:
                short.append((descriptor, sent))
    return short, gone


def send_all(members: Mapping[int, Listener], data: bytes) -> tuple[_Short, list[int]]:
    """The same for TLS."""
    size = len(data)
    short: _Short = []
    gone: list[int] = []
    for descriptor, listener in members.items():
        assert listener.wire is not None, "a process speaks TLS with all or with none"
        try:
            sent = listener.wire.send(data)
        except WOULD_BLOCK:
            short.append((descriptor, 0))
        except OSError:
            gone.append(descriptor)
        else:
            if sent != size:
                short.append((descriptor, sent))
    return short, gone
