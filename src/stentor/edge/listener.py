"""A listener: a descriptor and a place in a lane. Never a queue, never a task."""

import array
import contextlib
import fcntl
import os
import socket
import termios
from typing import TYPE_CHECKING

import msgspec

from stentor.edge.admission import Admission
from stentor.edge.leases import Lease
from stentor.edge.records import Seal

if TYPE_CHECKING:
    from stentor.edge.gathering import Gathering
    from stentor.edge.lane import Lane, Slot


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
        pending: the bytes being sent, mostly a shared frame; through TLS, its records.
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


class Listener(msgspec.Struct, eq=False, gc=False):
    """One admitted connection. While it is in its slot's place nothing here ever changes.

    Attributes:
        client: who is counted for it; empty: nobody.
        seal: what its records are sealed with; None without TLS.
        gathering: its Space with all who listen to it, once it has a place there.
        lane: with whom it shares its bytes, likewise.
        slot: once it has begun, until it leaves.
        lease: what it listens by; None without a ticket.
        behind: None while it has what its slot has, and before it was looked at.
    """

    descriptor: int
    client: str = ""
    seal: Seal | None = None
    gathering: "Gathering | None" = None
    lane: "Lane | None" = None
    slot: "Slot | None" = None
    lease: Lease | None = None
    behind: Behind | None = None

    def sealed(self, data: bytes, *, ends: bool = False) -> bytes:
        """What its socket is written for some bytes: with TLS their records.

        Args:
            ends: whether nothing follows.

        Raises:
            OSError: its key may seal no more.
        """
        if self.seal is None:
            return data
        return self.seal.seal(data) + (self.seal.end() if ends else b"")

    def push(self, behind: Behind) -> bool:
        """Send what is pending; True when the socket took all of it.

        Raises:
            OSError: the listener has gone.
        """
        while behind.sent < len(behind.pending):
            view = memoryview(behind.pending)[behind.sent :] if behind.sent else behind.pending
            try:
                behind.sent += os.write(self.descriptor, view)
            except BlockingIOError:
                return False
        behind.pending = b""
        behind.sent = 0
        return True

    def forget(self) -> None:
        """Nothing more is sealed for it."""
        if self.seal is not None:
            self.seal.forget()

    def close(self) -> None:
        """End the connection; the end of an answer still reaches it."""
        self.forget()
        with contextlib.suppress(OSError):  # an error that was left to be told; it is closed
            if self.behind is None or not self.behind.ends:
                os.close(self.descriptor)
                return
            with socket.socket(fileno=self.descriptor) as connection:
                connection.shutdown(socket.SHUT_WR)
