"""The tally: how a gate counts what comes to one Space, in bounded memory and microseconds. Pure.

`attempt` is called once for each attempt to join, when its outcome is known; `take` gives what was
counted since, once a second, for the report to the usher. Times are arguments. Under a flood a gate
calls `uncounted` instead: the outcome counts, and nothing is looked at.
"""

from typing import Any

import msgspec

from stentor.audience.ledger import OUTCOMES, Demand, Row, bucket, fold
from stentor.audience.marks import ODD, Mark
from stentor.audience.sketches import Generations, HyperLogLog, SpaceSaving
from stentor.limits import (
    AGAIN_S,
    ALIKE_ATTEMPTS,
    ALIKE_SHARE,
    CAUSES_MAX,
    CLIENTS_FOLLOWED_MAX,
    CROWDED_ATTEMPTS,
    LEDGER_SPAN_S,
    ODD_ATTEMPTS,
    ODD_SHARE,
    PAGE_TURN_S,
    REGULAR_SHARE,
    TOP_TABLE,
)

_COLUMN = {outcome: number for number, outcome in enumerate(OUTCOMES)}
OTHER_CAUSE = "other"


class Attempt(msgspec.Struct, frozen=True, gc=False):
    """One attempt to join, with its outcome.

    Attributes:
        outcome: one of OUTCOMES, with its cause after a colon when it has one.
        client: keyed hash of address and user agent (behind a NAT they differ a little).
        prefix: keyed hash of the address's prefix. head: keyed hash of `marks.head_of`.
        known: whether the prefix was seen in an earlier Space.
        marks: those that the gate itself knows: STRANGE, BAD, UNSOLVED, SOLVED, VOUCHED.
        told_s: how long it was told to stay away, when that is known (0: not at all).
    """

    outcome: str
    client: int
    prefix: int
    head: int = 0
    known: bool = False
    marks: int = 0
    told_s: float = 0.0


