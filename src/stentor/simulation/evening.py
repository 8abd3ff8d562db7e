"""One evening at the door, second by second: people and attackers ask, gates and usher decide."""

import heapq
import random
from array import array
from collections.abc import Iterator

import msgspec

from stentor.gate import challenge, places, tickets
from stentor.gate.asking import Asked, Decision
from stentor.gate.mark import wait_of
from stentor.gate.notice import PLACES, GateReport, Notice
from stentor.gate.places import Place
from stentor.gate.plan import Plan
from stentor.gate.policy import Door
from stentor.gate.signing import Keys, seed_hash_of, seed_of
from stentor.gate.tickets import Ticket
from stentor.gate.usher import Usher
from stentor.limits import LEASE_S
from stentor.simulation.house import House
from stentor.simulation.people import (
    BOT,
    CROWDED,
    ELSEWHERE,
    FROZEN,
    GONE,
    HIDDEN,
    HOARDER,
    LISTENS,
    UNABLE,
    WAITS,
    People,
)
from stentor.simulation.scenario import Scenario
from stentor.simulation.watch import Watch
from stentor.tokens import Keyring

SPACE = "0123456789ab"
BEGINS_S = 1_800_000_000
ARRIVE, JOIN, LOOK, LEAVE, RENEW, SOLVED, FLOOD, REPLAY = range(8)
JOIN_COST_S = 120e-6
LOOK_COST_S = 50e-6
"""What a gate's processor takes for a join and for a look at the mark, HTTP included."""
HASHES_PER_S = 250_000
"""Of a telephone."""
PAGE_LOOKS_S = 5.0
PAGE_NEAR_S = 1.5
PAGE_NEAR_TURN_S = 15.0
"""How often a page looks at the mark, and when its turn is near: `static/queue.js`."""
LOST = 0.01
"""Of those who are let in, how many never begin: the page was closed just then."""


class Minute(msgspec.Struct):
    """What happened in one minute, as a ledger would have it."""

    from_s: int
    outcomes: dict[str, int] = {}
    issued: int = 0
    listeners: int = 0
    waiting: int = 0
    capacity: int = 0
    step: int = 0
    why: str = ""
    share: int = 0


