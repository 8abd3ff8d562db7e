"""A bucket lets through its rate, and its burst after a pause."""

from stentor.stage.bucket import Bucket


def test_a_burst_passes_then_the_rate() -> None:
    bucket = Bucket(10.0, 5.0)
    assert [bucket.take(100.0) for _ in range(6)] == [True] * 5 + [False]
    assert not bucket.take(100.0625)
    assert bucket.take(100.125)
    assert not bucket.take(100.125)


def test_a_long_pause_saves_no_more_than_the_burst() -> None:
    bucket = Bucket(10.0, 5.0)
    assert bucket.take(0.0)
    assert sum(bucket.take(1_000_000.0) for _ in range(100)) == 5
