"""The jitter buffer: order, loss, late and double packets, wraps, restarts and nonsense."""

import random
from itertools import pairwise

import pytest

from stentor.limits import JITTER_PACKETS_MAX
from stentor.stage.jitter import JitterBuffer, Outcome, Spread, extend


def push(buffer: JitterBuffer, sequence: int, timestamp: int | None = None, now: float = 0.0):
    at = sequence * 960 if timestamp is None else timestamp
    outcome, _ = buffer.push(sequence & 0xFFFF, at & 0xFFFFFFFF, b"", 960, now)
    return outcome


def sequences(buffer: JitterBuffer) -> list[int]:
    taken = []
    while buffer.first is not None:
        taken.append(buffer.pop().sequence)
    return taken


@pytest.mark.parametrize(
    ("raw", "bits", "near", "whole"),
    [
        (5, 16, 3, 5),
        (2, 16, 65_534, 65_538),
        (65_534, 16, 65_538, 65_534),
        (0, 32, 2**32 - 960, 2**32),
        (65_535, 16, 10 * 65_536, 10 * 65_536 - 1),
    ],
)
def test_numbers_go_on_past_their_wrap(raw: int, bits: int, near: int, whole: int) -> None:
    assert extend(raw, bits, near) == whole


def test_packets_leave_in_order_each_once() -> None:
    buffer = JitterBuffer()
    outcomes = [push(buffer, number) for number in (7, 9, 8, 9, 7, 10)]
    waits, double = Outcome.WAITS, Outcome.DUPLICATE
    assert outcomes == [waits, waits, waits, double, double, waits]
    assert sequences(buffer) == [7, 8, 9, 10]
    assert (buffer.received, buffer.lost, buffer.duplicates) == (4, 0, 2)


def test_order_survives_both_wraps() -> None:
    buffer, chance = JitterBuffer(), random.Random(3)
    numbers = list(range(65_500, 65_580))
    for at in range(0, 80, 4):
        numbers[at : at + 4] = chance.sample(numbers[at : at + 4], 4)
    for number in numbers:
        assert push(buffer, number, 2**32 - 40_000 + (number - 65_500) * 960) is Outcome.WAITS
    taken = [buffer.pop() for _ in numbers]
    assert [packet.sequence - taken[0].sequence for packet in taken] == list(range(80))
    assert {b.timestamp - a.timestamp for a, b in pairwise(taken)} == {960}


def test_a_late_packet_was_lost_and_is_not_any_more() -> None:
    buffer = JitterBuffer()
    for number in (1, 2, 5):
        push(buffer, number)
    assert sequences(buffer) == [1, 2, 5]
    assert buffer.lost == 2
    assert push(buffer, 3) is Outcome.LATE
    assert push(buffer, 3) is Outcome.DUPLICATE
    assert push(buffer, 2) is Outcome.DUPLICATE
    assert (buffer.received, buffer.lost, buffer.late) == (4, 1, 1)


def test_a_pause_is_no_jump_and_a_jump_needs_two_packets() -> None:
    buffer = JitterBuffer()
    push(buffer, 1, 960, now=0.02)
    assert push(buffer, 2, 960 + 48_000 * 60, now=60.02) is Outcome.WAITS, "silence of a minute"
    assert push(buffer, 3, 7, now=60.04) is Outcome.REFUSED, "one stranger is an accident"
    assert push(buffer, 4, 967, now=60.06) is Outcome.RESTARTED
    assert sequences(buffer) == [3, 4]
    assert push(buffer, 40_000, 5_000_000, now=60.08) is Outcome.REFUSED
    assert push(buffer, 5, 967 + 960, now=60.10) is Outcome.WAITS, "the stream goes on"
    assert push(buffer, 40_001, 5_000_960, now=60.12) is Outcome.REFUSED


def test_nobody_plays_it_and_memory_stays() -> None:
    buffer = JitterBuffer()
    for number in range(5 * JITTER_PACKETS_MAX):
        push(buffer, number, now=number * 0.02)
    assert buffer.discarded == 4 * JITTER_PACKETS_MAX
    assert len(sequences(buffer)) == JITTER_PACKETS_MAX


def test_nonsense_does_no_harm() -> None:
    buffer, chance = JitterBuffer(), random.Random(11)
    for step in range(20_000):
        sequence = chance.choice((chance.randrange(65_536), step))
        push(buffer, sequence, chance.choice((chance.randrange(2**32), step * 960)), step * 0.001)
        if chance.random() < 0.3 and buffer.first is not None:
            buffer.pop()
    taken = sequences(buffer)
    assert taken == sorted(set(taken))
    assert len(taken) <= JITTER_PACKETS_MAX


def test_the_wait_covers_nearly_all_packets_and_comes_down_again() -> None:
    spread, chance, sent = Spread(), random.Random(5), iter(range(20_000))
    assert spread.wait_s == 0.0
    for _ in range(3_000):
        spread.observe(chance.uniform(0, 0.040), next(sent) * 0.02)
    assert 0.038 <= spread.wait_s <= 0.042
    for late in range(15):
        spread.observe(0.300 - late * 0.016, 3_000 * 0.02 + late * 0.004)
    assert spread.wait_s <= 0.042, "one stall is not a slow network"
    for _ in range(3_000):
        late_s = chance.uniform(0, 0.040) if chance.random() < 0.98 else 0.150
        spread.observe(late_s, next(sent) * 0.02)
    assert spread.wait_s >= 0.150
    for _ in range(3_500):
        spread.observe(chance.uniform(0, 0.005), next(sent) * 0.02)
    assert spread.wait_s <= 0.008
