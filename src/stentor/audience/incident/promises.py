"""What was promised and what was kept, in numbers. Pure."""

from collections.abc import Sequence

import msgspec

from stentor.audience import ledger
from stentor.audience.incident import quiet
from stentor.audience.incident.evening import Evening
from stentor.audience.incident.spans import Span
from stentor.audience.ledger import OUTCOMES, Demand

START_LATE_MS_MAX = 1_000
"""The programme starts within a second of its time."""


class Promise(msgspec.Struct, frozen=True):
    """One promise: what it is, the figure, the bound it was held to, and whether that was kept.

    Attributes:
        kept: None when nothing was promised, or nothing can be said.
    """

    key: str
    sentence: str
    figure: float
    unit: str
    bound: float
    kept: bool | None


def promises_of(evening: Evening, spans: Sequence[Span], whole: Demand) -> list[Promise]:
    """All promises."""
    late = float(evening.started_ms - evening.scheduled_ms)
    timed = bool(evening.started_ms and evening.scheduled_ms)
    gaps = {
        whose: sum(gap.to_ms - gap.from_ms for gap in evening.gaps if gap.whose == whose)
        for whose in ("stage", "disk")
    }
    unheard = sum(quiet.unheard(span.counted) for span in spans)
    errors = sum(whole.errors.values())
    failed = quiet.of(whole, "failed")
    refused = quiet.of(whole, "refused")
    wait = [ledger.quantile(whole.waits_ms, share) / 1_000 for share in (0.5, 0.9, 0.99)]

    def held(key: str, sentence: str, figure: float, unit: str = "") -> Promise:
        return Promise(key, sentence, figure, unit, 0.0, figure <= 0)

    def told(key: str, sentence: str, figure: float, unit: str = "") -> Promise:
        return Promise(key, sentence, figure, unit, 0.0, None)

    return [
        Promise(
            "start",
            "Delay of the programme's first sample against the announced time",
            late if timed else -1.0,
            "ms",
            float(START_LATE_MS_MAX),
            late <= START_LATE_MS_MAX if timed else None,
        ),
        held("stage", "Silence where the stage was away", float(gaps["stage"]), "ms"),
        held("disk", "Sound the disk refused", float(gaps["disk"]), "ms"),
        held("stalls", "Listeners who had sound and lost it through us", float(unheard)),
        held("errors", "Answers that were an error of ours", float(errors)),
        held("failed", "Attempts to join that failed through us", float(failed)),
        told("refused", "Attempts to join that were refused", float(refused)),
        told("placed", "Places given in the waiting room", float(whole.issued)),
        told("claimed", "of these places, led to sound", float(whole.claimed)),
        told("lapsed", "of these places, nobody came back for", float(whole.lapsed)),
        told("wait_median", "Wait of half of those who got in by a place", wait[0], "s"),
        told("wait_high", "Wait of nine in ten of them", wait[1], "s"),
        told("wait_most", "Wait of 99 in 100 of them", wait[2], "s"),
    ]


def outcomes_of(whole: Demand) -> dict[str, int]:
    """Attempts by outcome, all of them, none left out."""
    return {outcome: quiet.of(whole, outcome) for outcome in OUTCOMES}
