"""The public door: takes connections, reads requests one after another, sends answers."""

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from stentor.clock import Clock
from stentor.edge.answer import (
    BODILESS,
    LAST_CHUNK,
    Answer,
    chunk,
    head_of,
    http_date,
    of_error,
)
from stentor.edge.clients import Addresses, Shares, client_of, visitor_of
from stentor.edge.listener import Admission
from stentor.edge.proxy import Visitor
from stentor.edge.request import ChunkedBody, Request, find_head, parse_head
from stentor.edge.wire import Wire
from stentor.errors import Refused, StentorError, Unavailable
from stentor.limits import (
    ACCEPTS_PER_WAKE,
    ANSWER_STUCK_S,
    BODIES_MAX,
    BODY_DEADLINE_S,
    CLIENT_BODIES_MAX,
    CLIENT_CONNECTIONS_MAX,
    CLIENT_DEAD_MS,
    CONNECTIONS_MAX,
    DOOR_SEND_BUFFER_BYTES,
    HEADER_DEADLINE_S,
    KEEP_ALIVE_S,
    SHUTDOWN_S,
    TURNED_AWAY_MAX,
)

_telemetry = logging.getLogger(__name__)
_FULL = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
ACCEPT_PAUSE_S = 0.2
"""Out of descriptors or memory, accepting at once again would only spin; and while this edge is
full, one of its siblings that is not takes those who come within this time."""
FULL_RETRY_S = 5.0


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long the door is patient, in seconds; tests are less patient."""

    header_s: float = HEADER_DEADLINE_S
    keep_alive_s: float = KEEP_ALIVE_S
    body_s: float = BODY_DEADLINE_S
    stuck_s: float = ANSWER_STUCK_S


class Door:
    """Serves the connections of one shared listening socket until it is closed."""

    def __init__(
        self,
        listening: socket.socket,
        answer: Callable[[Request, bytes, Visitor], Awaitable[Answer | Admission]],
        admit: Callable[[socket.socket, Admission, Callable[[], None]], None],
        clock: Clock,
        *,
        listeners_count: Callable[[], int],
        tls: ssl.SSLContext | None,
        scheme: str,
        deadlines: Deadlines,
        proxies: Addresses,
        uncounted: Addresses,
        has_siblings: bool,
        connections_max: int = CONNECTIONS_MAX,
        client_connections_max: int = CLIENT_CONNECTIONS_MAX,
    ) -> None:
        """Nothing is accepted before `open`.

        Args:
            answer: what a request gets.
            admit: takes over the socket of a listener, and says when it is closed.
            listeners_count: sockets held by whoever `admit` gave them to.
            scheme: how people reach this door: `http` or `https`.
            proxies: who is believed when they say for whom they ask.
            uncounted: who may have more than `client_connections_max`: proxies are many people.
            has_siblings: whether other edges accept from this socket as well.
        """
        self._listening = listening
        self._answer = answer
        self._admit = admit
        self._clock = clock
        self._listeners_count = listeners_count
        self._tls = tls
        self._scheme = scheme
        self._deadlines = deadlines
        self._proxies = proxies
        self._uncounted = uncounted
        self._has_siblings = has_siblings
        self._connections_max = connections_max
        self._connections_of = Shares(client_connections_max)
        self._bodies_of = Shares(CLIENT_BODIES_MAX)
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle: set[asyncio.Task[None]] = set()
        self._bodies = 0
        self._turned_away = 0
        self._closing = False

    def open(self) -> None:
        """Begin to accept."""
        self._listening.setblocking(False)
        asyncio.get_running_loop().add_reader(self._listening.fileno(), self._accept)

    async def close(self) -> None:
        """Accept no more; what is under way may finish, for a short while."""
        self._closing = True
        asyncio.get_running_loop().remove_reader(self._listening.fileno())
        for task in list(self._idle):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=SHUTDOWN_S)
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _accept(self, *, left: bool = False) -> None:
        """Take those who wait.

        Args:
            left: the other edges had time to take them.
        """
        for _ in range(ACCEPTS_PER_WAKE):
            if self._has_siblings and self._is_full and not left:
                self._pause()
                return
            try:
                connection, address = self._listening.accept()
            except BlockingIOError:
                return  # another edge was faster
            except OSError as error:
                if error.errno in _FULL:
                    _telemetry.error("no descriptors are left; accepting pauses")
                    self._pause()
                    return
                continue  # the peer gave up while it waited
            peer = address[0].removeprefix("::ffff:") if address else ""
            release = self._place_for(peer)
            if release is None and self._turned_away >= TURNED_AWAY_MAX:
                connection.close()
                continue
            self._turned_away += release is None
            task = asyncio.create_task(self._serve(connection, peer, release))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    @property
    def _is_full(self) -> bool:
        held = len(self._tasks) - self._turned_away + self._listeners_count()
        return held >= self._connections_max

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
            self.open()
            self._accept(left=True)

    async def _turn_away(self, wire: Wire) -> None:
        """A clear word to whom there is no place for."""
        async with asyncio.timeout(self._deadlines.header_s):
            await wire.handshake()
            sentence = "Every place at this door is taken; try again in a few seconds."
            refused = of_error(Unavailable("door.full", sentence, FULL_RETRY_S))
            await self._send(wire, refused, None, keep=False)
        await wire.finish()

    async def _serve(
        self, connection: socket.socket, peer: str, release: Callable[[], None] | None
    ) -> None:
        """One connection, from accept to its end or to its new owner.

        Args:
            release: gives its place back; None when there is no place for it.
        """
        wire = None
        full = release is None
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, CLIENT_DEAD_MS)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, DOOR_SEND_BUFFER_BYTES)
            wire = Wire(connection, peer, self._tls, self._deadlines.stuck_s)
            if release is None:
                await self._turn_away(wire)
            elif await self._converse(wire, release):
                release = None  # its new owner has it
                return
        except (OSError, ValueError) as error:  # ValueError: TLS refuses a socket that is gone
            _telemetry.debug("a connection broke: %s", type(error).__name__)
        except asyncio.CancelledError:
            _telemetry.debug("a connection was closed by the shutdown")
        except Exception:
            _telemetry.exception("a connection ended by a fault of ours")
        finally:
            self._turned_away -= full
            if release is not None:
                release()
        (wire or connection).close()

    async def _converse(self, wire: Wire, release: Callable[[], None]) -> bool:
        """Requests and answers in turn; True when the socket has a new owner."""
        async with asyncio.timeout(self._deadlines.header_s) as deadline:
            await wire.handshake()
            due = deadline.when()
        data = bytearray()
        while True:
            try:
                request = await self._next_request(wire, data, due)
                if request is None:
                    await wire.finish()
                    return False
                keep = request.keeps_alive and not self._closing
                visitor = visitor_of(request, wire.peer, self._scheme, self._proxies)
                body = await self._body(wire, request, data, client_of(visitor.address))
            except StentorError as error:
                # Where this request ends nobody can tell: no other may follow.
                await self._send(wire, of_error(error), None, keep=False)
                await wire.finish()
                return False
            given = await self._given(request, body, visitor)
            if isinstance(given, Admission):
                self._admit(wire.detach(), given, release)
                return True
            if not await self._send(wire, given, request, keep=keep):
                await wire.finish()
                return False
            due = None

    async def _given(self, request: Request, body: bytes, visitor: Visitor) -> Answer | Admission:
        try:
            return await self._answer(request, body, visitor)
        except StentorError as error:
            if not isinstance(error, Refused):
                _telemetry.warning("%s: %s", error.code, error.sentence)
            return of_error(error)
        except OSError as error:
            _telemetry.warning("%s cannot be answered: %s", request.path, error)
            sentence = "What was asked for cannot be read just now; try again in a second."
            return of_error(Unavailable("edge.unreadable", sentence))
        except Exception:
            _telemetry.exception("a request could not be answered by a fault of ours")
            sentence = "The door has a fault; it was written down."
            return of_error(StentorError("edge.fault", sentence))

    async def _next_request(self, wire: Wire, data: bytearray, due: float | None) -> Request | None:
        """The next request's head; None when there is none.

        Args:
            data: what has arrived and was not used; what follows the head stays in it.
            due: by when it must be whole, in the loop's time; None: it may begin within
                `keep_alive_s`, and has the usual time from then on.

        Raises:
            Refused: it is malformed, too large or too late.
        """
        if due is None and not data and not await self._waits(wire, data):
            return None
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(due or loop.time() + self._deadlines.header_s):
                while not (end := self._find(data)):
                    arrived = await wire.receive()
                    if not arrived:
                        return None
                    data += arrived
        except TimeoutError:
            if not data:
                return None
            raise Refused("request.timeout", "The head of a request took too long.") from None
        head = bytes(data[:end])
        del data[:end]
        return parse_head(head)

    @staticmethod
    def _find(data: bytearray) -> int:
        while data[:2] == b"\r\n":  # some clients send one after a body (RFC 9112 section 2.2)
            del data[:2]
        return find_head(data)

    async def _waits(self, wire: Wire, data: bytearray) -> bool:
        """Wait between two requests; False when none came."""
        task = asyncio.current_task()
        assert task is not None, "a connection is served by a task"
        self._idle.add(task)
        try:
            async with asyncio.timeout(self._deadlines.keep_alive_s):
                data += await wire.receive()
        except TimeoutError:
            return False
        finally:
            self._idle.discard(task)
        return bool(data)

    async def _body(self, wire: Wire, request: Request, data: bytearray, client: str) -> bytes:
        """A request's body, all of it.

        Raises:
            Refused: it is malformed, too large or too late.
            Unavailable: `door.busy` when too many are coming in.
        """
        if not request.body_bytes:
            return b""
        if self._bodies >= BODIES_MAX or not self._bodies_of.take(client):
            raise Unavailable("door.busy", "Too much is being sent here; try again in a second.")
        self._bodies += 1
        try:
            async with asyncio.timeout(self._deadlines.body_s):
                if "100-continue" in request.tokens("expect") and not data:
                    await wire.send(b"HTTP/1.1 100 Continue\r\n\r\n")
                return await self._gather(wire, request, data)
        except TimeoutError:
            raise Refused("request.timeout", "The body of a request took too long.") from None
        finally:
            self._bodies -= 1
            self._bodies_of.give_back(client)

    @staticmethod
    async def _gather(wire: Wire, request: Request, data: bytearray) -> bytes:
        if request.body_bytes > 0:
            while len(data) < request.body_bytes:
                data += await _more(wire)
            body = bytes(data[: request.body_bytes])
            del data[: request.body_bytes]
            return body
        chunked = ChunkedBody()
        chunked.feed(data)
        while not chunked.done:
            data += await _more(wire)
            chunked.feed(data)
        return bytes(chunked.body)

    async def _send(
        self, wire: Wire, given: Answer, request: Request | None, *, keep: bool
    ) -> bool:
        """Send an answer; True when another request may follow."""
        version = request.version if request is not None else 1
        silent = request is not None and request.method == "HEAD"
        if isinstance(given.body, bytes):
            body = b"" if silent or given.status in BODILESS else given.body
            await wire.send(self._head(given, version, keep=keep) + body)
            return keep
        chunked = given.length is None and version == 1
        keep = keep and (chunked or given.length is not None)
        try:
            await wire.send(self._head(given, version, keep=keep))
            if given.body is None or silent:
                return keep
            async for piece in given.body:
                if piece:
                    await wire.send(chunk(piece) if chunked else piece)
            if chunked:
                await wire.send(LAST_CHUNK)
        except StentorError as error:
            # The head is out: breaking off is the only way left to say that this is not all.
            _telemetry.warning("an answer was broken off: %s", error.code)
            raise ConnectionAbortedError(error.code) from error
        finally:
            if given.body is not None:
                await given.body.aclose()
        return keep

    def _head(self, given: Answer, version: int, *, keep: bool) -> bytes:
        date = http_date(self._clock.wall_time() / 1e9)
        return head_of(given, version=version, keep=keep, date=date)


async def _more(wire: Wire) -> bytes:
    arrived = await wire.receive()
    if not arrived:
        raise ConnectionResetError("the body ended early")
    return arrived
