"""Passes requests on to web and to the stage over their Unix sockets, in a bounded share."""

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import msgspec

from stentor.edge.answer import BODILESS, Answer
from stentor.edge.request import Request
from stentor.errors import Unavailable
from stentor.limits import GATHERED_BYTES_MAX, HEADER_BYTES_MAX, PROXY_ANSWER_S, PROXY_SILENT_S

_telemetry = logging.getLogger(__name__)
HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers that speak of one connection only (RFC 9110 section 7.6.1)."""
_UPSTREAMS = frozenset({"content-length", "date", "server"})
"""Headers of an answer that the door writes itself, or does not tell."""
_OURS = frozenset({"forwarded", "x-real-ip", "content-length", "expect", "host"})
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})(?: [^\r\n]*)?\Z")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\r\n\x00]*)\Z")
_REPEATABLE = frozenset({"GET", "HEAD"})
READ_BYTES = 64 * 1024


class _Broken(Exception):  # noqa: N818 - what it is
    """The connection to the process behind ended before it had answered."""


class Visitor(msgspec.Struct, frozen=True, gc=False):
    """Whom a request comes from, as the processes behind are told.

    Attributes:
        host: the Host header.
        scheme: `http` or `https`.
        behind: whether it is a proxy that says so.
    """

    address: str
    host: str
    scheme: str
    behind: bool = False


class Upstream:
    """One process behind the door: `web` or `stage`."""

    def __init__(self, name: str, socket_path: Path, requests_max: int, streams_max: int) -> None:
        self.name = name
        self._path = socket_path
        self._free = {False: requests_max, True: streams_max}

    async def ask(
        self, request: Request, body: bytes, visitor: Visitor, *, streams: bool = False
    ) -> Answer:
        """Pass a request on; an answer whose length nobody knows is read while it is sent.

        Args:
            streams: the answer is endless, and takes a place among those.

        Raises:
            Unavailable: `web.away`, `web.busy`, `stage.away` or `stage.busy`.
        """
        if not self._free[streams]:
            sentence = f"Too much is going on ({self.name}); try again in a second."
            raise Unavailable(f"{self.name}.busy", sentence)
        self._free[streams] -= 1
        release = partial(self._release, streams=streams)
        try:
            exchange = await self._begin(_head_for(request, len(body), visitor) + body, request)
        except BaseException:
            release()
            raise
        answer = exchange.answer
        if exchange.has_body and (answer.length is None or answer.length > GATHERED_BYTES_MAX):
            answer.body = _Body(exchange, release)
            return answer
        # A place is for asking: who reads the answer slowly must not keep others from asking.
        try:
            if exchange.has_body:
                answer.body = b"".join([piece async for piece in exchange.body()])
                answer.length = None
        except (OSError, TimeoutError) as error:
            raise self._away() from error
        finally:
            exchange.close()
            release()
        return answer

    async def _begin(self, data: bytes, request: Request) -> "_Exchange":
        """Send the request and read the answer's head; a request without effect is sent twice."""
        for last in (False, True):
            exchange = None
            try:
                async with asyncio.timeout(PROXY_ANSWER_S):
                    exchange = await _connect(self._path)
                    await exchange.send(data, request.method)
            except (OSError, _Broken, TimeoutError) as error:
                if exchange is not None:
                    exchange.close()
                repeats = request.method in _REPEATABLE and not isinstance(error, TimeoutError)
                if last or not repeats:
                    _telemetry.warning("%s is away: %s", self.name, type(error).__name__)
                    raise self._away() from error
            except BaseException:
                if exchange is not None:
                    exchange.close()
                raise
            else:
                return exchange
        raise self._away()

    def _away(self) -> Unavailable:
        sentence = f"This part ({self.name}) is being restarted; try again in a second."
        return Unavailable(f"{self.name}.away", sentence)

    def _release(self, *, streams: bool) -> None:
        self._free[streams] += 1


