"""What an evening has shown, held against what is promised."""

import math
import statistics
from collections.abc import Iterable

import msgspec

from stentor.simulation.evening import Evening
from stentor.simulation.people import BOT, FROZEN, HIDDEN, HOARDER

FAIR_P = 0.01
WAIT_ERROR_MAX = 0.20
PAGE_AGE_MAX_S = 15.0
_BUCKET_MIN = 20


class Seen(msgspec.Struct):
    """The figures of one evening.

    Attributes:
        arrivals: people; `in_share`: of them who got in, `gave_up`: who lost patience.
        fair_p: Kolmogorov and Smirnov's probability that those who came in the first half of their
            second have no other places among all who came in it than those of the second half.
        wait_error: median over all estimates visible pages have shown; `told_error`: of those
            given on arrival alone; `in_range`: the share of waits between low and high.
        page_age_s: of the oldest thing a visible page has shown.
        most: listeners at once, `capacity`: chairs; `overdrawn`: listeners beyond them.
        lag_s: how late gates answered at worst; `step`: the highest of the ladder.
        bots_share: of the listeners at the end, those that are programs.
    """

    seed: int
    arrivals: int
    played_s: int
    in_share: float
    gave_up: float
    fair_p: float
    placed: int
    wait_error: float
    told_error: float
    in_range: float
    estimates: int
    page_age_s: float
    most: int
    capacity: int
    overdrawn: int
    lag_s: float
    step: int
    bots_share: float
    stay_s: float
    patience_s: float


def judge(evening: Evening, seed: int, played_s: int) -> Seen:
    """The figures of an evening that was played."""
    people, scenario = evening.people, evening.scenario
    honest = range(people.honest)
    let_in = sum(people.in_s[who] >= 0 for who in honest)
    gave_up = sum(people.in_s[who] < 0 and people.leaves_s[who] < played_s for who in honest)
    fair_p, placed = fairness(evening)
    errors = evening.watch.errors
    capacity = scenario.edges * scenario.chairs
    bots = sum(people.state[who] == 2 for who in range(people.honest, len(people)))
    return Seen(
        seed=seed,
        arrivals=people.honest,
        played_s=played_s,
        in_share=round(let_in / people.honest, 4),
        gave_up=round(gave_up / people.honest, 4),
        fair_p=round(fair_p, 4),
        placed=placed,
        wait_error=round(statistics.median(errors), 4) if errors else 0.0,
        told_error=round(_told_error(evening), 4),
        in_range=round(evening.watch.within / max(1, len(errors)), 4),
        estimates=len(errors),
        page_age_s=round(evening.watch.oldest_s, 2),
        most=evening.house.most,
        capacity=capacity,
        overdrawn=max(0, evening.house.most - capacity),
        lag_s=round(evening.lag_s, 3),
        step=max((step for _, step, _ in evening.changes), default=0),
        bots_share=round(bots / max(1, evening.house.listeners), 4),
        stay_s=round(people.stay_s),
        patience_s=round(people.patience_s),
    )


def fairness(evening: Evening) -> tuple[float, int]:
    """Whether it matters when in its second somebody came, and how many were looked at.

    Each bucket's people are ranked by turn; the ranks of those of the first half of the second,
    as shares, must be even. Those whose prefix had taken more than its share are in later buckets
    by design, and are not looked at.
    """
    people = evening.people
    buckets: dict[int, list[tuple[int, bool]]] = {}
    opens_s = evening.scenario.before_s
    for who in range(people.honest):
        turn_us = evening.first_turn_us[who]
        came_s = people.came_s[who]
        if not turn_us or people.flags[who] & (BOT | HOARDER):
            continue
        due_s = (turn_us - evening.begins_us) / 1e6 - 10.0
        if came_s < opens_s:
            if due_s < opens_s:
                buckets.setdefault(-1, []).append((turn_us, came_s < opens_s / 2))
        elif int(due_s) == int(evening.placed_s[who]):
            buckets.setdefault(int(due_s), []).append((turn_us, evening.placed_s[who] % 1 < 0.5))
    ranks: list[float] = []
    for bucket in buckets.values():
        if len(bucket) < _BUCKET_MIN:
            continue
        bucket.sort()
        ranks += ((at + 0.5) / len(bucket) for at, (_, early) in enumerate(bucket) if early)
    # Ranked among all of both halves, one half is twice as even as chance would have it.
    return kolmogorov_smirnov(ranks, 2), len(ranks)


def kolmogorov_smirnov(shares: Iterable[float], counts: int = 1) -> float:
    """The probability that numbers which are even between 0 and 1 look no more even than these."""
    ordered = sorted(shares)
    count = len(ordered)
    if not count:
        return 1.0
    widest = max(max((at + 1) / count - one, one - at / count) for at, one in enumerate(ordered))
    root = math.sqrt(count * counts)
    scaled = (root + 0.12 + 0.11 / root) * widest  # Stephens (1970)
    total = sum((-1) ** (k - 1) * math.exp(-2 * k * k * scaled * scaled) for k in range(1, 101))
    return min(1.0, max(0.0, 2 * total)) if scaled > 0.2 else 1.0


def _told_error(evening: Evening) -> float:
    people = evening.people
    errors = []
    for who in range(people.honest):
        told, took = people.told_s[who], people.in_s[who] - people.came_s[who]
        if told >= 0 and took > 10 and not people.flags[who] & (HIDDEN | FROZEN):
            errors.append(abs(told - took) / took)
    return statistics.median(errors) if errors else 0.0
