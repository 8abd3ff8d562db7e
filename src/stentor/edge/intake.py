"""Everybody who was admitted, until they have a place or know why there is none.

Belongs to the loop that sends.
"""

import contextlib
import logging
import os
from collections import deque
from collections.abc import Callable

from stentor.clock import Clock
from stentor.edge.admission import Admission, Claim, full, not_followed, ticketless_full, unheard
from stentor.edge.clients import Shares
from stentor.edge.delivery import Delivery
from stentor.edge.gathering import Gathering
from stentor.edge.icy import format_of
from stentor.edge.lane import Lane
from stentor.edge.leases import Leases
from stentor.edge.listener import Behind, Listener
from stentor.edge.radio import Line
from stentor.edge.records import Seal, Seals
from stentor.edge.reporting import Reporting
from stentor.ids import SpaceId
from stentor.limits import (
    ADMITTED_PER_SLICE,
    CLAIMS_PER_SLICE,
    CLAIMS_WAITING_MAX,
)

_telemetry = logging.getLogger(__name__)


class Intake:
    """Takes people in, some at a time.

    Attributes:
        inbox: connections that were handed over.
        claims: what gates have told of tickets' numbers.
    """

    def __init__(
        self,
        delivery: Delivery,
        leases: Leases[Listener],
        clients: Shares,
        clock: Clock,
        gathering_of: Callable[[SpaceId], Gathering | None],
        line: Line,
        radio_count: Callable[[], int],
        reporting: Reporting,
        listeners_max: int,
        seals: Seals | None,
    ) -> None:
        """Begin with nobody.

        Args:
            gathering_of: those of a Space; None when no more Spaces can be followed.
            line: to the radio process.
            radio_count: how many listen by radio.
            reporting: knows what the usher wants, and what can be held.
            seals: the keys of those who listen through TLS; None: nobody does.
        """
        self.inbox: deque[tuple[int, Admission]] = deque()
        self.claims: deque[Claim] = deque(maxlen=CLAIMS_WAITING_MAX)
        self._delivery = delivery
        self._leases = leases
        self._clients = clients
        self._clock = clock
        self._gathering_of = gathering_of
        self._line = line
        self._radio_count = radio_count
        self._reporting = reporting
        self._busy_since: float | None = None
        self._listeners_max = listeners_max
        self._seals = seals

    @property
    def is_busy(self) -> bool:
        """Whether somebody waits for it."""
        return bool(self.inbox or self.claims)

    def work(self) -> None:
        """Hear what there is to hear, and take some in."""
        if self.claims:
            wall_s = self._clock.wall_time() / 1e9
            for _ in range(min(len(self.claims), CLAIMS_PER_SLICE)):
                displaced = self._leases.hear(self.claims.popleft(), self._delivery.now, wall_s)
                if displaced is not None:
                    self._delivery.dismiss(displaced, "elsewhere")
        if not self.inbox:
            self._busy_since = None
        elif self._busy_since is None:
            self._busy_since = self._delivery.now
        if self.inbox:
            self._take_some_in()

    def _take_some_in(self) -> None:
        together: dict[Lane, tuple[Gathering, list[Listener]]] = {}
        wall_s = self._clock.wall_time() / 1e9
        for _ in range(min(len(self.inbox), ADMITTED_PER_SLICE)):
            descriptor, admission = self.inbox.popleft()
            seal = None
            if admission.keys is not None and (seal := self._seal(descriptor, admission)) is None:
                os.close(descriptor)
                continue
            listener = Listener(descriptor, admission.client, seal)
            if not self._delivery.add(listener):
                continue
            gathering = self._take_in(listener, admission, wall_s)
            lane = listener.lane
            if gathering is None or lane is None:
                continue
            if admission.cursor is None and admission.since is None:
                some = together.get(lane)
                if some is None:
                    some = together[lane] = (gathering, [])
                some[1].append(listener)
            else:
                listener.behind = Behind(admission)
                self._delivery.begin(gathering, listener)
        for lane, (gathering, listeners) in together.items():
            self._delivery.begin_together(gathering, lane, listeners)

    def _seal(self, descriptor: int, admission: Admission) -> Seal | None:
        """What a listener's records are sealed with; None where that cannot be done."""
        try:
            if self._seals is not None and admission.keys is not None:
                return self._seals.take(descriptor, admission.keys)
        except ConnectionAbortedError:
            _telemetry.exception("a listener cannot be taken in")
        return None

    def close(self) -> None:
        """Let go of those who wait."""
        for descriptor, _ in self.inbox:
            with contextlib.suppress(OSError):
                os.close(descriptor)
        self.inbox.clear()

    @property
    def ticketed(self) -> int:
        """How many listen with a ticket."""
        return len(self._leases)

    @property
    def waited_s(self) -> float:
        """How long somebody has waited to be taken in, at most."""
        return self._delivery.now - self._busy_since if self._busy_since is not None else 0.0

    def sweep(self, *, ends: bool) -> None:
        """Let go of those whose leases are over."""
        for listener in self._leases.sweep(self._delivery.now, ends=ends):
            self._delivery.dismiss(listener, "expired")

    def _take_in(self, listener: Listener, admission: Admission, wall_s: float) -> Gathering | None:
        """Give a listener a place; where it may begin at once, if it may."""
        delivery = self._delivery
        counts = not listener.client or self._counts(listener)
        if admission.number:
            why, displaced = self._leases.take(listener, admission, delivery.now, wall_s)
            if displaced is not None:
                delivery.dismiss(displaced, "elsewhere")
            if why:
                delivery.refuse(listener, unheard(why))
                return None
        gathering = self._gathering_of(SpaceId(admission.space))
        if gathering is None:
            delivery.refuse(listener, not_followed())
            return None
        lane = gathering.enter(listener, admission, self._line, delivery.now)
        if len(delivery.listeners) > self._listeners_max or not counts:
            delivery.refuse(listener, full())
        elif not admission.number and self._is_beyond_share(admission):
            delivery.refuse(listener, ticketless_full())
        elif gathering.may_begin(lane) and not gathering.space.is_behind(admission.resumes_at):
            return gathering
        else:
            listener.behind = Behind(admission)
            gathering.waiting[listener.descriptor] = listener
            gathering.changed = True
        return None

    def _counts(self, listener: Listener) -> bool:
        """Whether a listener's client may have one more."""
        if self._clients.take(listener.client):
            return True
        listener.client = ""  # nothing was taken, nothing is given back
        return False

    def _is_beyond_share(self, admission: Admission) -> bool:
        """Whether too many would listen without a ticket, with one more who has none."""
        measures = self._reporting.measures
        most = measures.ticketless * self._listeners_max
        if self._reporting.directions.heard:
            most = min(most, measures.ticketless * measures.capacity.listeners)
            return len(self._delivery.listeners) - len(self._leases) > max(1, most)
        # Without an usher there are no tickets; radio players could show none in any case.
        return bool(format_of(admission.stream)) and self._radio_count() > most
