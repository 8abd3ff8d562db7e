"""Evidence for crowd, attack and own fault, line by line, span by span: shares, no verdict. Pure.

Each line has a strength between 0 and 1 in each span of ten seconds. In a span a cause is as strong
as its strongest line; the causes share the span, and what none explains stays undecided. Shares are
means over all spans in which anything was rough. docs/topics/incident.md has every line's reason.
"""

from collections.abc import Callable, Sequence

import msgspec

from stentor.audience.incident import quiet, replay
from stentor.audience.incident.quiet import Quiet
from stentor.audience.incident.replay import Played
from stentor.audience.incident.spans import Span

CAUSES = ("crowd", "attack", "fault")
LEADING_FROM = 0.3
"""A cause with less than this share of the rough spans does not lead."""
BESIDE = 0.2
"""A second cause with so large a part of the first one's share stands beside it: mixed."""
ROUGH_MIN = 2
"""Fewer rough spans than this are no incident."""


class Line(msgspec.Struct, frozen=True):
    """One line of evidence.

    Attributes:
        key: `cause.name`. sentence: what it says, for people.
        feature: what it is made of. unit: of its figure.
        strengths: span by span.
        figure, usual: the figure at its strongest, and what is usual (-1: nobody knows).
    """

    key: str
    sentence: str
    feature: str
    unit: str
    strengths: list[float]
    figure: float
    usual: float = -1.0


class Shares(msgspec.Struct, frozen=True):
    """What leads, and how much of the rough spans each cause explains."""

    crowd: float
    attack: float
    fault: float
    undecided: float
    leading: list[str]


class Replays(msgspec.Struct, frozen=True):
    """The evening played again, in six ways."""

    all: list[Played]
    without_suspects: list[Played]
    without_crowd: list[Played]
    without_fault: list[Played]
    crowd_alone: list[Played]
    attack_alone: list[Played]
    fault_alone: list[Played]


def ramp(value: float, low: float, high: float) -> float:
    """0 up to `low`, 1 from `high` on."""
    return min(1.0, max(0.0, (value - low) / (high - low)))


def replays_of(spans: Sequence[Span], usual: Quiet) -> Replays:
    """All replays; a capacity that fell under load is the load's doing, not a fault of ours."""
    was = [float(span.counted.supply.capacity) for span in spans]
    mended = [span.usual for span in spans]
    fault = [
        span.usual if _fell_under_load(span, usual) else room
        for span, room in zip(spans, was, strict=True)
    ]

    def play(people: str, suspects: bool, rooms: Sequence[float]) -> list[Played]:
        return replay.play(spans, people=people, suspects=suspects, rooms=rooms)

    return Replays(
        all=play("came", True, was),
        without_suspects=play("came", False, was),
        without_crowd=play("expected", True, was),
        without_fault=play("came", True, mended),
        crowd_alone=play("came", False, mended),
        attack_alone=play("expected", True, mended),
        fault_alone=play("expected", False, fault),
    )


def lines_of(spans: Sequence[Span], usual: Quiet, played: Replays) -> list[Line]:
    """All lines of evidence."""
    crowd = _crowd(spans, usual, played)
    attack = _attack(spans, usual, played)
    # What breaks under a load that would break anything speaks of the load.
    load = [max(line.strengths[at] for line in (*crowd, *attack)) for at in range(len(spans))]
    return [*crowd, *attack, *_fault(spans, usual, played, load)]


def shares_of(spans: Sequence[Span], lines: Sequence[Line]) -> Shares:
    """How the rough spans are shared."""
    rough = [at for at, span in enumerate(spans) if span.rough]
    sums = dict.fromkeys(CAUSES, 0.0)
    for at in rough:
        strong = {
            cause: max(line.strengths[at] for line in lines if line.key.startswith(cause))
            for cause in CAUSES
        }
        total = max(1.0, sum(strong.values()))
        arrivals = spans[at].counted.demand.arrivals
        unclear = spans[at].sorted.unclear / arrivals if arrivals else 0.0
        for cause in CAUSES:
            known = 1.0 if cause == "fault" else 1.0 - unclear / 2
            sums[cause] += strong[cause] / total * known
    count = max(1, len(rough))
    crowd, attack, fault = (sums[cause] / count for cause in CAUSES)
    undecided = max(0.0, 1.0 - crowd - attack - fault) if rough else 0.0
    shares = {"crowd": crowd, "attack": attack, "fault": fault}
    return Shares(crowd, attack, fault, undecided, leading_of(shares, len(rough)))


