"""The thread that sends: follows the logs of Spaces somebody listens to, apart from the event loop.

It alone touches listeners, rings and the logs of followed Spaces. The event loop's thread hands
sockets in by `admit` and never waits for it.
"""

import contextlib
import logging
import os
import select
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterable

from stentor.clock import Clock
from stentor.edge.delivery import Delivery, Gathering
from stentor.edge.follow import FollowedSpace
from stentor.edge.listener import Admission, Listener
from stentor.errors import Corrupt
from stentor.ids import SpaceId
from stentor.limits import (
    ADMITTED_PER_SLICE,
    HEARTBEAT_S,
    LISTENER_STUCK_S,
    LIVE_HEARTBEAT_S,
    SPACE_IDLE_S,
    SPACES_FOLLOWED_MAX,
)
from stentor.log import Bell
from stentor.paths import Paths

_telemetry = logging.getLogger(__name__)
TICK_S = 0.5
"""How often the thread looks at deadlines, and at logs whose bell may not have rung."""
EVENTS_MAX = 512
"""Sockets looked after between two looks at the logs."""


class Fanout(threading.Thread):
    """All listeners of one edge.

    Attributes:
        lag_ms: from a part's making to its having been sent to everybody at the tail, the last one.
        failure: what ended the thread when nobody had asked it to end.
        warm: set once the Spaces it was given at first have been read.
    """

    def __init__(
        self,
        paths: Paths,
        clock: Clock,
        *,
        first: Iterable[SpaceId] = (),
        stuck_s: float = LISTENER_STUCK_S,
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        super().__init__(name="fanout", daemon=True)
        self._paths = paths
        self._clock = clock
        self._stuck_s = stuck_s
        self._heartbeat_s = heartbeat_s
        self._inbox: deque[Listener] = deque()
        self._stopping = False
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll = select.epoll()
        self._bell = Bell()
        self._gatherings: dict[SpaceId, Gathering] = {}
        self._delivery = Delivery(self._epoll, self._take_in, clock.now())
        self.lag_ms = 0.0
        self.failure: BaseException | None = None
        self.warm = threading.Event()
        self._first = list(first)

    @property
    def listeners_count(self) -> int:
        """Sockets held, those not yet looked at included. To be called from any thread."""
        return len(self._delivery.listeners) + len(self._inbox)

    @property
    def dropped(self) -> dict[str, int]:
        """How many listeners were let go, by reason. To be called from any thread."""
        return dict(self._delivery.dropped)

    @property
    def behind_count(self) -> int:
        """Listeners whose sockets are full. To be called from any thread."""
        return len(self._delivery.behind)

    def listeners_by_space(self) -> dict[str, int]:
        """Listeners of each followed Space. To be called from any thread."""
        return {space: gathering.count for space, gathering in list(self._gatherings.items())}

    def admit(
        self, connection: socket.socket, admission: Admission, released: Callable[[], None]
    ) -> None:
        """Take over a socket. Called from the event loop's thread.

        Args:
            released: called from this thread once the socket is closed.
        """
        self._inbox.append(Listener(connection, admission, released))
        self._ring()

    def stop(self) -> None:
        """Close every listener and end. Called from any thread."""
        self._stopping = True
        self._ring()

    def _ring(self) -> None:
        with contextlib.suppress(OSError):  # it is ringing already, or the thread has ended
            os.eventfd_write(self._wake, 1)

    # What follows runs in this thread ------------------------------------------------------------

    def run(self) -> None:
        """Send until told to stop."""
        try:
            self._epoll.register(self._wake, select.EPOLLIN)
            self._epoll.register(self._bell.fileno(), select.EPOLLIN)
            tick_at = self._clock.now() + TICK_S
            for name in self._first:
                self._gathering(name)
            while not self._stopping:
                self._turn(max(0.0, tick_at - self._clock.now()))
                if self._delivery.now >= tick_at:
                    tick_at = self._delivery.now + TICK_S
                    self._tick()
        except Exception as failure:  # the process ends with it: see server.py
            self.failure = failure
            _telemetry.exception("the thread that sends has failed")
        finally:
            self._close()

    def _turn(self, wait_s: float) -> None:
        """Wait for something to happen, and do it: new parts first."""
        busy = bool(self._inbox) or any(one.changed for one in self._gatherings.values())
        events = dict(self._epoll.poll(0 if busy else wait_s, EVENTS_MAX))
        self._delivery.begin_turn(self._clock.now())
        if events.pop(self._wake, None):
            os.eventfd_read(self._wake)
        if events.pop(self._bell.fileno(), None):
            self._hear()
        known = self._delivery.listeners
        ready = [(known[one], event) for one, event in events.items() if one in known]
        for gathering in list(self._gatherings.values()):
            # Sending takes people in, and those of another Space may need this one's place.
            if gathering.changed and self._gatherings.get(gathering.space.space) is gathering:
                self._follow(gathering)
        self._take_in()
        for listener, event in ready:
            self._delivery.happened(listener, event)
        if not self.warm.is_set() and all(one.space.ready for one in self._gatherings.values()):
            self.warm.set()

    def _hear(self) -> None:
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
        """Read what is new in a Space, and send it."""
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
        self._delivery.send_fresh(gathering)
        if not gathering.changed:
            self._begin_all(gathering)
        if gathering.measured != space.newest_wall_time:
            gathering.measured = space.newest_wall_time
            self.lag_ms = max(0.0, (self._clock.wall_time() - gathering.measured) / 1e6)
        if space.sealed:
            for place in list(gathering.at_tail.values()):
                self._delivery.finish(place.values())

    def _begin_all(self, gathering: Gathering) -> None:
        waiting, gathering.waiting = gathering.waiting, {}
        for listener in waiting.values():
            self._delivery.begin(gathering, listener)

    def _take_in(self) -> None:
        """Give those who were admitted a place, some at a time."""
        for _ in range(min(len(self._inbox), ADMITTED_PER_SLICE)):
            listener = self._inbox.popleft()
            if not self._delivery.add(listener):
                continue
            gathering = self._gathering(listener.admission.space)
            if gathering is None:
                self._delivery.refuse(listener, listener.admission.failed())
                continue
            listener.gathering = gathering
            gathering.count += 1
            if gathering.space.ready and not gathering.space.is_behind(listener.admission.cursor):
                self._delivery.begin(gathering, listener)
            else:
                gathering.waiting[listener.descriptor] = listener
                gathering.changed = True

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
            try:
                self._bell.watch(space.log_folder)
                self._bell.watch(space.card_path.parent)
            except OSError:
                _telemetry.exception("no inotify watch is left: %s is looked at every tick", name)
        return gathering

    def _tick(self) -> None:
        """Deadlines: heartbeats, stuck listeners, Spaces nobody listens to."""
        self._delivery.drop_stuck(self._stuck_s)
        for gathering in list(self._gatherings.values()):
            gathering.changed = True  # inotify may have overflowed, or have had no watch left
            beat_s = self._heartbeat_s
            if gathering.space.is_live:
                beat_s = min(beat_s, LIVE_HEARTBEAT_S)
            quiet_since = self._delivery.now - beat_s + TICK_S
            for stream in gathering.space.streams.values():
                if gathering.sent_at.get(stream.rendition, 0.0) <= quiet_since:
                    self._delivery.send_heartbeat(gathering, stream)
        self._close_idle(SPACE_IDLE_S)

    def _close_idle(self, idle_s: float) -> None:
        for gathering in list(self._gatherings.values()):
            if not gathering.count and self._delivery.now - gathering.idle_since >= idle_s:
                self._forget(gathering)

    def _abandon(self, gathering: Gathering) -> None:
        """A Space cannot be followed: its listeners are let go, and may come back."""
        for listener in list(self._delivery.listeners.values()):
            if listener.gathering is not gathering:
                continue
            if listener.descriptor in gathering.waiting:
                self._delivery.refuse(listener, listener.admission.failed())
            self._delivery.drop(listener, "fault")
        self._forget(gathering)

    def _forget(self, gathering: Gathering) -> None:
        space = gathering.space
        if self._gatherings.get(space.space) is not gathering:
            return  # it was forgotten already, to make room for another
        del self._gatherings[space.space]
        space.close()
        for folder in (space.log_folder, space.card_path.parent):
            with contextlib.suppress(KeyError):
                self._bell.unwatch(folder)

    def _close(self) -> None:
        self.warm.set()
        for listener in [*self._delivery.listeners.values(), *self._inbox]:
            listener.close()
        self._inbox.clear()
        for gathering in self._gatherings.values():
            gathering.space.close()
        self._bell.close()
        self._epoll.close()
        os.close(self._wake)
