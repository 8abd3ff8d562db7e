"""Plain connections as bare descriptors: from accept to their first request, and between requests.

A crowd that arrives at once is a crowd of these. Whoever asks for something that can be given at
once is given it from here: a listener is handed over, a page is one `write`. Nobody here has a
task, a timer or a socket object; all are heard through one epoll that is one descriptor to the
event loop. Whatever takes longer is passed on to a task (`conversation.py`).
"""

import asyncio
import contextlib
import itertools
import logging
import os
import select
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Protocol

from stentor.clock import Clock
from stentor.edge.admission import Admission
from stentor.edge.answer import Answer, in_one_piece, refusal
from stentor.edge.clients import Shares
from stentor.edge.conversation import Conversations, too_many
from stentor.edge.proxy import Visitor
from stentor.edge.request import Request, find_head, parse_head
from stentor.edge.status import Status
from stentor.errors import StentorError
from stentor.limits import (
    ARRIVALS_MAX,
    CALLERS_PER_WAKE,
    HALF_OPEN_PREFIX_MAX,
    HEADER_BYTES_MAX,
    QUICK_BODY_BYTES_MAX,
)
from stentor.shield import HalfOpen, Shield, source_of

_telemetry = logging.getLogger(__name__)
PARTING = frozenset({403, 428, 429, 503})
"""Whoever is told so asks nothing more on that connection: refusing costs as little as it can, and
who is to compute or to come again later holds nothing meanwhile."""
READ_BYTES = 4 * 1024
"""Heads are shorter; what is longer is read in several looks."""
Quick = Callable[[Request, Visitor, bytes], Admission | Answer | bytes | None]
"""What a request gets when that can be said at once; None: ask a task.

Bytes are a whole answer, with which the connection ends.

It is given the request, whom it comes from, and the body. It raises StentorError where a task will.
"""
_Asked = tuple[Admission | Answer | bytes | None, Request | None, int]
"""What the first request is given, that request, and where it ends."""
_NOT_YET: _Asked = (None, None, 0)
_BEYOND: _Asked = (None, None, -1)
_NO_MORE: _Asked = (None, None, -2)
"""Nothing at all is answered any more."""


class Listeners(Protocol):
    """Whoever takes the connections of listeners: the edges."""

    @property
    def listeners_count(self) -> int:
        """Connections this process holds for them."""
        ...

    @property
    def is_full(self) -> bool:
        """Whether there is no place for one more."""
        ...

    @property
    def chairs_free(self) -> int:
        """How many may still be let in here when nobody counts for the whole node."""
        ...

    def admit(self, descriptor: int, admission: Admission) -> None:
        """Take a connection over."""
        ...

    @property
    def capacity(self) -> int:
        """Listeners that all edges of the node can hold."""
        ...

    def renew(self, number: int, until_s: int) -> None:
        """A ticket's lease goes on until then, UTC seconds."""
        ...

    def status(self) -> Status:
        """How it stands."""
        ...


class Caller:
    """One connection that stays.

    Attributes:
        client: who is counted for it; empty: nobody.
        data: what has arrived and was not answered.
        due: by when its request's head must be whole, or begin; in the loop's time.
        heard: whether epoll tells of it.
        queued: whether there is a request in `data` that waits for its turn.
    """

    __slots__ = ("client", "data", "descriptor", "due", "heard", "peer", "queued")

    def __init__(self, descriptor: int, peer: str, client: str, data: bytes, due: float) -> None:
        self.descriptor = descriptor
        self.peer = peer
        self.client = client
        self.data = data
        self.due = due
        self.heard = False
        self.queued = False


