"""Which attempts look like people, which do not, and which nobody can tell. Pure.

A cohort is all attempts with the same marks. Its score is the sum of its marks' weights, read as
logarithms of how much more often a mark is seen on machines than on people: naive Bayes with
published numbers (docs/topics/incident.md has the reason for each). A mark that half of the quiet
audience has, says nothing on such a node, and weighs nothing.
"""

from collections.abc import Mapping

import msgspec

from stentor.audience.ledger import OTHERS, Demand
from stentor.audience.marks import ODD, Mark
from stentor.limits import ODD_SHARE

PRESENT: dict[Mark, float] = {
    Mark.NEW: 0.8,
    Mark.CROWDED: 0.8,
    Mark.PAGELESS: 2.2,
    Mark.STRANGE: 2.6,
    Mark.REGULAR: 2.0,
    Mark.EARLY: 0.8,
    Mark.BAD: 2.0,
    Mark.UNSOLVED: 0.6,
    Mark.SOLVED: -0.6,
    Mark.VOUCHED: -5.0,
    Mark.ALIKE: 2.0,
    Mark.BESIDE: 1.4,
    Mark.AKIN: 2.4,
}
ABSENT: dict[Mark, float] = {Mark.NEW: -1.2, Mark.PAGELESS: -1.0, Mark.STRANGE: -0.2}
SUSPECT_FROM = 2.2
"""A score from here on: nine times as likely a machine as a person."""
PERSON_TO = 0.7
"""A score up to here: a person, twice as likely a machine at most."""
HISTORY_MIN = 200
"""Prefixes remembered from earlier Spaces before `new` says anything."""
KNOWN_MIN = 0.15
"""A quiet audience with fewer from known prefixes is no measure for how many there should be."""
NEW_FROM = 0.25
"""Known prefixes on a crowded evening, against a quiet one: in flash crowds more than half are
known, in attacks less than a seventh (Jung, Krishnamurthy, Rabinovich 2002)."""
NEW_WEIGHS = -1.1
"""As if a mark were less than never seen: its weight is 3.2 times what it is."""
PERSISTENT = 0.92
"""If so large a part of bad attempts comes again within a minute, nobody there is giving up."""
CLOCKS = 0.4
"""By chance one in ten comes back after the same gap as before."""
KINDS = ("people", "suspects", "unclear")
SPARED = 2.0
SPARED_MIN = 0.03
"""At least three in a hundred people look like machines; twice the usual is held against nobody."""
COMMON = 0.5
"""A mark on so large a part of the quiet audience says nothing."""


class Sorted(msgspec.Struct, frozen=True):
    """Attempts of a span by what they look like, scaled from those examined to all.

    Attributes:
        people, suspects, unclear: attempts.
        new_people, new_suspects, new_unclear: those that had not come within the minute before.
        people_lost: attempts of people that were refused or failed.
        bad_people: those that showed something bad, when that is our keys' doing; `bad_suspects`.
        unsolved_people: of people and the unclear, those without a solution.
    """

    people: float = 0.0
    suspects: float = 0.0
    unclear: float = 0.0
    new_people: float = 0.0
    new_suspects: float = 0.0
    new_unclear: float = 0.0
    people_lost: float = 0.0
    bad_people: float = 0.0
    bad_suspects: float = 0.0
    unsolved_people: float = 0.0


def score(marks: int, common: Mapping[int, float], history: int) -> float:
    """How much more like a machine than like a person, as a natural logarithm.

    Args:
        common: of each mark, the share of the quiet audience that has it.
        history: prefixes remembered from earlier Spaces.
    """
    total = 0.0
    # The company of the odd says nothing where so many are odd that everybody is in it.
    odd = common.get(Mark.PAGELESS, 0.0) + common.get(Mark.STRANGE, 0.0)
    company = COMMON * (odd / ODD_SHARE) ** 2
    for mark in sorted(set(PRESENT) | set(ABSENT)):
        if mark is Mark.NEW and history < HISTORY_MIN:
            continue
        weight = (PRESENT if marks & mark else ABSENT).get(mark, 0.0)
        usual = common.get(mark, 0.0)
        if mark in {Mark.BESIDE, Mark.AKIN}:
            usual = max(usual, company)
        if weight:
            total += weight * max(0.0, 1.0 - usual / COMMON)
    return total


def sort(demand: Demand, common: Mapping[int, float], spared: float = 0.0) -> Sorted:
    """The attempts of a span by what they look like.

    Args:
        spared: of all attempts, the share that looks like machines on any evening: so many are
            held against nobody.
    """
    examined = demand.examined or 1
    scale = demand.arrivals / examined
    sums = dict.fromkeys(Sorted.__struct_fields__, 0.0)
    ours = common.get(Mark.BAD, 0.0) >= 1.0  # bad tickets are our keys' doing: see `weighing`
    asked, solved = dict.fromkeys(KINDS, 0.0), dict.fromkeys(KINDS, 0.0)
    for marks, row in demand.cohorts.items():
        kind = kind_of(marks, common, demand.history)
        count = scale * sum(row)
        admitted, placed, challenged, refused, failed, _ = row
        got_in = scale * (admitted + placed)
        sums[kind] += count
        sums[f"new_{kind}"] += got_in if _has(marks, Mark.AGAIN) else count
        asked[kind] += 0.0 if _has(marks, Mark.AGAIN) else scale * challenged
        solved[kind] += got_in if _has(marks, Mark.AGAIN) and _has(marks, Mark.SOLVED) else 0.0
        if kind == "suspects":
            sums["bad_suspects"] += count if _has(marks, Mark.BAD) else 0.0
            continue
        if kind == "people":
            sums["people_lost"] += scale * (refused + failed)
            sums["bad_people"] += count if ours and _has(marks, Mark.BAD) else 0.0
        sums["unsolved_people"] += count if _has(marks, Mark.UNSOLVED) else 0.0
    for kind in KINDS:  # who was asked to compute, and came in with a solution, is one
        sums[f"new_{kind}"] -= min(asked[kind], solved[kind])
    return _spare(sums, spared)


