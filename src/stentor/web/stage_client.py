"""The stage, asked over its Unix socket: an HTTP/1.1 request and its answer, all bounded."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec

from stentor.errors import Refused, StentorError, Unavailable
from stentor.limits import HEADER_BYTES_MAX, STAGE_ANSWER_BYTES_MAX, STAGE_ANSWER_S, STAGE_CALLS_MAX


class _Problem(msgspec.Struct):
    code: str
    title: str


class StageClient:
    """Asks the stage of this node; a connection for each request, a few at a time."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._calls = 0

    async def post(self, target: str, token: str, document: dict[str, Any]) -> dict[str, Any]:
        """Send a JSON document and read the one that is answered.

        Raises:
            Refused: what the stage refused, with its code and sentence.
            Unavailable: `stage.away` when there is no stage or no sensible answer in time.
        """
        if self._calls >= STAGE_CALLS_MAX:
            raise _away()
        self._calls += 1
        try:
            async with asyncio.timeout(STAGE_ANSWER_S):
                status, body = await self._exchange(_request(target, token, document))
        except (OSError, TimeoutError, EOFError, ValueError) as error:
            raise _away() from error
        finally:
            self._calls -= 1
        if status >= 400:
            raise _error(status, body)
        try:
            return msgspec.json.decode(body, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _away() from error

    async def _exchange(self, request: bytes) -> tuple[int, bytes]:
        """Status and body.

        Raises:
            OSError, EOFError: the stage went away.
            ValueError: the answer is not one, or too long.
        """
        reader, writer = await asyncio.open_unix_connection(
            str(self._socket), limit=HEADER_BYTES_MAX
        )
        try:
            writer.write(request)
            await writer.drain()
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.LimitOverrunError as error:
                raise ValueError("the answer's head is too long") from error
            status, length = _head(head)
            if length is None:
                body = await reader.read(STAGE_ANSWER_BYTES_MAX + 1)
                while more := await reader.read(STAGE_ANSWER_BYTES_MAX + 1 - len(body)):
                    body += more
            else:
                body = await reader.readexactly(length)
            if len(body) > STAGE_ANSWER_BYTES_MAX:
                raise ValueError("the answer is too long")
            return status, body
        finally:
            writer.transport.abort()


def _request(target: str, token: str, document: dict[str, Any]) -> bytes:
    body = msgspec.json.encode(document)
    head = (
        f"POST {target} HTTP/1.1\r\n"
        "Host: stage\r\n"
        f"Authorization: Bearer {token}\r\n"
        "Content-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode("ascii") + body


def _head(head: bytes) -> tuple[int, int | None]:
    """Status and length (None: until the connection's end) from an answer's head (RFC 9112)."""
    lines = head.decode("latin-1").split("\r\n")
    version, _, rest = lines[0].partition(" ")
    status = rest[:3]
    if not version.startswith("HTTP/1.") or not (status.isascii() and status.isdigit()):
        raise ValueError("this is not an HTTP/1.1 answer")
    length: int | None = None
    for line in lines[1:]:
        name, _, value = line.partition(":")
        match name.strip().lower():
            case "content-length":
                length = int(value)
                if not 0 <= length <= STAGE_ANSWER_BYTES_MAX:
                    raise ValueError("the answer is too long")
            case "transfer-encoding":
                raise ValueError("the stage answers with a length")
            case _:
                pass
    return int(status), length


def _error(status: int, body: bytes) -> StentorError:
    try:
        problem = msgspec.json.decode(body, type=_Problem)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _away()
    if status >= 500:
        return Unavailable(problem.code, problem.title)
    return Refused(problem.code, problem.title)


def _away() -> Unavailable:
    return Unavailable(
        "stage.away", "The stage is restarting and will be back in a moment. Try again.", 2.0
    )
