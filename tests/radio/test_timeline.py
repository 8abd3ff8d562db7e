"""When a radio stream is to be silent."""

from stentor.limits import PART_SAMPLES, RADIO_PATIENCE_S, SAMPLE_RATE
from stentor.radio.timeline import Timeline


class Stream:
    """A stream's samples, counted."""

    def __init__(self, media_time: int = -1) -> None:
        self.now = 100.0
        self.timeline = Timeline(self.now, media_time)
        self.samples = 0
        self.silence = 0

    def part(self, number: int, *, is_gap: bool = False) -> bool:
        """Part `number` comes; whether it is heard."""
        at = number * PART_SAMPLES
        hole = self.timeline.take(at, PART_SAMPLES, is_gap=is_gap, now=self.now)
        if hole is None:
            return False
        self.silence += hole
        self.samples += hole + PART_SAMPLES
        return True

    def quiet(self, seconds: float) -> None:
        """Nothing comes for a while."""
        for _ in range(round(seconds * 10)):
            self.now += 0.1
            due = self.timeline.due(self.now)
            self.timeline.put_in(due)
            self.silence += due
            self.samples += due


def test_before_the_start_silence_goes_on_in_its_own_time() -> None:
    stream = Stream()
    stream.quiet(10)
    assert abs(stream.silence - 10 * SAMPLE_RATE) < 10
    assert stream.part(0)
    assert stream.timeline.due(stream.now) == 0


def test_parts_that_come_need_no_silence() -> None:
    stream = Stream()
    for number in range(50):
        assert stream.part(number)
        stream.quiet(0.2)
    assert stream.silence == 0


def test_a_stage_that_is_away_is_waited_for_and_then_silence_fills_in() -> None:
    stream = Stream()
    stream.part(0)
    stream.quiet(RADIO_PATIENCE_S)
    assert stream.silence == 0
    stream.quiet(3)
    assert abs(stream.silence - 3 * SAMPLE_RATE) < 10


def test_what_was_put_in_is_taken_back_from_the_stages_own_silence() -> None:
    stream = Stream()
    stream.part(0)
    stream.quiet(5)
    for number in range(1, 26):
        stream.part(number, is_gap=True)
    stream.part(26)
    assert abs(stream.samples - 27 * PART_SAMPLES) <= PART_SAMPLES, "as long as it took"


def test_sound_that_was_only_late_is_heard() -> None:
    stream = Stream()
    stream.part(0)
    stream.quiet(5)
    assert all(stream.part(number) for number in range(1, 26))


def test_a_hole_in_the_log_is_silence_of_its_length_but_not_without_end() -> None:
    stream = Stream()
    stream.part(0)
    stream.part(4)
    assert stream.silence == 3 * PART_SAMPLES
    stream.part(5_000)
    assert stream.silence == 3 * PART_SAMPLES + round(RADIO_PATIENCE_S * SAMPLE_RATE)


def test_a_hole_that_was_lived_through_is_not_filled_again() -> None:
    stream = Stream()
    stream.part(0)
    stream.quiet(6)
    stream.part(30)
    assert abs(stream.samples - 31 * PART_SAMPLES) <= PART_SAMPLES


def test_what_was_heard_is_not_heard_again() -> None:
    stream = Stream()
    for number in range(5):
        stream.part(number)
    assert not stream.part(3)
    assert stream.part(5)


def test_who_comes_back_goes_on_where_they_were() -> None:
    stream = Stream(media_time=10 * PART_SAMPLES)
    assert not stream.part(9)
    assert stream.part(10)
    assert stream.silence == 0
