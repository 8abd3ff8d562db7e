"""A voice under drift, loss, jitter, pauses, restarts and attack."""

import random
from dataclasses import dataclass

import numpy as np
import pytest

from bench.drift import CLICK_FACTOR, Scene, codec_alone, judge_all, off_tone, run, tone_packets
from stentor.limits import JITTER_DELAY_MAX_S, SPEAKER_SILENT_S
from stentor.stage.opus import Decoder, Encoder
from stentor.stage.voice import Voice
from tests.stage.test_opus import speech_like

TONE_HZ = 440
OWN_STEP = 0.3 * 2 * np.pi * TONE_HZ / 48_000
"""The largest difference of two samples next to each other in the tone itself."""


def tone(count: int, frame_samples: int = 960, loud: float = 0.3) -> list:
    encoder = Encoder(32_000, frame_samples)
    at = np.arange(count * frame_samples)
    pcm = (loud * np.sin(2 * np.pi * TONE_HZ * at / 48_000)).astype(np.float32)
    return [encoder.encode(frame) for frame in pcm.reshape(-1, frame_samples)]


@dataclass
class Delivery:
    """A packet on its way: when it arrives, and its numbers."""

    at: float
    sequence: int
    timestamp: int
    payload: bytes


def steady(packets: list, samples: int = 960, first: int = 65_530, base_s: float = 0.03) -> list:
    return [
        Delivery(base_s + k * samples / 48_000, first + k, 2**32 - 4_800 + k * samples, packet)
        for k, packet in enumerate(packets)
    ]


def heard(voice: Voice, deliveries: list, seconds: float, begin_s: float = 0.0) -> np.ndarray:
    """All frames of `seconds`; takes the packets that come meanwhile out of `deliveries`."""
    deliveries.sort(key=lambda one: one.at)
    frames = []
    for beat in range(round(seconds * 50)):
        now = begin_s + beat * 0.02
        while deliveries and deliveries[0].at <= now:
            one = deliveries.pop(0)
            voice.push(one.sequence & 0xFFFF, one.timestamp & 0xFFFFFFFF, one.payload, one.at)
        frame = voice.frame(now)
        assert frame.shape == (960,)
        assert frame.dtype == np.float32
        frames.append(frame)
    return np.concatenate(frames)


def loudness(pcm: np.ndarray) -> np.ndarray:
    """RMS of every 20 ms."""
    return np.sqrt(np.mean(pcm.reshape(-1, 960) ** 2, axis=1))


def largest_step(pcm: np.ndarray) -> float:
    return float(np.abs(np.diff(pcm)).max())


def test_silence_before_anything_arrived() -> None:
    voice = Voice()
    assert not heard(voice, [], 1.0).any()
    assert voice.stats.last_packet_at is None
    assert voice.stats.level_dbfs == -100.0


