"""What is usual: the quiet minutes against which an incident is held, and where they come from.

Earlier Spaces of the node are best. Without any, the minutes of this evening before the first
trouble; without these, there is none, and the report says so. Pure.
"""

import math
from collections.abc import Sequence

import msgspec

from stentor.audience import ledger
from stentor.audience.incident import cohorts
from stentor.audience.ledger import OTHERS, Counted, Demand, Row
from stentor.audience.marks import Mark
from stentor.audience.sketches import estimate

RECORDS_MIN = 6
"""A minute of quiet is the least that can be called usual."""
BEFORE = 12
"""What comes may have come for two minutes before anything is rough: they are not called quiet."""
NOISE = 20.0
"""What is always there, in ten seconds: scanners and broken clients."""
FIRST = 30
"""Attempts of browsers that say whether pages come from us, when there is no quiet to say it."""
BUSY = 50
"""Attempts in a span from which it says anything how they are spread over prefixes."""
HOSTILE_TIMES = 5.0
"""So many times the usual is more than a busy day of the same."""


class Profile(msgspec.Struct, frozen=True):
    """Features of some spans, as shares and ratios, so that few and many can be compared.

    Attributes:
        arrivals: attempts in a span (median).
        known: attempts from prefixes of earlier Spaces; -1: nothing is remembered.
        per_client: attempts per different client.
        clients_per_prefix: different clients per different prefix.
        top: attempts of the ten prefixes that made most, in busy spans; -1: there was none.
        heads: how many heads there are effectively (exponential of their entropy, top rows only).
        pageless, regular, early, bad, unsolved: shares of attempts with that mark.
        per_page: attempts per page given.
        solve_ms: median; 0: nothing was solved.
        hostile: refused before being understood, and bad or malformed, in a span (median).
    """

    arrivals: float = 0.0
    known: float = -1.0
    per_client: float = 0.0
    clients_per_prefix: float = 0.0
    top: float = 0.0
    heads: float = 0.0
    pageless: float = 0.0
    regular: float = 0.0
    early: float = 0.0
    bad: float = 0.0
    unsolved: float = 0.0
    per_page: float = 0.0
    solve_ms: float = 0.0
    hostile: float = 0.0


class Quiet(msgspec.Struct, frozen=True):
    """What is usual on this node.

    Attributes:
        source: `earlier`, `evening` or `none`.
        records: spans it is made of; spaces: earlier Spaces.
        common: share of attempts with each mark.
        hostile_from: what is more than noise, in a span.
        per_edge: listeners one edge holds (0: nobody knows).
        spared: share of attempts that may look like machines without being held against anybody.
    """

    source: str
    records: int
    spaces: int
    common: dict[int, float]
    profile: Profile
    hostile_from: float
    per_edge: float
    spared: float


def quiet_of(counted: Sequence[Counted], earlier: Sequence[tuple[int, list[Counted]]]) -> Quiet:
    """What is usual, for an evening with these records."""
    calm = [one for _, records in earlier for one in records if not is_rough(one)]
    own = []
    for one in counted:
        if is_rough(one):
            break
        own.append(one)
    own = own[: max(0, len(own) - BEFORE)]
    source, chosen = "none", own
    if len(calm) >= RECORDS_MIN:
        source, chosen = "earlier", calm
    elif len(own) >= RECORDS_MIN:
        source = "evening"
    if source == "none":
        common = _common_at_first(counted)
        spared = cohorts.spared_of([], common)
        return Quiet(source, 0, 0, common, Profile(), NOISE, per_edge_of(counted), spared)
    demands = [one.demand for one in chosen]
    profile, common = profile_of(demands), cohorts.shares_of(demands)
    hostile = sorted(hostile_of(one.demand, one.supply.kernel) for one in chosen)
    high = hostile[math.ceil(0.95 * len(hostile)) - 1]
    return Quiet(
        source,
        len(chosen),
        len(earlier) if source == "earlier" else 0,
        common,
        profile,
        max(NOISE, HOSTILE_TIMES * high),
        per_edge_of([*chosen, *counted]),
        cohorts.spared_of(demands, common),
    )


def _common_at_first(counted: Sequence[Counted]) -> dict[int, float]:
    """Without any quiet: whether pages come from us at all, by the first browsers of the evening.

    Behind a CDN nobody loads the page from us. Nothing else is taken from these minutes: who begins
    them may be an attacker.
    """
    browsers = pageless = 0
    for one in counted[:BEFORE]:
        for marks, row in one.demand.cohorts.items():
            if marks != OTHERS and not marks & (Mark.STRANGE | Mark.BAD):
                browsers += sum(row)
                pageless += sum(row) if marks & Mark.PAGELESS else 0
        if browsers >= FIRST:
            return {Mark.PAGELESS: pageless / browsers}
    return {}


