"""The join ledger: one record of ten seconds of a Space, with counts and sketches, no rows of who.

PROTOCOL.md ("The join ledger") has every field. Gates make `Demand` (what came, and what became of
it), edges and the usher make `Supply` (what there was to give); the usher puts them together and
appends them to the Space's ledger. The simulation makes the very same. Pure.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import msgspec

from stentor.audience.sketches import SpaceSaving, union
from stentor.errors import Corrupt
from stentor.limits import COHORTS_MAX, TOP_PREFIXES, TOP_TABLE

OUTCOMES = ("admitted", "placed", "challenged", "refused", "failed", "client")
"""Each attempt ends in exactly one. A cause follows after a colon: `refused:capacity`."""
OTHERS = -1
"""The cohort of all attempts whose marks are not among the most frequent."""
_PER_OCTAVE = 4
Key = TypeVar("Key", int, str)


class Row(msgspec.Struct, frozen=True, array_like=True):
    """One line of a `SpaceSaving` table: `count` is at most `error` too high."""

    hashed: int
    count: int
    error: int = 0


class Demand(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What came to the gates in some seconds, and what became of it.

    Attributes:
        outcomes: attempts by outcome and cause, such as `admitted` or `refused:capacity`.
        examined: attempts of those that were looked at for all that follows. Less than all only
            under a flood, when a gate has no time to look: then it is a sample.
        cohorts: attempts by marks: one number for each of OUTCOMES.
        clients, prefixes, known_prefixes: HyperLogLog registers of keyed hashes.
        known: attempts from prefixes seen in earlier Spaces.
        history: prefixes of earlier Spaces that are remembered: 0 says that `known` says nothing.
        top_prefixes: prefixes with most attempts, as keyed hashes; of `examined`.
        top_heads: the same of heads (order of headers and family of the agent).
        returns, regular, early: attempts of clients that had been here within a minute; of these,
            those after the same gap as before; those sooner than they had been told.
        issued, claimed, lapsed: places given out; that led to sound; that nobody came back for.
        waits_ms, solves_ms: histograms, see `bucket`.
        tickets, renewals: leases given and renewed.
        bad: tickets, places and solutions that were not good, by kind.
        challenges: `asked`, `solved`, `failed`, `patient` (the way without computing).
        malformed: `request`, `half_head`, `tls`, `body`, of the node.
        shield: refused before anything else, by rule, of the node.
        errors: answers 5xx that are our fault, by code; not those that say "full".
        pages: times the Space's page was given.
        unbelieved: requests through a proxy that is not listed as trusted.
    """

    outcomes: dict[str, int] = {}
    examined: int = 0
    cohorts: dict[int, list[int]] = {}
    clients: bytes = b""
    prefixes: bytes = b""
    known_prefixes: bytes = b""
    known: int = 0
    history: int = 0
    top_prefixes: list[Row] = []
    top_heads: list[Row] = []
    returns: int = 0
    regular: int = 0
    early: int = 0
    issued: int = 0
    claimed: int = 0
    lapsed: int = 0
    waits_ms: dict[int, int] = {}
    solves_ms: dict[int, int] = {}
    tickets: int = 0
    renewals: int = 0
    bad: dict[str, int] = {}
    challenges: dict[str, int] = {}
    malformed: dict[str, int] = {}
    shield: dict[str, int] = {}
    errors: dict[str, int] = {}
    pages: int = 0
    unbelieved: int = 0

    @property
    def arrivals(self) -> int:
        """All attempts that ended in these seconds."""
        return sum(self.outcomes.values())