@pytest.mark.parametrize("frame_samples", [480, 960, 1_920, 2_880])
def test_a_steady_voice_is_whole(frame_samples: int) -> None:
    voice = Voice()
    deliveries = steady(tone(192_000 // frame_samples, frame_samples), frame_samples)
    pcm = heard(voice, deliveries, 4.0)
    assert (loudness(pcm[4_800 * 2 :]) > 0.15).all()
    assert largest_step(pcm) < 1.5 * OWN_STEP
    stats = voice.stats
    assert (stats.lost, stats.concealed_samples, stats.missing_samples) == (0, 0, 0)
    assert stats.received == 192_000 // frame_samples - len(deliveries)
    assert stats.level_dbfs == pytest.approx(-13.5, abs=0.5)
    assert 0.0 < stats.delay_ms <= 65.0


def test_three_hours_in_short() -> None:
    """The benchmark of drift and loss, for two virtual minutes."""
    runs = [
        run(Scene("fast", 200.0, 90, base_s=0.03, jitter_s=0.001)),
        run(Scene("slow", -200.0, 90, base_s=0.03, jitter_s=0.001, seed=2)),
        run(Scene("bad", 50.0, 60, 0.080, 0.020, loss=0.05, outage=(1_000, 1_100), seed=3)),
    ]
    outcome = judge_all(runs)
    assert outcome["ok"], outcome
    assert runs[2]["packets_dropped"] > 200
    assert runs[2]["missing_samples"] == 94 * 960, "of two seconds 120 ms are invented"


def test_the_judge_hears_a_single_sample_left_out() -> None:
    packets, decoder = tone_packets(), Decoder()
    click = CLICK_FACTOR * codec_alone(packets, Scene("calm", 0.0, 5, 0.03, 0.0))
    pcm = np.concatenate([decoder.decode(packet) for packet in packets])
    for at in range(60_000, 61_000, 37):
        assert off_tone(pcm[at - 5 : at + 5]).max() <= click
        assert off_tone(np.delete(pcm[at - 5 : at + 5], 5)).max() > click


@pytest.mark.parametrize("fec", [False, True])
def test_every_lost_sample_is_counted(fec: bool) -> None:
    voice, chance = Voice(), random.Random(4)
    encoder = Encoder(24_000, fec=fec, packet_loss_percent=20 if fec else 0)
    deliveries = steady([encoder.encode(frame) for frame in speech_like(300)])
    lost = {k for k in range(1, 280) if chance.random() < 0.08}
    pcm = heard(voice, [one for k, one in enumerate(deliveries) if k not in lost], 6.2)
    stats = voice.stats
    assert (stats.lost, stats.missing_samples) == (len(lost), 0)
    assert stats.concealed_samples == len(lost) * 960
    assert (stats.recovered_samples > len(lost) * 960 / 3) == fec
    assert (loudness(pcm[9_600:-19_200]) > 0.003).all(), "no hole anywhere"


def test_a_long_outage_fades_counts_and_comes_back() -> None:
    voice = Voice()
    deliveries = steady(tone(400))
    rest = deliveries[:100] + deliveries[200:]
    pcm = heard(voice, rest, 7.8)
    stats = voice.stats
    assert stats.lost == 100
    assert stats.concealed_samples == 6 * 960
    assert stats.missing_samples == 94 * 960
    level = loudness(pcm)
    assert (level[115:200] == 0.0).all()
    assert (level[210:380] > 0.15).all()
    assert largest_step(pcm) < 2.0 * OWN_STEP, "it ends and begins without a click"


def test_jitter_makes_it_wait_longer_and_peace_shorter() -> None:
    voice, chance = Voice(), random.Random(6)
    deliveries = steady(tone(4_000))
    for k, one in enumerate(deliveries[:1_500]):
        one.at += chance.uniform(0, 0.08 if k > 200 else 0.0)
    heard(voice, deliveries, 30.0)
    rough = voice.stats
    assert 85.0 <= rough.target_ms <= 120.0
    assert rough.delay_ms >= 75.0
    heard(voice, deliveries, 49.0, begin_s=30.0)
    calm = voice.stats
    assert calm.lost + calm.missing_samples == 0
    assert calm.target_ms < rough.target_ms - 20.0
    assert calm.late <= 10


def held_up(
    deliveries: list, *stalls_s: float, for_s: float = 0.15, apart_s: float = 0.002
) -> list:
    """Nothing arrives for a while after each of `stalls_s`, then everything one after the other."""
    for stall_s in stalls_s:
        for one in deliveries:
            if stall_s <= one.at < stall_s + for_s:
                one.at = stall_s + for_s + (one.at - stall_s) / 0.02 * apart_s
    return deliveries


@pytest.mark.parametrize(
    ("first_s", "pauses", "back_s"), [(1.2, True, 8), (1.2, False, 28), (12, False, 38)]
)
def test_the_delay_comes_down_after_hiccups(first_s: float, pauses: bool, back_s: int) -> None:
    """A browser that was busy three times; whoever pauses between sentences gains from it."""
    voice, packets = Voice(), tone(2_600)
    if pauses:
        quiet = tone(1, loud=0.0)[0]
        packets = [quiet if k // 50 % 3 == 0 else one for k, one in enumerate(packets)]
    deliveries = held_up(steady(packets), first_s, first_s + 0.7, first_s + 1.9)
    before_s = first_s + 2.5
    heard(voice, deliveries, before_s)
    assert voice.stats.delay_ms > 140.0
    heard(voice, deliveries, back_s, begin_s=before_s)
    stats = voice.stats
    assert stats.delay_ms < 60.0
    assert (stats.lost, stats.missing_samples, stats.concealed_samples) == (0, 0, 0)


def test_how_a_page_starts_says_nothing_of_its_network() -> None:
    voice, chance = Voice(), random.Random(3)
    deliveries = steady(tone(600))
    for one in deliveries[:110]:
        one.at += chance.uniform(0, 0.1)
    heard(voice, deliveries, 2.4)
    assert voice.stats.target_ms > 85.0
    heard(voice, deliveries, 5.6, begin_s=2.4)
    assert voice.stats.target_ms < 40.0


def test_packets_that_are_only_late_are_all_played() -> None:
    """The network holds everything for 300 ms, then delivers it at once."""
    voice = Voice()
    deliveries = steady(tone(400))
    for one in deliveries[150:165]:
        one.at = deliveries[165].at
    pcm = heard(voice, deliveries, 8.0)
    stats = voice.stats
    assert (stats.lost, stats.missing_samples, stats.concealed_samples) == (0, 0, 0)
    assert stats.stretched_samples >= 0.2 * 48_000
    assert stats.delay_ms < 1e3 * JITTER_DELAY_MAX_S
    assert largest_step(pcm) < 2.0 * OWN_STEP


def test_too_long_a_delay_is_cut_where_the_speaker_pauses() -> None:
    voice = Voice()
    packets = tone(150) + tone(250, loud=0.0005)
    deliveries = steady(packets)
    for one in deliveries[120:135]:
        one.at = deliveries[135].at
    heard(voice, deliveries, 2.9)
    assert voice.stats.delay_ms > 200.0
    heard(voice, deliveries, 4.0, begin_s=2.9)
    stats = voice.stats
    assert stats.cut_samples >= 0.1 * 48_000
    assert stats.delay_ms < stats.target_ms + 60.0


def test_a_pause_of_the_speaker_is_not_loss() -> None:
    voice = Voice()
    deliveries = steady(tone(200))
    for one in deliveries[100:]:
        one.at += 5.0
        one.timestamp += 5 * 48_000
    pcm = heard(voice, deliveries, 9.0)
    stats = voice.stats
    assert (stats.lost, stats.missing_samples, stats.concealed_samples) == (0, 0, 0)
    assert (loudness(pcm)[150:340] == 0.0).all()
    assert (loudness(pcm)[365:440] > 0.15).all()


def test_a_voice_that_starts_anew_is_heard_anew() -> None:
    """Another random sequence and timestamp: a reload of the speaker's page."""
    voice = Voice()
    first, second = steady(tone(100)), steady(tone(150), first=12_345)
    for one in second:
        one.at += 3.0
        one.timestamp += 777_777_777
    pcm = heard(voice, first + second, 6.0)
    assert (loudness(pcm)[165:290] > 0.15).all()
    stats = voice.stats
    assert (stats.refused, stats.lost, stats.received) == (0, 0, 248)


def test_a_beat_that_stood_still_leaves_no_delay() -> None:
    voice = Voice()
    deliveries = steady(tone(900))
    heard(voice, deliveries, 4.0)
    pcm = heard(voice, deliveries, 10.0, begin_s=7.0)
    stats = voice.stats
    assert stats.delay_ms < 400.0
    assert stats.cut_samples + stats.discarded * 960 >= 2.0 * 48_000
    assert (loudness(pcm)[10:] > 0.1).all()


def test_nothing_a_speaker_sends_stops_the_beat() -> None:
    voice, chance = Voice(), random.Random(8)
    good = tone(50)
    for beat in range(3_000):
        now = beat * 0.02
        for _ in range(chance.randrange(4)):
            payload = bytearray(chance.choice((chance.choice(good), chance.randbytes(60), b"")))
            if payload and chance.random() < 0.5:
                payload[chance.randrange(len(payload))] = chance.randrange(256)
            wild = chance.random() < 0.3
            sequence = chance.randrange(65_536) if wild else beat
            timestamp = chance.randrange(2**32) if chance.random() < 0.3 else beat * 960
            voice.push(sequence, timestamp, bytes(payload), now - chance.random() * 0.1)
        frame = voice.frame(now)
        assert frame.shape == (960,)
        assert np.isfinite(frame).all()
        assert float(np.abs(frame).max()) < 2.0
    assert voice.stats.malformed > 0


def test_it_is_not_dropped_while_it_may_only_be_late() -> None:
    assert JITTER_DELAY_MAX_S < SPEAKER_SILENT_S
