"""The report of an incident: all figures, from the log and the ledger alone. Pure.

`Report` is what `--json` prints and what page and text are made from. It says what speaks for what,
side by side, and what is not known. It does not say who was to blame.
"""

from collections import Counter
from collections.abc import Sequence

import msgspec

from stentor.audience import ledger
from stentor.audience.incident import evidence, promises, quiet, spans
from stentor.audience.incident.evening import Anchor, Evening, Gap, Step
from stentor.audience.incident.evidence import Replays, Shares
from stentor.audience.incident.promises import Promise
from stentor.audience.incident.quiet import Profile, Quiet
from stentor.audience.incident.replay import Played, over
from stentor.audience.incident.spans import Span
from stentor.audience.ledger import Demand, Supply
from stentor.audience.sketches import estimate

METHOD = 1
"""Which definitions and weights these are; docs/topics/incident.md lists what changed."""


class Proof(msgspec.Struct, frozen=True):
    """One line of evidence as it stands in the report: its mean strength over the rough spans."""

    key: str
    sentence: str
    feature: str
    unit: str
    figure: float
    usual: float
    strength: float
    spans: int


class Counterfactual(msgspec.Struct, frozen=True):
    """One replay: how many spans were over what could be held, and the most people waiting.

    Attributes:
        people_waiting_peak: of all waiting, at most; seats_peak: taken at most.
    """

    key: str
    sentence: str
    over_spans: int
    waiting_peak: float
    seated_peak: float


