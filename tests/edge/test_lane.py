"""Lanes: nobody is put where it is crowded, and the best slot is the one that was served last."""

from hypothesis import given
from hypothesis import strategies as st

from stentor.edge.follow import Stream
from stentor.edge.lane import Lane, Slot
from stentor.edge.ring import Content, Ring
from stentor.limits import SLOT_SPARE, SLOTS
from stentor.record import Rendition

STRIDES = (2, 5, 10, 20)


def lane() -> Lane:
    made = Lane(chunked=True)
    made.stream = Stream(Rendition.OPUS, Ring(0))
    return made


@given(st.sampled_from(STRIDES), st.integers(0, 100))
def test_whoever_comes_alone_stands_in_the_slot_served_last(stride: int, tick: int) -> None:
    slot = lane().enter(tick, stride)
    assert slot.number % stride == (tick - 1) % stride


@given(st.sampled_from(STRIDES), st.integers(0, 50))
def test_a_crowd_that_comes_in_one_moment_is_spread(stride: int, tick: int) -> None:
    full = lane()
    for _ in range(5_000):
        full.enter(tick, stride)
    loads = [0] * stride
    for slot_number, load in enumerate(full._loads):
        loads[slot_number % stride] += load
    fair = 5_000 / stride
    assert max(loads) <= fair * 1.25 + SLOT_SPARE + 1


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 40)), max_size=200))
def test_slots_are_there_while_somebody_is_in_them(steps: list[tuple[bool, int]]) -> None:
    some = lane()
    inside: list[Slot] = []
    for enters, number in steps:
        if enters or not inside:
            inside.append(some.enter(number, 5))
        else:
            some.leave(inside.pop(number % len(inside)))
        assert some.count == len(inside)
        assert set(some.slots) == {slot.number for slot in inside}
        assert all(0 <= number < SLOTS for number in some.slots)


@given(st.sampled_from(STRIDES), st.integers(1, 60), st.integers(0, SLOTS - 1))
def test_whoever_crosses_over_has_their_next_turn_a_cadence_later(
    stride: int, ticks: int, number: int
) -> None:
    target = lane()
    assert target.stream is not None
    wheel = target.stream.wheel
    for _ in range(ticks):
        wheel.arrived(0.0, 0.1, stride)
        while wheel.tick < wheel.end:
            wheel.turn(stride)
    beside = target.beside(number, stride)
    served = wheel.tick - 1
    for _ in range(stride):
        wheel.arrived(0.0, 0.1, stride)
        while wheel.tick < wheel.end:
            tick = wheel.tick
            if beside in wheel.turn(stride):
                assert tick == served + stride
                return
    raise AssertionError("it has no turn")


@given(st.sampled_from(STRIDES), st.integers(1, 60))
def test_those_who_cross_over_stay_spread(stride: int, tick: int) -> None:
    target = lane()
    assert target.stream is not None
    target.stream.wheel.tick = tick
    served = range((tick - 1) % stride, SLOTS, stride)
    assert sorted(target.beside(number, stride) for number in served) == list(served)


def test_frames_are_joined_once_for_everybody() -> None:
    some = lane()
    assert some.stream is not None
    for number in range(5):
        some.stream.ring.append(b"3\r\nabc\r\n", number, Content.START)
    assert some.frames_from(3) is some.frames_from(3)
    assert some.frames_from(3) == b"3\r\nabc\r\n" * 2
    some.stream.ring.append(b"1\r\nd\r\n", 5, Content.START)
    assert some.frames_from(4) == b"3\r\nabc\r\n1\r\nd\r\n"
    bare = Lane(chunked=False)
    bare.stream = some.stream
    assert bare.frames_from(4) == b"abcd"
