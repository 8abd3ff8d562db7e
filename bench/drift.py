"""Measures what a speaker's clock and network do to a voice over hours, on a simulated clock.

Two speakers whose sound cards run 200 ppm fast and slow send a tone for three hours over a network
with 1 ms of jitter; a third one for a quarter of an hour over a network that loses 5 % and delivers
after 80 +- 20 ms, in any order, with one outage of two seconds. Every packet is real Opus and goes
through the stage's own Voice. Delay is measured in the audio itself, by the phase of the tone.
"""

import argparse
import heapq
import json
import math
import random
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from stentor.limits import FRAME_SAMPLES, SAMPLE_RATE
from stentor.stage.opus import Decoder, Encoder
from stentor.stage.voice import Voice

TONE_HZ = 440.0
AMPLITUDE = 0.3
LOOP_PACKETS = 250
"""Five seconds, in which the tone has a whole number of cycles: the loop has no seam."""
WINDOW_FRAMES = 10
WARM_UP_S = 2
DELAY_GROWTH_MS_MAX = 40.0
TONE_SNR_DB_MIN = 40.0
CLICK_FACTOR = 3.0
"""A sample is a click when it leaves the tone by so many times what the codec alone does."""


@dataclass(frozen=True)
class Scene:
    """One speaker and their network."""

    name: str
    ppm: float
    seconds: int
    base_s: float
    jitter_s: float
    """Packets arrive after base_s +- jitter_s, evenly spread, independent of one another."""
    loss: float = 0.0
    outage: tuple[int, int] = (0, 0)
    """Packets of which none arrives."""
    seed: int = 1


def tone_packets() -> list[bytes]:
    """A loop of packets of the tone, taken when the encoder had settled."""
    encoder = Encoder(64_000, application="audio")
    settle = LOOP_PACKETS // 5
    at = np.arange((LOOP_PACKETS + settle) * FRAME_SAMPLES)
    tone = (AMPLITUDE * np.sin(2 * np.pi * TONE_HZ * at / SAMPLE_RATE)).astype(np.float32)
    packets = [encoder.encode(frame) for frame in tone.reshape(-1, FRAME_SAMPLES)]
    return packets[settle:]


