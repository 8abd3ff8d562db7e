"""Playing a drawn incident, attempt by attempt, through the tally that gates count with.

The door is a simple one: seats, a queue or refusals, a challenge under pressure. What the report
reads afterwards is only what gates, edges and the usher write down.
"""

import heapq
import random
from dataclasses import dataclass, field

from msgspec.structs import replace

from bench.incident.actors import Actor, arrivals, audience, hashed, machines
from bench.incident.draw import Fault, Incident
from bench.incident.house import House
from stentor.audience import ledger
from stentor.audience.ledger import Counted
from stentor.audience.marks import Mark
from stentor.audience.tally import Attempt, Tally

SPAN_S = 10
EXAMINED_PER_S = 1_500
"""Attempts a gate has time to look at; the drawn gates are slow ones."""
PROXY = 0x5EED


@dataclass
class Evening:
    """What is left of an evening.

    Attributes:
        gaps: (from_s, to_s, `stage` or `disk`) of the programme.
        steps: (at_s, step, why) of the ladder.
    """

    counted: list[Counted] = field(default_factory=list)
    gaps: list[tuple[float, float, str]] = field(default_factory=list)
    steps: list[tuple[float, int, str]] = field(default_factory=list)


class Door:
    """One evening as it goes."""

    def __init__(self, incident: Incident, chance: random.Random) -> None:
        self.incident, self.chance = incident, chance
        self.tally = Tally()
        self.house = House(incident, chance)
        self.heap: list[tuple[float, int, str, Actor]] = []
        self.queue: list[tuple[float, Actor]] = []
        self.seated: list[tuple[float, int, Actor]] = []
        self.number = 0
        self.second, self.in_second = -1, 0
        self.asked_bits = chance.random() < 0.5

    def at(self, time_s: float, what: str, actor: Actor) -> None:
        """Something will happen."""
        self.number += 1
        heapq.heappush(self.heap, (time_s, self.number, what, actor))

    def run_to(self, end_s: float) -> None:
        """All that happens before a moment."""
        while self.heap and self.heap[0][0] < end_s:
            now, _, what, actor = heapq.heappop(self.heap)
            self.leave(now)
            if what == "come":
                if actor.page:
                    self.tally.page(self.seen(actor, now)[0], now)
                self.attempt(now + 0.0, actor)
            elif what == "again":
                self.attempt(now, actor)
        self.leave(end_s)

    def leave(self, now: float) -> None:
        """Those whose time is over go, and those who wait take the seats."""
        while self.seated and self.seated[0][0] <= now:
            _, _, actor = heapq.heappop(self.seated)
            self.house.ended += 1
            if actor.kind != "person" and now < actor.until_s:
                self.at(now + self.pause(actor, 0.0), "again", actor)
        capacity = self.house.capacity(now)
        while self.queue and len(self.seated) < capacity:
            since, actor = self.queue.pop(0)
            if now - since > actor.patience_s:
                self.tally.count("lapsed")
                continue
            self.tally.count("claimed")
            self.tally.waited((now - since) * 1_000)
            self.seat(now, actor)

    def seat(self, now: float, actor: Actor) -> None:
        """Somebody has sound."""
        self.number += 1
        self.tally.count("tickets")
        self.house.begun += 1
        until = now + actor.stay_s
        if actor.kind != "person":
            until = min(until, actor.until_s)
        heapq.heappush(self.seated, (until, self.number, actor))

    def attempt(self, now: float, actor: Actor) -> None:
        """Somebody asks to join."""
        client, prefix, known = self.seen(actor, now)
        outcome, marks, told_s = self.decide(now, actor)
        actor.tries += 1
        if int(now) != self.second:
            self.second, self.in_second = int(now), 0
        self.in_second += 1
        if self.in_second > EXAMINED_PER_S:
            self.tally.uncounted(outcome)
        else:
            one = Attempt(
                outcome=outcome,
                client=client,
                prefix=prefix,
                head=actor.head,
                known=known,
                marks=actor.marks | marks,
                told_s=told_s,
            )
            self.tally.attempt(one, now)
        self.follow(now, actor, outcome, told_s)

    def seen(self, actor: Actor, now: float) -> tuple[int, int, bool]:
        """Client, prefix, and whether it is known, as the gate sees them."""
        if self.house.fault("proxy", now):
            self.tally.count("unbelieved")
            return hashed(PROXY, actor.head), PROXY, self.incident.history > 0
        return actor.client, actor.prefix, actor.known

    def decide(self, now: float, actor: Actor) -> tuple[str, int, float]:
        """Outcome, marks, and how long to stay away."""
        chance, house = self.chance, self.house
        if actor.kind == "tickets":
            self.tally.count_in("bad", "ticket.invalid")
            return "refused:ticket.invalid", 0, 0.0
        if (fault := house.fault("keys", now)) and chance.random() < 0.3 + 0.6 * fault.depth:
            self.tally.count_in("bad", "ticket.invalid")
            return "refused:ticket.invalid", Mark.BAD, 3.0
        broken = house.failing(now)
        if broken and chance.random() < broken:
            self.tally.count_in("errors", "internal")
            return "failed:internal", 0, 3.0
        hard = house.fault("challenge", now)
        if (hard or (self.asked_bits and house.pressed)) and not actor.solved:
            self.tally.count_in("challenges", "asked")
            return "challenged", Mark.UNSOLVED, 1.0
        marks = Mark.SOLVED if actor.solved else 0
        if len(self.seated) < house.capacity(now) and not self.queue:
            self.seat(now, actor)
            return "admitted", marks, 0.0
        if self.incident.room:
            self.tally.count("issued")
            self.queue.append((now, actor))
            return "placed", marks, 0.0
        return "refused:capacity", marks, 10.0

    def follow(self, now: float, actor: Actor, outcome: str, told_s: float) -> None:
        """What somebody does after an answer."""
        if outcome in {"admitted", "placed"}:
            return
        if outcome == "challenged":
            self.compute(now, actor)
            return
        if actor.kind == "person":
            if actor.tries < 8 and self.chance.random() < 0.85:
                self.at(now + self.pause(actor, told_s), "again", actor)
        elif now < actor.until_s:
            self.at(now + self.pause(actor, told_s), "again", actor)

    def compute(self, now: float, actor: Actor) -> None:
        """Somebody was asked for a challenge."""
        hard = self.house.fault("challenge", now)
        if hard:
            if actor.tries < 6 and actor.kind == "person":
                self.at(now + self.chance.uniform(5, 40), "again", actor)
            return
        if actor.solves:
            took_s = self.chance.lognormvariate(0.2, 0.6)
            self.tally.count_in("challenges", "solved")
            self.tally.solved(took_s * 1_000)
            actor.solved = True
            self.at(now + took_s, "again", actor)
        elif actor.kind != "person" and now < actor.until_s:
            self.at(now + self.pause(actor, 1.0), "again", actor)

    def pause(self, actor: Actor, told_s: float) -> float:
        """When somebody comes back."""
        if actor.kind == "person":
            return max(1.0, told_s) * self.chance.uniform(0.9, 2.5)
        pause_s = actor.again_s * (1 + self.chance.gauss(0, 1) * actor.jitter)
        return max(0.5, pause_s, told_s if actor.obeys else 0.0)


