"""The ladder: one step at a time, in order, with patience; and who forces it."""

from hypothesis import given
from hypothesis import strategies as st

from stentor.gate.ladder import THRESHOLDS, Ladder, Patience, wants

QUICK = Patience(up_s=2.0, down_s=3.0, calm_s=4.0)
PRESSED = {"cpu": 0.99}
CALM = {"cpu": 0.10}


def walk(ladder: Ladder, pressures: list[dict[str, float]], begin: float = 0.0) -> list[int]:
    steps = []
    for at, pressure in enumerate(pressures):
        ladder.turn(pressure, begin + at)
        steps.append(ladder.step)
    return steps


def test_up_and_down_in_the_documented_order() -> None:
    ladder = Ladder(QUICK)
    up = walk(ladder, [PRESSED] * 15)
    assert sorted(up) == up
    assert set(up) == {0, 1, 2, 3, 4, 5}
    assert (ladder.why, ladder.figures) == ("cpu", {"busy": 0.99})
    assert up.index(2) - up.index(1) == 2, "a step takes its time"
    down = walk(ladder, [CALM] * 30, 15.0)
    assert sorted(down, reverse=True) == down
    assert set(down) == {0, 1, 2, 3, 4, 5}
    assert down.index(4) == 4
    assert down.index(3) - down.index(4) == 3


@given(st.lists(st.floats(0, 1.2), max_size=200))
def test_never_two_steps_at_once_and_never_sooner_than_patience(values: list[float]) -> None:
    ladder, moved_at, before = Ladder(QUICK), -10.0, 0
    for at, value in enumerate(values):
        change = ladder.turn({"cpu": value}, float(at))
        assert abs(ladder.step - before) <= 1
        if change is not None:
            assert at - moved_at >= 2.0
            assert (change.before, change.step) == (before, ladder.step)
            moved_at = at
        before = ladder.step


def test_between_the_thresholds_it_stays() -> None:
    ladder = Ladder(QUICK)
    walk(ladder, [{"cpu": 0.72}] * 10)
    assert ladder.step == 1
    assert set(walk(ladder, [{"cpu": 0.66}] * 60, 10.0)) == {1}
    assert walk(ladder, [{"cpu": 0.60}] * 10, 70.0)[-1] == 0


def test_many_who_come_are_asked_for_a_challenge_and_no_more() -> None:
    ladder = Ladder(QUICK)
    assert max(walk(ladder, [{"arrivals": 400.0}] * 60)) == 2
    assert (ladder.why, ladder.figures) == ("arrivals", {"arrivals_per_expected": 400.0})


def test_host_and_operator_force_it() -> None:
    ladder = Ladder(QUICK)
    ladder.force(3, "host")
    change = ladder.turn(CALM, 0.0)
    assert change is not None
    assert (change.step, change.why, change.by) == (3, "host", "host")
    ladder.force(1, "operator")
    ladder.turn(PRESSED, 1.0)
    assert ladder.step == 1, "whatever the pressure"
    ladder.force(None, "operator")
    ladder.turn(CALM, 2.0)
    assert ladder.step == 3
    ladder.force(None, "host")
    assert walk(ladder, [CALM] * 30, 3.0)[-1] == 0


def test_each_trigger_wants_what_its_thresholds_say() -> None:
    for name, rows in THRESHOLDS.items():
        assert wants({name: rows[0][0] * 0.99}) == (0, "")
        for value, step in rows:
            assert wants({name: value}) == (step, name)
