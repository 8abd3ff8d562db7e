"""The processes of the public side: gate and edge apart, or both in one."""

import asyncio
import logging
import resource
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from stentor.clock import Clock
from stentor.config import Settings
from stentor.edge import measures, static
from stentor.edge.cards import Cards, live_cards
from stentor.edge.certificate import Certificate
from stentor.edge.clients import Addresses
from stentor.edge.conversation import Conversations, Deadlines
from stentor.edge.door import Door
from stentor.edge.doorstep import Listeners
from stentor.edge.entrance import Entrance
from stentor.edge.fanout import Fanout
from stentor.edge.handover import Edges
from stentor.edge.hatch import Hatch
from stentor.edge.page import SpacePages
from stentor.edge.proxy import Upstream
from stentor.edge.reception import Reception
from stentor.edge.recordings import Recordings
from stentor.edge.records import Seals
from stentor.edge.routes import Routes
from stentor.edge.shelf import Shelf
from stentor.edge.siblings import Siblings
from stentor.edge.steps import StepTeller
from stentor.edge.throttle import Pin, Throttle
from stentor.errors import Unavailable
from stentor.gate.signing import prefix_secret
from stentor.ids import SpaceId
from stentor.limits import (
    CLIENT_CONNECTIONS_MAX,
    CONNECTIONS_MAX,
    HEARTBEAT_S,
    LEASE_GRACE_S,
    LISTENER_STUCK_S,
    PROXIED_MAX,
    SHIELD_HOST_RATES,
    SHIELD_TLS_CONNECTIONS,
    SHUTDOWN_S,
    STREAMS_PROXIED_MAX,
)
from stentor.paths import Paths
from stentor.shield import Shield
from stentor.shield.line import Line
from stentor.teller import Teller

_telemetry = logging.getLogger(__name__)
DESCRIPTORS_MAX = 1 << 20
"""The most that is made use of: what the kernel allows a process unless it is told otherwise."""
DESCRIPTORS_APART = 512
"""Descriptors that are not connections: log segments, Unix sockets, files."""
WARM_S = 3.0
"""How long a new edge may take to read the logs of what is live before it takes listeners."""
WATCH_S = 0.5
"""How often the event loop looks whether the thread that sends is alive, and at the certificate."""
SWITCH_INTERVAL_S = 0.0005
"""After every `send` the sending thread asks for the interpreter again; it waits at most so long
for a busy event loop (the default of 5 ms would make 100 listeners wait half a second)."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How patient and how large a gate and its edges are; tests are less so.

    Attributes:
        connections_max: sockets one process holds, descriptors permitting.
        client_connections_max: those of one client.
        uncounted: addresses that may have more, beside the trusted proxies; None: as set.
        rates: what one host may do (`shield.Verb`).
    """

    deadlines: Deadlines = field(default_factory=Deadlines)
    stuck_s: float = LISTENER_STUCK_S
    heartbeat_s: float = HEARTBEAT_S
    lease_grace_s: float = LEASE_GRACE_S
    connections_max: int = CONNECTIONS_MAX
    client_connections_max: int = CLIENT_CONNECTIONS_MAX
    uncounted: str | None = None
    rates: Sequence[tuple[float, float]] = SHIELD_HOST_RATES

    @property
    def held_max(self) -> int:
        """Connections this process can hold."""
        return min(self.connections_max, _descriptors_free())


async def serve(
    settings: Settings,
    paths: Paths,
    clock: Clock,
    stop: asyncio.Event,
    *,
    door: socket.socket,
    index: int,
    aside: socket.socket | None = None,
    bounds: Bounds | None = None,
) -> None:
    """Be door and edge in one process, until `stop` is set: what TLS needs.

    Args:
        door: the listening socket, shared with the node's other processes.
        aside: a listening socket of its own for those on the stage (`stage_listen`).
        index: which edge of this node, from 0.

    Raises:
        Unavailable: `static.missing`, `tls.invalid`; `edge.failed` when the sending thread died.
    """
    bounds = bounds or Bounds()
    certificate = Certificate(settings, clock)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    fanout = _fanout(settings, paths, clock, index, bounds)
    hatch = Hatch(paths.socket(f"edge-{index}"), fanout)
    others = {number: paths.socket(f"edge-{number}") for number in range(settings.edge_count)}
    others.pop(index, None)
    siblings = Siblings(fanout, others, clock)
    shield = _shield(settings, bounds)
    reception = Reception(settings, paths, paths.keyring(), clock, index, siblings, shield)
    public = _door(
        settings, paths, clock, siblings, certificate, door, bounds, index, reception, shield, aside
    )
    fanout.start()
    siblings.open()
    # A long log takes a second to read: until then the node's other edges take those who join.
    await asyncio.to_thread(fanout.warm.wait, WARM_S)
    reception.open()
    public.open()
    _telemetry.info("edge %d is open", index)
    try:
        await _until(stop, certificate, fanout.is_alive)
    finally:
        await public.close()
        reception.close()
        siblings.close()
        fanout.stop()
        await asyncio.to_thread(fanout.join, SHUTDOWN_S)
        hatch.close()
    if fanout.failure is not None:
        raise _failed()


async def serve_gate(
    settings: Settings,
    paths: Paths,
    clock: Clock,
    stop: asyncio.Event,
    *,
    door: socket.socket,
    index: int,
    aside: socket.socket | None = None,
    bounds: Bounds | None = None,
) -> None:
    """Be the public door, and hand listeners over to the edges, until `stop` is set.

    Raises:
        Unavailable: `static.missing`.
    """
    certificate = Certificate(settings, clock)
    sockets = [paths.socket(f"edge-{number}") for number in range(settings.edge_count)]
    edges = Edges(sockets, index % len(sockets), clock)
    bounds = bounds or Bounds()
    shield = _shield(settings, bounds)
    reception = Reception(settings, paths, paths.keyring(), clock, index, edges, shield)
    public = _door(
        settings, paths, clock, edges, certificate, door, bounds, index, reception, shield, aside
    )
    edges.open()
    reception.open()
    public.open()
    _telemetry.info("gate %d is open", index)
    try:
        await _until(stop, certificate, lambda: True)
    finally:
        await public.close()
        reception.close()
        edges.close()


