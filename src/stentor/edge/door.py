"""The public door: takes connections, and gives each to whom it wants to see."""

import asyncio
import contextlib
import errno
import logging
import os
import socket
from collections.abc import Callable, Coroutine
from functools import partial

from stentor.clock import Clock
from stentor.edge.admission import Admission, full, whole
from stentor.edge.answer import of_error
from stentor.edge.arrival import Arrival, Arrivals
from stentor.edge.certificate import Certificate
from stentor.edge.clients import Addresses, PrefixShares, client_of
from stentor.edge.conversation import Conversations
from stentor.edge.doorstep import READ_BYTES, Caller, Doorstep, Listeners, Quick
from stentor.edge.introduction import Introductions
from stentor.edge.wire import TCP_NOTSENT_LOWAT, Wire
from stentor.errors import Refused
from stentor.limits import (
    ACCEPTS_PER_WAKE,
    CLIENT_CONNECTIONS_MAX,
    CLIENT_DEAD_MS,
    CONNECTIONS_MAX,
    DEFER_ACCEPT_S,
    DOOR_BEHIND_S,
    DOOR_RECEIVE_BUFFER_BYTES,
    LISTENER_SEND_BUFFER_BYTES,
    LISTENER_UNSENT_BYTES,
    PREFIX_CONNECTIONS_MAX,
    SHUTDOWN_S,
    TLS_ACCEPTS_PER_WAKE,
    TURNED_AWAY_MAX,
)
from stentor.shield import Shield, Verb
from stentor.shield.line import Line

_telemetry = logging.getLogger(__name__)
_FULL = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
ACCEPT_PAUSE_S = 0.2
"""Out of descriptors or memory, accepting at once again would only spin; and while this edge is
full, one of its siblings that is not takes those who come within this time."""
SWEEP_S = 0.25
"""How often connections that ask for nothing are looked at."""


