"""A small evening of the simulation, and the figures that are taken from it."""

import random

from stentor.simulation.evening import Evening
from stentor.simulation.scenario import Attack, Scenario
from stentor.simulation.verdict import judge, kolmogorov_smirnov

SMALL = Scenario(
    name="small", arrivals=4_000, chairs=60, joins_per_s=20, last_s=400, stay_s=300.0, watched=200
)


def test_a_small_evening_keeps_what_is_promised() -> None:
    evening = Evening(SMALL, 3).play()
    seen = judge(evening, 3, 400)
    assert seen.overdrawn == 0
    assert seen.most > 0.85 * seen.capacity
    assert seen.fair_p >= 0.001
    assert seen.page_age_s <= 15
    assert seen.in_share > 0.4
    counted: dict[str, int] = {}
    for minute in evening.minutes:
        for outcome, count in minute.outcomes.items():
            name = outcome.partition(":")[0]
            counted[name] = counted.get(name, 0) + count
    assert counted["admitted"] >= seen.most
    assert set(counted) <= {"admitted", "renewed", "placed", "challenged", "refused"}


def test_the_same_seed_is_the_same_evening() -> None:
    one, other, third = (judge(Evening(SMALL, seed).play(), seed, 400) for seed in (5, 5, 6))
    assert one == other
    assert one != third


def test_programs_that_really_listen_give_way_to_people() -> None:
    """B8: 20 prefixes of many bots hold the house before 500 people come."""
    attack = Attack(bots=5_000, bot_prefixes=20, begins_s=0, ends_s=20, solves=True)
    scenario = Scenario(
        name="bots", arrivals=500, arrive_s=60, edges=2, chairs=500, joins_per_s=200, last_s=305,
        stay_s=4_000.0, patience_s=1e8, bounce=0.0, hidden=0.0, crowded=0.0, attack=attack,
    )  # fmt: skip
    evening = Evening(scenario, 1).play()
    people = evening.people
    late = [
        who for who in range(people.honest) if not 0 <= people.in_s[who] - people.came_s[who] <= 240
    ]
    assert len(late) <= 25, "95 % are in within two leases"


def test_kolmogorov_and_smirnov_know_even_from_uneven() -> None:
    chance = random.Random(1)
    even = [chance.random() for _ in range(5_000)]
    assert kolmogorov_smirnov(even) > 0.01
    assert kolmogorov_smirnov([one**1.1 for one in even]) < 0.001
    assert kolmogorov_smirnov([]) == 1.0
