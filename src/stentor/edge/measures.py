"""What an edge uses of everything, smoothed, and how many listeners it could hold by that."""

import os
from dataclasses import dataclass

from stentor.edge import memory
from stentor.edge.quota import processor_share
from stentor.gate.capacity import Capacity, Used, capacity_of
from stentor.limits import (
    CAPACITY_SMOOTHED,
    EDGE_JOINS_MIN,
    EDGE_JOINS_PER_S,
    MEMORY_LOOK_S,
    TICKETLESS_SHARE,
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is known before anybody listens.

    Attributes:
        descriptors_max: listeners there are descriptors for.
        listeners_max: the operator's cap for this edge; 0: none.
        egress_max: bytes a second; 0: no bound is known.
        edges: how many share the machine.
        ticketless: the share of its listeners that may be without a ticket.
    """

    descriptors_max: int
    listeners_max: int = 0
    egress_max: float = 0.0
    edges: int = 1
    ticketless: float = TICKETLESS_SHARE


class Measures:
    """Kept up by the loop that sends, twice a second.

    Attributes:
        capacity: how many it could hold, and what binds.
        ticketless: the share of its listeners that may be without a ticket.
        busy: the share used of the processor time there is for it.
        memory: as it stood some seconds ago.
    """

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self.ticketless = bounds.ticketless
        self._egress = 0.0
        self._listeners = 0
        self._looked_at = float("-inf")
        self._cores = 1.0
        self.busy = 0.0
        self.memory = memory.Memory(0, 0, 0)
        self.capacity = Capacity(bounds.descriptors_max, "descriptors", {})

    def look(
        self, busy_s: float, egress: float, listeners: int, cadence_ms: int, now: float
    ) -> None:
        """How it stands since the last look.

        Args:
            busy_s: processor time used in a second.
            egress: bytes sent in a second.
        """
        if now - self._looked_at >= MEMORY_LOOK_S:
            self._looked_at = now
            self.memory = memory.look()
            cores = len(os.sched_getaffinity(0))
            # Edges share what there is; one thread cannot use more than one core.
            self._cores = min(1.0, processor_share(most=float(cores)) / self._bounds.edges)
        self.busy += CAPACITY_SMOOTHED * (busy_s / self._cores - self.busy)
        self._egress += CAPACITY_SMOOTHED * (egress - self._egress)
        self._listeners = listeners
        bounds, held = self._bounds, self.memory.own
        self.capacity = capacity_of(
            Used(
                listeners=listeners,
                busy=self.busy,
                cores=self._cores,
                cadence_ms=cadence_ms,
                descriptors=listeners,
                descriptors_max=bounds.descriptors_max,
                memory=held,
                memory_max=held + self.memory.free // bounds.edges if self.memory.whole else 0,
                egress=self._egress,
                egress_max=bounds.egress_max,
                listeners_max=bounds.listeners_max,
            )
        )

    @property
    def egress(self) -> float:
        """The share used of what may be sent."""
        return self._egress / self._bounds.egress_max if self._bounds.egress_max else 0.0

    @property
    def descriptors(self) -> float:
        """The share of them that listeners have."""
        return self._listeners / self._bounds.descriptors_max

    @property
    def joins_per_s(self) -> int:
        """How many it can take in a second, beside what it does."""
        return max(EDGE_JOINS_MIN, int(EDGE_JOINS_PER_S * self._cores * (1 - self.busy)))