def leading_of(shares: dict[str, float], rough: int) -> list[str]:
    """The cause or causes that the evidence leads to; empty: it cannot be told, or nothing was."""
    if rough < ROUGH_MIN:
        return ["nothing"]
    ordered = sorted(CAUSES, key=lambda cause: -shares[cause])
    first = shares[ordered[0]]
    if first < LEADING_FROM:
        return []
    return [cause for cause in ordered if shares[cause] >= BESIDE * first]


def _line(
    key: str,
    sentence: str,
    feature: str,
    unit: str,
    rows: list[tuple[float, float]],
    usual: float = -1.0,
) -> Line:
    """A line from (strength, figure) of each span."""
    best = max(range(len(rows)), key=lambda at: rows[at], default=-1)
    figure = rows[best][1] if best >= 0 else 0.0
    return Line(key, sentence, feature, unit, [strength for strength, _ in rows], figure, usual)


def _over(played: Sequence[Played], spans: Sequence[Span]) -> list[tuple[float, float]]:
    """Strength and people waiting, where more wanted in than could be held."""
    return [
        (ramp(one.waiting, 5 + 0.02 * span.usual, 10 + 0.06 * span.usual), one.waiting)
        for one, span in zip(played, spans, strict=True)
    ]


def _crowd(spans: Sequence[Span], usual: Quiet, played: Replays) -> list[Line]:
    expected = []
    for span in spans:
        known = span.expected >= 0
        ratio = span.sorted.new_people / max(span.expected, 5.0) if known else 0.0
        enough = ramp(span.sorted.new_people, 20, 60)
        expected.append((ramp(ratio, 1.8, 3.5) * enough, ratio))
    return [
        _line(
            "crowd.capacity",
            "Those who look like people would alone have been more than can usually be held.",
            "cohorts, capacity, ended, lapsed: replay",
            "people waiting",
            _over(played.crowd_alone, spans),
        ),
        _line(
            "crowd.expected",
            "More people came than were expected.",
            "cohorts, expected",
            "times",
            expected,
            1.0,
        ),
    ]


def _attack(spans: Sequence[Span], usual: Quiet, played: Replays) -> list[Line]:
    def suspects(span: Span) -> tuple[float, float]:
        others = max(span.sorted.people, 0.5 * usual.profile.arrivals, 15.0)
        return ramp(span.sorted.suspects / others, 0.2, 0.8), span.sorted.suspects

    def hostile(span: Span) -> tuple[float, float]:
        low = max(usual.hostile_from, 0.5 * span.sorted.people)
        return ramp(span.hostile, low, 4 * low), span.hostile

    seats = [
        (ramp(one.suspects / max(20.0, span.usual), 0.15, 0.5), one.suspects)
        for one, span in zip(played.all, spans, strict=True)
    ]
    return [
        _line(
            "attack.capacity",
            "Those who look like machines would, with the expected people, have filled the house.",
            "cohorts, capacity, expected: replay",
            "waiting",
            _over(played.attack_alone, spans),
        ),
        _line(
            "attack.attempts",
            "Many attempts have marks that machines have and people seldom.",
            "cohorts",
            "attempts in 10 s",
            [suspects(span) for span in spans],
        ),
        _line(
            "attack.hostile",
            "Much was refused before it could be understood, or showed something forged.",
            "shield, kernel, malformed, bad",
            "in 10 s",
            [hostile(span) for span in spans],
            usual.profile.hostile,
        ),
        _line(
            "attack.seats",
            "Seats are held by those who look like machines.",
            "cohorts, capacity: replay",
            "seats",
            seats,
        ),
    ]


def _fault(
    spans: Sequence[Span], usual: Quiet, played: Replays, load: Sequence[float]
) -> list[Line]:
    def each(
        rule: Callable[[float, Span], tuple[float, float]],
    ) -> list[tuple[float, float]]:
        return [rule(weight, span) for weight, span in zip(load, spans, strict=True)]

    return [
        _line(
            "fault.capacity",
            "The expected people alone were more than we held: less could be held than usual.",
            "capacity, edges, expected: replay",
            "people waiting",
            _over(played.fault_alone, spans),
        ),
        _line("fault.errors", "We answered with errors of our own.", "errors, failed", "share",
              each(_errors)),
        _line("fault.late", "Our own loops were late without a load that explains it.",
              "gate_lag_ms, edge_lag_ms, stage_late_ms", "ms", each(_late)),
        _line("fault.processes", "Processes of ours were missing or started again.",
              "edges, gates, restarts", "missing or restarted", each(_processes)),
        _line("fault.stage", "The stage was away: silence in the programme.",
              "stage.gap", "ms", each(_stage)),
        _line("fault.disk", "The disk refused what the stage wrote.",
              "log.gap", "ms", each(_disk)),
        _line("fault.stalls", "Listeners who had sound lost it without a load that explains it.",
              "stalled, dropped", "share", each(_stalls)),
        _line("fault.refusing", "Tickets and places of people were refused as not good.",
              "cohorts with a bad ticket that look like people", "share", each(_refusing)),
        _line("fault.challenge", "People did not get past our challenge.",
              "cohorts without a solution that look like people", "share", each(_challenge)),
        _line("fault.proxy", "A proxy in front is not listed, so that all look like one client.",
              "unbelieved", "share", each(_proxy)),
        _line("fault.cap", "The operator's cap turned people away whom the machines could hold.",
              "capacity, measured, binding", "people waiting", _cap(spans, usual, played)),
    ]  # fmt: skip