class Network:
    """Sends at the speaker's clock, loses and delays; hands over what has arrived."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._chance = random.Random(scene.seed)
        self._period = FRAME_SAMPLES / SAMPLE_RATE / (1.0 + scene.ppm * 1e-6)
        self._last = int(scene.seconds / self._period)
        self._under_way: list[tuple[float, int]] = []
        self.sent = 0
        self.dropped: set[int] = set()

    def _send(self) -> None:
        number, scene = self.sent, self._scene
        at = number * self._period
        self.sent += 1
        inner = 0 < number < self._last - 100
        lost = self._chance.random() < scene.loss or scene.outage[0] <= number < scene.outage[1]
        if inner and lost:
            self.dropped.add(number)
            return
        delay = scene.base_s + self._chance.uniform(-scene.jitter_s, scene.jitter_s)
        heapq.heappush(self._under_way, (at + delay, number))

    def arrived(self, now: float) -> list[tuple[float, int]]:
        """Packets that arrived until `now`: when, and which."""
        while self.sent <= self._last and self.sent * self._period <= now:
            self._send()
        out = []
        while self._under_way and self._under_way[0][0] <= now:
            out.append(heapq.heappop(self._under_way))
        return out


class Fit:
    """The tone in a window: least squares over amplitude, phase and frequency."""

    def __init__(self, samples: int) -> None:
        self._at = np.arange(samples) - (samples - 1) / 2

    def __call__(self, window: np.ndarray, hz: float) -> tuple[float, float, float]:
        """Phase in the middle (radians), frequency (Hz) and signal to everything else (dB)."""
        window = window.astype(np.float64)
        phase = snr = 0.0
        for _ in range(3):
            turn = 2 * math.pi * hz / SAMPLE_RATE * self._at
            basis = np.stack((np.cos(turn), -np.sin(turn)))
            a, b = np.linalg.solve(basis @ basis.T, basis @ window)
            phase = math.atan2(b, a)
            tone = a * basis[0] + b * basis[1]
            rest = window - tone
            snr = 10 * math.log10(float(tone @ tone) / float(rest @ rest))
            slant = self._at * (-a * np.sin(turn) - b * np.cos(turn))
            hz += float(slant @ rest) / float(slant @ slant) * SAMPLE_RATE / (2 * math.pi)
        return phase, hz, snr


def off_tone(samples: np.ndarray) -> np.ndarray:
    """What a pure tone of this frequency cannot be: 0 but for noise, and large at a click."""
    turn = 2 * math.cos(2 * math.pi * TONE_HZ / SAMPLE_RATE)
    return np.abs(samples[2:] - turn * samples[1:-1] + samples[:-2])


def codec_alone(packets: list[bytes], scene: Scene) -> float:
    """The largest departure from the tone when a plain decoder gets the same losses, in order."""
    network, decoder, frames = Network(scene), Decoder(), []
    network.arrived(scene.seconds)
    for number in range(min(network.sent, 20_000)):
        packet = None if number in network.dropped else packets[number % LOOP_PACKETS]
        frames.append(decoder.decode(packet))
    return float(off_tone(np.concatenate(frames))[SAMPLE_RATE:].max())


class Judge:
    """Listens to all frames of one voice."""

    def __init__(self, scene: Scene, click: float) -> None:
        self._fit = Fit(WINDOW_FRAMES * FRAME_SAMPLES)
        self._hz = TONE_HZ * (1 + scene.ppm * 1e-6)
        self._speed = 1 + scene.ppm * 1e-6
        self._click = click
        self._whole = scene.loss == 0.0  # else there is no tone to follow through the holes
        self._edge = np.zeros(2, np.float32)
        self._window: list[np.ndarray] = []
        self._cycles: float | None = None
        self._heard_at = 0
        self.clicks = 0
        self.snrs: list[float] = []
        self.delays_s: list[float] = []

    def hear(self, beat: int, frame: np.ndarray) -> None:
        joined = np.concatenate((self._edge, frame))
        self._edge = frame[-2:]
        second, place = divmod(beat, 50)
        if second < WARM_UP_S:
            return
        off = off_tone(joined)
        if off.max() > self._click:
            self.clicks += 1
        if self._whole and place < WINDOW_FRAMES:
            self._window.append(frame)
            if place == WINDOW_FRAMES - 1:
                self._close(second)

    def _close(self, second: int) -> None:
        phase, hz, snr = self._fit(np.concatenate(self._window), self._hz)
        self._window = []
        self.snrs.append(snr)
        cycles = phase / (2 * math.pi)
        if self._cycles is not None:
            # The phase is known but for whole cycles; those follow from the second before.
            guess = self._cycles + (self._hz + hz) / 2
            cycles += round(guess - cycles)
        self._cycles, self._hz = cycles, hz
        # The speaker had made so many cycles when this was said, at the speaker's own clock.
        self.delays_s.append(second - cycles / TONE_HZ / self._speed)

    def verdict(self) -> dict[str, object]:
        found: dict[str, object] = {"clicks": self.clicks}
        if self._whole:
            first = self.delays_s[0]
            found["delay_growth_ms"] = round(1e3 * (max(self.delays_s) - first), 2)
            found["delay_change_ms"] = round(1e3 * (self.delays_s[-1] - first), 2)
            found["tone_snr_db"] = round(min(self.snrs), 2)
            found["tone_snr_median_db"] = round(float(np.median(self.snrs)), 2)
        return found


def run(scene: Scene) -> dict[str, object]:
    """One scene from its first packet to its last."""
    packets = tone_packets()
    click = CLICK_FACTOR * codec_alone(packets, scene)
    network, voice, judge = Network(scene), Voice(), Judge(scene, click)
    delays_ms = []
    for beat in range(scene.seconds * 50 + 50):
        now = beat * FRAME_SAMPLES / SAMPLE_RATE
        for at, number in network.arrived(now):
            voice.push(
                (65_000 + number) & 0xFFFF,
                (0xFFFF0000 + number * FRAME_SAMPLES) & 0xFFFFFFFF,
                packets[number % LOOP_PACKETS],
                at,
            )
        frame = voice.frame(now)
        if beat < scene.seconds * 50:
            judge.hear(beat, frame)
        if beat % 500 == 499:
            delays_ms.append(voice.stats.delay_ms)
        if beat % 45_000 == 44_999:
            stats = voice.stats
            progress = f"{scene.name}: {beat // 3000 + 1} min, delay {stats.delay_ms:.1f} ms, "
            print(f"{progress}{stats.ratio_ppm:+.1f} ppm", file=sys.stderr, flush=True)
    stats = voice.stats
    dropped = len(network.dropped) * FRAME_SAMPLES
    late = stats.late * FRAME_SAMPLES
    return {
        "scene": scene.name,
        **judge.verdict(),
        "buffer_delay_ms": [round(min(delays_ms), 1), round(max(delays_ms), 1)],
        "packets_sent": network.sent,
        "packets_dropped": len(network.dropped),
        "packets_received": stats.received,
        "packets_lost": stats.lost,
        "packets_late": stats.late,
        "concealed_samples": stats.concealed_samples,
        "missing_samples": stats.missing_samples,
        "stretched_samples": stats.stretched_samples,
        "exact": stats.lost == len(network.dropped)
        and stats.received + stats.lost == network.sent
        and stats.concealed_samples + stats.missing_samples == dropped + late,
    }


def judge_all(runs: list[dict]) -> dict[str, object]:
    """The figures over all scenes, and whether they are good enough."""
    drifts, lossy = runs[:2], runs[2]
    outcome = {
        "bench": "drift",
        "delay_growth_ms": max(one["delay_growth_ms"] for one in drifts),
        "tone_snr_db": min(one["tone_snr_db"] for one in drifts),
        "clicks": sum(one["clicks"] for one in runs),
        "concealed_samples": lossy["concealed_samples"],
        "missing_samples": lossy["missing_samples"],
        "dropped_samples": lossy["packets_dropped"] * FRAME_SAMPLES,
        "missing_exact": all(one["exact"] for one in runs),
        "runs": runs,
    }
    whole = all(one["concealed_samples"] + one["missing_samples"] == 0 for one in drifts)
    outcome["ok"] = (
        whole
        and outcome["delay_growth_ms"] <= DELAY_GROWTH_MS_MAX
        and outcome["tone_snr_db"] >= TONE_SNR_DB_MIN
        and outcome["clicks"] == 0
        and outcome["missing_exact"]
    )
    return outcome


def scenes(hours: float) -> list[Scene]:
    seconds = int(hours * 3600)
    return [
        Scene("clock +200 ppm", 200.0, seconds, base_s=0.030, jitter_s=0.001),
        Scene("clock -200 ppm", -200.0, seconds, base_s=0.030, jitter_s=0.001, seed=2),
        Scene(
            "5 % loss, 80 +- 20 ms",
            50.0,
            max(120, seconds // 12),
            base_s=0.080,
            jitter_s=0.020,
            loss=0.05,
            outage=(3_000, 3_100),
            seed=3,
        ),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="nothing but the result on stdout")
    parser.add_argument("--hours", type=float, default=3.0, help="virtual hours of drift")
    arguments = parser.parse_args()
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        runs = list(pool.map(run, scenes(arguments.hours)))
    outcome = judge_all(runs)
    line = json.dumps(outcome)
    Path("build").mkdir(exist_ok=True)
    Path("build/drift.json").write_text(line + "\n", encoding="utf-8")
    if not arguments.json:
        for one in runs:
            print(
                f"{one['scene']}: delay {one['buffer_delay_ms']} ms, tone over all else "
                f"{one.get('tone_snr_db', '-')} dB at worst, {one['clicks']} clicks, "
                f"{one['packets_lost']} packets lost, {one['concealed_samples']} samples "
                f"concealed, {one['missing_samples']} missing"
            )
    print(line)
    return 0 if outcome["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