class Tally:
    """What one gate counts for one Space."""

    def __init__(self) -> None:
        self._pages = Generations()
        self._pages_turned = 0.0
        self._span = -1
        self._begin_span()
        # Who was here: client -> (when, gap before it, when it may come). Two, as `Generations`.
        self._followed: dict[int, tuple[float, float, float]] = {}
        self._followed_before: dict[int, tuple[float, float, float]] = {}
        self.clear()

    def clear(self) -> None:
        """Begin to count anew; what is followed stays."""
        self._outcomes: dict[str, int] = {}
        self._cohorts: dict[int, list[int]] = {}
        self._clients, self._prefixes, self._known = HyperLogLog(), HyperLogLog(), HyperLogLog()
        self._top, self._top_heads = SpaceSaving(TOP_TABLE), SpaceSaving(TOP_TABLE)
        self._counts: dict[str, int] = {}
        self._tables: dict[str, dict[str, int]] = {}
        self._waits: dict[int, int] = {}
        self._solves: dict[int, int] = {}

    def page(self, client: int, now_s: float) -> None:
        """The Space's page was given to a client."""
        if now_s - self._pages_turned > PAGE_TURN_S:
            self._pages.turn()
            self._pages_turned = now_s
        self._pages.add(client)
        self.count("pages")

    def attempt(self, one: Attempt, now_s: float) -> int:
        """An attempt and its outcome; the marks it was given."""
        self.uncounted(one.outcome)
        marks = one.marks | self._marks(one, now_s)
        row = self._cohorts.get(marks)
        if row is None:
            row = self._cohorts[marks] = [0] * len(OUTCOMES)
        row[_COLUMN[one.outcome.partition(":")[0]]] += 1
        self._clients.add(one.client)
        self._prefixes.add(one.prefix)
        if one.known:
            self._known.add(one.prefix)
        self._top.add(one.prefix)
        self._top_heads.add(one.head)
        counts = self._counts
        counts["examined"] = counts.get("examined", 0) + 1
        counts["known"] = counts.get("known", 0) + one.known
        return marks

    def uncounted(self, outcome: str) -> None:
        """An attempt that is counted by its outcome alone."""
        if outcome not in self._outcomes and len(self._outcomes) >= CAUSES_MAX:
            outcome = f"{outcome.partition(':')[0]}:{OTHER_CAUSE}"
        self._outcomes[outcome] = self._outcomes.get(outcome, 0) + 1

    def count(self, field: str, times: int = 1) -> None:
        """Add to one of Demand's plain numbers, such as `issued`, `renewals`, `unbelieved`."""
        self._counts[field] = self._counts.get(field, 0) + times

    def count_in(self, table: str, key: str, times: int = 1) -> None:
        """Add to one of Demand's tables, such as `bad`, `challenges`, `malformed`, `errors`."""
        rows = self._tables.setdefault(table, {})
        if key not in rows and len(rows) >= CAUSES_MAX:
            key = OTHER_CAUSE
        rows[key] = rows.get(key, 0) + times

    def waited(self, wait_ms: float) -> None:
        """Somebody with a place got sound after so long."""
        at = bucket(wait_ms)
        self._waits[at] = self._waits.get(at, 0) + 1

    def solved(self, solve_ms: float) -> None:
        """A challenge was solved, so long after it was given."""
        at = bucket(solve_ms)
        self._solves[at] = self._solves.get(at, 0) + 1

    def take(self) -> Demand:
        """What was counted since the last time."""
        fields: dict[str, Any] = {**self._counts, **self._tables}
        demand = Demand(
            outcomes=self._outcomes,
            cohorts=fold(self._cohorts),
            clients=self._clients.registers(),
            prefixes=self._prefixes.registers(),
            known_prefixes=self._known.registers(),
            top_prefixes=[Row(*row) for row in self._top.top()],
            top_heads=[Row(*row) for row in self._top_heads.top()],
            waits_ms=self._waits,
            solves_ms=self._solves,
            **fields,
        )
        self.clear()
        return demand

    def _marks(self, one: Attempt, now_s: float) -> int:
        """The marks that come from what was here before."""
        if (span := int(now_s // LEDGER_SPAN_S)) != self._span:
            self._span = span
            self._begin_span()
        marks = 0 if one.known else Mark.NEW
        crowd = self._table.add(one.prefix)
        if crowd > CROWDED_ATTEMPTS:
            marks |= Mark.CROWDED
        alike = self._heads.add(one.head)
        if alike > ALIKE_ATTEMPTS and alike > ALIKE_SHARE * self._heads.total:
            marks |= Mark.ALIKE
        if one.client not in self._pages:
            marks |= Mark.PAGELESS
        if (marks | one.marks) & ODD:
            self._odd.add(one.prefix)
            self._odd_heads.add(one.head)
        if _many(self._odd.least(one.prefix), crowd):
            marks |= Mark.BESIDE
        if _many(self._odd_heads.least(one.head), alike):
            marks |= Mark.AKIN
        return marks | self._again(one, now_s)

    def _begin_span(self) -> None:
        """Begin to compare the attempts of a record with one another."""
        self._table, self._heads = SpaceSaving(TOP_TABLE), SpaceSaving(TOP_TABLE)
        self._odd, self._odd_heads = SpaceSaving(TOP_TABLE), SpaceSaving(TOP_TABLE)

    def _again(self, one: Attempt, now_s: float) -> int:
        """AGAIN, REGULAR and EARLY, and remember the client."""
        last = self._followed.get(one.client) or self._followed_before.get(one.client)
        marks, gap = 0, 0.0
        if last is not None and now_s - last[0] < AGAIN_S:
            gap = now_s - last[0]
            marks = Mark.AGAIN
            self.count("returns")
            if last[1] and abs(gap - last[1]) < REGULAR_SHARE * last[1]:
                marks |= Mark.REGULAR
                self.count("regular")
            if now_s < last[2]:
                marks |= Mark.EARLY
                self.count("early")
        if len(self._followed) >= CLIENTS_FOLLOWED_MAX // 2:
            self._followed_before, self._followed = self._followed, {}
        self._followed[one.client] = (now_s, gap, now_s + one.told_s)
        return marks


def _many(odd: int, of: int) -> bool:
    return odd >= ODD_ATTEMPTS and odd >= ODD_SHARE * of
