"""The edges of a simulated house: counters that report as edges do."""

import bisect
import random

from stentor.gate.forecast import AGES_S
from stentor.gate.notice import EdgeReport, EdgeSpace
from stentor.simulation.scenario import Scenario


class House:
    """Edges with chairs.

    Attributes:
        most: the most listeners there ever were at once.
        fastest: the most that began at one edge in a second.
    """

    def __init__(self, scenario: Scenario, chance: random.Random, space: str) -> None:
        self._scenario = scenario
        self._chance = chance
        self._space = space
        count = scenario.edges
        self._listeners = [0] * count
        self._began = [0] * count
        self._ended = [[0] * len(AGES_S) for _ in range(count)]
        self._swept = [0] * count
        self._crowded: dict[int, int] = {}
        self.alive = [True] * count
        self.listeners = 0
        self.most = 0
        self.fastest = 0

    def enter(self, prefix: int, *, crowded: bool) -> int:
        """Somebody begins to listen; at which edge: the emptier of two."""
        one, other = self._any(), self._any()
        edge = one if self._listeners[one] <= self._listeners[other] else other
        self._listeners[edge] += 1
        self._began[edge] += 1
        self.listeners += 1
        self.most = max(self.most, self.listeners)
        if crowded:
            self._crowded[prefix] = self._crowded.get(prefix, 0) + 1
        return edge

    def leave(
        self, edge: int, prefix: int, listened_s: float, *, crowded: bool, swept: bool
    ) -> None:
        """Somebody stops listening, or their lease was not renewed."""
        self._listeners[edge] -= 1
        if swept:
            self._swept[edge] += 1
        else:
            self._ended[edge][bisect.bisect(AGES_S, listened_s) - 1] += 1
        self.listeners -= 1
        if crowded:
            self._crowded[prefix] -= 1

    def holders(self, prefix: int) -> int:
        """Listeners behind one crowded address."""
        return self._crowded.get(prefix, 0)

    def reports(self, at_ms: int) -> list[EdgeReport]:
        """What the edges tell the usher of the last second."""
        scenario = self._scenario
        heavy = sorted(self._crowded.items(), key=lambda one: -one[1])[:64]
        out = []
        for edge, listeners in enumerate(self._listeners):
            self.fastest = max(self.fastest, self._began[edge])
            if not self.alive[edge]:
                continue
            # Each prefix is told by one edge: the usher adds up what they say.
            told = EdgeSpace(
                listeners=[listeners, 0, 0],
                began=self._began[edge],
                ended=sum(self._ended[edge]) + self._swept[edge],
                ended_after=self._ended[edge],
                heavy=heavy[edge :: scenario.edges],
            )
            out.append(
                EdgeReport(
                    edge=f"edge-{edge}",
                    at_ms=at_ms,
                    spaces={self._space: told},
                    capacity=scenario.chairs,
                    binding="descriptors",
                    joins_per_s=scenario.joins_per_s,
                    busy=0.6 * listeners / scenario.chairs,
                )
            )
            self._began[edge] = self._swept[edge] = 0
            self._ended[edge] = [0] * len(AGES_S)
        return out

    def _any(self) -> int:
        while True:
            edge = int(self._chance.random() * len(self._listeners))
            if self.alive[edge]:
                return edge
