"""A connection that speaks TLS, from accept to its first request: no task, no timer.

A crowd that arrives at once is a crowd of these. Whoever has come to listen is admitted from here;
everybody else is given a task of their own. (Plain connections: `doorstep.py`.)
"""

import asyncio
import os
import select
import ssl
from collections.abc import Callable

import msgspec

from stentor.edge.admission import Admission
from stentor.edge.certificate import Certificate
from stentor.edge.conversation import Conversations
from stentor.edge.doorstep import Listeners, Quick
from stentor.edge.request import find_head, parse_head
from stentor.edge.secured import READ_BYTES, Secured
from stentor.errors import StentorError
from stentor.limits import ARRIVALS_CALM, ARRIVALS_MAX, ARRIVALS_PER_WAKE, HALF_OPEN_PREFIX_MAX
from stentor.shield import HalfOpen, Shield, source_of


class Arrival:
    """One connection that has not asked for anything yet.

    Attributes:
        talk: what speaks TLS over it; None: it speaks plain HTTP, and is to be told not to.
        peer: whom it comes from.
        shaken: whether the handshake is done.
        data: what has arrived.
        due: by when its request's head must be whole, in the loop's time.
        release: gives its place back.
        over: whether the connection has ended: there is nobody left to answer.
    """

    __slots__ = (
        "_epoll",
        "_events",
        "data",
        "descriptor",
        "due",
        "over",
        "peer",
        "release",
        "shaken",
        "talk",
    )

    def __init__(
        self,
        descriptor: int,
        peer: str,
        talk: Secured,
        due: float,
        release: Callable[[], None],
        epoll: select.epoll,
    ) -> None:
        """Wait for its handshake and its request. Args: epoll: tells when to look."""
        self.descriptor = descriptor
        self.peer = peer
        self.talk: Secured | None = talk
        self.shaken = False
        self.data = bytearray()
        self.due = due
        self.release = release
        self.over = False
        self._epoll = epoll
        self._events = 0

    def look(self) -> bool:
        """See what has arrived; whether a head is whole, malformed, or will never be."""
        talk = self.talk
        assert talk is not None, "who speaks plain HTTP is looked at no more"
        try:
            if not self.shaken:
                talk.do_handshake()
                self.shaken = True
                if not talk.has_more:
                    raise BlockingIOError  # most ask as soon as they know that hands are shaken
            while True:
                data = talk.recv(READ_BYTES)
                if not data:
                    self.over = True
                    break
                self.data += data
                if find_head(self.data):
                    break
        except BlockingIOError:
            self._wait_for(select.EPOLLIN)
            return False
        except ssl.SSLWantWriteError:
            self._wait_for(select.EPOLLIN | select.EPOLLOUT)
            return False
        except ssl.SSLError as error:
            self.over = error.reason != "HTTP_REQUEST"
            self.talk = None
        except StentorError:
            pass  # whoever it is met by will find the same, and say so
        except OSError:
            self.over = True
        return True

    def _wait_for(self, events: int) -> None:
        if not self._events:
            self._epoll.register(self.descriptor, events)
        elif events != self._events:
            self._epoll.modify(self.descriptor, events)
        self._events = events

    def leave(self) -> None:
        """Hear no more of the connection; to be called before anybody else has it."""
        if self._events:
            self._events = 0
            self._epoll.unregister(self.descriptor)


class Arrivals:
    """All connections that shake hands, or have done so and asked for nothing yet."""

    def __init__(
        self,
        conversations: Conversations,
        quick: Quick,
        listeners: Listeners,
        pass_on: Callable[[Arrival], None],
        shield: Shield,
    ) -> None:
        """Begin with nobody. Args: pass_on: is given who wants to be served in a task."""
        self._shield = shield
        self._half_open: HalfOpen[Arrival] = HalfOpen(HALF_OPEN_PREFIX_MAX)
        self._conversations = conversations
        self._quick = quick
        self._listeners = listeners
        self._pass_on = pass_on
        self._held: dict[int, Arrival] = {}  # by descriptor, in the order of what is due
        self._epoll = select.epoll()
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self) -> None:
        """Begin to hear connections: all through one descriptor of the event loop."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._epoll.fileno(), self._hear)

    def _hear(self) -> None:
        for descriptor, _ in self._epoll.poll(0, ARRIVALS_PER_WAKE):
            arrival = self._held.get(descriptor)
            if arrival is not None:
                self._look(arrival)

    def _look(self, arrival: Arrival) -> None:
        if arrival.look():
            self._forget(arrival)
            self._met(arrival)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._held)

    def meet(
        self,
        descriptor: int,
        peer: str,
        certificate: Certificate,
        release: Callable[[], None],
        now: float,
        *,
        counted: bool,
    ) -> None:
        """Shake hands with a new connection.

        Args:
            counted: whether its prefix has a share of those who have not asked for anything.
        """
        while len(self._held) >= ARRIVALS_MAX:
            self._dismiss(next(iter(self._held.values())))  # who has said nothing for longest
        due = now + self._conversations.deadlines.header_s
        talk = certificate.secure(descriptor, crowded=len(self._held) >= ARRIVALS_CALM)
        arrival = Arrival(descriptor, peer, talk, due, release, self._epoll)
        self._held[arrival.descriptor] = arrival
        oldest = self._half_open.hold(source_of(peer)[1], arrival) if counted else None
        if oldest is not None:
            self._shield.half_open += 1
            self._dismiss(oldest)
        self._look(arrival)

    def sweep(self, now: float) -> None:
        """Let go of those who have not asked for anything in time."""
        overdue = []
        for arrival in self._held.values():
            if arrival.due > now:
                break
            overdue.append(arrival)
        for arrival in overdue:
            self._forget(arrival)
            # Whoever has begun to say something is told that it took too long.
            self._pass_on(arrival)

    def close(self) -> None:
        """Let go of all."""
        if self._loop is not None:
            self._loop.remove_reader(self._epoll.fileno())
        for arrival in list(self._held.values()):
            self._dismiss(arrival)
        self._epoll.close()

    def _met(self, arrival: Arrival) -> None:
        """An arrival has said what it wants, or never will."""
        if arrival.over:
            os.close(arrival.descriptor)
            arrival.release()
        elif not arrival.data or not self._admit(arrival):
            self._pass_on(arrival)

    def _admit(self, arrival: Arrival) -> bool:
        """Whether somebody had come to listen, and has been handed over."""
        talk, data = arrival.talk, bytes(arrival.data)
        assert talk is not None, "who speaks plain HTTP has no data"
        try:
            end = find_head(data)
            request = parse_head(data[:end]) if end else None
            if request is None or request.body_bytes:
                return False
            visitor = self._conversations.visitor(request, arrival.peer)
            given = self._quick(request, visitor, b"")
        except StentorError:
            return False  # the same will be found, and answered, by a task
        if not isinstance(given, Admission) or self._listeners.is_full or not talk.is_clear:
            return False
        try:
            given = msgspec.structs.replace(given, keys=talk.keys())
        except ConnectionAbortedError:
            return False
        self._listeners.admit(arrival.descriptor, given)
        arrival.release()
        return True

    def _forget(self, arrival: Arrival) -> None:
        self._held.pop(arrival.descriptor, None)
        self._half_open.let_go(source_of(arrival.peer)[1], arrival)
        arrival.leave()

    def _dismiss(self, arrival: Arrival) -> None:
        self._forget(arrival)
        os.close(arrival.descriptor)
        arrival.release()
