"""How connections are divided when more come than a door can look at."""

from stentor.limits import FAIR_LEVEL_MIN
from stentor.shield.fairness import Fairness


def second(fairness: Fairness, now: float, demands: dict[str, int], *, pressed: bool) -> list[int]:
    """So many of each are looked at in one second; then the bound is found anew."""
    got = [sum(fairness.take(name) for _ in range(many)) for name, many in demands.items()]
    fairness.look(now, pressed=pressed)
    return got


def test_a_door_that_keeps_up_divides_nothing() -> None:
    fairness = Fairness()
    for now in range(1, 5):
        assert second(fairness, now, {"a": 5_000, "b": 1}, pressed=False) == [5_000, 1]
    assert fairness.shed == 0


def test_who_asks_for_most_goes_short_and_nobody_else() -> None:
    fairness = Fairness()
    crowd = {f"p{number}": 2 for number in range(500)}
    flood = {f"f{number}": 50 for number in range(20)}
    second(fairness, 1.0, crowd | flood, pressed=True)
    for now in range(2, 5):
        got = second(fairness, now, crowd | flood, pressed=True)
        assert got[:500] == [2] * 500
        assert all(FAIR_LEVEL_MIN <= one < 50 for one in got[500:])
    assert fairness.shed > 0


def test_the_bound_goes_when_the_queue_runs_empty() -> None:
    fairness = Fairness()
    second(fairness, 1.0, {"a": 100, "b": 1_000}, pressed=True)
    assert fairness.level < 1_000
    for now in range(2, 12):
        second(fairness, now, {"a": 100, "b": 1_000}, pressed=False)
    assert fairness.level == float("inf")


def test_many_people_behind_one_address_have_more() -> None:
    fairness = Fairness()
    second(fairness, 1.0, {"carrier": 1_000, "b": 900}, pressed=True)
    assert sum(fairness.take("carrier", 20.0) for _ in range(1_000)) == 1_000
    assert sum(fairness.take("b") for _ in range(900)) < 900
