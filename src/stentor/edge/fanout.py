"""The loop that sends: follows the logs of Spaces somebody listens to, and nothing else.

It alone touches listeners, rings and the logs of followed Spaces, and it is an edge's only thread.
Connections come in through the hatch, and nobody waits for it.
"""

import contextlib
import logging
import os
import select
from collections.abc import Callable, Iterable

from stentor.clock import Clock, thread_cpu_s
from stentor.edge.admission import Admission, Claim, not_followed, radio_away
from stentor.edge.cadence import Cadence
from stentor.edge.clients import Shares
from stentor.edge.delivery import Delivery
from stentor.edge.descriptors import close_all
from stentor.edge.follow import FollowedSpace, Stream
from stentor.edge.gathering import Gathering
from stentor.edge.intake import Intake
from stentor.edge.leases import Leases
from stentor.edge.listener import Listener
from stentor.edge.measures import Bounds, Measures
from stentor.edge.quota import processor_share
from stentor.edge.radio import Line
from stentor.edge.records import Seals
from stentor.edge.reporting import Reporting
from stentor.edge.status import Status
from stentor.edge.throttle import Throttle
from stentor.errors import Corrupt
from stentor.ids import SpaceId
from stentor.limits import (
    CLIENT_CONNECTIONS_MAX,
    CONNECTIONS_MAX,
    HEARTBEAT_S,
    LEASE_GRACE_S,
    LISTENER_STUCK_S,
    LIVE_HEARTBEAT_S,
    SPACE_IDLE_S,
    SPACES_FOLLOWED_MAX,
)
from stentor.log import Bell
from stentor.paths import Paths

_telemetry = logging.getLogger(__name__)
TICK_S = 0.5
"""How often the loop looks at deadlines, and at logs whose bell may not have rung."""
EVENTS_MAX = 512
"""Sockets looked after between two looks at the logs."""


