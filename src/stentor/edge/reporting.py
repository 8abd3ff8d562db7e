"""An edge's line to the usher: a report each second, and what is wanted. In the loop that sends."""

from collections.abc import Callable, Collection
from pathlib import Path

from stentor.clock import Clock
from stentor.edge.delivery import Delivery
from stentor.edge.directions import Directions
from stentor.edge.gathering import Gathering
from stentor.edge.measures import Measures
from stentor.edge.throttle import Throttle
from stentor.edge.usher_link import UsherLink
from stentor.gate.notice import EdgeReport
from stentor.limits import CAPACITY_SMOOTHED, USHER_TICK_S
from stentor.reports import of_edge

Hear = Callable[[int, Callable[[int], None]], None]
Forget = Callable[[int], None]
EARLY_S = 0.1
"""Two ticks of the loop make a second, or a little less."""


class Reporting:
    """Tells the usher how this edge stands. It never waits: without an usher nobody is told.

    Attributes:
        directions: what the usher wants.
        measures: what the edge uses of everything.
    """

    def __init__(
        self,
        path: Path,
        index: int,
        measures: Measures,
        throttle: Throttle,
        clock: Clock,
        hear: Hear,
        forget: Forget,
    ) -> None:
        """Args: hear, forget: of the loop, for descriptors."""
        self.directions = Directions()
        self.measures = measures
        self._throttle = throttle
        self._link = UsherLink(path)
        self._edge = f"edge-{index}"
        self._clock = clock
        self._hear_of = hear
        self._forget = forget
        self._due_at = float("-inf")
        self._pressed = self._late_s = 0.0

    def look(
        self,
        now: float,
        busy: float,
        cpu: float,
        delivery: Delivery,
        waited_s: float,
        gatherings: Collection[Gathering],
    ) -> None:
        """Look at the load, do what the usher wants, and tell it how things stand.

        Args:
            busy: the share of the time in which the loop had something to do.
            cpu: processor time used in a second.
            waited_s: how long the oldest admission has waited to be taken in.
        """
        throttle = self._throttle
        for gathering in gatherings:
            gathering.low = self.directions.is_low(gathering.space.space, now)
        throttle.look(delivery, busy, now, gatherings, self.directions.cadence_min_ms(now))
        egress, cadence_ms = throttle.egress_bytes_per_s, throttle.cadence.current_ms
        self.measures.look(cpu, egress, len(delivery.listeners), cadence_ms, now)
        self._tick(now, busy, waited_s, gatherings)

    def _tick(
        self, now: float, busy: float, waited_s: float, gatherings: Collection[Gathering]
    ) -> None:
        throttle = self._throttle
        self._pressed += CAPACITY_SMOOTHED * (busy - self._pressed)
        self._late_s = max(self._late_s, throttle.load.late_s)
        if now < self._due_at - EARLY_S:
            return
        self._due_at = now + USHER_TICK_S
        if self._link.socket is None:
            if not self._link.open():
                return
            assert self._link.socket is not None, "it was opened"
            self._hear_of(self._link.socket.fileno(), self._hear)
        measures = self.measures
        report = EdgeReport(
            edge=self._edge,
            at_ms=self._clock.wall_time() // 1_000_000,
            spaces={one.space.space: one.attendance.told(now) for one in gatherings},
            capacity=measures.capacity.listeners,
            binding=measures.capacity.binding,
            joins_per_s=measures.joins_per_s,
            cadence_ms=throttle.cadence.current_ms,
            busy=round(self._pressed, 3),
            egress=round(measures.egress, 3),
            descriptors=round(measures.descriptors, 3),
            memory=round(measures.memory.used, 3),
            late_ms=round(self._late_s * 1e3, 1),
            queue_ms=round(waited_s * 1e3, 1),
        )
        self._late_s = 0.0
        self._link.tell([of_edge(report)])

    def close(self) -> None:
        """Say no more."""
        if self._link.socket is not None:
            self._forget(self._link.socket.fileno())
            self._link.close()

    def _hear(self, _: int) -> None:
        notices, there = self._link.hear()
        self.directions.hear(notices, self._clock.now())
        if not there:
            self.close()
