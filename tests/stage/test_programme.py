"""The programme: who hears whom, what is recorded, and how holes are filled."""

import asyncio
from collections import defaultdict

import numpy as np
import pytest

from stentor.limits import FRAME_SAMPLES, PART_SAMPLES
from stentor.record import Flag, Rendition
from stentor.stage.beat import FRAME_S
from stentor.stage.opus import Decoder
from stentor.stage.programme import RENDITIONS, Microphone, Programme, resumed_at
from tests.fakes.clock import JumpingClock
from tests.fakes.stage_house import tone

SECOND_NS = 1_000_000_000


class Shelf:
    """Takes parts as the recorder does, and keeps them in memory."""

    def __init__(self) -> None:
        self.parts: dict[Rendition, list[tuple[int, int, Flag]]] = defaultdict(list)
        self.waiting = 0
        self.numbers: dict[Rendition, list[int]] = defaultdict(list)
        self.refuses = 0

    def part(
        self, rendition: Rendition, payload: bytes, media_time: int, duration: int, flags: Flag
    ) -> None:
        assert payload[4:8] == b"moof"
        if self.refuses:
            self.refuses -= 1
            raise MemoryError
        self.numbers[rendition].append(int.from_bytes(payload[20:24], "big"))
        self.parts[rendition].append((media_time, duration, flags))

    def end_of(self, rendition: Rendition, start: int = 0) -> int:
        """The end of a rendition's last part, having checked that there is no hole before."""
        for media_time, duration, _ in self.parts[rendition]:
            assert media_time == start
            start += duration
        return start


class Ear:
    """What one speaker is sent."""

    connected = True

    def __init__(self) -> None:
        self.timestamps: list[int] = []
        self._decoder = Decoder()
        self._heard: list[np.ndarray] = []

    def send(self, payload: bytes, timestamp: int) -> None:
        self.timestamps.append(timestamp)
        self._heard.append(self._decoder.decode(payload))

    def pitch(self, frames: int = 25) -> float:
        """The loudest frequency of the last half second in Hz; 0 when it was silent."""
        samples = np.concatenate(self._heard[-frames:])
        if samples.std() < 0.01:
            return 0.0
        spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
        return float(np.argmax(spectrum) * 48_000 / len(samples))


class Hall:
    """A programme whose speakers say tones while a clock jumps from beat to beat."""

    def __init__(self) -> None:
        self.clock, self.shelf = JumpingClock(), Shelf()
        self.programme = Programme(self.clock, self.shelf)
        self.ears: dict[str, Ear] = {}
        self._tones: dict[str, list[bytes]] = {}
        self._beats = 0

    def seat(self, speaker: str, hertz: float) -> None:
        microphone = Microphone(speaker, self.clock)
        self.ears[speaker] = microphone.line = Ear()
        self.programme.microphones[speaker] = microphone
        self._tones[speaker] = tone(hertz, 1)

    def beat(self, count: int) -> None:
        for _ in range(count):
            number = self._beats
            for speaker, packets in self._tones.items():
                self.programme.microphones[speaker].packet(
                    number, number * FRAME_SAMPLES, packets[number % 50], self.clock.now()
                )
            self.programme.frame(self.clock.now())
            self.clock.jump(FRAME_S)
            self._beats += 1


def test_before_the_start_speakers_hear_each_other_and_nothing_is_recorded() -> None:
    hall = Hall()
    hall.seat("ada", 440)
    hall.seat("bob", 880)
    hall.beat(60)
    assert hall.ears["ada"].pitch() == pytest.approx(880, abs=3)
    assert hall.ears["bob"].pitch() == pytest.approx(440, abs=3)
    assert (hall.programme.media_time, hall.shelf.parts) == (0, {})


def test_what_one_hears_has_no_holes_in_its_timestamps() -> None:
    hall = Hall()
    hall.seat("ada", 440)
    hall.beat(30)
    assert hall.ears["ada"].timestamps == list(range(0, 30 * FRAME_SAMPLES, FRAME_SAMPLES))


