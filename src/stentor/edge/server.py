"""One edge: the door, the pages, the way to web and stage, and the thread that sends."""

import asyncio
import logging
import resource
import socket
import sys

from stentor.clock import Clock
from stentor.config import Settings
from stentor.edge import static
from stentor.edge.cards import Cards
from stentor.edge.certificate import Certificate
from stentor.edge.clients import LOOPBACK, Addresses
from stentor.edge.door import Deadlines, Door
from stentor.edge.fanout import Fanout
from stentor.edge.page import SpacePages
from stentor.edge.proxy import Upstream
from stentor.edge.recordings import Recordings
from stentor.edge.routes import Routes
from stentor.edge.shelf import Shelf
from stentor.errors import Unavailable
from stentor.ids import SpaceId
from stentor.limits import (
    CLIENT_CONNECTIONS_MAX,
    CONNECTIONS_MAX,
    HEARTBEAT_S,
    LISTENER_STUCK_S,
    PROXIED_MAX,
    SHUTDOWN_S,
    STREAMS_PROXIED_MAX,
)
from stentor.paths import Paths

_telemetry = logging.getLogger(__name__)
DESCRIPTORS_APART = 512
"""Descriptors that are not connections: log segments, Unix sockets, files."""
WARM_S = 3.0
"""How long a new edge may take to read the logs of what is live before it opens its door."""
WATCH_S = 0.5
"""How often the event loop looks whether the thread that sends is alive, and at the certificate."""
SWITCH_INTERVAL_S = 0.0005
"""After every `send` the sending thread asks for the interpreter again; it waits at most so long
for a busy event loop (the default of 5 ms would make 100 listeners wait half a second)."""


async def serve(
    settings: Settings,
    paths: Paths,
    clock: Clock,
    stop: asyncio.Event,
    *,
    door: socket.socket,
    index: int,
    deadlines: Deadlines | None = None,
    stuck_s: float = LISTENER_STUCK_S,
    heartbeat_s: float = HEARTBEAT_S,
    connections_max: int = CONNECTIONS_MAX,
    client_connections_max: int = CLIENT_CONNECTIONS_MAX,
    uncounted: str = LOOPBACK,
) -> None:
    """Serve the public door and all listeners who come through it, until `stop` is set.

    Args:
        door: the listening socket, shared with the node's other edges.
        index: which edge of this node, from 0.
        deadlines: how patient the door is; the others are bounds of `limits.py`.
        uncounted: addresses that may have more connections, beside the trusted proxies.

    Raises:
        Unavailable: `static.missing`, `tls.invalid`; `edge.failed` when the sending thread died.
    """
    certificate = Certificate(settings)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    live = [SpaceId(card.space) for card in await Cards(paths, clock).live()]
    fanout = Fanout(paths, clock, first=live, stuck_s=stuck_s, heartbeat_s=heartbeat_s)
    routes = _routes(settings, paths, clock, fanout, index)
    public = Door(
        door,
        routes.answer,
        fanout.admit,
        clock,
        listeners_count=lambda: fanout.listeners_count,
        tls=certificate.context,
        scheme=settings.url.partition(":")[0],
        deadlines=deadlines or Deadlines(),
        proxies=Addresses(settings.trusted_proxy),
        uncounted=Addresses(f"{settings.trusted_proxy},{uncounted}"),
        has_siblings=settings.edge_count > 1,
        connections_max=min(connections_max, _descriptors_free()),
        client_connections_max=client_connections_max,
    )
    fanout.start()
    # A long log takes a second to read: until then the node's other edges take those who join.
    await asyncio.to_thread(fanout.warm.wait, WARM_S)
    public.open()
    _telemetry.info("edge %d is open", index)
    try:
        await _until(stop, fanout, certificate)
    finally:
        await public.close()
        fanout.stop()
        await asyncio.to_thread(fanout.join, SHUTDOWN_S)
    if fanout.failure is not None:
        raise Unavailable("edge.failed", "The thread that sends has failed; the edge restarts.")


def _routes(settings: Settings, paths: Paths, clock: Clock, fanout: Fanout, index: int) -> Routes:
    files = static.load()
    return Routes(
        index=index,
        files=files,
        pages=SpacePages(files, settings.url),
        cards=Cards(paths, clock),
        recordings=Recordings(Shelf(paths)),
        fanout=fanout,
        web=Upstream("web", paths.socket("web"), PROXIED_MAX, 0),
        stage=Upstream("stage", paths.socket("stage"), PROXIED_MAX, STREAMS_PROXIED_MAX),
        keyring=paths.keyring(),
        clock=clock,
    )


async def _until(stop: asyncio.Event, fanout: Fanout, certificate: Certificate) -> None:
    """Wait for `stop`, or for the sending thread to die; the certificate may change meanwhile."""
    while fanout.is_alive():
        try:
            async with asyncio.timeout(WATCH_S):
                await stop.wait()
                return
        except TimeoutError:
            certificate.refresh()


def _descriptors_free() -> int:
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if most == resource.RLIM_INFINITY else max(1, most - DESCRIPTORS_APART)