class Fanout:
    """All listeners of one edge.

    Attributes:
        cadence: how often they are sent to.
        failure: what ended the loop when nobody had asked it to end.
        is_reached: tells whether somebody is there through whom leases can be renewed.
    """

    def __init__(
        self,
        paths: Paths,
        clock: Clock,
        throttle: Throttle,
        *,
        index: int = 0,
        first: Iterable[SpaceId] = (),
        stuck_s: float = LISTENER_STUCK_S,
        heartbeat_s: float = HEARTBEAT_S,
        listeners_max: int = CONNECTIONS_MAX,
        client_listeners_max: int = CLIENT_CONNECTIONS_MAX,
        url: str = "",
        lease_grace_s: float = LEASE_GRACE_S,
        bounds: Bounds | None = None,
        seals: Seals | None = None,
    ) -> None:
        """Nothing is sent before `run`.

        Args:
            url: the node's public address.
            bounds: what is known of how many it can hold.
            seals: as `Delivery` has them.
        """
        self._paths, self._clock = paths, clock
        self._throttle, self._index = throttle, index
        self._stuck_s, self._heartbeat_s = stuck_s, heartbeat_s
        self._listeners_max = listeners_max
        self._stopping = False
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll = select.epoll()
        self._ears: dict[int, Callable[[int], None]] = {}
        self._bell = Bell()
        self._gatherings: dict[SpaceId, Gathering] = {}
        self.cadence: Cadence = throttle.cadence
        leases: Leases[Listener] = Leases(clock.now(), lease_grace_s)
        clients = Shares(client_listeners_max)
        self._delivery = Delivery(self._epoll, clock, self.cadence, clients, leases, url, seals)
        self._radio = Line(paths.socket("radio"), self.hear, self.forget)
        measures = Measures(bounds or Bounds(listeners_max, egress_max=throttle.egress_max))
        self._reporting = Reporting(
            paths.socket("usher"), index, measures, throttle, clock, self.hear, self.forget
        )
        self._intake = Intake(
            self._delivery,
            leases,
            clients,
            clock,
            self._gathering,
            self._radio,
            lambda: sum(one.radio_count for one in self._gatherings.values()),
            self._reporting,
            listeners_max,
            seals,
        )
        self._idle_s, self._cpu_s, self._lag_ms, self._ticked_at = 0.0, 0.0, 0.0, clock.now()
        self.on_tick: list[Callable[[Status], None]] = []
        self.is_reached: Callable[[], bool] = lambda: True
        self.failure: BaseException | None = None
        self._first = list(first)

    def status(self) -> Status:
        """How it stands."""
        return Status(
            edge=self._index,
            listeners=self.listeners_count,
            listeners_max=self._listeners_max,
            behind=len(self._delivery.behind),
            dropped=dict(self._delivery.dropped),
            lag_ms=round(self._lag_ms, 1),
            spaces=len(self._gatherings),
            cadence_ms=self.cadence.current_ms,
            ticketed=self._intake.ticketed,
            capacity=self._reporting.measures.capacity.listeners,
            binding=self._reporting.measures.capacity.binding,
        )

    @property
    def listeners_count(self) -> int:
        """Listeners held, those not yet looked at included."""
        return len(self._delivery.listeners) + len(self._intake.inbox)

    def claim(self, claims: Iterable[Claim]) -> None:
        """Hear of numbers that listen elsewhere, or for longer."""
        self._intake.claims.extend(claims)

    def take(self, connections: Iterable[tuple[int, Admission]]) -> None:
        """Take over connections, as descriptors."""
        self._intake.inbox.extend(connections)

    def hear(self, descriptor: int, called: Callable[[int], None]) -> None:
        """Call back when a descriptor is readable or broken, with what epoll says of it."""
        self._ears[descriptor] = called
        self._epoll.register(descriptor, select.EPOLLIN)

    def forget(self, descriptor: int) -> None:
        """Hear no more of a descriptor; to be called before it is closed."""
        if self._ears.pop(descriptor, None):
            self._epoll.unregister(descriptor)

    def stop(self) -> None:
        """Close every listener and end. To be called from any thread, or a signal's handler."""
        self._stopping = True
        with contextlib.suppress(OSError):  # it is ringing already, or the loop has ended
            os.eventfd_write(self._wake, 1)

    def run(self) -> None:
        """Send until told to stop."""
        try:
            self._cpu_s = thread_cpu_s()
            self._delivery.open()
            self.hear(self._wake, lambda _: _drain(self._wake))
            self.hear(self._bell.fileno(), self._bell_rang)
            for name in self._first:
                self._gathering(name)
            while not self._stopping:
                self._turn()
        except Exception as failure:  # the process ends with it: see server.py
            self.failure = failure
            _telemetry.exception("the loop that sends has failed")
        finally:
            self._close()

    def _turn(self) -> None:
        """Wait for something to happen, and do it: new parts first."""
        delivery = self._delivery
        began = self._clock.now()
        events = self._epoll.poll(self._wait_s(began), EVENTS_MAX)
        now = self._clock.now()
        self._idle_s += now - began
        delivery.begin_turn(now)
        ready = []
        for descriptor, event in events:
            if ear := self._ears.get(descriptor):
                ear(event)
            elif listener := delivery.listeners.get(descriptor):
                ready.append((listener, event))
        for gathering in list(self._gatherings.values()):
            # Sending takes people in, and those of another Space may need this one's place.
            if gathering.changed and self._gatherings.get(gathering.space.space) is gathering:
                self._follow(gathering)
        self._serve_due()
        self._intake.work()
        for listener, event in ready:
            delivery.happened(listener, event)
        close_all(delivery.gone)
        delivery.gone.clear()
        if now - self._ticked_at >= TICK_S:
            self._tick(now)

    def _wait_s(self, now: float) -> float:
        """How long nothing is to be done."""
        changed = any(one.changed for one in self._gatherings.values())
        if changed or self._intake.is_busy or self._delivery.is_busy:
            return 0.0
        due = min((stream.wheel.due_at() for _, stream in self._streams()), default=float("inf"))
        return max(0.0, min(due, self._ticked_at + TICK_S) - now)

    def _streams(self) -> Iterable[tuple[Gathering, Stream]]:
        for gathering in self._gatherings.values():
            if gathering.count:
                for stream in gathering.streams:
                    yield gathering, stream

    def _serve_due(self) -> None:
        """Give those their turn whose tick it is."""
        now = self._clock.now()
        for gathering, stream in self._streams():
            wheel = stream.wheel
            while wheel.due_at() <= now:
                if wheel.tick == wheel.end:
                    wheel.flush(now, self._delivery.gap_s())
                self._delivery.call(gathering, stream)
        self._delivery.work()

    def _bell_rang(self, _: int) -> None:
        try:
            folders = self._bell.drain()
        except OSError:
            _telemetry.exception("no inotify watch is left: logs are looked at every tick")
            return
        for gathering in self._gatherings.values():
            space = gathering.space
            if space.log_folder in folders or space.card_path.parent in folders:
                gathering.changed = True

    def _follow(self, gathering: Gathering) -> None:
        """Read what is new in a Space, and let the wheels turn."""
        space = gathering.space
        try:
            if not space.ready:
                gathering.changed = not space.open_further()
                if space.ready:
                    gathering.measured = space.newest_wall_time
                    self._begin_all(gathering)
                return
            gathering.changed = space.advance()
            space.refresh_card()
        except (Corrupt, OSError):
            _telemetry.exception("Space %s cannot be followed", space.space)
            self._abandon(gathering)
            return
        self._set_going(gathering)
        if not gathering.changed:
            self._begin_all(gathering)
        if gathering.measured != space.newest_wall_time:
            gathering.measured = space.newest_wall_time
            self._lag_ms = max(0.0, (self._clock.wall_time() - gathering.measured) / 1e6)

    def _set_going(self, gathering: Gathering) -> None:
        now, gap_s = self._clock.now(), self._delivery.gap_s()
        for stream in gathering.streams:
            if stream.parts_new and not stream.over:
                stream.wheel.arrived(now, gap_s, self.cadence.stride)
            elif (stream.others_new and stream.wheel.is_quiet(now)) or (
                stream.over and (stream.others_new or stream.parts_new)
            ):
                stream.wheel.flush(now, gap_s)
            else:
                continue
            stream.parts_new, stream.others_new, stream.said_at = 0, False, now

    def _begin_all(self, gathering: Gathering) -> None:
        for descriptor, listener in list(gathering.waiting.items()):
            admission = listener.behind.admission if listener.behind is not None else None
            lane = listener.lane
            if admission is not None and lane is not None and gathering.may_begin(lane):
                del gathering.waiting[descriptor]
                self._delivery.begin(gathering, listener)

    def _gathering(self, name: SpaceId) -> Gathering | None:
        """Those of a Space, which is opened if need be; None when the table is full."""
        gathering = self._gatherings.get(name)
        if gathering is None:
            if len(self._gatherings) >= SPACES_FOLLOWED_MAX:
                self._close_idle(0.0)
            if len(self._gatherings) >= SPACES_FOLLOWED_MAX:
                return None
            space = FollowedSpace(name, self._paths)
            gathering = self._gatherings[name] = Gathering(space, self._delivery.now)
            gathering.low = self._reporting.directions.is_low(name, self._delivery.now)
            try:
                self._bell.watch(space.log_folder)
                self._bell.watch(space.card_path.parent)
            except OSError:
                _telemetry.exception("no inotify watch is left: %s is looked at every tick", name)
        return gathering

    def _tick(self, now: float) -> None:
        """Deadlines: heartbeats, stuck listeners, Spaces nobody listens to; the cadence."""
        elapsed_s = max(TICK_S, now - self._ticked_at)
        used_s = thread_cpu_s() - self._cpu_s
        busy = max(1 - self._idle_s / elapsed_s, used_s / elapsed_s / processor_share())
        self._ticked_at, self._idle_s, self._cpu_s = now, 0.0, self._cpu_s + used_s
        self._delivery.drop_stuck(self._stuck_s)
        self._intake.sweep(ends=self.is_reached())
        gatherings = list(self._gatherings.values())
        for gathering in gatherings:
            gathering.changed = True  # inotify may have overflowed, or have had no watch left
            beat_s = self._heartbeat_s
            if gathering.space.is_live:
                beat_s = min(beat_s, LIVE_HEARTBEAT_S)
            for stream in gathering.space.streams.values():
                if gathering.space.ready and stream.said_at <= now - beat_s + TICK_S:
                    gathering.space.note(stream, b"")
            for listener in gathering.look_at_radio(now):
                self._delivery.refuse(listener, radio_away())
        cpu = used_s / elapsed_s
        self._reporting.look(now, busy, cpu, self._delivery, self._intake.waited_s, gatherings)
        self._close_idle(SPACE_IDLE_S)
        for told in self.on_tick:
            told(self.status())

    def _close_idle(self, idle_s: float) -> None:
        for gathering in list(self._gatherings.values()):
            if not gathering.count and self._delivery.now - gathering.idle_since >= idle_s:
                self._forget_space(gathering)

    def _abandon(self, gathering: Gathering) -> None:
        """A Space cannot be followed: its listeners are let go, and may come back."""
        for listener in list(self._delivery.listeners.values()):
            if listener.gathering is not gathering:
                continue
            if listener.descriptor in gathering.waiting:
                self._delivery.refuse(listener, not_followed())
            self._delivery.drop(listener, "fault")
        self._forget_space(gathering)

    def _forget_space(self, gathering: Gathering) -> None:
        space = gathering.space
        if self._gatherings.get(space.space) is not gathering:
            return  # it was forgotten already, to make room for another
        del self._gatherings[space.space]
        gathering.close()
        for folder in (space.log_folder, space.card_path.parent):
            with contextlib.suppress(KeyError):
                self._bell.unwatch(folder)

    def _close(self) -> None:
        self._reporting.close()
        self._delivery.close()
        self._intake.close()
        for gathering in self._gatherings.values():
            gathering.close()
        self._bell.close()
        self._epoll.close()
        os.close(self._wake)


def _drain(descriptor: int) -> None:
    with contextlib.suppress(BlockingIOError):
        os.eventfd_read(descriptor)