def test_who_is_muted_is_heard_by_nobody_from_the_next_frame_on() -> None:
    hall = Hall()
    hall.seat("ada", 440)
    hall.seat("bob", 880)
    hall.beat(60)
    hall.programme.muted = frozenset({"bob"})
    hall.beat(30)
    assert hall.ears["ada"].pitch(frames=25) == 0.0
    assert hall.ears["bob"].pitch() == pytest.approx(440, abs=3)


def test_from_the_start_each_rendition_is_recorded_from_0_without_a_hole() -> None:
    hall = Hall()
    hall.seat("ada", 440)
    inits = hall.programme.start()
    assert set(inits) == set(RENDITIONS)
    assert all(init[4:8] == b"ftyp" for init in inits.values())
    hall.beat(10)
    assert hall.shelf.end_of(Rendition.OPUS) == PART_SAMPLES
    hall.beat(95)
    hall.programme.finish()
    assert hall.programme.media_time == 105 * FRAME_SAMPLES
    assert hall.shelf.end_of(Rendition.OPUS) == 105 * FRAME_SAMPLES
    for rendition in RENDITIONS:
        assert 0 <= hall.shelf.end_of(rendition) - hall.programme.media_time < 2 * FRAME_SAMPLES
        flags = {flag for _, _, flag in hall.shelf.parts[rendition]}
        assert flags == {Flag.INDEPENDENT}


def test_the_programme_goes_on_in_silence_without_speakers() -> None:
    hall = Hall()
    hall.programme.start()
    hall.beat(20)
    assert hall.shelf.end_of(Rendition.OPUS) == 2 * PART_SAMPLES


@pytest.mark.parametrize("seconds", [0, 1, 70])
async def test_after_a_restart_each_rendition_goes_on_from_its_own_tail(seconds: int) -> None:
    hall = Hall()
    tails = {
        Rendition.OPUS: (9_600 * 7, 7),
        Rendition.OPUS_LOW: (9_600 * 6, 6),
        Rendition.AAC: (1_024 * 66, 7),
    }
    at = 9_600 * 8 + 48_000 * seconds
    hall.programme.go_on(tails, at)
    hall.beat(2)
    filling = asyncio.create_task(hall.programme.fill())
    await asyncio.sleep(0)
    hall.beat(3)
    await filling
    hall.seat("ada", 440)
    hall.beat(50)
    hall.programme.finish()
    for rendition, (tail, _) in tails.items():
        end = hall.shelf.end_of(rendition, tail)
        assert 0 <= end - hall.programme.media_time < 2 * FRAME_SAMPLES
        flags = [flag for _, _, flag in hall.shelf.parts[rendition]]
        gaps = [bool(Flag.GAP in flag) for flag in flags]
        assert gaps == sorted(gaps, reverse=True)
        assert gaps[-1] is False
        assert sum(gaps) >= seconds * 5
    assert hall.programme.media_time == at + 55 * FRAME_SAMPLES


async def test_a_stall_becomes_silence_flagged_as_a_gap() -> None:
    hall = Hall()
    hall.programme.start()
    hall.beat(25)
    hall.programme.skip(100)
    hall.beat(1)
    await hall.programme.fill()
    hall.beat(24)
    assert hall.programme.media_time == 150 * FRAME_SAMPLES
    assert hall.shelf.end_of(Rendition.OPUS) == 150 * FRAME_SAMPLES
    flagged = [
        media_time for media_time, _, flag in hall.shelf.parts[Rendition.OPUS] if Flag.GAP in flag
    ]
    assert flagged == list(range(2 * PART_SAMPLES, 12 * PART_SAMPLES, PART_SAMPLES))


async def test_what_ends_while_a_hole_is_filled_gets_no_parts_after_its_end() -> None:
    hall = Hall()
    hall.programme.go_on({}, 60 * 48_000)
    filling = asyncio.create_task(hall.programme.fill())
    await asyncio.sleep(0)
    hall.programme.finish()
    await filling
    assert hall.shelf.parts == {}, "the silence was being made in a thread when the end came"


