"""The people of an evening: numbers in arrays, drawn from a seed, so that ten millions fit."""

import math
import random
from array import array
from collections.abc import Iterator

from stentor.simulation.scenario import Scenario

ELSEWHERE, WAITS, LISTENS, GONE = range(4)
HIDDEN, FROZEN, BOT, HOARDER, UNABLE, CROWDED = 1, 2, 4, 8, 16, 32
NEVER = 1e9


class People:
    """Everybody who comes, and the bots; each is a number.

    Attributes:
        came_s: when, in seconds of the evening; `leaves_s`: when their patience ends.
        number, turn_us: of their place or ticket.
        prefix: keyed, as gates see it.
        told_s: the wait they were told when they came; `in_s`: when they got in; -1: not yet.
    """

    def __init__(self, scenario: Scenario, chance: random.Random) -> None:
        self.scenario = scenario
        self.chance = chance
        attack = scenario.attack
        self.honest = scenario.arrivals
        count = scenario.arrivals + attack.bots + attack.hoarders
        self.stay_s = scenario.stay_s or math.exp(chance.uniform(math.log(600), math.log(2_400)))
        self.patience_s = scenario.patience_s or math.exp(
            chance.uniform(math.log(600), math.log(2_400))
        )
        self.came_s = array("d", self._arrivals())
        spread = attack.ends_s - attack.begins_s
        self.came_s.extend(
            attack.begins_s + chance.random() * spread for _ in range(count - self.honest)
        )
        self.flags = bytearray(self._flags(count))
        self.prefix = array("Q", self._prefixes(count))
        self.number = array("Q", bytes(8 * count))
        self.turn_us = array("Q", bytes(8 * count))
        self.leaves_s = array("f", (self._patience(who) for who in range(count)))
        self.told_s = array("f", [-1.0]) * count
        self.in_s = array("d", [-1.0]) * count
        self.state = bytearray(count)

    def __len__(self) -> int:
        return len(self.came_s)

    def by_second(self) -> Iterator[list[tuple[float, int]]]:
        """Who comes in each second, in order, from second 0 on."""
        order = sorted(range(len(self.came_s)), key=self.came_s.__getitem__)
        at, second = 0, 0
        while at < len(order):
            now: list[tuple[float, int]] = []
            while at < len(order) and self.came_s[order[at]] < second + 1:
                now.append((self.came_s[order[at]], order[at]))
                at += 1
            yield now
            second += 1

    def stays_for(self, who: int) -> float:
        """How long somebody listens who got in."""
        if self.flags[who] & BOT:
            return NEVER
        if self.chance.random() < self.scenario.bounce:
            return self.chance.expovariate(1 / 40)
        return self.chance.expovariate(1 / self.stay_s)

    def looks_after(self, who: int, interval_s: float) -> float:
        """When somebody's page looks again whose turn has come meanwhile."""
        flags = self.flags[who]
        if flags & FROZEN:
            return self.chance.expovariate(1 / 120)
        if flags & HIDDEN:  # browsers wake such a page once a minute
            return self.chance.random() * 60
        return self.chance.random() * interval_s

    def _arrivals(self) -> Iterator[float]:
        scenario, draw = self.scenario, self.chance.random
        for _ in range(scenario.arrivals):
            share = draw()
            if scenario.shape == "peak" and draw() < 0.5:
                share = 0.2 + share / 10
            elif scenario.shape == "step" and draw() < 0.8:
                share /= 50
            yield share * scenario.arrive_s

    def _flags(self, count: int) -> Iterator[int]:
        scenario, draw = self.scenario, self.chance.random
        for _ in range(self.honest):
            flags = 0
            if draw() < scenario.hidden:
                flags |= FROZEN if draw() < scenario.frozen else HIDDEN
            if draw() < scenario.unable:
                flags |= UNABLE
            if draw() < scenario.crowded:
                flags |= CROWDED
            yield flags
        for bot in range(count - self.honest):
            yield (BOT if bot < scenario.attack.bots else HOARDER) | CROWDED

    def _prefixes(self, count: int) -> Iterator[int]:
        scenario, attack, chance = self.scenario, self.scenario.attack, self.chance
        crowded = [chance.getrandbits(64) for _ in range(scenario.crowded_prefixes)]
        own = [chance.getrandbits(64) for _ in range(scenario.own_prefixes)]
        bots = [chance.getrandbits(64) for _ in range(attack.bot_prefixes)]
        hoards = [chance.getrandbits(64) for _ in range(attack.hoard_prefixes)]
        for who in range(count):
            if who >= self.honest:
                yield chance.choice(bots if self.flags[who] & BOT else hoards)
            elif self.flags[who] & CROWDED:
                # The largest telephone company has many times what the smallest has.
                yield crowded[int(len(crowded) * chance.random() ** 2)]
            else:
                yield own[int(len(own) * chance.random())]

    def _patience(self, who: int) -> float:
        if self.flags[who] & BOT:
            return NEVER
        return self.came_s[who] + self.chance.expovariate(1 / self.patience_s)