# What breaks a little under a load that breaks anything is the load's doing. What breaks a lot is
# ours: the door is built to say "full", not to fail.


def _errors(load: float, span: Span) -> tuple[float, float]:
    demand = span.counted.demand
    wrong = sum(demand.errors.values()) + quiet.of(demand, "failed")
    share = wrong / 2 / max(20, demand.arrivals)
    return max((1 - load) * ramp(share, 0.01, 0.05), ramp(share, 0.05, 0.15)), share


def _late(load: float, span: Span) -> tuple[float, float]:
    supply = span.counted.supply
    worst = max(supply.gate_lag_ms, supply.edge_lag_ms, 5 * supply.stage_late_ms)
    return (1 - load) * ramp(worst, 300, 1_200), worst


def _processes(load: float, span: Span) -> tuple[float, float]:
    supply = span.counted.supply
    missing = (supply.edges_wanted - supply.edges) / max(1, supply.edges_wanted)
    missing += (supply.gates_wanted - supply.gates) / max(1, supply.gates_wanted)
    again = sum(supply.restarts.values())
    return max(ramp(missing, 0.0, 0.3), 0.8 if again else 0.0), missing + again


def _stage(load: float, span: Span) -> tuple[float, float]:
    return ramp(span.stage_gap_ms, 100, 1_000), float(span.stage_gap_ms)


def _disk(load: float, span: Span) -> tuple[float, float]:
    return ramp(span.disk_gap_ms, 100, 1_000), float(span.disk_gap_ms)


def _stalls(load: float, span: Span) -> tuple[float, float]:
    share = quiet.unheard(span.counted) / max(20, span.counted.supply.listeners)
    return max((1 - load) * ramp(share, 0.005, 0.03), ramp(share, 0.03, 0.15)), share


def _refusing(load: float, span: Span) -> tuple[float, float]:
    share = span.sorted.bad_people / max(10.0, span.sorted.people)
    return ramp(share, 0.15, 0.5), share


def _challenge(load: float, span: Span) -> tuple[float, float]:
    like_people = span.sorted.people + span.sorted.unclear
    share = span.sorted.unsolved_people / max(10.0, like_people)
    return (1 - load) * ramp(share, 0.5, 0.8), share


def _proxy(load: float, span: Span) -> tuple[float, float]:
    demand = span.counted.demand
    share = demand.unbelieved / max(20, demand.arrivals + demand.pages)
    return ramp(share, 0.3, 0.8), share


def _cap(spans: Sequence[Span], usual: Quiet, played: Replays) -> list[tuple[float, float]]:
    """The cap, where people wait although the machines had room for all of them."""
    rows = []
    for at, span in enumerate(spans):
        supply = span.counted.supply
        waiting = played.without_suspects[at].waiting
        binds = supply.binding == "operator" and supply.measured > supply.capacity
        fits = supply.capacity + 1.1 * waiting <= supply.measured
        short = ramp(waiting, 5 + 0.02 * supply.capacity, 10 + 0.06 * supply.capacity)
        # A cap as on other evenings was meant; one that is new, or too small for those who were
        # expected, is a mistake; without either nobody can say.
        held = usual.per_edge * supply.edges_wanted
        meant = usual.source == "earlier" and supply.capacity >= 0.9 * held
        weight = 0.3 if meant else 1.0 if span.expected >= 0 or usual.source == "earlier" else 0.5
        rows.append((weight * short if binds and fits else 0.0, waiting))
    return rows


def _fell_under_load(span: Span, usual: Quiet) -> bool:
    supply = span.counted.supply
    if supply.edges < supply.edges_wanted or supply.binding == "operator":
        return False
    heavy = span.sorted.people + span.sorted.suspects + span.hostile
    return heavy > 5 * max(usual.profile.arrivals, 20.0)
