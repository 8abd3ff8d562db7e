"""The wheel: whose turn it is, and when."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from stentor.edge.cadence import Cadence
from stentor.edge.wheel import Wheel
from stentor.limits import CADENCES_MS, FLUSH_S, PART_MS, SLOTS, TICK_GAP_S, TICKS_PER_PART

PART_S = PART_MS / 1_000


def turns(wheel: Wheel, stride: int, until: float) -> list[tuple[float, list[int]]]:
    """The turns up to a moment, as a loop that is never late takes them."""
    taken = []
    while (due := wheel.due_at()) <= until:
        if wheel.tick == wheel.end:
            wheel.flush(due, TICK_GAP_S)
            continue
        taken.append((due, list(wheel.turn(stride))))
    return taken


@given(st.sampled_from(CADENCES_MS))
def test_every_slot_has_its_turn_once_in_each_cadence(cadence_ms: int) -> None:
    stride = Cadence(cadence_ms).stride
    wheel = Wheel()
    heard: dict[int, list[float]] = {number: [] for number in range(SLOTS)}
    for part in range(3 * SLOTS):
        now = part * PART_S
        wheel.arrived(now, TICK_GAP_S, stride)
        for due, numbers in turns(wheel, stride, now + PART_S - 1e-9):
            for number in numbers:
                heard[number].append(due)
    for moments in heard.values():
        gaps = {round(b - a, 6) for a, b in itertools.pairwise(moments)}
        assert gaps == {cadence_ms / 1_000}


def test_few_listeners_wait_for_nobody() -> None:
    wheel = Wheel()
    wheel.arrived(5.0, 0.0, 2)
    assert [due for due, _ in turns(wheel, 2, 5.0)] == [5.0, 5.0]


def test_what_is_left_is_flushed_when_no_part_comes() -> None:
    wheel = Wheel()
    stride = Cadence(2_000).stride
    wheel.arrived(0.0, TICK_GAP_S, stride)
    taken = turns(wheel, stride, 10.0)
    flushed = [number for due, numbers in taken[TICKS_PER_PART:] for number in numbers]
    assert sorted(flushed) == list(range(SLOTS)), "each once, whatever the cadence"
    assert taken[TICKS_PER_PART][0] == FLUSH_S
    assert wheel.due_at() == float("inf"), "then there is rest"


def test_a_loop_that_was_away_does_not_serve_anybody_twice_in_a_row() -> None:
    wheel = Wheel()
    for part in range(50):
        wheel.arrived(part * PART_S, TICK_GAP_S, 2)
    numbers = [number for _, some in turns(wheel, 2, 49 * PART_S + TICK_GAP_S) for number in some]
    assert sorted(numbers) == list(range(SLOTS))
