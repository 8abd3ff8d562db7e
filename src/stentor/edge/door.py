"""The public door: takes connections, and gives each to whom it wants to see."""

import asyncio
import contextlib
import errno
import logging
import os
import socket
from collections.abc import Callable
from functools import partial

from stentor.clock import Clock
from stentor.edge.admission import full, whole
from stentor.edge.arrival import Arrivals
from stentor.edge.attention import Attention, socket_of
from stentor.edge.certificate import Certificate
from stentor.edge.clients import Addresses, PrefixShares, client_of
from stentor.edge.conversation import Conversations
from stentor.edge.doorstep import READ_BYTES, Doorstep, Listeners, Quick
from stentor.edge.introduction import Introductions
from stentor.edge.wire import TCP_NOTSENT_LOWAT
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
    TLS_ACCEPTS_PER_WAKE,
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
        self._attention = Attention(conversations, listeners, certificate, clock)
        self._doorstep = Doorstep(
            *(conversations, quick, listeners, self._connections_of, clock),
            *(self._attention.serve_caller, shield),
        )
        self._arrivals = Arrivals(
            conversations, quick, listeners, self._attention.serve_arrival, shield
        )
        self._sweeping: asyncio.Handle | None = None
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
        await self._attention.close()

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
                self._introductions.hear(socket_of(descriptor), peer)
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
                descriptor,
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

    def _refuse(self, descriptor: int, peer: str) -> None:
        """A clear word to whom there is no place for, at the least cost."""
        if self._certificate.context is None:
            with contextlib.suppress(BlockingIOError):
                if self._refuse_at_once(descriptor):
                    return
        if not self._attention.turn_away(descriptor, peer):
            os.close(descriptor)

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

    @property
    def _room(self) -> int:
        """How many more connections this process takes."""
        held = len(self._attention) + len(self._arrivals)
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
