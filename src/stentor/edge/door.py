"""The public door: takes connections, and gives each to whom it wants to see."""

import asyncio
import errno
import logging
import socket
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Protocol

from stentor.edge.admission import Admission, full
from stentor.edge.answer import of_error
from stentor.edge.arrival import Arrival
from stentor.edge.certificate import Certificate
from stentor.edge.clients import Addresses, Shares, client_of
from stentor.edge.conversation import Conversations
from stentor.edge.introduction import Introductions
from stentor.edge.proxy import Visitor
from stentor.edge.request import Request, find_head, parse_head
from stentor.edge.status import Status
from stentor.edge.wire import READ_BYTES, TCP_NOTSENT_LOWAT, Wire
from stentor.errors import Refused, StentorError
from stentor.limits import (
    ACCEPTS_PER_WAKE,
    ARRIVALS_MAX,
    CLIENT_CONNECTIONS_MAX,
    CLIENT_DEAD_MS,
    CONNECTIONS_MAX,
    DEFER_ACCEPT_S,
    DOOR_RECEIVE_BUFFER_BYTES,
    LISTENER_SEND_BUFFER_BYTES,
    LISTENER_UNSENT_BYTES,
    SHUTDOWN_S,
    TURNED_AWAY_MAX,
)

_telemetry = logging.getLogger(__name__)
_FULL = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
ACCEPT_PAUSE_S = 0.2
"""Out of descriptors or memory, accepting at once again would only spin; and while this edge is
full, one of its siblings that is not takes those who come within this time."""
SWEEP_S = 0.25
"""How often connections that ask for nothing are looked at."""


class Listeners(Protocol):
    """Whoever takes the connections of listeners: the fan-out in this process, or others."""

    @property
    def listeners_count(self) -> int:
        """Connections this process holds for them."""
        ...

    @property
    def is_full(self) -> bool:
        """Whether there is no place for one more."""
        ...

    def admit(self, connection: socket.socket, admission: Admission) -> None:
        """Take a connection over."""
        ...

    def status(self) -> Status:
        """How it stands."""
        ...


