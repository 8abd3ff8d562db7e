"""The web process: uvicorn on a Unix socket, until it is asked to stop."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import uvicorn

from stentor.clock import Clock
from stentor.config import Settings
from stentor.errors import Unavailable
from stentor.limits import KEEP_ALIVE_S, WEB_STOP_S
from stentor.paths import Paths
from stentor.web import app, house

_BACKLOG = 512
_telemetry = logging.getLogger("stentor.web")


class _Server(uvicorn.Server):
    """Uvicorn without its own signal handling: the composition root does that."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(settings: Settings, paths: Paths, clock: Clock, stop: asyncio.Event) -> None:
    """Answer pages and the API on `paths.socket("web")` until `stop` is set.

    Raises:
        Unavailable: `web.socket` when the Unix socket cannot be made.
    """
    here = house.build(settings, paths, clock)
    config = uvicorn.Config(
        app.build(here),
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=round(KEEP_ALIVE_S),
        timeout_graceful_shutdown=round(WEB_STOP_S),
    )
    path = paths.socket("web")
    listening = _listen(path)
    server = _Server(config)
    watching = asyncio.create_task(_stop_when_asked(stop, server))
    try:
        _telemetry.info("web is open")
        await server.serve(sockets=[listening])
    finally:
        watching.cancel()
        listening.close()
        path.unlink(missing_ok=True)
        await here.database.close()
        _telemetry.info("web is closed")


async def _stop_when_asked(stop: asyncio.Event, server: uvicorn.Server) -> None:
    await stop.wait()
    server.should_exit = True


def _listen(path: Path) -> socket.socket:
    """A Unix socket that only we may use; one that a dead process left behind makes room."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.unlink(missing_ok=True)
        listening.bind(str(path))
        path.chmod(0o600)
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise Unavailable("web.socket", f"{path} cannot be made: {error.strerror}") from error
    listening.setblocking(False)
    return listening
