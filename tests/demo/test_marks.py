"""Marks are found where they were put, and lost samples are counted exactly."""

import numpy as np

from stentor.demo import likeness, marks, speech
from stentor.limits import FRAME_SAMPLES, SAMPLE_RATE

MARK, OTHER = marks.MARKS


def stamped(seconds: int, phase: int = 12_000) -> marks.Pcm:
    noise = np.random.default_rng(1).normal(0, 0.01, seconds * SAMPLE_RATE)
    return marks.stamp(noise.astype(np.float32), MARK, phase)


def test_every_mark_is_found_in_its_place() -> None:
    pcm = stamped(8)
    places = [12_000 + n * SAMPLE_RATE for n in range(8)]
    assert all(abs(a - b) < 24 for a, b in zip(marks.find(pcm, MARK), places, strict=True))
    count = marks.count(pcm, MARK)
    assert (count.expected, count.found, count.shifted_samples) == (8, 8, 0)
    assert count.agrees


def test_another_speaker_s_marks_are_not_ours() -> None:
    assert marks.count(stamped(4), OTHER).found == 0


def test_a_packet_left_out_shifts_what_follows() -> None:
    pcm = stamped(8)
    shorter = np.concatenate([pcm[: 3 * SAMPLE_RATE], pcm[3 * SAMPLE_RATE + FRAME_SAMPLES :]])
    count = marks.count(shorter, MARK)
    assert abs(count.shifted_samples - FRAME_SAMPLES) < 24
    assert not count.agrees


def test_a_silenced_second_is_a_missing_mark() -> None:
    pcm = stamped(8)
    pcm[3 * SAMPLE_RATE : 4 * SAMPLE_RATE] = 0
    count = marks.count(pcm, MARK)
    assert (count.expected, count.found) == (8, 7)


def test_marks_at_the_ends_are_expected_too() -> None:
    pcm = stamped(8)
    pcm[:SAMPLE_RATE] = 0
    pcm[-SAMPLE_RATE:] = 0
    count = marks.count(pcm, MARK)
    assert (count.expected, count.found) == (8, 6)


def test_speech_is_recognised_and_a_hole_in_it_is_seen() -> None:
    said = speech.conversation(24.0)
    programme = (said[0].pcm + said[1].pcm)[3 * SAMPLE_RATE :]
    assert likeness.compare(said[0].pcm, programme).median > 0.95
    whole = likeness.compare(said[1].pcm, programme)
    assert whole.heard == whole.windows > 20
    holed = programme.copy()
    holed[3 * SAMPLE_RATE : 5 * SAMPLE_RATE] = 0
    broken = likeness.compare(said[1].pcm, holed)
    assert broken.heard < broken.windows
    excused = likeness.compare(said[1].pcm, holed, (3 * SAMPLE_RATE, 5 * SAMPLE_RATE))
    assert excused.heard == excused.windows