class Evening:
    """A simulation; `play` runs it to its end.

    Attributes:
        minutes: what happened.
        first_turn_us: of each one's first place, and `placed_s` when it was asked for.
        changes: steps of the ladder: when, which, why.
        lag_s: how long a gate took to answer, at worst.
    """

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self.scenario = scenario
        self.chance = random.Random(seed)  # noqa: S311 - nothing here is secret
        self.people = People(scenario, self.chance)
        self.watch = Watch(self.people, scenario.watched)
        ring = Keyring("simulate", {"simulate": seed.to_bytes(32, "big")})
        self.keys = Keys(ring)
        self.seed = seed_of(ring, SPACE)
        self.usher = Usher()
        opens_us = int((BEGINS_S + scenario.before_s) * 1e6) if scenario.before_s else 0
        self.usher.plan(SPACE, Plan(opens_us=opens_us, seed_hash=seed_hash_of(self.seed)))
        first = Notice(SPACE, BEGINS_S * 1_000)
        self.doors = [Door(SPACE, self.keys, self.seed, first) for _ in range(scenario.edges)]
        self.house = House(scenario, self.chance, SPACE)
        self.notice = first
        self.minutes: list[Minute] = []
        self.changes: list[tuple[int, int, str]] = []
        self.lag_s = 0.0
        self.begins_us = BEGINS_S * 1_000_000
        self.first_turn_us = array("Q", bytes(8 * len(self.people)))
        self.placed_s = array("d", bytes(8 * len(self.people)))
        self._agenda: dict[int, list[tuple[float, int, int]]] = {}
        self._buckets: dict[int, list[int]] = {}  # those who wait, by the second of their turn
        self._open: list[int] = []  # of the bucket the mark is in, the last to be called first
        self._open_second = -1
        self._edge_of: dict[int, int] = {}
        self._asked_s: dict[int, float] = {}  # when those came whose turn came with a challenge
        self._bought: dict[int, tuple[str, int]] = {}
        self._second = -1
        self._now: list[tuple[float, int, int]] = []
        self._alive = 0.0
        self._lag_s = 0.0
        self._work_s = 0.0
        self._busy = 0.0
        self._replayed = ""

    def play(self) -> "Evening":
        """Play it."""
        arrivals = self.people.by_second()
        for second in range(self.scenario.last_s):
            self._second = second
            self._turn(second)
            events = self._agenda.pop(second, [])
            events += ((at, ARRIVE, who) for at, who in next(arrivals, ()))
            events += self._attackers(second)
            heapq.heapify(events)
            self._now = events
            while events:
                at, what, who = heapq.heappop(events)
                self._happens(at, what, who)
            self._measure_load()
            if second > self.scenario.arrive_s and self._is_over(second):
                break
        return self

    # A second ------------------------------------------------------------------------------------

    def _turn(self, second: int) -> None:
        """Reports, notices, and who is called by them."""
        wall_ms = (BEGINS_S + second) * 1_000
        minute = self._minute(second)
        for number, door in enumerate(self.doors):
            told = door.report()
            for (outcome, cause), count in told.outcomes.items():
                key = f"{outcome}:{cause}"
                minute.outcomes[key] = minute.outcomes.get(key, 0) + count
            minute.issued += sum(told.issued.values())
            report = GateReport(f"gate-{number}", wall_ms, {SPACE: told}, busy=self._busy)
            self.usher.gate(report, second, wall_ms)
        for edge in self.house.reports(wall_ms):
            self.usher.edge(edge, second)
        notices = self.usher.turn(second, wall_ms)
        for number, door in enumerate(self.doors):
            door.hear(notices[f"gate-{number}"][0], wall_ms * 1_000)
        for _, change in self.usher.changes:
            self.changes.append((second, change.step, change.why))
        self.usher.changes.clear()
        notice = self.notice = notices[""][0]
        minute.listeners, minute.waiting = notice.listeners, notice.waiting
        minute.capacity, minute.step, minute.why = notice.capacity, notice.step, notice.why
        minute.share = max(minute.share, notice.share)
        self._call(second)

    def _minute(self, second: int) -> Minute:
        if not self.minutes or second // 60 * 60 > self.minutes[-1].from_s:
            self.minutes.append(Minute(second // 60 * 60, {}))
        return self.minutes[-1]

    def _call(self, second: int) -> None:
        """Those the mark has passed learn of it when their page looks."""
        mark_us, turn_us = self.notice.admitting_us, self.people.turn_us
        while True:
            while self._open and turn_us[self._open[-1]] <= mark_us:
                self._called(self._open.pop(), second)
            if self._open:
                return
            following = min(self._buckets, default=-1)
            if following < 0 or following * 1_000_000 > mark_us:
                return
            self._open_second = following
            self._open = self._buckets.pop(following)
            self._open.sort(key=turn_us.__getitem__, reverse=True)

    def _called(self, who: int, second: int) -> None:
        people = self.people
        if people.state[who] != WAITS or self.watch.looks(who) or people.flags[who] & HOARDER:
            return
        at = second + people.looks_after(who, PAGE_NEAR_S) + self._lag_s
        if at < people.leaves_s[who]:
            self._at(at, JOIN, who)

    def _measure_load(self) -> None:
        """How busy gates are, and how late they answer therefore."""
        fresh = self._alive / 5
        share = (self._work_s + fresh * LOOK_COST_S) / len(self.doors)
        self._busy = min(1.0, share + self._lag_s)
        self._lag_s = max(0.0, self._lag_s + share - 1.0)
        self.lag_s = max(self.lag_s, self._lag_s)
        self._work_s = 0.0
        self._alive *= 1 - 1 / self.people.patience_s

    def _is_over(self, second: int) -> bool:
        return self.notice.waiting == 0 and second > self.scenario.arrive_s + 300

    def _attackers(self, second: int) -> Iterator[tuple[float, int, int]]:
        attack = self.scenario.attack
        if not attack.begins_s <= second < attack.ends_s:
            return
        for at in range(attack.flood_per_s):
            yield second + at / attack.flood_per_s, FLOOD, at
        for at in range(attack.replays_per_s):
            yield second + at / attack.replays_per_s, REPLAY, at

    # What happens --------------------------------------------------------------------------------

    def _at(self, at: float, what: int, who: int) -> None:
        if int(at) <= self._second:
            heapq.heappush(self._now, (at, what, who))
        else:
            self._agenda.setdefault(int(at), []).append((at, what, who))

    def _happens(self, at: float, what: int, who: int) -> None:
        people = self.people
        if what == ARRIVE:
            people.state[who] = ELSEWHERE
            self._join(at, who, Asked(people.prefix[who], self.chance.getrandbits(64)))
        elif what == JOIN:
            if people.state[who] == WAITS:
                self._join(at, who, self._with_place(who))
        elif what == LOOK:
            self._look(at, who)
        elif what == SOLVED:
            salt, solution = self._bought.pop(who)
            asked = Asked(people.prefix[who], self.chance.getrandbits(64))
            asked.challenge, asked.solution = salt, solution
            self._join(at, who, asked)
        elif what == LEAVE:
            self._leave(at, who)
        elif what == RENEW:
            self._renew(at, who)
        else:
            self._attack(at, what, who)

    def _with_place(self, who: int) -> Asked:
        people = self.people
        place = Place(SPACE, people.number[who], people.turn_us[who], 0)
        text = places.issue(place, self.keys.at(BEGINS_S))
        return Asked(people.prefix[who], self.chance.getrandbits(64), place=text)

    def _decide(self, at: float, asked: Asked) -> Decision:
        self._work_s += JOIN_COST_S
        door = self.doors[int(self.chance.random() * len(self.doors))]
        return door.decide(asked, BEGINS_S * 1_000_000 + int(at * 1e6))

    def _join(self, at: float, who: int, asked: Asked) -> None:
        people = self.people
        decision = self._decide(at, asked)
        if decision.ticket is not None:
            self._enters(at, who, decision.ticket)
        elif decision.place is not None:
            self._waits(at, who, decision)
        elif decision.challenge is not None:
            flags = people.flags[who]
            if flags & UNABLE:
                asked.patience = True
                self._join(at + 2, who, asked)
            elif not flags & (BOT | HOARDER) or self.scenario.attack.solves:
                salt = decision.challenge.salt
                solution = challenge.answer(salt, self.keys.at(BEGINS_S).valid)
                self._bought[who] = salt, solution
                self._asked_s[who] = at
                self._at(at + 0.2 + solution / HASHES_PER_S, SOLVED, who)
        elif at + 10 < people.leaves_s[who]:
            self._at(at + 10, ARRIVE, who)

    def _waits(self, at: float, who: int, decision: Decision) -> None:
        people, place, wait = self.people, decision.place, decision.wait
        assert place is not None, "who waits has a place"
        assert wait is not None, "who waits is told for how long"
        if people.state[who] != WAITS:
            self._alive += 1
            people.state[who] = WAITS
            people.told_s[who] = wait.likely
            if not self.first_turn_us[who]:
                self.first_turn_us[who] = place.turn_us
                self.placed_s[who] = self._asked_s.pop(who, at)
        people.number[who], people.turn_us[who] = place.number, place.turn_us
        if self.watch.looks(who):
            held = decision.cause == "share" and place.turn_us <= self.notice.admitting_us
            self.watch.told(who, at, None if held else wait)
            self._at(at + max(decision.poll_after_s, PAGE_NEAR_S), LOOK, who)
        elif place.turn_us <= self.notice.admitting_us:  # no chair just now, or too many alike
            again = at + people.looks_after(who, decision.poll_after_s)
            if again < people.leaves_s[who] and not people.flags[who] & HOARDER:
                self._at(again, JOIN, who)
        else:
            self._wait_in_bucket(who, place.turn_us)

    def _wait_in_bucket(self, who: int, turn_us: int) -> None:
        second = turn_us // 1_000_000
        if second == self._open_second and self._open:
            self._open.append(who)
            self._open.sort(key=self.people.turn_us.__getitem__, reverse=True)
        else:
            self._buckets.setdefault(second, []).append(who)

    def _look(self, at: float, who: int) -> None:
        """A watched page looks at the mark."""
        people, notice = self.people, self.notice
        if people.state[who] != WAITS or at > people.leaves_s[who]:
            return
        late = at + self._lag_s
        if notice.admitting_us >= people.turn_us[who]:
            self._join(late, who, self._with_place(who))
            return
        wait = wait_of(people.turn_us[who], notice)
        self.watch.looked(who, late, wait)
        next_s = page_looks_after_s(wait.likely, self.chance.random())
        if people.flags[who] & (HIDDEN | FROZEN):
            next_s = max(next_s, people.looks_after(who, next_s))
        self._at(at + next_s, LOOK, who)

    def _enters(self, at: float, who: int, ticket: Ticket) -> None:
        people = self.people
        if people.state[who] == WAITS:
            self._alive -= 1
            self.watch.entered(who, at)
        people.state[who] = LISTENS
        people.in_s[who] = at
        people.number[who] = ticket.number
        if self.chance.random() < LOST:
            people.state[who] = GONE
            return
        crowded = bool(people.flags[who] & CROWDED)
        self._edge_of[who] = self.house.enter(people.prefix[who], crowded=crowded)
        self._at(at + people.stays_for(who), LEAVE, who)
        if crowded:
            self._at(at + LEASE_S / 2, RENEW, who)

    def _leave(self, at: float, who: int) -> None:
        if who in self._edge_of:
            crowded = bool(self.people.flags[who] & CROWDED)
            listened_s = max(0.0, at - self.people.in_s[who])
            edge, prefix = self._edge_of.pop(who), self.people.prefix[who]
            listens = self.people.state[who] == LISTENS
            self.house.leave(edge, prefix, listened_s, crowded=crowded, swept=not listens)
            if listens:
                self.people.state[who] = GONE

    def _renew(self, at: float, who: int) -> None:
        """Of those behind crowded addresses; the tickets of others are always renewed."""
        people = self.people
        if people.state[who] != LISTENS:
            return
        share = self.notice.share
        if not share or self.house.holders(people.prefix[who]) <= share:
            self._at(at + LEASE_S / 2, RENEW, who)
            return
        ticket = Ticket(SPACE, people.number[who], BEGINS_S + int(at) + int(LEASE_S / 2))
        asked = Asked(people.prefix[who], self.chance.getrandbits(64))
        asked.ticket = tickets.issue(ticket, self.keys.at(BEGINS_S))
        decision = self._decide(at, asked)
        if decision.ticket is not None:
            self._at(at + LEASE_S / 2, RENEW, who)
        else:  # the lease they have goes on to its end
            self._at(at + LEASE_S / 2, LEAVE, who)
            self._waits(at, who, decision)

    def _attack(self, at: float, what: int, which: int) -> None:
        attack = self.scenario.attack
        if what == FLOOD:
            prefix = (which * 7_919 + 1) % attack.flood_prefixes
            self._decide(at, Asked(prefix, self.chance.getrandbits(64)))
            return
        if not self._replayed and self.notice.mode == PLACES:
            got = self._decide(at, Asked(99, self.chance.getrandbits(64)))
            self._replayed = got.place_text
        self._decide(at, Asked(which, self.chance.getrandbits(64), place=self._replayed))


def page_looks_after_s(wait_s: float, chance: float) -> float:
    """When a page looks at the mark again."""
    return (PAGE_NEAR_S if wait_s < PAGE_NEAR_TURN_S else PAGE_LOOKS_S) * (0.75 + chance / 2)
