"""The evening span by span: who came, how many were expected, what went wrong. Pure."""

from collections.abc import Sequence

import msgspec

from stentor.audience.incident import cohorts, quiet
from stentor.audience.incident.cohorts import Sorted
from stentor.audience.incident.evening import Evening
from stentor.audience.incident.quiet import Quiet
from stentor.audience.ledger import Counted

GAP_MIN_MS = 20
"""A hole of one frame or less is no gap."""


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """Ten seconds of the evening.

    Attributes:
        counted: the record itself.
        sorted: its attempts by what they look like.
        expected: attempts that were expected; -1: nobody could say.
        usual: listeners that the node holds on a usual evening with all its edges.
        hostile: what was refused before it was understood, and what only machines show.
        stage_gap_ms, disk_gap_ms: of the programme, within this span.
        rough: whether anything went wrong.
    """

    counted: Counted
    sorted: Sorted
    expected: float
    usual: float
    hostile: float
    stage_gap_ms: int
    disk_gap_ms: int
    rough: bool


def spans_of(evening: Evening, usual: Quiet) -> list[Span]:
    """All spans of an evening."""
    curve = expected_of(evening)
    demands = [one.demand for one in evening.counted]
    common = cohorts.weighing(demands, usual.common, usual.profile.arrivals)
    out = []
    for one in evening.counted:
        who = cohorts.sort(one.demand, common, usual.spared)
        hostile = quiet.hostile_of(one.demand, one.supply.kernel) + who.bad_suspects
        stage, disk = (_overlap(evening, one, whose) for whose in ("stage", "disk"))
        rough = quiet.is_rough(one) or hostile > usual.hostile_from
        out.append(
            Span(
                counted=one,
                sorted=who,
                expected=_expected_at(curve, one),
                usual=max(usual.per_edge * one.supply.edges_wanted, float(one.supply.capacity)),
                hostile=hostile,
                stage_gap_ms=stage,
                disk_gap_ms=disk,
                rough=rough or stage + disk > GAP_MIN_MS,
            )
        )
    return out


class Expectation(msgspec.Struct, frozen=True):
    """How many were expected: by the usher, from earlier Spaces, or not at all.

    Attributes:
        source: `ledger`, `earlier` or `none`.
        curve: attempts by span, counted from the start.
    """

    source: str
    spaces: int
    curve: dict[int, float]
    origin_ms: int


def expected_of(evening: Evening) -> Expectation:
    """The curve of arrivals that was to be expected.

    What the usher wrote down at the time comes first (it knows who asked to be reminded); else the
    median of earlier Spaces, span by span around the start.
    """
    origin = evening.scheduled_ms or evening.started_ms
    if any(one.supply.expected for one in evening.counted):
        return Expectation("ledger", 0, {}, origin)
    if not evening.earlier or not origin:
        return Expectation("none", 0, {}, origin)
    curves: list[dict[int, float]] = []
    for begun, counted in evening.earlier:
        curve: dict[int, float] = {}
        for one in counted:
            at = (one.from_ms - begun) // max(1, one.span_ms)
            curve[at] = curve.get(at, 0.0) + one.demand.arrivals
        curves.append(curve)
    places = sorted({at for curve in curves for at in curve})
    middle = {at: _median([curve.get(at, 0.0) for curve in curves]) for at in places}
    return Expectation("earlier", len(curves), middle, origin)


def _expected_at(expectation: Expectation, one: Counted) -> float:
    if expectation.source == "ledger":
        return one.supply.expected or -1.0
    if expectation.source == "none":
        return -1.0
    at = (one.from_ms - expectation.origin_ms) // max(1, one.span_ms)
    return expectation.curve.get(at, 0.0)


def _overlap(evening: Evening, one: Counted, whose: str) -> int:
    end = one.from_ms + one.span_ms
    return sum(
        max(0, min(end, gap.to_ms) - max(one.from_ms, gap.from_ms))
        for gap in evening.gaps
        if gap.whose == whose
    )


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) / 2
