"""Spans, replays and evidence of an incident report again, for `incident_recount.py`.

Written from docs/topics/incident.md, as `incident_figures.py`.
"""

import statistics
from typing import Any

if __package__:
    from bench import incident_figures as figures
else:
    import incident_figures as figures

Record = dict[str, Any]
KINDS = ("people", "suspects", "unclear")


def ramp(value: float, low: float, high: float) -> float:
    return min(max((value - low) / (high - low), 0.0), 1.0)


class Span:
    """One record, and what follows from it."""

    def __init__(self, record: Record, evening: Record, usual: figures.Usual) -> None:
        self.record, self.came = record, figures.arrivals(record)
        self.supply: Record = record["supply"]
        scale = self.came / (figures.number(record, "demand", "examined") or 1)
        self.all = dict.fromkeys(KINDS, 0.0)
        self.fresh = dict.fromkeys(KINDS, 0.0)
        self.bad = dict.fromkeys(KINDS, 0.0)
        self.unsolved = 0.0
        remembered = figures.number(record, "demand", "history")
        computing = {kind: [0.0, 0.0] for kind in KINDS}
        for marks, row in figures.table(record, "cohorts").items():
            kind, count = usual.looks(marks, remembered), scale * sum(row)
            bits = 0 if marks == "-1" else int(marks)
            again, inside = bits & figures.MARKS["again"], scale * (row[0] + row[1])
            self.all[kind] += count
            self.fresh[kind] += inside if again else count
            computing[kind][0] += 0 if again else scale * row[2]
            computing[kind][1] += inside if again and bits & figures.MARKS["solved"] else 0
            counts = kind != "people" or usual.common["bad"] >= 1
            self.bad[kind] += count if counts and bits & figures.MARKS["bad"] else 0
            if kind != "suspects" and bits & figures.MARKS["unsolved"]:
                self.unsolved += count
        for kind, both in computing.items():
            self.fresh[kind] -= min(both)
        odd = self.all["suspects"]
        share = min(1.0, usual.spared * sum(self.all.values()) / odd) if odd else 0.0
        self.bad["suspects"] *= 1 - share
        for sums in (self.all, self.fresh):
            sums["unclear"] += share * sums["suspects"]
            sums["suspects"] *= 1 - share
        self.hostile = figures.refused_early(record) + self.bad["suspects"]
        begin, end = record["from_ms"], record["from_ms"] + record["span_ms"]
        self.gap = {
            whose: sum(
                max(0, min(end, gap["to_ms"]) - max(begin, gap["from_ms"]))
                for gap in evening["gaps"]
                if gap["whose"] == whose
            )
            for whose in ("stage", "disk")
        }
        self.usual = max(usual.per_edge * self.has("edges_wanted"), float(self.has("capacity")))
        self.expected = -1.0
        self.rough = (
            figures.rough(record)
            or self.hostile > usual.hostile_from
            or sum(self.gap.values()) > 20
        )

    def has(self, name: str) -> float:
        return self.supply.get(name, 0)


def expect(spans: list[Span], evening: Record) -> tuple[str, int]:
    """Say how many were expected in each span; where that comes from."""
    if any(span.has("expected") for span in spans):
        for span in spans:
            span.expected = span.has("expected") or -1.0
        return "ledger", 0
    origin = evening["scheduled_ms"] or evening["started_ms"]
    if not evening["earlier"] or not origin:
        return "none", 0
    curves = []
    for begun, rows in evening["earlier"]:
        curve: dict[int, float] = {}
        for record in rows:
            at = (record["from_ms"] - begun) // max(1, record["span_ms"])
            curve[at] = curve.get(at, 0.0) + figures.arrivals(record)
        curves.append(curve)
    for span in spans:
        at = (span.record["from_ms"] - origin) // max(1, span.record["span_ms"])
        values = [curve.get(at, 0.0) for curve in curves]
        span.expected = figures.median(values) if any(at in one for one in curves) else 0.0
    return "earlier", len(curves)


def leaves(span: Span) -> float:
    gone = span.has("ended")
    return gone / (gone + span.has("listeners")) if gone else 0.005