class Door:
    """Serves the connections of one shared listening socket until it is closed."""

    def __init__(
        self,
        listening: socket.socket,
        conversations: Conversations,
        quick: Callable[[Request, Visitor], Admission | None],
        listeners: Listeners,
        *,
        certificate: Certificate,
        introduced_by: Addresses,
        uncounted: Addresses,
        has_siblings: bool,
        connections_max: int = CONNECTIONS_MAX,
        client_connections_max: int = CLIENT_CONNECTIONS_MAX,
    ) -> None:
        """Nothing is accepted before `open`.

        Args:
            quick: what a request is admitted for; None when it is not that simple.
            listeners: who takes those who are admitted.
            certificate: how it speaks TLS, if it does.
            introduced_by: proxies that say in a PROXY header for whom they connect.
            uncounted: who may have more than `client_connections_max`: proxies are many people.
            has_siblings: whether other processes accept from this socket as well.
        """
        self._listening = listening
        self._conversations = conversations
        self._quick = quick
        self._listeners = listeners
        self._certificate = certificate
        self._introduced_by = introduced_by
        self._introductions = Introductions(conversations.deadlines.header_s, self._receive)
        self._uncounted = uncounted
        self._has_siblings = has_siblings
        self._connections_max = connections_max
        self._connections_of = Shares(client_connections_max)
        self._arrivals: dict[Arrival, None] = {}
        self._sweeping: asyncio.Handle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._turned_away = 0
        self._closing = False

    def open(self) -> None:
        """Begin to accept."""
        self._listening.setblocking(False)
        options = self._listening.setsockopt
        # Whoever is accepted has all this from the beginning: a crowd costs no calls.
        options(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        options(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, CLIENT_DEAD_MS)
        options(socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT, LISTENER_UNSENT_BYTES)
        options(socket.SOL_SOCKET, socket.SO_SNDBUF, LISTENER_SEND_BUFFER_BYTES)
        options(socket.SOL_SOCKET, socket.SO_RCVBUF, DOOR_RECEIVE_BUFFER_BYTES)
        options(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, DEFER_ACCEPT_S)
        self._begin_accepting()
        self._sweep()

    def _begin_accepting(self) -> None:
        asyncio.get_running_loop().add_reader(self._listening.fileno(), self._accept)

    async def close(self) -> None:
        """Accept no more; what is under way may finish, for a short while."""
        self._closing = True
        asyncio.get_running_loop().remove_reader(self._listening.fileno())
        if self._sweeping is not None:
            self._sweeping.cancel()
        self._introductions.close()
        for arrival in list(self._arrivals):
            self._dismiss(arrival)
        self._conversations.close()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=SHUTDOWN_S)
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _accept(self, *, left: bool = False) -> None:
        """Take those who wait.

        Args:
            left: the other processes had time to take them.
        """
        if self._is_full:
            self._conversations.make_room(ACCEPTS_PER_WAKE)
        for _ in range(ACCEPTS_PER_WAKE):
            if self._has_siblings and self._is_full and not left:
                self._pause()
                return
            try:
                connection, address = self._listening.accept()
            except BlockingIOError:
                return  # another was faster
            except OSError as error:
                if error.errno in _FULL:
                    _telemetry.error("no descriptors are left; accepting pauses")
                    self._pause()
                    return
                continue  # the peer gave up while it waited
            connection.setblocking(False)
            peer = address[0].removeprefix("::ffff:") if address else ""
            if peer in self._introduced_by:
                self._introductions.hear(connection, peer)
            else:
                self._receive(connection, peer)

    def _receive(self, connection: socket.socket, peer: str) -> None:
        """Give a connection a place, or a word why there is none."""
        release = self._place_for(peer)
        if release is not None:
            self._greet(connection, peer, release)
        elif self._turned_away >= TURNED_AWAY_MAX:
            connection.close()
        else:
            self._turned_away += 1
            self._start(self._turn_away(connection, peer))

    def _greet(self, connection: socket.socket, peer: str, release: Callable[[], None]) -> None:
        """Look at once at what a connection wants: mostly it has said so already."""
        loop = asyncio.get_running_loop()
        due = loop.time() + self._conversations.deadlines.header_s
        data = b""
        tls = self._certificate.context
        if tls is None:
            try:
                data = connection.recv(READ_BYTES)
            except BlockingIOError:
                pass
            except OSError:
                connection.close()
                release()
                return
            if data and self._admit(connection, peer, data, release):
                return
        try:
            wire = Wire(connection, peer, tls, self._conversations.deadlines.stuck_s)
        except (OSError, ValueError):  # TLS refuses a socket that is gone
            connection.close()
            release()
            return
        if data and find_whole(data):
            self._start(self._serve(wire, bytearray(data), due, release))
            return
        while len(self._arrivals) >= ARRIVALS_MAX:
            self._dismiss(next(iter(self._arrivals)))  # whoever has said nothing for longest
        arrival = Arrival(wire, data, due, release, self._met)
        self._arrivals[arrival] = None
        if tls is not None:
            arrival.look()

    def _met(self, arrival: Arrival) -> None:
        """An arrival has said what it wants, or never will."""
        self._arrivals.pop(arrival, None)
        wire, data = arrival.wire, arrival.data
        if data and self._admit(wire.socket, wire.peer, bytes(data), arrival.release):
            return
        self._start(self._serve(wire, data, arrival.due, arrival.release))

    def _admit(
        self, connection: socket.socket, peer: str, data: bytes, release: Callable[[], None]
    ) -> bool:
        """Whether somebody had come to listen, and has been handed over."""
        try:
            end = find_head(data)
            if not end:
                return False
            request = parse_head(data[:end])
            admission = self._quick(request, self._conversations.visitor(request, peer))
        except StentorError:
            return False  # the same will be found, and answered, by a task
        if admission is None or self._listeners.is_full:
            return False
        self._hand_over(connection, admission, release)
        return True

    def _hand_over(
        self, connection: socket.socket, admission: Admission, release: Callable[[], None]
    ) -> None:
        self._listeners.admit(connection, admission)
        release()

    def _sweep(self) -> None:
        """Let go of those who have not asked for anything in time."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        overdue = []
        for arrival in self._arrivals:
            if arrival.due > now:
                break
            overdue.append(arrival)
        for arrival in overdue:
            del self._arrivals[arrival]
            arrival.leave()
            # Whoever has begun to say something is told that it took too long.
            self._start(self._serve(arrival.wire, arrival.data, arrival.due, arrival.release))
        self._sweeping = loop.call_later(
            min(SWEEP_S, self._conversations.deadlines.header_s), self._sweep
        )

    def _dismiss(self, arrival: Arrival) -> None:
        del self._arrivals[arrival]
        arrival.leave()
        arrival.wire.close()
        arrival.release()

    def _start(self, serving: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(serving)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @property
    def _is_full(self) -> bool:
        held = len(self._tasks) - self._turned_away + len(self._arrivals) + len(self._introductions)
        return held + self._listeners.listeners_count >= self._connections_max

    def _place_for(self, peer: str) -> Callable[[], None] | None:
        """A place for a connection, as the way to give it back; None when there is none."""
        if self._is_full:
            return None
        if peer in self._uncounted:
            return lambda: None
        client = client_of(peer)
        if not self._connections_of.take(client):
            return None
        return partial(self._connections_of.give_back, client)

    def _pause(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._listening.fileno())
        loop.call_later(ACCEPT_PAUSE_S, self._resume)

    def _resume(self) -> None:
        if not self._closing:
            self._begin_accepting()
            self._accept(left=True)

    async def _turn_away(self, connection: socket.socket, peer: str) -> None:
        """A clear word to whom there is no place for."""
        try:
            tls = self._certificate.context
            wire = Wire(connection, peer, tls, self._conversations.deadlines.stuck_s)
            patience_s = self._conversations.deadlines.header_s
            if await self._shake(wire, asyncio.get_running_loop().time() + patience_s):
                await self._conversations.send(wire, full(), None, keep=False)
                await wire.finish()
        except (OSError, ValueError) as error:
            _telemetry.debug("a connection broke: %s", type(error).__name__)
        finally:
            self._turned_away -= 1
            connection.close()

    async def _shake(self, wire: Wire, due: float) -> bool:
        """Whether the handshake is done; who speaks plain HTTP instead is told so."""
        try:
            async with asyncio.timeout_at(due):
                await wire.handshake()
        except Refused as refused:
            await self._conversations.send(wire, of_error(refused), None, keep=False)
            await wire.finish()
            return False
        return True

    async def _serve(
        self, wire: Wire, data: bytearray, due: float, release: Callable[[], None]
    ) -> None:
        """One connection, from its first request to its end or to its new owner."""
        admission = None
        try:
            if await self._shake(wire, due):
                wire.widen()
                admission = await self._conversations.converse(wire, data, due)
            if admission is not None and self._listeners.is_full:
                await self._conversations.send(wire, full(), None, keep=False)
                await wire.finish()
                admission = None
        except (OSError, ValueError) as error:  # ValueError: TLS refuses a socket that is gone
            _telemetry.debug("a connection broke: %s", type(error).__name__)
        except asyncio.CancelledError:
            _telemetry.debug("a connection was let go, to make room or to end")
        except Exception:
            _telemetry.exception("a connection ended by a fault of ours")
        if admission is not None:
            wire.narrow()
            self._hand_over(wire.socket, admission, release)
        else:
            wire.close()
            release()


def find_whole(data: bytes) -> bool:
    """Whether no more is to be waited for: a head is whole, or will never be."""
    try:
        return bool(find_head(data))
    except StentorError:
        return True