def is_rough(one: Counted) -> bool:
    """Whether anything at all went wrong in a span, as plain counts tell."""
    demand, supply = one.demand, one.supply
    arrivals = demand.arrivals
    return any(
        (
            turned_away(demand) > max(2.0, 0.02 * arrivals),
            of(demand, "challenged") > max(2.0, 0.1 * arrivals),
            supply.waiting > 5 + 0.02 * supply.capacity,
            unheard(one) > max(2.0, 0.005 * supply.listeners),
            sum(demand.errors.values()) > max(1.0, 0.01 * arrivals),
            supply.edges < supply.edges_wanted or supply.gates < supply.gates_wanted,
            bool(supply.restarts),
            supply.stage_late_ms > 100 or max(supply.gate_lag_ms, supply.edge_lag_ms) > 1_000,
            demand.unbelieved > 5 + 0.3 * (arrivals + demand.pages),
            hostile_of(demand, supply.kernel) > NOISE + 0.5 * arrivals,
        )
    )


def of(demand: Demand, outcome: str) -> int:
    """Attempts with an outcome, whatever its cause."""
    return sum(n for name, n in demand.outcomes.items() if name.partition(":")[0] == outcome)


def turned_away(demand: Demand) -> int:
    """Attempts that ended without sound or place, by us."""
    return of(demand, "refused") + of(demand, "failed")


def unheard(one: Counted) -> int:
    """Listeners who had sound and stalled, or were let go of for our reasons."""
    dropped = one.supply.dropped
    return one.supply.stalled + sum(dropped.get(why, 0) for why in ("slow", "stuck", "fault"))


def hostile_of(demand: Demand, kernel: dict[str, int]) -> float:
    """What was refused before it was understood, or could not be."""
    malformed, shield = sum(demand.malformed.values()), sum(demand.shield.values())
    return float(malformed + shield + sum(kernel.values()))


def per_edge_of(counted: Sequence[Counted]) -> float:
    """Listeners one edge holds: the most that admission ever had, per edge alive."""
    held = [one.supply.capacity / one.supply.edges for one in counted if one.supply.edges]
    return max(held, default=0.0)


def profile_of(demands: Sequence[Demand]) -> Profile:
    """Features of some spans."""
    if not demands:
        return Profile()
    whole = ledger.merge(list(demands))
    marks = cohorts.shares_of(list(demands))
    examined = whole.examined or 1
    # How many are different is asked span by span: over an evening a client may come again.
    clients = sum(estimate(one.clients) for one in demands)
    prefixes = sum(estimate(one.prefixes) for one in demands)
    # Of a few attempts ten prefixes are always most.
    busy = [one for one in demands if one.examined >= BUSY]
    top = sum(row.count - row.error for one in busy for row in one.top_prefixes[:10])
    of_top = sum(one.examined for one in busy)
    history = max(one.history for one in demands)
    return Profile(
        arrivals=_median([one.arrivals for one in demands]),
        known=whole.known / examined if history >= cohorts.HISTORY_MIN else -1.0,
        per_client=whole.examined / clients if clients else 0.0,
        clients_per_prefix=clients / prefixes if prefixes else 0.0,
        top=min(1.0, top / of_top) if busy else -1.0,
        heads=effective([row for one in demands for row in one.top_heads]),
        pageless=marks.get(4, 0.0),
        regular=marks.get(16, 0.0),
        early=marks.get(32, 0.0),
        bad=marks.get(128, 0.0),
        unsolved=marks.get(256, 0.0),
        per_page=whole.arrivals / whole.pages if whole.pages else 0.0,
        solve_ms=ledger.quantile(whole.solves_ms, 0.5),
        hostile=_median([hostile_of(one, {}) for one in demands]),
    )


def effective(rows: Sequence[Row]) -> float:
    """How many equally frequent rows would be as varied as these."""
    counts: dict[int, int] = {}
    for row in rows:
        counts[row.hashed] = counts.get(row.hashed, 0) + row.count - row.error
    total = sum(counts.values())
    if not total:
        return 0.0
    entropy = -sum(n / total * math.log(n / total) for n in counts.values() if n)
    return math.exp(entropy)


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    return float(ordered[(len(ordered) - 1) // 2]) if ordered else 0.0
