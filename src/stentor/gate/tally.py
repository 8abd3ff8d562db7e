"""What happened at one gate for one Space since its last report: counts, never rows. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stentor.gate.notice import GateSpace
from stentor.limits import REPORT_PREFIXES, REPORT_TURNS_MAX, TALLY_PREFIXES_MAX

if TYPE_CHECKING:
    from stentor.gate.asking import Decision


class Tally:
    """Counts for a report; all of them bounded."""

    def __init__(self) -> None:
        self._now = GateSpace()
        self._prefixes: dict[int, int] = {}

    def note(self, decision: Decision, prefix: int) -> None:
        """A join was decided."""
        now = self._now
        outcome, cause = decision.outcome, decision.cause
        if outcome == "renewed":
            self.renewed(cause)
            return
        key = (outcome, cause)
        now.outcomes[key] = now.outcomes.get(key, 0) + 1
        if outcome == "placed":
            place = decision.place
            assert place is not None, "who is placed has a place"
            if cause == "share" and decision.called_at_s:
                _count(now.held, decision.called_at_s)
            if decision.place_text and not decision.called_at_s:
                _count(now.issued, place.turn_us // 1_000_000)
                self._prefix(prefix)
        elif outcome == "admitted":
            assert decision.ticket is not None, "who is admitted has a ticket"
            now.let_in[decision.ticket.rank] += 1
            if cause == "claim":
                _count(now.claimed, decision.called_at_s)
            else:
                self._prefix(prefix)
        elif outcome == "challenged":
            self.challenge("asked")

    def renewed(self, cause: str) -> None:
        """A ticket was shown, or a place again, and a ticket given."""
        now, key = self._now, ("renewed", cause)
        now.outcomes[key] = now.outcomes.get(key, 0) + 1
        now.renewed += 1

    def challenge(self, what: str) -> None:
        """Something happened to a challenge: asked, solved, failed or patient."""
        counts = self._now.challenges
        counts[what] = counts.get(what, 0) + 1

    def funnel(self, what: str, count: int = 1) -> None:
        """Something else was asked for: page, admitting, live, hls or radio."""
        counts = self._now.funnel
        counts[what] = counts.get(what, 0) + count

    def end(self, outcome: str, cause: str) -> None:
        """An attempt ended without a decision: `failed`, `client`, or refused by the shield."""
        outcomes = self._now.outcomes
        outcomes[outcome, cause] = outcomes.get((outcome, cause), 0) + 1

    def take(self, mark: tuple[int, int, int, int]) -> GateSpace:
        """The report, and begin anew."""
        report, self._now = self._now, GateSpace()
        most = sorted(self._prefixes.items(), key=lambda one: -one[1])[:REPORT_PREFIXES]
        report.prefixes = most
        report.mark = mark
        self._prefixes.clear()
        return report

    def _prefix(self, prefix: int) -> None:
        prefixes = self._prefixes
        if prefix in prefixes:
            prefixes[prefix] += 1
        elif len(prefixes) < TALLY_PREFIXES_MAX:
            prefixes[prefix] = 1


def _count(counts: dict[int, int], second: int) -> None:
    if second not in counts and len(counts) >= REPORT_TURNS_MAX:
        second = max(counts)
    counts[second] = counts.get(second, 0) + 1