class Series(msgspec.Struct, frozen=True):
    """The evening span by span, in columns; `from_ms` is UTC."""

    from_ms: list[int]
    arrivals: list[int]
    expected: list[float]
    people: list[float]
    suspects: list[float]
    unclear: list[float]
    hostile: list[float]
    admitted: list[int]
    placed: list[int]
    challenged: list[int]
    refused: list[int]
    failed: list[int]
    client: list[int]
    step: list[int]
    capacity: list[int]
    usual: list[float]
    listeners: list[int]
    waiting: list[int]
    unheard: list[int]
    stage_gap_ms: list[int]
    disk_gap_ms: list[int]
    rough: list[bool]
    clients: list[float]
    prefixes: list[float]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All of it.

    Attributes:
        leading: causes the evidence leads to; empty: it cannot be told; `nothing`: no incident.
        rough: spans in which anything was rough, of all `spans`; from and until when.
        funnel: page, join, ticket, first byte, sixty seconds, renewal.
        features: of the rough spans, beside those that are usual.
        unknown: sentences about what this report cannot know.
    """

    method: int
    space: str
    title: str
    host: str
    scheduled_ms: int
    started_ms: int
    ended_ms: int
    log_records: int
    log_head: str
    ledger_records: int
    ledger_head: str
    anchors: list[Anchor]
    spans: int
    rough: int
    rough_from_ms: int
    rough_until_ms: int
    leading: list[str]
    shares: Shares
    proofs: list[Proof]
    counterfactuals: list[Counterfactual]
    promises: list[Promise]
    outcomes: dict[str, int]
    causes: dict[str, int]
    binding: dict[str, int]
    funnel: dict[str, int]
    peak_arrivals: int
    peak_listeners: int
    peak_waiting: int
    quiet_source: str
    quiet_spans: int
    quiet_spaces: int
    expected_source: str
    expected_spaces: int
    features: Profile
    usual: Profile
    examined_share: float
    unknown: list[str]
    steps: list[Step]
    gaps: list[Gap]
    series: Series


def report_of(evening: Evening) -> Report:
    """The report of an evening."""
    usual = quiet.quiet_of(evening.counted, evening.earlier)
    all_spans = spans.spans_of(evening, usual)
    played = evidence.replays_of(all_spans, usual)
    lines = evidence.lines_of(all_spans, usual, played)
    shares = evidence.shares_of(all_spans, lines)
    whole = ledger.merge([one.demand for one in evening.counted])
    rough = [span for span in all_spans if span.rough]
    ends = [one.counted.from_ms + one.counted.span_ms for one in rough]
    expected = spans.expected_of(evening)
    supplies = [one.supply for one in evening.counted]
    return Report(
        method=METHOD,
        space=evening.space,
        title=evening.title,
        host=evening.host,
        scheduled_ms=evening.scheduled_ms,
        started_ms=evening.started_ms,
        ended_ms=evening.ended_ms,
        log_records=evening.log_records,
        log_head=evening.log_head,
        ledger_records=evening.ledger_records,
        ledger_head=evening.ledger_head,
        anchors=evening.anchors,
        spans=len(all_spans),
        rough=len(rough),
        rough_from_ms=rough[0].counted.from_ms if rough else 0,
        rough_until_ms=max(ends, default=0),
        leading=shares.leading,
        shares=shares,
        proofs=_proofs(all_spans, lines),
        counterfactuals=_counterfactuals(played),
        promises=promises.promises_of(evening, all_spans, whole),
        outcomes=promises.outcomes_of(whole),
        causes=dict(sorted(whole.outcomes.items())),
        binding=dict(Counter(span.counted.supply.binding for span in rough)),
        funnel=_funnel(whole, supplies),
        peak_arrivals=max((one.demand.arrivals for one in evening.counted), default=0),
        peak_listeners=max((one.listeners for one in supplies), default=0),
        peak_waiting=max((one.waiting for one in supplies), default=0),
        quiet_source=usual.source,
        quiet_spans=usual.records,
        quiet_spaces=usual.spaces,
        expected_source=expected.source,
        expected_spaces=expected.spaces,
        features=quiet.profile_of([span.counted.demand for span in rough]),
        usual=usual.profile,
        examined_share=whole.examined / whole.arrivals if whole.arrivals else 1.0,
        unknown=unknown_of(evening, usual, all_spans, expected.source),
        steps=evening.steps,
        gaps=evening.gaps,
        series=_series(all_spans),
    )


def _funnel(whole: Demand, supplies: Sequence[Supply]) -> dict[str, int]:
    return {
        "page": whole.pages,
        "join": whole.arrivals,
        "ticket": whole.tickets,
        "first_byte": sum(one.begun for one in supplies),
        "sixty_seconds": sum(one.stayed for one in supplies),
        "renewal": whole.renewals,
    }


def unknown_of(
    evening: Evening, usual: Quiet, all_spans: Sequence[Span], expected: str
) -> list[str]:
    """What this report cannot know, for an evening like this one."""
    said = [
        "People behind one carrier's address are counted as few clients; a person who changes "
        "networks is counted as several.",
        "What was lost before it reached this machine, in a full pipe upstream, is not in any "
        "figure here. Ask whoever carries the traffic.",
        "Machines that load the page, compute what is asked and listen like people look like "
        "people here.",
        "The operator of this node wrote the ledger. Its hash shows that it was not changed "
        "later, not that it was true.",
    ]
    if usual.source == "none":
        said.append("There is no quiet minute to compare with: neither earlier Spaces nor calm.")
    elif usual.source == "evening":
        said.append("There are no earlier Spaces: only this evening's first minutes are compared.")
    if expected == "none":
        said.append("Nobody knew how many to expect.")
    demands = [one.demand for one in evening.counted]
    if sum(one.examined for one in demands) < sum(one.arrivals for one in demands):
        said.append("At the height of it gates looked at a sample only; it is taken for the whole.")
    if any(one.supply.silent for one in evening.counted):
        said.append("Some processes did not report in time; what they saw then is missing.")
    if any(not anchor.agrees for anchor in evening.anchors):
        said.append("The ledger does not agree with what the Space's log says of it.")
    if not any(one.history for one in demands):
        said.append("No prefixes of earlier Spaces are remembered: nobody is known or new.")
    return said


def _proofs(all_spans: Sequence[Span], lines: Sequence[evidence.Line]) -> list[Proof]:
    rough = [at for at, span in enumerate(all_spans) if span.rough]
    return [
        Proof(
            line.key,
            line.sentence,
            line.feature,
            line.unit,
            line.figure,
            line.usual,
            sum(line.strengths[at] for at in rough) / max(1, len(rough)),
            sum(line.strengths[at] > 0.5 for at in rough),
        )
        for line in lines
    ]


_REPLAYS = (
    ("all", "As it was"),
    ("without_suspects", "Without those who look like machines"),
    ("without_crowd", "With no more people than were expected or would fit"),
    ("without_fault", "With what this node usually holds"),
    ("crowd_alone", "The people alone, with what is usually held"),
    ("attack_alone", "Machines and the expected people, with what is usually held"),
    ("fault_alone", "The expected people alone, with what was held"),
)


def _counterfactuals(played: Replays) -> list[Counterfactual]:
    return [
        Counterfactual(
            key, sentence, sum(over(rows)), _most(rows, "waiting"), _most(rows, "seated")
        )
        for key, sentence in _REPLAYS
        for rows in [getattr(played, key)]
    ]


def _most(rows: Sequence[Played], field: str) -> float:
    return max((getattr(row, field) for row in rows), default=0.0)


def _series(all_spans: Sequence[Span]) -> Series:
    records = [span.counted for span in all_spans]
    demands = [one.demand for one in records]
    supplies = [one.supply for one in records]

    def outcome(name: str) -> list[int]:
        return [quiet.of(one, name) for one in demands]

    return Series(
        from_ms=[one.from_ms for one in records],
        arrivals=[one.arrivals for one in demands],
        expected=[span.expected for span in all_spans],
        people=[span.sorted.people for span in all_spans],
        suspects=[span.sorted.suspects for span in all_spans],
        unclear=[span.sorted.unclear for span in all_spans],
        hostile=[span.hostile for span in all_spans],
        admitted=outcome("admitted"),
        placed=outcome("placed"),
        challenged=outcome("challenged"),
        refused=outcome("refused"),
        failed=outcome("failed"),
        client=outcome("client"),
        step=[one.step for one in supplies],
        capacity=[one.capacity for one in supplies],
        usual=[span.usual for span in all_spans],
        listeners=[one.listeners for one in supplies],
        waiting=[one.waiting for one in supplies],
        unheard=[quiet.unheard(one) for one in records],
        stage_gap_ms=[span.stage_gap_ms for span in all_spans],
        disk_gap_ms=[span.disk_gap_ms for span in all_spans],
        rough=[span.rough for span in all_spans],
        clients=[estimate(one.clients) for one in demands],
        prefixes=[estimate(one.prefixes) for one in demands],
    )