def play(incident: Incident, space: str, begin_ms: int) -> Evening:
    """The whole evening."""
    chance = random.Random(f"play {incident.kind} {incident.seed} {space}")
    door = Door(incident, chance)
    crowd = audience(chance, incident.people, incident.history > 0)
    for time_s, person in zip(
        arrivals(chance, incident, incident.people, len(crowd)), crowd, strict=True
    ):
        door.at(time_s, "come", person)
    for attack in incident.attacks:
        for time_s, bot in machines(chance, attack, incident.history > 0):
            door.at(time_s, "come", bot)
    evening = Evening()
    expected = _expected(incident) if incident.told else []
    remembered = chance.randint(500, 30_000) if incident.history else 0
    for at in range(int(incident.minutes * 60) // SPAN_S):
        begin_s = at * SPAN_S
        door.run_to(begin_s + SPAN_S)
        supply = door.house.supply(
            begin_s, door.seated, len(door.queue), door.tally, evening.gaps, evening.steps
        )
        if expected:
            supply["expected"] = expected[at] if at < len(expected) else 0.5
        for actor in door.house.displaced(begin_s + SPAN_S, door.seated):
            door.at(begin_s + SPAN_S + chance.random() * 5, "again", actor)
        demand = replace(door.tally.take(), history=remembered)
        evening.counted.append(
            ledger.counted(
                space,
                begin_ms + begin_s * 1_000,
                SPAN_S * 1_000,
                [demand],
                ledger.Supply(**supply),
            )
        )
    return evening


def _expected(incident: Incident) -> list[float]:
    """What the usher thought would come: the usual evening, not quite exactly."""
    chance = random.Random(f"expected {incident.kind} {incident.seed}")
    spans = int(incident.minutes * 60) // SPAN_S
    counts = [0.5] * spans
    usual = incident.people.usual
    for time_s in arrivals(chance, incident, incident.people, usual):
        counts[min(spans - 1, int(time_s) // SPAN_S)] += 1
    off = chance.uniform(0.85, 1.25)
    return [
        off * sum(counts[max(0, at - 2) : at + 3]) / len(counts[max(0, at - 2) : at + 3])
        for at in range(spans)
    ]


def active(faults: list[Fault], kind: str, now: float) -> Fault | None:
    """The fault of a kind that is going on."""
    return next((f for f in faults if f.kind == kind and f.from_s <= now < f.until_s), None)
