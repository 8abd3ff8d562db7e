"""The tally and the ledger's records: exact counts, marks, bounds, and codec."""

import pytest
from msgspec.structs import replace

from stentor.audience import ledger
from stentor.audience.ledger import OTHERS, Counted, Demand, Supply
from stentor.audience.marks import Mark, head_of, of_browser
from stentor.audience.sketches import estimate, keyed
from stentor.audience.tally import Attempt, Tally
from stentor.errors import Corrupt
from stentor.limits import (
    ALIKE_ATTEMPTS,
    CAUSES_MAX,
    CLIENTS_FOLLOWED_MAX,
    COHORTS_MAX,
    CROWDED_ATTEMPTS,
    TOP_PREFIXES,
    TOP_TABLE,
)

BROWSER = ["host", "user-agent", "accept", "accept-language", "accept-encoding"]


def come(client: int, prefix: int | None = None, outcome: str = "admitted", **more: int) -> Attempt:
    spread = keyed(b"test", str(client).encode())
    where = spread if prefix is None else prefix
    return Attempt(outcome=outcome, client=spread, prefix=where, head=client % 50, **more)


def test_each_attempt_has_one_outcome_and_one_cohort() -> None:
    tally = Tally()
    for number in range(300):
        client = come(number, outcome="refused:capacity" if number % 3 else "admitted")
        tally.page(client.client, 1.0)
        assert tally.attempt(client, 2.0) == Mark.NEW
    demand = tally.take()
    assert demand.outcomes == {"admitted": 100, "refused:capacity": 200}
    assert demand.arrivals == demand.examined == 300
    assert demand.cohorts == {int(Mark.NEW): [100, 0, 0, 200, 0, 0]}
    assert demand.pages == 300
    assert estimate(demand.clients) == pytest.approx(300, rel=0.1)
    assert tally.take() == Demand()


def test_marks_come_from_what_was_here_before() -> None:
    tally = Tally()
    assert tally.attempt(come(1, known=True), 0.0) == Mark.PAGELESS
    told = Attempt(outcome="placed", client=9, prefix=9, told_s=5.0)
    assert tally.attempt(told, 10.0) & Mark.AGAIN == 0
    assert tally.attempt(told, 12.0) & (Mark.AGAIN | Mark.EARLY) == Mark.AGAIN | Mark.EARLY
    assert tally.attempt(told, 14.0) & Mark.REGULAR
    later = tally.attempt(told, 20.0)
    assert later & Mark.AGAIN
    assert not later & (Mark.EARLY | Mark.REGULAR)
    assert not tally.attempt(told, 90.0) & Mark.AGAIN
    demand = tally.take()
    assert (demand.returns, demand.early, demand.regular) == (3, 2, 1)


def test_crowded_and_alike_are_seen_within_a_record() -> None:
    tally = Tally()
    last = 0
    for number in range(CROWDED_ATTEMPTS + 1):
        last = tally.attempt(come(number, prefix=7), 1.0)
    assert last & Mark.CROWDED
    assert not tally.attempt(come(99, prefix=7), 11.0) & Mark.CROWDED
    for _ in range(ALIKE_ATTEMPTS):
        tally.attempt(come(50), 12.0)
    assert tally.attempt(come(100), 12.0) & Mark.ALIKE
    assert not tally.attempt(come(51), 12.0) & Mark.ALIKE


def test_everything_is_bounded() -> None:
    tally = Tally()
    for number in range(CLIENTS_FOLLOWED_MAX + 10):
        one = come(number, outcome=f"refused:{number % 100}", marks=(number % 200) << 4)
        tally.attempt(one, 1.0)
        tally.count_in("bad", str(number % 100))
    assert len(tally._followed) + len(tally._followed_before) <= CLIENTS_FOLLOWED_MAX
    demand = tally.take()
    assert len(demand.outcomes) <= CAUSES_MAX + 1
    assert len(demand.bad) <= CAUSES_MAX + 1
    assert len(demand.cohorts) <= COHORTS_MAX
    assert sum(map(sum, demand.cohorts.values())) == demand.arrivals == CLIENTS_FOLLOWED_MAX + 10
    assert demand.cohorts[OTHERS][3] > 0
    assert len(demand.top_prefixes) == TOP_TABLE


def test_two_gates_are_one_door() -> None:
    apart, together = [Tally(), Tally()], Tally()
    for number in range(400):
        one = come(number % 250, prefix=number % 40, known=bool(number % 2))
        apart[number % 2].attempt(one, 1.0 + number / 100)
        together.attempt(one, 1.0 + number / 100)
    apart[0].count("issued", 3)
    apart[1].waited(900.0)
    counts = zip(apart, (5, 4), strict=True)
    merged = ledger.merge([replace(tally.take(), history=number) for tally, number in counts])
    whole = together.take()
    assert merged.outcomes == whole.outcomes
    assert merged.clients == whole.clients
    assert merged.prefixes == whole.prefixes
    assert (merged.known, merged.history, merged.issued) == (200, 5, 3)
    assert ledger.quantile(merged.waits_ms, 0.5) == pytest.approx(900, rel=0.1)
    assert sum(row.count for row in merged.top_prefixes) == 400
    record = ledger.counted("0123456789ab", 0, 10_000, [merged], Supply())
    assert record.demand.top_prefixes == merged.top_prefixes[:TOP_PREFIXES]
    assert ledger.merge([]) == Demand()


def test_a_record_comes_back_as_it_was() -> None:
    tally = Tally()
    for number in range(30):
        tally.attempt(come(number), 1.0)
    tally.solved(250.0)
    record = Counted(
        space="0123456789ab",
        from_ms=1_000,
        span_ms=10_000,
        demand=tally.take(),
        supply=Supply(capacity=9, restarts={"edge-0": 1}),
    )
    assert ledger.decode(ledger.encode(record)) == record
    assert b'"type":"ledger.counted"' in ledger.encode(record)
    assert len(ledger.encode(record)) < 6_000
    with pytest.raises(Corrupt, match="no record"):
        ledger.decode(b'{"type":"ledger.counted"}')


def test_heads() -> None:
    agent = "Mozilla/5.0 (X11; Linux x86_64) Chrome/131.0"
    assert of_browser(BROWSER, agent)
    assert not of_browser(BROWSER, "curl/8.5")
    assert not of_browser(["host", "user-agent"], agent)
    assert head_of(BROWSER, agent) == head_of(BROWSER, agent.replace("131", "132"))
    assert head_of(BROWSER, agent) != head_of(BROWSER[::-1], agent)


def test_quantiles_of_a_histogram() -> None:
    histogram: dict[int, int] = {}
    for value in range(1, 1_001):
        at = ledger.bucket(value)
        histogram[at] = histogram.get(at, 0) + 1
    assert ledger.quantile(histogram, 0.5) == pytest.approx(500, rel=0.1)
    assert ledger.quantile(histogram, 0.99) == pytest.approx(990, rel=0.1)
    assert ledger.quantile({}, 0.5) == 0.0
