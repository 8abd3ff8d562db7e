"""Drawing incidents by chance, in wide ranges. What reads them afterwards does not know this file.

A kind is drawn as `crowd`, `attack`, `mixed` or `fault`; all sizes are relative to what the house
usually holds. Ranges are what was seen or reported of such evenings, widened.
"""

import math
import random
from dataclasses import dataclass, field

KINDS = ("crowd", "attack", "mixed", "fault")
ATTACKS = ("joins", "listening", "tickets", "half_heads", "packets", "shielded")
FAULTS = (
    "edges", "disk", "stage", "errors", "keys", "challenge", "cap", "proxy", "stalls", "loop"
)  # fmt: skip


@dataclass
class People:
    """The audience of an evening.

    Attributes:
        count: who come. usual: who come on other evenings.
        known: of those, how many live in prefixes that were here before.
        behind: the share of them behind `nats` carriers' prefixes.
        pages: how many have their page from a gate (a CDN in front leaves few).
        heads: how many different browsers; favourite: the share of the most common one.
        burst: share that comes within `burst_s` after the start.
        stay_s: how long one listens on average.
        patience_s: how long one waits on average.
    """

    count: int
    usual: int
    known: float
    behind: float
    nats: int
    pages: float
    heads: int
    favourite: float
    burst: float
    burst_s: float
    stay_s: float
    patience_s: float


@dataclass
class Attack:
    """One attack.

    Attributes:
        kind: one of ATTACKS.
        from_s, until_s: seconds of the evening; waves: how many pauses are in between.
        bots: machines; prefixes: where they stand; known: share of these seen before.
        pageless, strange: shares of bots that never loaded the page, or send no browser's head.
        heads: how many heads they have; copied: these are those of the most common browsers.
        again_s: they come back after this time (0: never); jitter: of it, as a share.
        obeys: share of those that stay away as long as they are told.
        solves: share that computes what is asked.
        per_s: volume of what is no attempt to join.
    """

    kind: str
    from_s: float
    until_s: float
    waves: int
    bots: int = 0
    prefixes: int = 1
    known: float = 0.0
    pageless: float = 1.0
    strange: float = 1.0
    heads: int = 1
    copied: bool = False
    again_s: float = 0.0
    jitter: float = 0.0
    obeys: float = 0.0
    solves: float = 0.0
    per_s: float = 0.0


@dataclass
class Fault:
    """One fault of ours: what, from when to when, and how bad (0 to 1)."""

    kind: str
    from_s: float
    until_s: float
    depth: float


@dataclass
class Incident:
    """All that is drawn for one evening.

    Attributes:
        truth: the causes that were put in.
        capacity: of the house with all its edges; measured: without the operator's cap.
        history: earlier Spaces; told: whether the usher wrote down what it expected.
        room: whether there is a waiting room, or people are refused and come again.
    """

    seed: int
    kind: str
    truth: list[str]
    minutes: float
    start_s: float
    edges: int
    capacity: int
    measured: int
    history: int
    told: bool
    room: bool
    people: People
    attacks: list[Attack] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


def draw(seed: int, kind: str) -> Incident:
    """One incident of a kind."""
    chance = random.Random(f"incident {kind} {seed}")
    usual = int(_log(chance, 200, 2_500))
    capacity = int(usual * chance.uniform(1.3, 3.0))
    minutes = chance.uniform(14, 32)
    start_s = chance.uniform(180, 360)
    history = 0 if chance.random() < 0.3 else chance.randint(1, 4)
    incident = Incident(
        seed=seed,
        kind=kind,
        truth=[],
        minutes=minutes,
        start_s=start_s,
        edges=chance.randint(1, 8),
        capacity=capacity,
        measured=int(capacity * chance.uniform(1.0, 1.2)),
        history=history,
        told=chance.random() < 0.3,
        room=chance.random() < 0.7,
        people=_people(chance, usual),
    )
    parts = [kind]
    if kind == "mixed":
        pairs = (["crowd", "attack"], ["crowd", "attack"], ["crowd", "attack"],
                 ["crowd", "fault"], ["attack", "fault"])  # fmt: skip
        parts = chance.choice(pairs)
    incident.truth = sorted(parts)
    if "crowd" in parts:
        _crowd(chance, incident)
    if "attack" in parts:
        _attack(chance, incident)
    if "fault" in parts:
        _fault(chance, incident, alone=kind == "fault")
    return incident