def run_edge(
    settings: Settings,
    paths: Paths,
    clock: Clock,
    index: int,
    started: Callable[[Fanout], None],
    *,
    bounds: Bounds | None = None,
) -> None:
    """Be an edge alone, in this thread, until it is told to stop.

    Args:
        started: is given what to tell.

    Raises:
        Unavailable: `edge.failed`.
    """
    fanout = _fanout(settings, paths, clock, index, bounds or Bounds())
    hatch = Hatch(paths.socket(f"edge-{index}"), fanout)
    fanout.is_reached = lambda: hatch.is_used
    started(fanout)
    _telemetry.info("edge %d is open", index)
    try:
        fanout.run()
    finally:
        hatch.close()
    if fanout.failure is not None:
        raise _failed()


def _fanout(settings: Settings, paths: Paths, clock: Clock, index: int, bounds: Bounds) -> Fanout:
    teller = StepTeller(Teller(paths.socket("stage"), paths.keyring(), clock, "edge"), index)
    throttle = Throttle(
        Pin(paths.run / "cadence", settings.cadence),
        teller.tell,
        egress_bytes_per_s=settings.egress_mbit * 125_000,
    )
    return Fanout(
        paths,
        clock,
        throttle,
        index=index,
        first=[SpaceId(card.space) for card in live_cards(paths)],
        stuck_s=bounds.stuck_s,
        heartbeat_s=bounds.heartbeat_s,
        listeners_max=bounds.held_max,
        client_listeners_max=bounds.client_connections_max,
        url=settings.url,
        lease_grace_s=bounds.lease_grace_s,
        bounds=measures.Bounds(
            bounds.held_max,
            listeners_max=-(-settings.listeners_max // settings.edge_count),
            egress_max=settings.egress_mbit * 125_000,
            edges=settings.edge_count,
            ticketless=settings.ticketless_share,
        ),
        seals=Seals(_descriptors_max()) if settings.tls_cert else None,
    )


def _uncounted(settings: Settings, bounds: Bounds) -> Addresses:
    spared = settings.uncounted if bounds.uncounted is None else bounds.uncounted
    return Addresses(f"{settings.trusted_proxy},{spared}")


def _shield(settings: Settings, bounds: Bounds) -> Shield:
    # Whom a proxy introduces the kernel cannot tell from the proxy.
    introduced = settings.proxy_protocol == "on"
    rates = bounds.rates
    if settings.tls_cert and rates is SHIELD_HOST_RATES:
        rates = (SHIELD_TLS_CONNECTIONS, *rates[1:])
    return Shield(_uncounted(settings, bounds), bans=not introduced, rates=rates)


def _door(
    settings: Settings,
    paths: Paths,
    clock: Clock,
    listeners: Listeners,
    certificate: Certificate,
    listening: socket.socket,
    bounds: Bounds,
    index: int,
    reception: Reception,
    shield: Shield,
    aside: socket.socket | None,
) -> Door:
    files = static.load()
    uncounted = _uncounted(settings, bounds)
    introduced = settings.proxy_protocol == "on"
    line = Line(paths.socket("shield"), shield)
    keyring = paths.keyring()
    routes = Routes(
        files=files,
        pages=SpacePages(files, settings.url),
        cards=Cards(paths, clock),
        recordings=Recordings(Shelf(paths)),
        listeners=listeners,
        web=Upstream("web", paths.socket("web"), PROXIED_MAX, 0),
        stage=Upstream("stage", paths.socket("stage"), PROXIED_MAX, STREAMS_PROXIED_MAX),
        keyring=keyring,
        joining=reception.joining,
        players=reception.players,
        entrance=Entrance(uncounted, prefix_secret(keyring), clock, index),
        clock=clock,
        url=settings.url,
        line=line,
    )
    conversations = Conversations(
        routes.answer,
        routes.vouched,
        clock,
        scheme=settings.url.partition(":")[0],
        deadlines=bounds.deadlines,
        # Who is introduced by a PROXY header has been named already.
        proxies=Addresses("" if introduced else settings.trusted_proxy),
        shield=shield,
    )
    return Door(
        listening,
        conversations,
        routes.quick,
        listeners,
        clock,
        certificate=certificate,
        introduced_by=Addresses(settings.trusted_proxy if introduced else ""),
        uncounted=uncounted,
        shield=shield,
        line=line,
        has_siblings=settings.edge_count > 1,
        aside=aside,
        connections_max=bounds.held_max,
        client_connections_max=bounds.client_connections_max,
    )


async def _until(
    stop: asyncio.Event, certificate: Certificate, is_alive: Callable[[], bool]
) -> None:
    """Wait for `stop`, or for what must live to die; the certificate may change meanwhile."""
    while is_alive():
        try:
            async with asyncio.timeout(WATCH_S):
                await stop.wait()
                return
        except TimeoutError:
            certificate.refresh()


def _failed() -> Unavailable:
    return Unavailable("edge.failed", "The loop that sends has failed; the edge restarts.")


def _descriptors_free() -> int:
    return max(1, _descriptors_max() - DESCRIPTORS_APART)


def _descriptors_max() -> int:
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return DESCRIPTORS_MAX if most == resource.RLIM_INFINITY else min(most, DESCRIPTORS_MAX)
