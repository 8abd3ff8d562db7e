"""The stage's HTTP face on its Unix socket: PROTOCOL.md, "To the stage".

Bodies are read up to a bound before anything is made of them; every error is a problem document.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import uvicorn
from litestar import Litestar, Request, delete, get, post
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.response import Response, Stream
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from stentor import problem
from stentor.errors import Refused, StentorError, Unavailable
from stentor.limits import (
    COMMAND_BYTES_MAX,
    DOOR_FIGURES_MAX,
    LISTENER_STUCK_S,
    REQUEST_BODY_S,
    SDP_BYTES_MAX,
    STAGE_REQUESTS_MAX,
)
from stentor.space import commands
from stentor.space.commands import DeleteRecording, RestoreRecording, WithdrawRecording
from stentor.space.events import CadenceChanged, DoorEvent, LadderChanged, SpaceScheduled
from stentor.stage.stage import Stage
from stentor.tokens import TokenKind

_JSON = "application/json"
_SDP = "application/sdp"
_LINES = "application/x-ndjson"
_FRESH = {"Cache-Control": "no-store"}

_SEAT: frozenset[TokenKind] = frozenset({"seat"})
_SEAT_OR_INVITE: frozenset[TokenKind] = frozenset({"seat", "invite"})
_SERVICE: frozenset[TokenKind] = frozenset({"service"})

_RECORDING = (WithdrawRecording, RestoreRecording, DeleteRecording)

_CODES = {404: "page.unknown", 405: "request.method", 413: "request.too_large"}

_SENTENCES = {
    404: "There is nothing at this address; see PROTOCOL.md for those that there are.",
    405: "This address does not take this method.",
    413: "The request's body is too long.",
}

_telemetry = logging.getLogger(__name__)

_Asked = Request[Any, Any, Any]
_Body = TypeVar("_Body")


class _NewSpace(msgspec.Struct, frozen=True):
    title: str
    host_name: str
    host_id: str = ""
    host_speaker: str = ""
    description: str = ""
    starts_at_ms: int = 0
    starts_itself: bool = True


class _Cadence(msgspec.Struct, frozen=True):
    edge: int
    cadence_ms: int
    reason: str


class _Door(msgspec.Struct, frozen=True):
    event: DoorEvent


class _Join(msgspec.Struct, frozen=True):
    name: str = ""
    consent: bool = False


def application(stage: Stage) -> ASGIApp:
    """The routes, as an ASGI application."""
    routes = Litestar(
        [*_of_spaces(stage), *_of_seats(stage), *_of_sessions(stage)],
        exception_handlers={Exception: _problem},
        openapi_config=None,
        logging_config=None,
    )
    return _unstuck(routes)


def _of_spaces(stage: Stage) -> list[HTTPRouteHandler]:
    @get("/stage/health", sync_to_thread=False)
    def health() -> Response[bytes]:
        return _json(stage.report())

    @post("/stage/spaces")
    async def create(request: _Asked) -> Response[bytes]:
        stage.claims(_token(request), "", _SERVICE)
        new = _read(await _body(request, _JSON, COMMAND_BYTES_MAX), _NewSpace)
        floor = await stage.create(
            SpaceScheduled(
                space="",
                title=new.title,
                host_id=new.host_id,
                host_name=new.host_name,
                host_speaker=new.host_speaker,
                description=new.description,
                starts_at_ms=new.starts_at_ms,
                starts_itself=new.starts_itself,
            )
        )
        return _json({"space": floor.space, "host_speaker": floor.state.host_speaker}, 201)

    @post("/stage/{space:str}/cadence")
    async def cadence(request: _Asked, space: str) -> Response[bytes]:
        stage.claims(_token(request), space, _SERVICE)
        floor = await stage.find(space)
        told = _read(await _body(request, _JSON, COMMAND_BYTES_MAX), _Cadence)
        at_ms = stage.house.clock.wall_time() // 1_000_000
        floor.record(CadenceChanged(told.edge, told.cadence_ms, told.reason[:16], at_ms))
        return _json({}, 201)

    @post("/stage/{space:str}/door")
    async def door(request: _Asked, space: str) -> Response[bytes]:
        stage.claims(_token(request), space, _SERVICE)
        floor = await stage.find(space)
        told = _read(await _body(request, _JSON, COMMAND_BYTES_MAX), _Door).event
        if isinstance(told, LadderChanged) and len(told.figures) > DOOR_FIGURES_MAX:
            raise Refused("request.malformed", "A step of the ladder has a few figures only.")
        floor.record(told)
        return _json({}, 201)

    return [health, create, cadence, door]


def _of_seats(stage: Stage) -> list[HTTPRouteHandler]:
    @post("/stage/{space:str}/join")
    async def join(request: _Asked, space: str) -> Response[bytes]:
        who = stage.claims(_token(request), space, _SEAT_OR_INVITE)
        floor = await stage.find(space)
        asked = _read(await _body(request, _JSON, COMMAND_BYTES_MAX), _Join)
        return _json(floor.join(who, asked.name, consent=asked.consent), 201)

    @post("/stage/{space:str}/commands")
    async def command(request: _Asked, space: str) -> Response[bytes]:
        who = stage.claims(_token(request), space, _SEAT)
        asked = commands.decode(await _body(request, _JSON, COMMAND_BYTES_MAX))
        if isinstance(asked, _RECORDING) and await stage.is_over(space):
            return _json(await stage.archive.command(who, asked))
        return _json((await stage.find(space)).command(who, asked))

    @get("/stage/{space:str}/events")
    async def events(request: _Asked, space: str) -> Stream:
        who = stage.claims(_token(request), space, _SEAT)
        lines = (await stage.find(space)).follow(who)
        return Stream(lines, media_type=_LINES, headers=_FRESH)

    return [join, command, events]


def _of_sessions(stage: Stage) -> list[HTTPRouteHandler]:
    @post("/stage/{space:str}/whip")
    async def publish(request: _Asked, space: str) -> Response[bytes]:
        who = stage.claims(_token(request), space, _SEAT)
        floor = await stage.find(space)
        offer = (await _body(request, _SDP, SDP_BYTES_MAX)).decode(errors="replace")
        replaces = request.headers.get("Stentor-Replaces", "")
        session, answer = await floor.publish(who, offer, replaces)
        headers = {"Location": f"/stage/{space}/whip/{session}", **_FRESH}
        return Response(answer.encode(), status_code=201, media_type=_SDP, headers=headers)

    @delete("/stage/{space:str}/whip/{session:str}", status_code=200)
    async def unpublish(request: _Asked, space: str, session: str) -> Response[bytes]:
        who = stage.claims(_token(request), space, _SEAT)
        await (await stage.find(space)).unpublish(who, session)
        return _json({})

    return [publish, unpublish]


@contextlib.contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """The Unix socket of the stage, for this user only; a stale one is replaced.

    Raises:
        Unavailable: `data.unwritable`.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    scratch = path.with_name(f".{path.name}.new")
    with contextlib.closing(listener):
        try:
            scratch.unlink(missing_ok=True)
            listener.bind(str(scratch))
            scratch.chmod(0o600)
            listener.listen(STAGE_REQUESTS_MAX)
            listener.setblocking(False)
            scratch.replace(path)
        except OSError as error:
            sentence = f"No socket at {path}: {error.strerror}."
            raise Unavailable("data.unwritable", sentence) from error
        yield listener