def _log(chance: random.Random, low: float, high: float) -> float:
    return math.exp(chance.uniform(math.log(low), math.log(high)))


def _people(chance: random.Random, usual: int) -> People:
    return People(
        count=max(60, int(usual * chance.uniform(0.75, 1.25))),
        usual=usual,
        known=chance.uniform(0.25, 0.85),
        behind=chance.choice([0.0, 0.1, 0.3, 0.5]),
        nats=chance.randint(1, 30),
        pages=0.05 if chance.random() < 0.1 else chance.uniform(0.93, 1.0),
        heads=chance.randint(15, 150),
        favourite=chance.uniform(0.08, 0.3),
        burst=chance.uniform(0.25, 0.6),
        burst_s=_log(chance, 20, 240),
        stay_s=_log(chance, 400, 3_000),
        patience_s=_log(chance, 120, 1_800),
    )


def _crowd(chance: random.Random, incident: Incident) -> None:
    people = incident.people
    people.count = int(min(24_000, incident.capacity * _log(chance, 1.8, 12)))
    people.burst = chance.uniform(0.4, 0.8)
    people.burst_s = _log(chance, 15, 120)
    people.known *= chance.uniform(0.3, 1.0)  # a crowd is made of newcomers as well
    people.behind = chance.choice([0.0, 0.2, 0.4, 0.6])


def _attack(chance: random.Random, incident: Incident) -> None:
    end = incident.minutes * 60
    for kind in chance.sample(ATTACKS, chance.choice([1, 1, 2, 3])):
        from_s = incident.start_s + chance.uniform(-90, 90)
        until_s = min(end, from_s + chance.uniform(0.5, 1.0) * (end - from_s))
        attack = Attack(kind, from_s, until_s, chance.choice([0, 0, 0, 2, 5]))
        skill = chance.random()
        attack.known = chance.uniform(0.0, 0.15)
        attack.heads = chance.randint(1, 6)
        attack.pageless = 1.0 if skill < 0.6 else chance.uniform(0.2, 1.0)
        attack.strange = 1.0 if skill < 0.35 else chance.choice([0.0, 0.0, 0.5])
        attack.copied = skill >= 0.35 and chance.random() < 0.3
        attack.again_s = _log(chance, 2, 40)
        attack.jitter = chance.choice([0.0, 0.02, 0.3])
        attack.obeys = 0.0 if skill < 0.7 else chance.random()
        attack.solves = chance.choice([0.0, 0.0, 0.5, 1.0])
        span_s = until_s - from_s
        if kind == "joins":
            attack.bots = int(min(8_000, incident.capacity * _log(chance, 0.8, 8)))
            attack.prefixes = int(_log(chance, 1, attack.bots))
            attack.again_s = max(attack.again_s, span_s * attack.bots / 40_000)
        elif kind == "listening":
            attack.bots = int(min(12_000, incident.capacity * _log(chance, 1.2, 5)))
            attack.prefixes = int(_log(chance, 10, 200))
            attack.again_s, attack.solves = max(20.0, attack.again_s), 1.0
        elif kind == "tickets":
            attack.bots = int(_log(chance, 20, 2_000))
            attack.prefixes = int(_log(chance, 1, attack.bots))
            attack.again_s = max(attack.again_s, span_s * attack.bots / 30_000)
        else:
            busy = incident.people.count / 60
            attack.per_s = max(20.0, busy) * _log(chance, 1.5, 200)
        incident.attacks.append(attack)


def _fault(chance: random.Random, incident: Incident, *, alone: bool) -> None:
    end = incident.minutes * 60
    kinds = [kind for kind in FAULTS if alone or kind in {"edges", "keys", "errors", "disk"}]
    for kind in chance.sample(kinds, chance.choice([1, 1, 2]) if alone else 1):
        from_s = incident.start_s + chance.uniform(-30, 120)
        until_s = min(end, from_s + chance.uniform(0.4, 1.0) * (end - from_s))
        incident.faults.append(Fault(kind, from_s, until_s, chance.uniform(0.3, 1.0)))
        if kind == "cap":
            # Whoever set it knew, or could have known, how many come.
            if not incident.history:
                incident.told = True
            incident.measured = incident.capacity
