"""Those who come in a drawn incident: people and machines, with what a gate can see of them."""

import random
from dataclasses import dataclass

from bench.incident.draw import Attack, Incident, People
from stentor.audience.marks import Mark


@dataclass(slots=True)
class Actor:
    """Somebody or something that asks to join.

    Attributes:
        again_s: comes back after being refused (0: as told, with a person's jitter).
        stay_s: how long a seat is held; patience_s: how long a place is waited for.
        solves: whether a challenge is computed; page: whether the page was loaded before.
        kind: `person`, or the attack's kind.
    """

    client: int
    prefix: int
    head: int
    known: bool
    marks: int
    page: bool
    stay_s: float
    patience_s: float
    solves: bool
    again_s: float = 0.0
    jitter: float = 0.0
    obeys: bool = True
    until_s: float = 0.0
    kind: str = "person"
    tries: int = 0
    solved: bool = False


def hashed(*what: object) -> int:
    """A hash as a gate makes it, the same for the same things."""
    return random.Random(repr(what)).getrandbits(64)


def audience(chance: random.Random, people: People, history: bool) -> list[Actor]:
    """The people of an evening; nothing says when they come."""
    weights = [1 / (1 + 0.35 * at) for at in range(people.heads)]
    weights[0] = people.favourite / (1 - people.favourite) * sum(weights[1:])
    heads = [hashed("head", at) for at in range(people.heads)]
    nats = [hashed("nat", at) for at in range(people.nats)]
    chosen = chance.choices(heads, weights, k=people.count)
    out = []
    for head in chosen:
        behind = chance.random() < people.behind
        prefix = chance.choice(nats) if behind else chance.getrandbits(64)
        client = hashed(prefix, chance.randrange(24), head) if behind else chance.getrandbits(64)
        odd = chance.random() < 0.012  # somebody's own player
        out.append(
            Actor(
                client=client,
                prefix=prefix,
                head=head,
                known=history and chance.random() < (0.9 if behind else people.known),
                marks=int(Mark.STRANGE) if odd else 0,
                page=not odd and chance.random() < people.pages,
                stay_s=chance.expovariate(1 / people.stay_s) + 20,
                patience_s=chance.expovariate(1 / people.patience_s) + 15,
                solves=chance.random() < 0.97,
            )
        )
    return out


def arrivals(chance: random.Random, incident: Incident, people: People, count: int) -> list[float]:
    """When so many people come, in seconds of the evening."""
    end_s, start_s = incident.minutes * 60, incident.start_s
    times = []
    for _ in range(count):
        which = chance.random()
        if which < people.burst:
            at = start_s - 15 + chance.expovariate(1 / people.burst_s)
        elif which < people.burst + 0.25:
            at = start_s - abs(chance.gauss(0, start_s / 2))
        else:
            at = start_s + (end_s - start_s) * chance.betavariate(1.0, 1.8)
        times.append(min(end_s - 1, max(0.0, at)))
    return times


def machines(chance: random.Random, attack: Attack, history: bool) -> list[tuple[float, Actor]]:
    """The bots of an attack, with when each comes first."""
    prefixes = [
        (chance.getrandbits(64), history and chance.random() < attack.known)
        for _ in range(max(1, attack.prefixes))
    ]
    whose = ("head",) if attack.copied else ("bot", attack.from_s)
    heads = [hashed(*whose, at) for at in range(attack.heads)]
    out = []
    for _ in range(attack.bots):
        prefix, known = chance.choice(prefixes)
        marks = int(Mark.STRANGE) if chance.random() < attack.strange else 0
        if attack.kind == "tickets":
            marks |= Mark.BAD
        actor = Actor(
            client=chance.getrandbits(64),
            prefix=prefix,
            head=chance.choice(heads),
            known=known,
            marks=marks,
            page=chance.random() >= attack.pageless,
            stay_s=120.0 if attack.kind == "joins" else 1e9,
            patience_s=1e9,
            solves=chance.random() < attack.solves,
            again_s=attack.again_s,
            jitter=attack.jitter,
            obeys=chance.random() < attack.obeys,
            until_s=attack.until_s,
            kind=attack.kind,
        )
        spread = max(attack.again_s, 5.0)
        out.append((attack.from_s + chance.random() * spread, actor))
    return out