class Server(uvicorn.Server):
    """An HTTP server whose process handles the signals itself."""

    def __init__(self, application: ASGIApp) -> None:
        config = uvicorn.Config(
            application,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=STAGE_REQUESTS_MAX,
            timeout_graceful_shutdown=1,
        )
        super().__init__(config)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the process's affair, not this server's."""
        yield


def _unstuck(application: ASGIApp) -> ASGIApp:
    """Let go of a client that takes no bytes for too long."""

    async def bounded(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_soon(message: Message) -> None:
            async with asyncio.timeout(LISTENER_STUCK_S):
                await send(message)

        try:
            await application(scope, receive, send_soon)
        except TimeoutError:
            _telemetry.info("a client that took no bytes was dropped")
            raise

    return bounded


def _token(request: _Asked) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


async def _body(request: _Asked, media_type: str, bytes_max: int) -> bytes:
    """The request's body, read up to a bound.

    Raises:
        Refused: `request.media_type`, `request.too_large`, `request.malformed`.
    """
    said = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if said != media_type:
        raise Refused("request.media_type", f"Send this as Content-Type: {media_type}.")
    length = request.headers.get("Content-Length", "0")
    if length.isdigit() and int(length) > bytes_max:
        raise _too_large(bytes_max)
    body = bytearray()
    try:
        async with asyncio.timeout(REQUEST_BODY_S):
            async for piece in request.stream():
                body += piece
                if len(body) > bytes_max:
                    raise _too_large(bytes_max)
    except TimeoutError:
        raise Refused("request.malformed", "The request's body did not come in time.") from None
    return bytes(body)


def _too_large(bytes_max: int) -> Refused:
    return Refused("request.too_large", f"The request's body is longer than {bytes_max} bytes.")


def _read(body: bytes, form: Callable[..., _Body]) -> _Body:
    try:
        return msgspec.json.decode(body, type=form)  # type: ignore[no-any-return]
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        raise Refused(
            "request.malformed", f"This is not what is expected here: {wrong}."
        ) from wrong


def _json(content: object, status: int = 200) -> Response[bytes]:
    body = msgspec.json.encode(content)
    return Response(body, status_code=status, media_type=_JSON, headers=_FRESH)


def _problem(_: _Asked, error: Exception) -> Response[bytes]:
    """An error as its problem document (RFC 9457)."""
    headers: dict[str, str] = {}
    match error:
        case StentorError():
            fault = error
        case HTTPException():
            code = _CODES.get(error.status_code, "request.malformed")
            fault = Refused(code, _SENTENCES.get(error.status_code, error.detail))
            headers = dict(error.headers or {})
        case _:
            _telemetry.error("a request failed", exc_info=error)
            fault = Unavailable("stage.fault", "The stage has a fault; it was written down.")
    # What is left of the request's body is not waited for.
    headers |= problem.headers_of(fault) | {"Connection": "close"}
    media_type = headers.pop("Content-Type")
    return Response(
        problem.body_of(fault),
        status_code=problem.status_of(fault),
        media_type=media_type,
        headers=headers,
    )