class Supply(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What there was to give in these seconds; figures are those at their end, counts are sums.

    Attributes:
        capacity: listeners that can be held, as admission had it.
        measured: the same without the operator's cap.
        binding: what binds it: `cpu`, `egress`, `descriptors`, `memory`, `operator`.
        edges, edges_wanted, gates, gates_wanted: those that are alive; those there should be.
        silent: reports of a second that were due from those alive and did not come.
        listeners, waiting: those who have sound or wait for the start; those with a place.
        mode, step, why: of the door and the ladder, as in `Notice`.
        bits: of the challenge that is asked for; 0: none.
        expected: attempts that were expected in these seconds (0: nobody could say).
        begun, stayed, ended: listeners who got their first byte; their sixtieth second; who left.
        dropped: listeners an edge let go of, by reason (`slow`, `stuck`, `fault`, `left`).
        stalled: listeners who were behind by more than they had in hand.
        gate_cpu, edge_cpu: of the busiest, 0 to 1. gate_lag_ms, edge_lag_ms: of the latest loop.
        age_ms: of the oldest part that an edge had not sent yet.
        stage_late_ms: how late the stage's beat was at worst.
        restarts: processes that were started again, by name.
        kernel: packets and connections that the kernel refused, by kind, of the node.
        sent: bytes to listeners.
    """

    capacity: int = 0
    measured: int = 0
    binding: str = ""
    edges: int = 0
    edges_wanted: int = 0
    gates: int = 0
    gates_wanted: int = 0
    silent: int = 0
    listeners: int = 0
    waiting: int = 0
    mode: str = "open"
    step: int = 0
    why: str = ""
    bits: int = 0
    cadence_ms: int = 200
    expected: float = 0.0
    begun: int = 0
    stayed: int = 0
    ended: int = 0
    dropped: dict[str, int] = {}
    stalled: int = 0
    gate_cpu: float = 0.0
    edge_cpu: float = 0.0
    gate_lag_ms: float = 0.0
    edge_lag_ms: float = 0.0
    age_ms: float = 0.0
    stage_late_ms: float = 0.0
    restarts: dict[str, int] = {}
    kernel: dict[str, int] = {}
    sent: int = 0


class Counted(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="ledger.counted"):
    """One record of the ledger: the seconds from `from_ms` (UTC) on, `span_ms` long."""

    space: str
    from_ms: int
    span_ms: int
    demand: Demand
    supply: Supply


_decoder = msgspec.json.Decoder(Counted)


def encode(record: Counted) -> bytes:
    """The JSON payload of a record."""
    return msgspec.json.encode(record)


def decode(payload: bytes) -> Counted:
    """Read a record's payload.

    Raises:
        Corrupt: `ledger.record` when it is none of this version.
    """
    try:
        return _decoder.decode(payload)
    except msgspec.MsgspecError as wrong:
        raise Corrupt("ledger.record", f"This is no record of a join ledger: {wrong}.") from wrong


def merge(parts: Iterable[Demand]) -> Demand:
    """What came to several gates, or in several spans, as one."""
    parts = list(parts)
    if len(parts) == 1:
        return parts[0]
    fields: dict[str, Any] = {name: sum(getattr(part, name) for part in parts) for name in _SUMS}
    for name in _TABLES:
        fields[name] = add_up(getattr(part, name) for part in parts)
    for name in _SKETCHES:
        fields[name] = _union([getattr(part, name) for part in parts])
    for name in _TOPS:
        fields[name] = _top([(getattr(part, name), part.examined) for part in parts])
    cohorts: dict[int, list[int]] = {}
    for part in parts:
        for marks, row in part.cohorts.items():
            cohorts[marks] = [a + b for a, b in zip(cohorts.get(marks, _NONE), row, strict=True)]
    history = max((part.history for part in parts), default=0)
    return Demand(cohorts=fold(cohorts), history=history, **fields)


def counted(
    space: str, from_ms: int, span_ms: int, parts: Iterable[Demand], supply: Supply
) -> Counted:
    """The record of a span, from what the gates counted in it."""
    demand = merge(list(parts))
    short = msgspec.structs.replace(
        demand,
        top_prefixes=demand.top_prefixes[:TOP_PREFIXES],
        top_heads=demand.top_heads[:TOP_PREFIXES],
    )
    return Counted(space=space, from_ms=from_ms, span_ms=span_ms, demand=short, supply=supply)


def fold(cohorts: Mapping[int, list[int]]) -> dict[int, list[int]]:
    """Cohorts in a number that is bounded: the smallest ones together are OTHERS."""
    if len(cohorts) <= COHORTS_MAX:
        return dict(cohorts)
    ordered = sorted(cohorts, key=lambda marks: (marks == OTHERS, -sum(cohorts[marks]), marks))
    kept = {marks: cohorts[marks] for marks in ordered[: COHORTS_MAX - 1] if marks != OTHERS}
    rest = [cohorts[marks] for marks in cohorts if marks not in kept]
    return {**kept, OTHERS: [sum(column) for column in zip(*rest, strict=True)]}


def add_up(tables: Iterable[Mapping[Key, int]]) -> dict[Key, int]:
    """The sums of several tables, by key."""
    total: dict[Key, int] = {}
    for table in tables:
        for key, number in table.items():
            total[key] = total.get(key, 0) + number
    return total


def bucket(value_ms: float) -> int:
    """The bucket of a histogram: a quarter of an octave, so that a quantile is within 9 %."""
    return round(_PER_OCTAVE * math.log2(max(value_ms, 1.0)))


def quantile(histogram: Mapping[int, int], share: float) -> float:
    """The value below which this share of a histogram lies, in ms; 0 when it is empty."""
    wanted = share * sum(histogram.values())
    seen = 0
    for number in sorted(histogram):
        seen += histogram[number]
        if seen >= wanted:
            return float(2 ** (number / _PER_OCTAVE))
    return 0.0


def _union(registers: list[bytes]) -> bytes:
    together = b""
    for one in registers:
        together = union(together, one)
    return together


def _top(tables: list[tuple[list[Row], int]]) -> list[Row]:
    sketch = SpaceSaving(TOP_TABLE)
    for rows, total in tables:
        sketch.merge([(row.hashed, row.count, row.error) for row in rows], total)
    return [Row(*row) for row in sketch.top()]


_NONE = [0] * len(OUTCOMES)
_TABLES = frozenset(
    {"outcomes", "waits_ms", "solves_ms", "bad", "challenges", "malformed", "shield", "errors"}
)
_SKETCHES = frozenset({"clients", "prefixes", "known_prefixes"})
_TOPS = frozenset({"top_prefixes", "top_heads"})
_SUMS = frozenset(Demand.__struct_fields__) - _TABLES - _SKETCHES - _TOPS - {"cohorts", "history"}