class Doorstep:
    """All plain connections that nobody else serves at the moment."""

    def __init__(
        self,
        conversations: Conversations,
        quick: Quick,
        listeners: Listeners,
        shares: Shares,
        clock: Clock,
        pass_on: Callable[[Caller, Callable[[], None], bytes, bool], None],
        shield: Shield,
    ) -> None:
        """Begin with nobody.

        Args:
            shares: of clients; whoever stays holds one.
            pass_on: is given a connection to serve in a task: how to give its share back, what is
                left to send, and whether it ends then.
        """
        self._conversations = conversations
        self._quick = quick
        self._listeners = listeners
        self._shares = shares
        self._clock = clock
        self._pass_on = pass_on
        self._shield = shield
        self._half_open: HalfOpen[Caller] = HalfOpen(HALF_OPEN_PREFIX_MAX)
        self._epoll = select.epoll()
        self._loop: asyncio.AbstractEventLoop | None = None
        # Each in the order of what is due: patience with all in one of them is the same.
        self._waiting: dict[int, Caller] = {}
        self._idle: dict[int, Caller] = {}
        self._queue: deque[Caller] = deque()

    def open(self) -> None:
        """Begin to hear connections."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._epoll.fileno(), self._hear)

    def close(self) -> None:
        """Let go of all."""
        if self._loop is not None:
            self._loop.remove_reader(self._epoll.fileno())
        for caller in [*self._waiting.values(), *self._idle.values()]:
            self._dismiss(caller)
        self._epoll.close()

    def __len__(self) -> int:
        """How many are held."""
        return len(self._waiting) + len(self._idle)

    def meet(self, descriptor: int, peer: str, client: str, now: float) -> None:
        """Look at once at what a new connection wants: mostly it has said so already.

        Args:
            client: who is counted, and may have one more; empty: nobody.
        """
        data = b""
        try:
            data = os.read(descriptor, READ_BYTES)
        except BlockingIOError:
            asked = _NOT_YET
        except OSError:
            os.close(descriptor)
            return
        else:
            if not data:
                os.close(descriptor)
                return
            given, request, end = asked = self._ask(peer, data, now)
            if type(given) is Admission:
                self._listeners.admit(descriptor, given)
                return
            if end == len(data) and (last := self._last_word(given, request)):
                # It is short, and nothing was sent before it: there is room for all of it.
                with contextlib.suppress(OSError):
                    os.write(descriptor, last)
                os.close(descriptor)
                return
        if client:
            self._shares.take(client)
        due = now + self._conversations.deadlines.header_s
        self._give(Caller(descriptor, peer, client, data, due), asked, now)

    def sweep(self, now: float) -> None:
        """Let go of those who have not asked for anything in time."""
        for callers in (self._waiting, self._idle):
            for caller in list(itertools.takewhile(lambda one: one.due <= now, callers.values())):
                if caller.data and self._conversations.bears_nonsense(caller.peer, now):
                    self._leave_to_task(caller)  # it is told that this took too long
                else:
                    self._dismiss(caller)

    def make_room(self, most: int) -> None:
        """Let go of those who have not asked for anything for longest."""
        for caller in list(itertools.islice(self._idle.values(), most)):
            self._dismiss(caller)

    def _hear(self) -> None:
        """Some have said something."""
        assert self._loop is not None, "whoever is heard was opened"
        now = self._loop.time()
        for descriptor, _ in self._epoll.poll(0, CALLERS_PER_WAKE):
            caller = self._waiting.get(descriptor) or self._idle.get(descriptor)
            if caller is not None and not caller.queued:
                self._look(caller, now)

    def _look(self, caller: Caller, now: float) -> None:
        try:
            data = os.read(caller.descriptor, READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._dismiss(caller)
            return
        if self._idle.pop(caller.descriptor, None) is not None:
            caller.due = now + self._conversations.deadlines.header_s
        caller.data += data
        self._give(caller, self._ask(caller.peer, caller.data, now), now)

    def _take_turns(self) -> None:
        """One request of each who has sent several: then it is the others' turn."""
        assert self._loop is not None, "whoever is heard was opened"
        now = self._loop.time()
        for _ in range(len(self._queue)):
            caller = self._queue.popleft()
            if caller.queued:
                caller.queued = False
                self._give(caller, self._ask(caller.peer, caller.data, now), now)

    def _ask(self, peer: str, data: bytes, now: float) -> _Asked:
        """What the first request in some data is given."""
        try:
            end = find_head(data)
            if not end:
                return _NOT_YET
            request = parse_head(data[:end] if end < len(data) else data)
        except StentorError:
            return _BEYOND if self._conversations.bears_nonsense(peer, now) else _NO_MORE
        try:
            visitor = self._conversations.visitor(request, peer)
            if not self._conversations.bears(visitor, now):
                return refusal(too_many()), request, len(data)
            body = b""
            if request.body_bytes:
                body = data[end : end + request.body_bytes] if request.body_bytes > 0 else b""
                if not 0 < request.body_bytes <= QUICK_BODY_BYTES_MAX or (
                    len(body) < request.body_bytes
                ):
                    return _BEYOND
                end += request.body_bytes
            given = self._quick(request, visitor, body)
        except StentorError:
            return _BEYOND  # the same will be found, and answered, by a task
        except Exception:
            _telemetry.exception("a request could not be answered at once by a fault of ours")
            return _BEYOND
        if given is None or (type(given) is Admission and self._listeners.is_full):
            return _BEYOND
        return given, request, end

    def _give(self, caller: Caller, asked: _Asked, now: float) -> None:
        """Do what was found, with a caller that holds a share and is not yet or still here."""
        given, request, end = asked
        if asked is _NO_MORE:
            self._dismiss(caller)
        elif request is None:
            if end or len(caller.data) >= HEADER_BYTES_MAX:
                self._leave_to_task(caller)
            else:
                self._wait(caller)
        elif isinstance(given, Admission):
            self._forget(caller)
            self._listeners.admit(caller.descriptor, given)
            self._give_back(caller.client)
        else:
            assert given is not None, "a request that is given nothing is left to a task"
            caller.data = caller.data[end:]
            self._answer(caller, given, request, now)

    def _answer(self, caller: Caller, given: Answer | bytes, request: Request, now: float) -> None:
        data, keep = self._last_word(given, request), False
        if not data:
            assert isinstance(given, Answer), "bytes are a last word"
            keep = self._conversations.keeps(request)
            data = in_one_piece(given, request.version, self._clock.wall_time() / 1e9, keep=keep)
        sent = 0
        try:
            sent = os.write(caller.descriptor, data)
        except BlockingIOError:
            pass
        except OSError:
            self._dismiss(caller)
            return
        if sent < len(data) or (caller.data and not keep):
            self._leave_to_task(caller, data[sent:], ends=not keep)
        elif not keep:
            self._dismiss(caller)
        elif caller.data:
            caller.due = now + self._conversations.deadlines.header_s
            self._stop_waiting(caller)
            self._wait(caller)
            self._queue_up(caller)
        else:
            self._stop_waiting(caller)
            caller.due = now + self._conversations.deadlines.keep_alive_s
            self._idle[caller.descriptor] = caller
            self._begin_to_hear(caller)

    def _last_word(
        self, given: Admission | Answer | bytes | None, request: Request | None
    ) -> bytes:
        """A whole answer, if the connection ends with it; else nothing."""
        if isinstance(given, bytes):
            return given
        if request is None or not isinstance(given, Answer) or given.status not in PARTING:
            return b""
        return in_one_piece(given, request.version, self._clock.wall_time() / 1e9, keep=False)

    def _wait(self, caller: Caller) -> None:
        """Keep a caller until it has said what it wants."""
        if caller.descriptor not in self._waiting:
            while len(self._waiting) >= ARRIVALS_MAX:
                self._dismiss(next(iter(self._waiting.values())))
            self._waiting[caller.descriptor] = caller
            oldest = (
                self._half_open.hold(source_of(caller.peer)[1], caller) if caller.client else None
            )
            if oldest is not None:
                self._shield.half_open += 1
                self._dismiss(oldest)
        self._begin_to_hear(caller)

    def _stop_waiting(self, caller: Caller) -> None:
        if self._waiting.pop(caller.descriptor, None) is not None and caller.client:
            self._half_open.let_go(source_of(caller.peer)[1], caller)

    def _begin_to_hear(self, caller: Caller) -> None:
        if not caller.heard:
            caller.heard = True
            self._epoll.register(caller.descriptor, select.EPOLLIN)

    def _queue_up(self, caller: Caller) -> None:
        assert self._loop is not None, "whoever is heard was opened"
        caller.queued = True
        self._queue.append(caller)
        if len(self._queue) == 1:
            self._loop.call_soon(self._take_turns)

    def _leave_to_task(self, caller: Caller, unsent: bytes = b"", *, ends: bool = False) -> None:
        self._forget(caller)
        self._pass_on(caller, partial(self._give_back, caller.client), unsent, ends)

    def _dismiss(self, caller: Caller) -> None:
        caller.heard = False  # nobody else has the connection: with it epoll forgets it
        self._forget(caller)
        os.close(caller.descriptor)
        self._give_back(caller.client)

    def _forget(self, caller: Caller) -> None:
        """Hear no more of a connection; to be called before anybody else has it."""
        self._stop_waiting(caller)
        self._idle.pop(caller.descriptor, None)
        caller.queued = False
        if caller.heard:
            caller.heard = False
            self._epoll.unregister(caller.descriptor)

    def _give_back(self, client: str) -> None:
        if client:
            self._shares.give_back(client)