class Door:
    """Serves the connections of one shared listening socket until it is closed."""

    def __init__(
        self,
        listening: socket.socket,
        conversations: Conversations,
        quick: Quick,
        listeners: Listeners,
        clock: Clock,
        *,
        certificate: Certificate,
        introduced_by: Addresses,
        uncounted: Addresses,
        shield: Shield,
        line: Line,
        has_siblings: bool,
        aside: socket.socket | None = None,
        connections_max: int = CONNECTIONS_MAX,
        client_connections_max: int = CLIENT_CONNECTIONS_MAX,
    ) -> None:
        """Nothing is accepted before `open`.

        Args:
            quick: what a request gets when that can be said at once.
            listeners: who takes those who are admitted.
            certificate: how it speaks TLS, if it does.
            introduced_by: proxies that say in a PROXY header for whom they connect.
            uncounted: who may have more than `client_connections_max`: proxies are many people.
            shield: what says who may come at all.
            line: who is told of those who may not.
            has_siblings: whether other processes accept from this socket as well.
            aside: another listening socket, whose address only those on the stage are told: no
                crowd can fill its queue. It is closed with the door.
        """
        self._listening = listening
        self._aside = aside
        self._conversations = conversations
        self._quick = quick
        self._listeners = listeners
        self._clock = clock
        self._certificate = certificate
        self._introduced_by = introduced_by
        self._introductions = Introductions(conversations.deadlines.header_s, self._introduced)
        self._uncounted = uncounted
        self._shield = shield
        self._line = line
        self._has_siblings = has_siblings
        self._connections_max = connections_max
        self._connections_of = PrefixShares(client_connections_max, PREFIX_CONNECTIONS_MAX)
        self._doorstep = Doorstep(
            conversations, quick, listeners, self._connections_of, clock, self._take_over, shield
        )
        self._arrivals = Arrivals(conversations, quick, listeners, self._serve_arrival, shield)
        self._sweeping: asyncio.Handle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._turned_away = 0
        self._behind_since: float | None = None
        """Since when there were more in the queue than were taken in a row."""
        self._closing = False

    def open(self) -> None:
        """Begin to accept."""
        for listening in filter(None, (self._listening, self._aside)):
            listening.setblocking(False)
            options = listening.setsockopt
            # Whoever is accepted has all this from the beginning: a crowd costs no calls.
            options(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            options(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, CLIENT_DEAD_MS)
            options(socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT, LISTENER_UNSENT_BYTES)
            options(socket.SOL_SOCKET, socket.SO_SNDBUF, LISTENER_SEND_BUFFER_BYTES)
            options(socket.SOL_SOCKET, socket.SO_RCVBUF, DOOR_RECEIVE_BUFFER_BYTES)
            options(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, DEFER_ACCEPT_S)
        if self._aside is not None:
            loop = asyncio.get_running_loop()
            loop.add_reader(self._aside.fileno(), self._accept_aside, self._aside)
        self._doorstep.open()
        self._arrivals.open()
        self._begin_accepting()
        self._sweep()

    def _begin_accepting(self) -> None:
        asyncio.get_running_loop().add_reader(self._listening.fileno(), self._accept)

    async def close(self) -> None:
        """Accept no more; what is under way may finish, for a short while."""
        self._closing = True
        for listening in filter(None, (self._listening, self._aside)):
            asyncio.get_running_loop().remove_reader(listening.fileno())
        if self._aside is not None:
            self._aside.close()
        if self._sweeping is not None:
            self._sweeping.cancel()
        self._introductions.close()
        self._arrivals.close()
        self._line.close()
        self._conversations.close()
        self._doorstep.close()
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
        room = self._room
        if room <= 0:
            self._make_room()
        now = asyncio.get_running_loop().time()
        accept, introduced_by = self._listening._accept, self._introduced_by  # type: ignore[attr-defined]
        plain = self._certificate.context is None
        for _ in range(ACCEPTS_PER_WAKE if plain else TLS_ACCEPTS_PER_WAKE):
            if room <= 0:
                room = self._room
                if room <= 0 and self._has_siblings and not left:
                    self._pause()
                    return
            try:
                descriptor, address = accept()
            except BlockingIOError:
                self._behind_since = None
                return  # another was faster
            except OSError as error:
                if error.errno in _FULL:
                    _telemetry.error("no descriptors are left; accepting pauses")
                    self._pause()
                    return
                continue  # the peer gave up while it waited
            peer = address[0].removeprefix("::ffff:") if address else ""
            if not self._shield.connected(peer, now):
                os.close(descriptor)
                continue
            os.set_blocking(descriptor, False)
            if introduced_by and peer in introduced_by:
                self._introductions.hear(self._socket(descriptor), peer)
            else:
                self._receive(descriptor, peer, now, is_full=room <= 0)
            room -= 1
        self._behind_since = now if self._behind_since is None else self._behind_since

    def _accept_aside(self, aside: socket.socket) -> None:
        """Take one of those on the stage, whatever waits at the other socket."""
        with contextlib.suppress(OSError):  # gone, or another was faster; or none are left
            connection, address = aside.accept()
            peer = address[0].removeprefix("::ffff:")
            now = asyncio.get_running_loop().time()
            if not self._shield.asked(peer, Verb.CONNECTION, now):
                connection.close()
                return
            connection.setblocking(False)
            self._receive(connection.detach(), peer, now, is_full=False)

    def _make_room(self) -> None:
        """Let go of those who have not asked for anything for longest."""
        self._doorstep.make_room(ACCEPTS_PER_WAKE)
        self._conversations.make_room(ACCEPTS_PER_WAKE)

    def _introduced(self, connection: socket.socket, peer: str) -> None:
        """A proxy has said for whom it connected."""
        now = asyncio.get_running_loop().time()
        if self._shield.asked(peer, Verb.CONNECTION, now, behind=True):
            self._receive(connection.detach(), peer, now, is_full=self._room <= 0)
        else:
            connection.close()

    def _receive(self, descriptor: int, peer: str, now: float, *, is_full: bool) -> None:
        """Give a connection a place, or a word why there is none. Everybody comes by here once."""
        client = "" if peer in self._uncounted else client_of(peer)
        if is_full or (client and not self._connections_of.has_room(client)):
            self._refuse(descriptor, peer)
        elif self._certificate.context is None:
            self._doorstep.meet(descriptor, peer, client, now)
        else:
            self._arrivals.meet(
                self._socket(descriptor),
                peer,
                self._certificate,
                self._share_of(client),
                now,
                counted=bool(client),
            )

    def _share_of(self, client: str) -> Callable[[], None]:
        """A share of a client that may have one more, as the way to give it back."""
        if not client:
            return lambda: None
        self._connections_of.take(client)
        return partial(self._connections_of.give_back, client)

    def _socket(self, descriptor: int) -> socket.socket:
        """A connection that is more than a descriptor."""
        return socket.socket(self._listening.family, socket.SOCK_STREAM, 0, descriptor)

    def _refuse(self, descriptor: int, peer: str) -> None:
        """A clear word to whom there is no place for, at the least cost."""
        if self._certificate.context is None:
            with contextlib.suppress(BlockingIOError):
                if self._refuse_at_once(descriptor):
                    return
        if self._turned_away >= TURNED_AWAY_MAX:
            os.close(descriptor)
        else:
            self._turned_away += 1
            self._start(self._turn_away(self._socket(descriptor), peer))

    def _refuse_at_once(self, descriptor: int) -> bool:
        """Whether all that was said could be read: then closing resets nothing that is answered.

        Raises:
            BlockingIOError: nothing was said yet.
        """
        try:
            if len(os.read(descriptor, READ_BYTES)) >= READ_BYTES:
                return False
            wall_time_s = self._clock.wall_time() / 1e9
            os.write(descriptor, whole(full(), chunked=True, wall_time_s=wall_time_s))
        except BlockingIOError:
            raise
        except OSError as error:
            _telemetry.debug("a connection broke: %s", type(error).__name__)
        os.close(descriptor)
        return True

    def _serve_arrival(self, arrival: Arrival) -> None:
        self._start(self._serve(arrival.wire, arrival.data, arrival.due, arrival.release))

    def _take_over(
        self, caller: Caller, release: Callable[[], None], unsent: bytes, ends: bool
    ) -> None:
        """Serve in a task who asks for more than can be given at once."""
        patience_s = self._conversations.deadlines.stuck_s
        wire = Wire(self._socket(caller.descriptor), caller.peer, None, patience_s)
        data = bytearray(caller.data)
        self._start(self._serve(wire, data, caller.due, release, unsent, ends=ends))

    def _hand_over(self, wire: Wire, admission: Admission, release: Callable[[], None]) -> None:
        try:
            self._listeners.admit(*wire.hand_over(admission))
        except ConnectionAbortedError as error:
            _telemetry.debug("a listener could not be handed over: %s", error)
            wire.close()
        release()

    def _sweep(self) -> None:
        """Let go of those who have not asked for anything in time."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._doorstep.sweep(now)
        self._arrivals.sweep(now)
        self._line.tend(now)
        behind = self._behind_since
        self._shield.fairness.look(now, pressed=behind is not None and now - behind > DOOR_BEHIND_S)
        self._sweeping = loop.call_later(
            min(SWEEP_S, self._conversations.deadlines.header_s), self._sweep
        )

    def _start(self, serving: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(serving)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @property
    def _room(self) -> int:
        """How many more connections this process takes."""
        held = len(self._tasks) - self._turned_away + len(self._arrivals)
        held += len(self._introductions) + len(self._doorstep)
        return self._connections_max - held - self._listeners.listeners_count

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
            wire = Wire(connection, peer, self._certificate, self._conversations.deadlines.stuck_s)
            patience_s = self._conversations.deadlines.header_s
            if await self._shake(wire, asyncio.get_running_loop().time() + patience_s):
                await self._conversations.send(wire, full(), None, keep=False)
                await wire.finish()
        except OSError as error:
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
        self,
        wire: Wire,
        data: bytearray,
        due: float,
        release: Callable[[], None],
        unsent: bytes = b"",
        *,
        ends: bool = False,
    ) -> None:
        """One connection, from its next request to its end or to its new owner.

        Args:
            unsent: what is left to send of an answer.
            ends: whether the connection ends with that.
        """
        admission = None
        try:
            await wire.send(unsent)
            if ends:
                await wire.finish()
            elif await self._shake(wire, due):
                wire.widen()
                admission = await self._conversations.converse(wire, data, due)
                if admission is not None:
                    await wire.send(b"")  # what is enciphered and was not taken yet
            if admission is not None and self._listeners.is_full:
                await self._conversations.send(wire, full(), None, keep=False)
                await wire.finish()
                admission = None
        except OSError as error:
            _telemetry.debug("a connection broke: %s", type(error).__name__)
        except asyncio.CancelledError:
            _telemetry.debug("a connection was let go, to make room or to end")
        except Exception:
            _telemetry.exception("a connection ended by a fault of ours")
        if admission is not None and wire.is_clear:
            wire.narrow()
            self._hand_over(wire, admission, release)
        else:
            wire.close()
            release()