def _spare(sums: dict[str, float], spared: float) -> Sorted:
    """Some of those who look like machines are not told from people after all."""
    suspects = sums["suspects"]
    some = min(suspects, spared * sum(sums[kind] for kind in KINDS))
    if some:
        fresh = sums["new_suspects"] * some / suspects
        sums["bad_suspects"] -= sums["bad_suspects"] * some / suspects
        sums["suspects"] -= some
        sums["unclear"] += some
        sums["new_suspects"] -= fresh
        sums["new_unclear"] += fresh
    return Sorted(**sums)


def spared_of(demands: list[Demand], common: Mapping[int, float]) -> float:
    """The share of attempts that looks like machines on any evening, and as much again."""
    rows = [sort(demand, common) for demand in demands]
    total = sum(row.people + row.suspects + row.unclear for row in rows)
    found = sum(row.suspects for row in rows) / total if total else 0.0
    return SPARED * max(found, SPARED_MIN)


def kind_of(marks: int, common: Mapping[int, float], history: int) -> str:
    """`people`, `suspects` or `unclear`."""
    if marks == OTHERS:
        return "unclear"
    value = score(marks, common, history)
    if value >= SUSPECT_FROM:
        return "suspects"
    return "people" if value <= PERSON_TO else "unclear"


def weighing(demands: list[Demand], common: Mapping[int, float], usual: float) -> dict[int, float]:
    """`common`, with what a bad ticket says on this evening.

    A forged ticket is a machine's. But when our own keys are wrong, everybody's tickets are bad:
    they come from the same prefixes, by way of the page, as all other people. Then the mark says
    nothing of who came (and `fault.refusing` says what it does say).

    Args:
        usual: attempts in a quiet span.
    """
    quiet_new = common.get(Mark.NEW, 1.0)
    common = {**common, **_newness(demands, common)}
    bad, people = [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]
    clocks = [0, 0]  # bad ones of browsers that have the page, and those like a clock
    spans, history = 0, max((demand.history for demand in demands), default=0)
    blind = {**common, Mark.BAD: 1.0, Mark.NEW: COMMON}
    for demand in demands:
        before = bad[0]
        for marks, row in demand.cohorts.items():
            if _has(marks, Mark.BAD) and not marks & ODD:
                clocks[0] += sum(row)
                clocks[1] += sum(row) if marks & Mark.REGULAR else 0
            if kind_of(marks, blind, demand.history) == "people":
                which = bad if _has(marks, Mark.BAD) else people
                which[0] += sum(row)
                which[1] += 0 if marks & Mark.NEW else sum(row)
                which[2] += sum(row) if marks & Mark.AGAIN else 0
        spans += bad[0] > before
    if not bad[0]:
        return common
    if history >= HISTORY_MIN and people[0]:
        # Machines may have made others of this evening look less known: quiet ones count as well.
        others = max(0.5 * people[1] / people[0], 0.3 * (1.0 - quiet_new))
        alike = bad[1] / bad[0] >= others
    else:
        alike = bad[0] / spans <= 10 * max(usual, 10.0)
    # A person tries a few times, not like a clock, and gives up.
    alike = alike and bad[2] / bad[0] < PERSISTENT and clocks[1] <= CLOCKS * clocks[0]
    return {**common, Mark.BAD: 1.0} if alike else common


def _newness(demands: list[Demand], common: Mapping[int, float]) -> dict[int, float]:
    """What a new prefix says on this evening, as a part of `common`.

    A crowd brings newcomers as well, but not only: if far fewer came from known prefixes than on
    quiet evenings, a new prefix weighs more.
    """
    usual = 1.0 - common.get(Mark.NEW, 1.0)
    history = max((demand.history for demand in demands), default=0)
    came = known = 0
    for demand in demands:
        for marks, row in demand.cohorts.items():
            if marks != OTHERS and not marks & Mark.AGAIN:
                came += sum(row)
                known += 0 if marks & Mark.NEW else sum(row)
    if history < HISTORY_MIN or usual < KNOWN_MIN or known >= NEW_FROM * usual * came:
        return {}
    return {Mark.NEW: NEW_WEIGHS}


def shares_of(demands: list[Demand]) -> dict[int, float]:
    """Of each mark, the share of these attempts that have it."""
    total = sum(demand.examined for demand in demands)
    if not total:
        return {}
    counts = dict.fromkeys((int(mark) for mark in Mark), 0)
    for demand in demands:
        for marks, row in demand.cohorts.items():
            for mark in counts:
                if marks != OTHERS and marks & mark:
                    counts[mark] += sum(row)
    return {mark: count / total for mark, count in counts.items()}


def _has(marks: int, mark: Mark) -> bool:
    return marks != OTHERS and bool(marks & mark)
