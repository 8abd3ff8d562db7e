"""The gate's side of the hatch: hands admitted connections to an edge that has room for them."""

import array
import asyncio
import contextlib
import itertools
import logging
import os
import socket
import ssl
from collections import deque
from pathlib import Path

import msgspec

from stentor.clock import Clock
from stentor.edge.admission import Admission, full, whole
from stentor.edge.status import Status
from stentor.limits import (
    EDGE_LOOK_S,
    EDGE_SILENT_S,
    HANDED_AT_ONCE,
    HATCH_MESSAGE_BYTES,
    JOINS_HELD_MAX,
    JOINS_HELD_S,
)

_telemetry = logging.getLogger(__name__)
_statuses = msgspec.msgpack.Decoder(Status)
_encoder = msgspec.msgpack.Encoder()


class Link:
    """The connection to one edge; there is none while the edge is away.

    Attributes:
        status: what the edge said last.
        handed: connections handed over since.
        heard_at: when it said that.
    """

    def __init__(self, path: Path, index: int) -> None:
        self._path = path
        self.status = Status(edge=index)
        self.handed = 0
        self.heard_at = 0.0
        self.socket: socket.socket | None = None

    def room(self, now: float) -> int:
        """How many more it can take; none when it is away or says nothing."""
        if self.socket is None or now - self.heard_at > EDGE_SILENT_S:
            return 0
        return self.status.listeners_max - self.status.listeners - self.handed

    def open(self) -> bool:
        """Connect to the edge, if it is there."""
        link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        link.setblocking(False)
        try:
            link.connect(str(self._path))
        except OSError:
            link.close()
            return False
        self.socket = link
        return True

    def close(self) -> None:
        """The edge has gone."""
        if self.socket is not None:
            self.socket.close()
        self.socket = None

    def hear(self, now: float) -> bool:
        """Read what the edge says; False when it has gone."""
        assert self.socket is not None, "only links that are open are heard"
        with contextlib.suppress(BlockingIOError):
            while True:
                try:
                    data = self.socket.recv(HATCH_MESSAGE_BYTES)
                except ConnectionError:
                    return False
                if not data:
                    return False
                self.status, self.handed, self.heard_at = _statuses.decode(data), 0, now
        return True

    def give(self, descriptors: list[int], admissions: list[Admission]) -> bool:
        """Hand some connections over, all or none; what was handed over is closed here."""
        if self.socket is None:
            return False
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))
        try:
            self.socket.sendmsg((_encoder.encode(admissions),), (rights,))
        except OSError:  # full for the moment; that it has gone is noticed by its end
            return False
        self.handed += len(descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        return True


class Edges:
    """All edges of a node, as one of its gates sees them."""

    def __init__(self, sockets: list[Path], home: int, clock: Clock) -> None:
        """Args: home: the edge that is chosen while it has room: the gate's own pair."""
        self._links = [Link(path, index) for index, path in enumerate(sockets)]
        self._home = self._links[home]
        self._clock = clock
        self._waiting: deque[tuple[int, Admission, float]] = deque()
        self._spare = 0
        self._flushing: asyncio.Handle | None = None
        self._looking: asyncio.Handle | None = None

    def open(self) -> None:
        """Begin to look for edges."""
        self._look()

    def close(self) -> None:
        """Let go of the edges, and of those who still wait for one."""
        for handle in (self._flushing, self._looking):
            if handle is not None:
                handle.cancel()
        for link in self._links:
            self._lose(link)
        for descriptor, _, _ in self._waiting:
            os.close(descriptor)
        self._waiting.clear()

    @property
    def listeners_count(self) -> int:
        """Connections that wait for an edge; those of the edges are not this process's."""
        return len(self._waiting)

    @property
    def is_full(self) -> bool:
        """Whether there is no room anywhere, though edges are there."""
        if self._spare <= 0:
            now = self._clock.now()
            alive = [link for link in self._links if link.socket is not None]
            self._spare = JOINS_HELD_MAX - len(self._waiting)
            if alive:
                rooms = sum(max(0, link.room(now)) for link in alive)
                self._spare = min(self._spare, rooms - len(self._waiting))
        return self._spare <= 0

    def status(self) -> Status:
        """How the gate's own edge stands, as it said last."""
        return self._home.status

    def admit(self, connection: int | ssl.SSLSocket, admission: Admission) -> None:
        """Hand a connection over, with all others that come in the same moment."""
        assert isinstance(connection, int), "what TLS knows of a connection cannot be handed over"
        self._waiting.append((connection, admission, self._clock.now()))
        self._spare -= 1
        if self._flushing is None:
            self._flushing = asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = None
        self._spare = 0  # from here on it is counted anew
        now = self._clock.now()
        while self._waiting and self._waiting[0][2] < now - JOINS_HELD_S:
            descriptor, admission, _ = self._waiting.popleft()
            _turn_away(descriptor, admission, self._clock.wall_time() / 1e9)
        while self._waiting:
            some = list(itertools.islice(self._waiting, HANDED_AT_ONCE))
            descriptors = [descriptor for descriptor, _, _ in some]
            admissions = [admission for _, admission, _ in some]
            if not any(link.give(descriptors, admissions) for link in self._choices(now)):
                self._flushing = asyncio.get_running_loop().call_later(EDGE_LOOK_S, self._flush)
                return
            for _ in some:
                self._waiting.popleft()

    def _choices(self, now: float) -> list[Link]:
        """Edges with room: the own one first, then the emptiest."""
        roomy = [link for link in self._links if link.room(now) > 0]
        roomy.sort(key=lambda link: (link is not self._home, -link.room(now)))
        return roomy

    def _look(self) -> None:
        """Connect to edges that are away, now and then."""
        loop = asyncio.get_running_loop()
        for link in self._links:
            if link.socket is None and link.open():
                assert link.socket is not None, "it was opened"
                loop.add_reader(link.socket.fileno(), self._hear, link)
        self._looking = loop.call_later(EDGE_LOOK_S, self._look)

    def _hear(self, link: Link) -> None:
        if not link.hear(self._clock.now()):
            _telemetry.warning("edge %d has gone", link.status.edge)
            self._lose(link)
        elif self._waiting and self._flushing is None:
            self._flush()

    @staticmethod
    def _lose(link: Link) -> None:
        if link.socket is not None:
            asyncio.get_running_loop().remove_reader(link.socket.fileno())
            link.close()


def _turn_away(descriptor: int, admission: Admission, wall_time_s: float) -> None:
    with contextlib.suppress(OSError), socket.socket(fileno=descriptor) as connection:
        connection.send(whole(full(), chunked=admission.chunked, wall_time_s=wall_time_s))
        connection.shutdown(socket.SHUT_WR)