def play(spans: list[Span], *, crowd: bool, machines: bool, rooms: list[float]) -> list[Record]:
    """Free seats are taken by those who wait, in proportion."""
    fit = 1.0
    if not crowd and any(span.expected < 0 for span in spans):
        seats = peak = 0.0
        for at, span in enumerate(spans):
            seats = (span.has("listeners") if at == 0 else seats) * (1 - leaves(span))
            seats += span.fresh["people"]
            peak = max(peak, seats)
        least = min((span.usual for span in spans if span.usual), default=0.0)
        fit = min(1.0, 0.9 * least / peak) if peak else 1.0
    sitting, waiting = [spans[0].has("listeners") * fit, 0.0], [0.0, 0.0]
    played = []
    for span, room in zip(spans, rooms, strict=True):
        people = span.fresh["people"]
        if not crowd:
            people = min(people, span.expected) if span.expected >= 0 else people * fit
        waiting[0] += people
        waiting[1] += span.fresh["suspects"] if machines else 0.0
        sitting = [one * (1 - leaves(span)) for one in sitting]
        queue = sum(waiting)
        share = min(1.0, max(0.0, room - sum(sitting)) / queue) if queue else 0.0
        sitting = [one + share * other for one, other in zip(sitting, waiting, strict=True)]
        gone = 0.02
        if span.has("waiting"):
            lapsed = figures.number(span.record, "demand", "lapsed")
            gone = min(1.0, lapsed / span.has("waiting"))
        waiting = [one * (1 - share) * (1 - gone) for one in waiting]
        played.append(
            {"seated": sum(sitting), "bots": sitting[1], "waiting": sum(waiting), "room": room}
        )
    return played


def replays(spans: list[Span], usual: figures.Usual) -> dict[str, list[Record]]:
    was = [float(span.has("capacity")) for span in spans]
    mended = [span.usual for span in spans]
    fault = []
    for span, room, whole in zip(spans, was, mended, strict=True):
        ours = (
            span.has("edges") < span.has("edges_wanted") or span.supply.get("binding") == "operator"
        )
        load = span.all["people"] + span.all["suspects"] + span.hostile
        heavy = load > 5 * max(usual.profile["arrivals"], 20)
        fault.append(whole if heavy and not ours else room)
    return {
        "all": play(spans, crowd=True, machines=True, rooms=was),
        "without_suspects": play(spans, crowd=True, machines=False, rooms=was),
        "without_crowd": play(spans, crowd=False, machines=True, rooms=was),
        "without_fault": play(spans, crowd=True, machines=True, rooms=mended),
        "crowd_alone": play(spans, crowd=True, machines=False, rooms=mended),
        "attack_alone": play(spans, crowd=False, machines=True, rooms=mended),
        "fault_alone": play(spans, crowd=False, machines=False, rooms=fault),
    }


def full(span: Span, waiting: float) -> float:
    return ramp(waiting, 5 + 0.02 * span.usual, 10 + 0.06 * span.usual)


def claims(
    at: int, span: Span, usual: figures.Usual, played: dict[str, list[Record]]
) -> dict[str, tuple[float, float]]:
    """Lines of crowd and attack in a span: strength and figure."""
    people, fresh = span.all["people"], span.fresh["people"]
    times = fresh / max(span.expected, 5) if span.expected >= 0 else 0.0
    others = max(people, 0.5 * usual.profile["arrivals"], 15)
    low = max(usual.hostile_from, 0.5 * people)
    rows = {name: rows[at] for name, rows in played.items()}
    crowd, attack, real = rows["crowd_alone"], rows["attack_alone"], rows["all"]
    return {
        "crowd.capacity": (full(span, crowd["waiting"]), crowd["waiting"]),
        "crowd.expected": (ramp(times, 1.8, 3.5) * ramp(fresh, 20, 60), times),
        "attack.capacity": (full(span, attack["waiting"]), attack["waiting"]),
        "attack.attempts": (ramp(span.all["suspects"] / others, 0.2, 0.8), span.all["suspects"]),
        "attack.hostile": (ramp(span.hostile, low, 4 * low), span.hostile),
        "attack.seats": (ramp(real["bots"] / max(20, span.usual), 0.15, 0.5), real["bots"]),
    }


