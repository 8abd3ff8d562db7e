"""Who listens to one Space at one edge, as the usher is told once a second. Pure."""

import bisect
import heapq

from stentor.edge.leases import Lease
from stentor.gate.forecast import AGES_S
from stentor.gate.notice import EdgeSpace
from stentor.gate.tickets import ON_STAGE
from stentor.limits import HEAVY_HOLDERS_MIN, HEAVY_PREFIXES


class Attendance:
    """The listeners of one Space, counted as they come and go.

    Attributes:
        ticketless: those without a ticket.
        stalls: how many were dropped since the last report, for they took nothing.
    """

    __slots__ = ("_began", "_heavy", "_holders", "_left", "_ranks", "stalls", "ticketless")

    def __init__(self) -> None:
        self.ticketless = 0
        self.stalls = 0
        self._ranks = [0] * (ON_STAGE + 1)
        self._began = 0
        self._left: list[Lease] = []  # since the last report
        self._holders: dict[int, int] = {}
        self._heavy: set[int] = set()

    def enter(self, lease: Lease | None) -> None:
        """One more."""
        if lease is None:
            self.ticketless += 1
            return
        prefix, holders = lease.prefix, self._holders
        self._ranks[lease.rank] += 1
        self._began += not lease.moved
        count = holders[prefix] = holders.get(prefix, 0) + 1
        if count == HEAVY_HOLDERS_MIN:
            self._heavy.add(prefix)

    def leave(self, lease: Lease | None) -> None:
        """One less."""
        if lease is None:
            self.ticketless -= 1
            return
        prefix, holders = lease.prefix, self._holders
        self._ranks[lease.rank] -= 1
        if not lease.displaced:
            self._left.append(lease)
        count = holders[prefix] - 1
        if count:
            holders[prefix] = count
        else:
            del holders[prefix]
        if count == HEAVY_HOLDERS_MIN - 1:
            self._heavy.discard(prefix)

    def told(self, now: float) -> EdgeSpace:
        """What is reported; what happened is counted anew from here."""
        ended_after = [0] * len(AGES_S)
        for lease in self._left:
            if lease.until > now:  # those whose lease ended did not leave by themselves
                listened_s = max(0.0, now - lease.stamp / 1e9)
                ended_after[bisect.bisect(AGES_S, listened_s) - 1] += 1
        heavy = ((prefix, self._holders[prefix]) for prefix in self._heavy)
        space = EdgeSpace(
            listeners=list(self._ranks),
            ticketless=self.ticketless,
            began=self._began,
            ended=len(self._left),
            stalls=self.stalls,
            heavy=heapq.nlargest(HEAVY_PREFIXES, heavy, key=lambda one: one[1]),
            ended_after=ended_after,
        )
        self._began = self.stalls = 0
        self._left.clear()
        return space
