"""Sketches: close to the truth, bounded, and the same in whatever order they are put together."""

import random
from collections import Counter

import pytest

from stentor.audience.sketches import (
    Bloom,
    Generations,
    HyperLogLog,
    SpaceSaving,
    estimate,
    union,
)


def hashes(seed: int, count: int) -> list[int]:
    chance = random.Random(seed)
    return [chance.getrandbits(64) for _ in range(count)]


@pytest.mark.parametrize("count", [0, 1, 10, 300, 2_500, 4_000, 30_000])
def test_how_many_different(count: int) -> None:
    errors = []
    for seed in range(5):
        sketch = HyperLogLog()
        for one in hashes(seed, count):
            sketch.add(one)
            sketch.add(one)
        errors.append(sketch.count() / count - 1 if count else sketch.count())
    assert abs(sum(errors) / 5) < 0.04
    assert max(map(abs, errors)) < 0.12


def test_two_sketches_are_the_sketch_of_both() -> None:
    mine, yours, ours = HyperLogLog(), HyperLogLog(), HyperLogLog()
    for number, one in enumerate(hashes(1, 5_000)):
        (mine if number % 2 else yours).add(one)
        ours.add(one)
    assert union(mine.registers(), yours.registers()) == ours.registers()
    mine.merge(yours.registers())
    assert mine.registers() == ours.registers()
    assert union(b"", ours.registers()) == ours.registers()
    assert HyperLogLog().registers() == b""
    assert estimate(b"") == 0.0
    assert estimate(bytes([55]) * 1024) > 1e15  # the highest rank everywhere


def test_registers_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="registers"):
        HyperLogLog(b"123")
    with pytest.raises(ValueError, match="bytes"):
        Bloom(b"123")


def test_those_that_come_most() -> None:
    chance = random.Random(2)
    stream = [int(chance.paretovariate(0.9)) for _ in range(20_000)]
    truth = Counter(stream)
    sketch = SpaceSaving(64)
    for one in stream:
        sketch.add(one)
    rows = sketch.top()
    assert len(rows) == 64
    for hashed, count, error in rows:
        assert count - error <= truth[hashed] <= count
    heavy = {hashed for hashed, count in truth.items() if count > len(stream) / 64}
    assert heavy <= {row[0] for row in rows}


def test_merged_tables_keep_their_promise() -> None:
    chance = random.Random(3)
    truth: Counter[int] = Counter()
    merged = SpaceSaving(32)
    for _ in range(4):
        part = SpaceSaving(32)
        for _ in range(3_000):
            one = int(chance.paretovariate(0.8))
            truth[one] += 1
            part.add(one)
        merged.merge(part.top(), part.total)
    assert merged.total == 12_000
    assert len(merged.top()) == 32
    for hashed, count, error in merged.top():
        assert count - error <= truth[hashed] <= count
    assert merged.add(merged.top()[0][0]) > 0  # and it can be counted on with


def test_a_filter_knows_whom_it_has_seen() -> None:
    filter_ = Bloom()
    inside, outside = hashes(4, 20_000), hashes(5, 20_000)
    for one in inside:
        filter_.add(one)
    assert all(one in filter_ for one in inside)
    assert sum(one in filter_ for one in outside) < 20
    again = Bloom(filter_.bits())
    assert inside[7] in again


def test_generations_forget() -> None:
    lately = Generations()
    lately.add(17)
    lately.turn()
    assert 17 in lately
    lately.turn()
    assert 17 not in lately