class _Body:
    """An answer's body as it comes; its place is free again once it is closed."""

    def __init__(self, exchange: "_Exchange", release: Callable[[], None]) -> None:
        self._exchange = exchange
        self._release: Callable[[], None] | None = release

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The pieces, once."""
        return self._exchange.body()

    async def aclose(self) -> None:
        """Break off, or let go after the end."""
        self._exchange.close()
        if self._release is not None:
            self._release()
            self._release = None


class _Exchange:
    """One request and its answer on a connection of their own."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._chunked = False
        self.answer = Answer(502)
        self.has_body = False

    async def send(self, data: bytes, method: str) -> None:
        """Send a request; afterwards `answer` is there, with its body still to be read."""
        self._writer.write(data)
        with contextlib.suppress(ConnectionError):  # it may have answered and closed already
            await self._writer.drain()
        status, fields = await self._head()
        while status < 200:
            status, fields = await self._head()
        listed = ",".join(value for name, value in fields if name.lower() == "connection")
        length = next((value for name, value in fields if name.lower() == "content-length"), "")
        self._chunked = any(
            name.lower() == "transfer-encoding" and "chunked" in value.lower()
            for name, value in fields
        )
        dropped = HOP_BY_HOP | _UPSTREAMS | {word.strip().lower() for word in listed.split(",")}
        kept = [(name, value) for name, value in fields if name.lower() not in dropped]
        size = int(length) if length.isdigit() and not self._chunked else None
        self.answer = Answer(status, kept, None, size)
        self.has_body = method != "HEAD" and status not in BODILESS

    def body(self) -> AsyncIterator[bytes]:
        """The answer's body in pieces as they come.

        Raises:
            OSError: it ended early, or nothing came for too long.
        """
        return self._chunks() if self._chunked else self._plain(self.answer.length)

    def close(self) -> None:
        """Break off."""
        self._writer.close()

    async def _head(self) -> tuple[int, list[tuple[str, str]]]:
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            raise _Broken from error
        lines = head[:-4].split(b"\r\n")
        start = _STATUS_LINE.match(lines[0])
        fields = [_FIELD.match(line) for line in lines[1:]]
        if start is None or None in fields:
            raise _Broken
        return int(start[1]), [
            (field[1].decode("ascii"), field[2].strip(b" \t").decode("latin-1"))
            for field in fields
            if field
        ]

    async def _plain(self, left: int | None) -> AsyncIterator[bytes]:
        while left is None or left > 0:
            async with asyncio.timeout(PROXY_SILENT_S):
                data = await self._reader.read(
                    READ_BYTES if left is None else min(left, READ_BYTES)
                )
            if not data:
                if left is not None:
                    raise ConnectionResetError("the answer ended early")
                return
            left = None if left is None else left - len(data)
            yield data

    async def _chunks(self) -> AsyncIterator[bytes]:
        while True:
            async with asyncio.timeout(PROXY_SILENT_S):
                line = await self._line()
                left = int(line.partition(b";")[0].strip() or b"0", 16)
            if not left:
                return
            while left:
                async with asyncio.timeout(PROXY_SILENT_S):
                    data = await self._reader.read(min(left, READ_BYTES))
                if not data:
                    raise ConnectionResetError("the answer ended early")
                left -= len(data)
                yield data
            await self._line()

    async def _line(self) -> bytes:
        try:
            return await self._reader.readuntil(b"\r\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            raise ConnectionResetError("the answer ended early") from error


async def _connect(path: Path) -> _Exchange:
    reader, writer = await asyncio.open_unix_connection(str(path), limit=HEADER_BYTES_MAX * 2)
    return _Exchange(reader, writer)


def _head_for(request: Request, body_bytes: int, visitor: Visitor) -> bytes:
    """The head as it is passed on: who asked is said by us, never taken from outside."""
    dropped = HOP_BY_HOP | request.tokens("connection") | _OURS
    lines = [f"{request.method} {request.target} HTTP/1.1", f"Host: {visitor.host or 'localhost'}"]
    lines += [
        f"{name}: {value}"
        for name, value in request.headers
        if name not in dropped and not name.startswith("x-forwarded-")
    ]
    lines += [
        f"X-Forwarded-For: {visitor.address}",
        f"X-Forwarded-Proto: {visitor.scheme}",
        f"X-Forwarded-Host: {visitor.host}",
    ]
    if body_bytes or request.method in {"POST", "PUT", "PATCH"}:
        lines.append(f"Content-Length: {body_bytes}")
    return ("\r\n".join([*lines, "Connection: close"]) + "\r\n\r\n").encode("latin-1")
