"""The six plots of an incident's page, and what each of them says in words. Pure."""

from collections.abc import Sequence

from stentor.audience.incident.plots import Layer, Plot, number
from stentor.audience.incident.report import Report

_SHOWN = {
    "admitted": "let in",
    "placed": "given a place",
    "challenged": "asked to compute",
    "refused": "refused",
    "failed": "failed through us",
    "client": "given up by the client",
}


def earlier(spaces: int) -> str:
    """How many earlier Spaces, in words."""
    return "one earlier Space" if spaces == 1 else f"{spaces} earlier Spaces"


def charts_of(report: Report) -> list[Plot]:
    """The six plots."""
    return [
        _arrivals(report),
        _outcomes(report),
        _seats(report),
        _ladder(report),
        _stalls(report),
        _gaps(report),
    ]


def _arrivals(report: Report) -> Plot:
    series = report.series
    who = [
        Layer("look like people", "c-crowd", series.people, "stack", sum),
        Layer("cannot be told", "c-undecided", series.unclear, "stack", sum),
        Layer("look like machines", "c-attack", series.suspects, "stack", sum),
    ]
    if any(value >= 0 for value in series.expected):
        who.append(Layer("expected", "ink dash", series.expected, "line", _sum_known))
    return Plot("arrivals", "Who came", _arrivals_say(report), "attempts", who)


def _outcomes(report: Report) -> Plot:
    total = report.outcomes
    says = (
        f"{number(total['admitted'])} were let in at once, {number(total['placed'])} were "
        f"given a place, {number(total['refused'])} were refused, "
        f"{number(total['failed'])} failed through us."
    )
    layers = [
        Layer(text, f"o-{name}", getattr(report.series, name), "stack", sum)
        for name, text in _SHOWN.items()
        if any(getattr(report.series, name))
    ]
    nobody = [Layer("attempts", "o-admitted", report.series.arrivals, "stack", sum)]
    return Plot("outcomes", "What became of them", says, "attempts", layers or nobody)


def _seats(report: Report) -> Plot:
    series = report.series
    says = (
        f"At most {number(report.peak_listeners)} listened and {number(report.peak_waiting)} "
        f"waited; up to {number(max(series.capacity, default=0))} could be held."
    )
    layers = [
        Layer("listen", "o-admitted", series.listeners, "area"),
        Layer("wait", "o-waiting", series.waiting, "line"),
        Layer("could be held", "ink dash", series.capacity, "line", min),
    ]
    return Plot("capacity", "Seats and those who wait", says, "people", layers)


def _ladder(report: Report) -> Plot:
    highest = max(report.series.step, default=0)
    says = (
        f"The ladder went up to step {highest} of 5."
        if highest
        else "The door's ladder never left step 0."
    )
    layers = [Layer("step", "c-fault", report.series.step, "area")]
    return Plot("ladder", "What was given up", says, "step of the ladder", layers)


def _stalls(report: Report) -> Plot:
    lost = sum(report.series.unheard)
    says = (
        f"{number(lost)} times a listener had sound and lost it through us."
        if lost
        else "Nobody who had sound lost it through us."
    )
    layers = [Layer("lost sound", "c-attack", report.series.unheard, "mark", sum)]
    return Plot("stalls", "Listeners who lost their sound through us", says, "listeners", layers)


def _gaps(report: Report) -> Plot:
    stage, disk = report.series.stage_gap_ms, report.series.disk_gap_ms
    layers = [
        Layer("stage away", "c-fault", _seconds(stage), "mark", sum),
        Layer("disk refused", "c-attack", _seconds(disk), "mark", sum),
    ]
    title = "Silence in the programme"
    return Plot("gaps", title, _gaps_say(report), "seconds", layers, whole=False)


def _arrivals_say(report: Report) -> str:
    series = report.series
    people, machines = sum(series.people), sum(series.suspects)
    expected = _sum_known(series.expected)
    said = f"{number(round(people))} attempts look like people, {number(round(machines))} like "
    said += f"machines, {number(round(sum(series.unclear)))} cannot be told. "
    if report.expected_source == "none":
        return said + "Nobody knew how many to expect."
    by_hand = report.expected_source == "ledger"
    source = "reminders and earlier evenings" if by_hand else earlier(report.expected_spaces)
    return f"{said}{number(round(expected))} were expected, from {source}."


def _gaps_say(report: Report) -> str:
    if not report.gaps:
        return "The programme has no gap."
    total = sum(gap.to_ms - gap.from_ms for gap in report.gaps) / 1_000
    return f"{len(report.gaps)} gaps, {number(total)} s together."


def _seconds(values: Sequence[int]) -> list[float]:
    return [value / 1_000 for value in values]


def _sum_known(values: Sequence[float]) -> float:
    known = [value for value in values if value >= 0]
    return sum(known) if known else -1.0