async def test_a_fill_that_fails_is_tried_again_behind_the_last_part() -> None:
    hall = Hall()
    hall.programme.start()
    hall.beat(25)
    hall.programme.skip(100)
    hall.shelf.refuses = 2
    await hall.programme.fill()
    hall.beat(25)
    hall.programme.finish()
    for rendition in RENDITIONS:
        end = hall.shelf.end_of(rendition)
        assert 0 <= end - hall.programme.media_time < 2 * FRAME_SAMPLES
        numbers = hall.shelf.numbers[rendition]
        assert numbers == list(range(1, len(numbers) + 1))
        assert Flag.GAP not in hall.shelf.parts[rendition][-1][2], "sound again"


async def test_a_fill_that_always_fails_ends() -> None:
    hall = Hall()
    hall.programme.start()
    hall.programme.skip(100)
    hall.shelf.refuses = 1_000
    with pytest.raises(MemoryError):
        await hall.programme.fill()


class TornLine(Ear):
    """A line whose socket has gone wrong in a way nobody thought of."""

    def send(self, payload: bytes, timestamp: int) -> None:
        raise RuntimeError("torn")


def test_a_line_that_fails_costs_neither_the_recording_nor_the_others() -> None:
    hall = Hall()
    for speaker, hertz in (("ada", 440), ("bob", 880)):
        hall.seat(speaker, hertz)
    hall.programme.microphones["ada"].line = TornLine()
    hall.programme.start()
    hall.beat(60)
    assert hall.programme.media_time == 60 * FRAME_SAMPLES
    assert hall.shelf.end_of(Rendition.OPUS) == 60 * FRAME_SAMPLES
    assert hall.ears["bob"].pitch() == pytest.approx(440, abs=3)


def test_numbers_do_not_go_back_behind_parts_that_were_never_written() -> None:
    hall = Hall()
    tails = dict.fromkeys(RENDITIONS, (20 * PART_SAMPLES, 12))
    tails[Rendition.AAC] = (188 * 1_024, 12)
    hall.programme.go_on(tails, 22 * PART_SAMPLES)
    asyncio.run(hall.programme.fill())
    assert hall.shelf.numbers[Rendition.OPUS] == [21, 22]
    assert hall.shelf.numbers[Rendition.AAC][0] == 21


async def test_filling_waits_for_the_recorder() -> None:
    hall = Hall()
    hall.programme.go_on({}, 60 * 48_000)
    hall.shelf.waiting = 1_000
    filling = asyncio.create_task(hall.programme.fill())
    for _ in range(20):
        await asyncio.sleep(0.01)
        if hall.shelf.parts:
            break
    before = hall.shelf.end_of(Rendition.OPUS)
    assert before < 60 * 48_000
    hall.shelf.waiting = 0
    await filling
    assert hall.shelf.end_of(Rendition.OPUS) == 60 * 48_000


@pytest.mark.parametrize(
    ("tail_s", "wall_s", "expected_s"),
    [
        (10.0, 12.0, 12.0),
        (10.0, 10.1, 10.1),
        (10.0, 9.0, 10.0),  # the programme was a little ahead: no time is given twice
        (10.0, 3_610.0, 3_610.0),
    ],
)
def test_a_programme_goes_on_by_the_clock(tail_s: float, wall_s: float, expected_s: float) -> None:
    tail = round(tail_s * 48_000)
    at = resumed_at(5_000, tail, round((5 + tail_s) * SECOND_NS), round((5 + wall_s) * SECOND_NS))
    assert at % FRAME_SAMPLES == 0
    assert 0 <= at - expected_s * 48_000 < FRAME_SAMPLES


def test_a_clock_that_was_set_meanwhile_makes_no_hole() -> None:
    tail = 10 * 48_000
    written_at, now = (5 + 3_600 + 10) * SECOND_NS, (5 + 3_600 + 11) * SECOND_NS
    assert resumed_at(5_000, tail, written_at, now) == 11 * 48_000
