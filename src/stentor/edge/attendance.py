"""Who listens to one Space at one edge, as the usher is told once a second. Pure."""

import heapq

from stentor.edge.leases import Lease
from stentor.gate.notice import EdgeSpace
from stentor.gate.tickets import ON_STAGE
from stentor.limits import HEAVY_HOLDERS_MIN, HEAVY_PREFIXES


class Attendance:
    """The listeners of one Space, counted as they come and go.

    Attributes:
        ticketless: those without a ticket.
        stalls: how many were dropped since the last report, for they took nothing.
    """

    __slots__ = ("_began", "_ended", "_heavy", "_holders", "_ranks", "stalls", "ticketless")

    def __init__(self) -> None:
        self.ticketless = 0
        self.stalls = 0
        self._ranks = [0] * (ON_STAGE + 1)
        self._began = self._ended = 0
        self._holders: dict[int, int] = {}
        self._heavy: set[int] = set()

    def enter(self, lease: Lease | None) -> None:
        """One more."""
        if lease is None:
            self.ticketless += 1
            return
        self._ranks[min(lease.rank, ON_STAGE)] += 1
        self._began += not lease.moved
        count = self._holders.get(lease.prefix, 0) + 1
        self._holders[lease.prefix] = count
        if count == HEAVY_HOLDERS_MIN:
            self._heavy.add(lease.prefix)

    def leave(self, lease: Lease | None) -> None:
        """One less."""
        if lease is None:
            self.ticketless -= 1
            return
        self._ranks[min(lease.rank, ON_STAGE)] -= 1
        self._ended += not lease.displaced
        count = self._holders[lease.prefix] - 1
        if count:
            self._holders[lease.prefix] = count
        else:
            del self._holders[lease.prefix]
        if count < HEAVY_HOLDERS_MIN:
            self._heavy.discard(lease.prefix)

    def told(self) -> EdgeSpace:
        """What is reported; what happened is counted anew from here."""
        heavy = ((prefix, self._holders[prefix]) for prefix in self._heavy)
        space = EdgeSpace(
            listeners=list(self._ranks),
            ticketless=self.ticketless,
            began=self._began,
            ended=self._ended,
            stalls=self.stalls,
            heavy=heapq.nlargest(HEAVY_PREFIXES, heavy, key=lambda one: one[1]),
        )
        self._began = self._ended = self.stalls = 0
        return space
