"""One connection's requests and answers, in turn, until it ends or has a new owner."""

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from stentor.clock import Clock
from stentor.edge.admission import Admission
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
from stentor.edge.proxy import Visitor
from stentor.edge.request import ChunkedBody, Request, find_head, parse_head
from stentor.edge.wire import Wire
from stentor.errors import Refused, StentorError, Unavailable
from stentor.limits import (
    ANSWER_STUCK_S,
    BODIES_MAX,
    BODY_DEADLINE_S,
    CLIENT_BODIES_MAX,
    COPIED_BYTES_MAX,
    HEADER_DEADLINE_S,
    KEEP_ALIVE_S,
    VOUCHED_BODIES_MAX,
)
from stentor.shield import Shield, Verb

_telemetry = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long the door is patient, in seconds; tests are less patient."""

    header_s: float = HEADER_DEADLINE_S
    keep_alive_s: float = KEEP_ALIVE_S
    body_s: float = BODY_DEADLINE_S
    stuck_s: float = ANSWER_STUCK_S


class Conversations:
    """Everything connections are answered with."""

    def __init__(
        self,
        answer: Callable[[Request, bytes, Visitor], Awaitable[Answer | Admission | bytes]],
        vouched: Callable[[Request], bool],
        clock: Clock,
        *,
        scheme: str,
        deadlines: Deadlines,
        proxies: Addresses,
        shield: Shield,
    ) -> None:
        """Begin with nobody.

        Args:
            answer: what a request gets; bytes are a whole answer, with which the connection ends.
            vouched: whether a token vouches for who sends a body; refuses one that needs a token
                and has none.
            scheme: how people reach this door: `http` or `https`.
            proxies: who is believed when they say for whom they ask.
            shield: what says how much anybody may ask.
        """
        self._answer = answer
        self._vouched = vouched
        self._clock = clock
        self._scheme = scheme
        self.deadlines = deadlines
        self._proxies = proxies
        self._shield = shield
        self._bodies_of = Shares(CLIENT_BODIES_MAX)
        self._idle: dict[asyncio.Task[None], None] = {}
        self._bodies_free = {False: BODIES_MAX, True: VOUCHED_BODIES_MAX}
        self._closing = False

    def visitor(self, request: Request, peer: str) -> Visitor:
        """Whom a request on the connection of a peer comes from."""
        return visitor_of(request, peer, self._scheme, self._proxies)

    def bears(self, visitor: Visitor, now: float) -> bool:
        """Whether a visitor may ask one thing more."""
        return self._shield.asked(visitor.address, Verb.REQUEST, now, behind=visitor.behind)

    def bears_nonsense(self, peer: str, now: float) -> bool:
        """Whether a peer may say one thing more that is no request, and be told so."""
        return self._shield.asked(peer, Verb.MALFORMED, now)

    def keeps(self, request: Request) -> bool:
        """Whether another request may follow on its connection."""
        return request.keeps_alive and not self._closing

    def close(self) -> None:
        """Answer what was asked, and nothing after it."""
        self._closing = True
        for task in list(self._idle):
            task.cancel()

    def make_room(self, most: int) -> None:
        """Let go of those who have not asked for anything for longest."""
        for task in list(itertools.islice(self._idle, most)):
            task.cancel()

    async def converse(self, wire: Wire, data: bytearray, due: float | None) -> Admission | None:
        """Requests and answers in turn.

        Args:
            data: what has arrived already.
            due: by when the first head must be whole, in the loop's time.

        Returns:
            What the connection was admitted for; None when it has ended.

        Raises:
            OSError: it broke.
        """
        while True:
            try:
                request = await self._next_request(wire, data, due)
                if request is None:
                    await wire.finish()
                    return None
                keep = self.keeps(request)
                visitor = self.visitor(request, wire.peer)
                if not self.bears(visitor, asyncio.get_running_loop().time()):
                    raise too_many()
                body = await self._body(wire, request, data, client_of(visitor.address))
            except StentorError as error:
                # Where this request ends nobody can tell: no other may follow.
                await self.send(wire, of_error(error), None, keep=False)
                await wire.finish()
                return None
            given = await self._given(request, body, visitor)
            if isinstance(given, Admission):
                return given
            if isinstance(given, bytes):
                await wire.send(given)
                await wire.finish()
                return None
            if not await self.send(wire, given, request, keep=keep):
                await wire.finish()
                return None
            due = None
            # Whoever asks without a pause never has to be waited for: it is the others' turn.
            await asyncio.sleep(0)

    async def _given(
        self, request: Request, body: bytes, visitor: Visitor
    ) -> Answer | Admission | bytes:
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
            async with asyncio.timeout_at(due or loop.time() + self.deadlines.header_s):
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
        if data[:2] == b"\r\n":  # some clients send one after a body (RFC 9112 section 2.2)
            del data[:2]
        return find_head(data)

    async def _waits(self, wire: Wire, data: bytearray) -> bool:
        """Wait between two requests; False when none came."""
        task = asyncio.current_task()
        assert task is not None, "a connection is served by a task"
        self._idle[task] = None
        try:
            async with asyncio.timeout(self.deadlines.keep_alive_s):
                data += await wire.receive()
        except TimeoutError:
            return False
        finally:
            self._idle.pop(task, None)
        return bool(data)

    async def _body(self, wire: Wire, request: Request, data: bytearray, client: str) -> bytes:
        """A request's body, all of it.

        Raises:
            Refused: it is malformed, too large or too late, or comes from a stranger.
            Unavailable: `door.busy` when too many are coming in.
        """
        if not request.body_bytes:
            return b""
        vouched = self._vouched(request)
        taken = vouched or self._bodies_of.take(client)
        if not taken or not self._bodies_free[vouched]:
            if taken and not vouched:
                self._bodies_of.give_back(client)
            raise Unavailable("door.busy", "Too much is being sent here; try again in a second.")
        self._bodies_free[vouched] -= 1
        try:
            async with asyncio.timeout(self.deadlines.body_s):
                if "100-continue" in request.tokens("expect") and not data:
                    await wire.send(b"HTTP/1.1 100 Continue\r\n\r\n")
                return await self._gather(wire, request, data)
        except TimeoutError:
            raise Refused("request.timeout", "The body of a request took too long.") from None
        finally:
            self._bodies_free[vouched] += 1
            if not vouched:
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

    async def send(self, wire: Wire, given: Answer, request: Request | None, *, keep: bool) -> bool:
        """Send an answer; True when another request may follow."""
        version = request.version if request is not None else 1
        silent = request is not None and request.method == "HEAD"
        if isinstance(given.body, bytes):
            head = self._head(given, version, keep=keep)
            body = b"" if silent or given.status in BODILESS else given.body
            if len(body) <= COPIED_BYTES_MAX:
                await wire.send(head + body)
            else:  # what many read slowly is there once
                await wire.send(head)
                await wire.send(body)
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
                    # The next one is read when there is room for it, and not held until then.
                    await wire.room()
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


def too_many() -> Refused:
    """Whoever asks too much, or has neighbours who do."""
    sentence = "Too much is asked from your address or its neighbours; wait a little."
    return Refused("shield.requests", sentence)


async def _more(wire: Wire) -> bytes:
    arrived = await wire.receive()
    if not arrived:
        raise ConnectionResetError("the body ended early")
    return arrived