def faults(
    at: int, span: Span, usual: figures.Usual, played: dict[str, list[Record]], load: float
) -> dict[str, tuple[float, float]]:
    """Lines of our own fault in a span."""
    calm, has = 1 - load, span.has
    alone = played["fault_alone"][at]["waiting"]
    wrong = figures.total(span.record, "errors") + figures.outcome(span.record, "failed")
    errors = wrong / 2 / max(20, span.came)
    late = max(has("gate_lag_ms"), has("edge_lag_ms"), 5 * has("stage_late_ms"))
    missing = sum(
        (has(f"{what}_wanted") - has(what)) / max(1, has(f"{what}_wanted"))
        for what in ("edges", "gates")
    )
    again = figures.total(span.record, "restarts", "supply")
    stalls = figures.lost_sound(span.record) / max(20, has("listeners"))
    bad = span.bad["people"] / max(10, span.all["people"])
    unsolved = span.unsolved / max(10, span.all["people"] + span.all["unclear"])
    pages = figures.number(span.record, "demand", "pages")
    hidden = figures.number(span.record, "demand", "unbelieved") / max(20, span.came + pages)
    waiting = played["without_suspects"][at]["waiting"]
    room = has("measured") >= has("capacity") + 1.1 * waiting and has("measured") > has("capacity")
    capped = room and span.supply.get("binding") == "operator"
    meant = usual.source == "earlier" and (
        has("capacity") >= 0.9 * usual.per_edge * has("edges_wanted")
    )
    weight = 0.3 if meant else 1.0 if span.expected >= 0 or usual.source == "earlier" else 0.5
    short = ramp(waiting, 5 + 0.02 * has("capacity"), 10 + 0.06 * has("capacity"))
    return {
        "fault.capacity": (full(span, alone), alone),
        "fault.errors": (max(calm * ramp(errors, 0.01, 0.05), ramp(errors, 0.05, 0.15)), errors),
        "fault.late": (calm * ramp(late, 300, 1_200), late),
        "fault.processes": (max(ramp(missing, 0, 0.3), 0.8 if again else 0), missing + again),
        "fault.stage": (ramp(span.gap["stage"], 100, 1_000), span.gap["stage"]),
        "fault.disk": (ramp(span.gap["disk"], 100, 1_000), span.gap["disk"]),
        "fault.stalls": (max(calm * ramp(stalls, 0.005, 0.03), ramp(stalls, 0.03, 0.15)), stalls),
        "fault.refusing": (ramp(bad, 0.15, 0.5), bad),
        "fault.challenge": (calm * ramp(unsolved, 0.5, 0.8), unsolved),
        "fault.proxy": (ramp(hidden, 0.3, 0.8), hidden),
        "fault.cap": (weight * short if capped else 0.0, waiting),
    }


def shares(spans: list[Span], lines: list[dict[str, tuple[float, float]]]) -> Record:
    sums = {"crowd": 0.0, "attack": 0.0, "fault": 0.0}
    bad = [at for at, span in enumerate(spans) if span.rough]
    for at in bad:
        strong = {c: max(v[0] for k, v in lines[at].items() if k.startswith(c)) for c in sums}
        unclear = spans[at].all["unclear"] / spans[at].came if spans[at].came else 0.0
        for cause in sums:
            part = strong[cause] / max(1.0, sum(strong.values()))
            sums[cause] += part if cause == "fault" else part * (1 - unclear / 2)
    found: Record = {cause: value / max(1, len(bad)) for cause, value in sums.items()}
    order = sorted(found, key=lambda cause: -found[cause])
    leading = [cause for cause in order if found[cause] >= 0.2 * found[order[0]]]
    if len(bad) < 2:
        leading = ["nothing"]
    elif found[order[0]] < 0.3:
        leading = []
    undecided = max(0.0, 1 - sum(found.values())) if bad else 0.0
    return {**found, "undecided": undecided, "leading": leading}


def proofs(
    spans: list[Span], lines: list[dict[str, tuple[float, float]]], usual: figures.Usual
) -> list[Record]:
    known = {"crowd.expected": 1.0, "attack.hostile": usual.profile["hostile"]}
    bad = [at for at, span in enumerate(spans) if span.rough]
    out = []
    for key in lines[0]:
        rows = [line[key] for line in lines]
        strongest = max(rows)
        strengths = [rows[at][0] for at in bad]
        out.append(
            {
                "key": key,
                "figure": strongest[1],
                "usual": known.get(key, -1.0),
                "strength": statistics.fmean(strengths) if strengths else 0.0,
                "spans": sum(one > 0.5 for one in strengths),
            }
        )
    return out


def report(evening: Record, usual: figures.Usual) -> Record:
    """Every figure of the report, under its name there."""
    if __package__:
        from bench import incident_totals as totals
    else:
        import incident_totals as totals

    spans = [Span(record, evening, usual) for record in evening["counted"]]
    source, spaces = expect(spans, evening)
    played = replays(spans, usual)
    lines = []
    for at, span in enumerate(spans):
        row = claims(at, span, usual, played)
        load = max(strength for strength, _ in row.values())
        lines.append(row | faults(at, span, usual, played, load))
    decided = shares(spans, lines)
    return {
        **totals.of(evening, spans, usual),
        "shares": decided,
        "leading": decided["leading"],
        "proofs": proofs(spans, lines, usual),
        "counterfactuals": [
            {
                "key": key,
                "over_spans": sum(one["waiting"] > 5 + 0.02 * one["room"] for one in rows),
                "waiting_peak": max(one["waiting"] for one in rows),
                "seated_peak": max(one["seated"] for one in rows),
            }
            for key, rows in played.items()
        ],
        "expected_source": source,
        "expected_spaces": spaces,
    }
