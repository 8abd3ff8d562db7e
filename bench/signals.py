"""Test signals with marks, and finding the marks again: chirps and matched filters.

A voice for measurement is a chirp every two seconds, in a band of its own, over a faint steady
tone: the chirp says when, the tone shows every hole.
"""

import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

RATE = 48_000
CHIRP_S = 0.06
PERIOD_S = 2.0
"""Chirps are this far apart: more than any delay that is measured."""


@dataclass(frozen=True, slots=True)
class Voice:
    """A measuring voice: the band of its chirps, the steady tone, and where in a period it chirps.

    Frequencies in Hz.
    """

    low: float
    high: float
    tone: float
    phase_s: float


HOST = Voice(1_000, 2_600, 330, 0.2)
SPEAKER = Voice(3_400, 5_600, 510, 1.2)


def chirp(voice: Voice) -> np.ndarray:
    """One chirp, float64, peak 1, with soft edges."""
    t = np.arange(int(CHIRP_S * RATE)) / RATE
    sweep = voice.low * t + (voice.high - voice.low) * t * t / (2 * CHIRP_S)
    return np.sin(2 * np.pi * sweep) * np.hanning(len(t))


def voice_pcm(voice: Voice, seconds: int) -> np.ndarray:
    """The voice, float64; a whole number of seconds, so that it can be looped without a seam."""
    t = np.arange(seconds * RATE) / RATE
    pcm = 0.02 * np.sin(2 * np.pi * voice.tone * t)
    mark = 0.5 * chirp(voice)
    for period in range(int(seconds / PERIOD_S)):
        at = int((period * PERIOD_S + voice.phase_s) * RATE)
        pcm[at : at + len(mark)] += mark
    return pcm


def write_wav(path: Path, pcm: np.ndarray) -> None:
    """Write mono 16-bit PCM at 48 kHz."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(pcm, -1, 1) * 32_767).astype("<i2").tobytes())


@dataclass(frozen=True, slots=True)
class Tape:
    """What a page wrote down: PCM (float64) and the wall time in seconds of its first sample."""

    pcm: np.ndarray
    starts_at_s: float


def tape_of(blocks: list[tuple[int, float, np.ndarray]]) -> Tape:
    """Join blocks of (first frame, wall ms, PCM); holes between blocks stay silent."""
    begin = blocks[0][0]
    end = blocks[-1][0] + len(blocks[-1][2])
    pcm = np.zeros(end - begin)
    for first, _, block in blocks:
        pcm[first - begin : first - begin + len(block)] = block / 32_768
    # Blocks are rendered in bursts: the median over all gives the clock of the whole tape.
    offsets = [at / 1000 - (first - begin) / RATE for first, at, _ in blocks]
    return Tape(pcm, float(np.median(offsets)))


def marks(tape: Tape, voice: Voice, share: float = 0.35) -> list[tuple[float, float]]:
    """Where `voice` chirps on the tape: (wall time in s of the chirp's begin, amplitude).

    Args:
        share: of the strongest mark; weaker correlations are not marks.
    """
    template = chirp(voice)
    size = 1 << (len(tape.pcm) + len(template)).bit_length()
    spectrum = np.fft.rfft(tape.pcm, size) * np.conj(np.fft.rfft(template, size))
    # The envelope (analytic signal) has one peak for each chirp, whatever its phase.
    full = np.zeros(size, dtype=complex)
    full[: len(spectrum)] = 2 * spectrum
    envelope = np.abs(np.fft.ifft(full))[: len(tape.pcm)] / np.sum(template**2)
    found: list[tuple[float, float]] = []
    strongest = float(envelope.max(initial=0.0))
    if strongest <= 0:
        return found
    window = int(0.4 * RATE)
    at = 0
    while at < len(envelope):
        piece = envelope[at : at + window]
        peak = int(np.argmax(piece))
        value = float(piece[peak])
        inside = at + peak
        around = envelope[max(0, inside - window // 2) : inside + window // 2]
        if value >= share * strongest and value >= around.max():
            found.append((tape.starts_at_s + inside / RATE, value))
            at = inside + window // 2
        else:
            at += window // 2 if peak < window // 2 else max(1, peak)
    return found


def amplitude(tape: Tape, voice: Voice, times: list[float]) -> float:
    """The strongest correlation with `voice` within a period after each of `times`, median."""
    if not times:
        return 0.0
    template = chirp(voice)
    values = []
    for time in times:
        begin = int((time - tape.starts_at_s) * RATE)
        piece = tape.pcm[max(0, begin) : begin + int(PERIOD_S * RATE)]
        if len(piece) > len(template):
            size = 1 << (len(piece) + len(template)).bit_length()
            spectrum = np.fft.rfft(piece, size) * np.conj(np.fft.rfft(template, size))
            full = np.zeros(size, dtype=complex)
            full[: len(spectrum)] = 2 * spectrum
            values.append(np.abs(np.fft.ifft(full))[: len(piece)].max() / np.sum(template**2))
    return float(np.median(values)) if values else 0.0


def delays(said: list[tuple[float, float]], heard: list[tuple[float, float]]) -> list[float]:
    """For each mark that was said, seconds until it was heard; unheard ones are left out."""
    out = []
    for time, _ in said:
        later = [other - time for other, _ in heard if -0.01 <= other - time < PERIOD_S]
        if later:
            out.append(min(later))
    return out


def holes(tape: Tape, voice: Voice, since_s: float, until_s: float) -> list[tuple[float, float]]:
    """Where the steady tone of `voice` is missing for more than 20 ms: (wall time, seconds)."""
    begin = max(0, int((since_s - tape.starts_at_s) * RATE))
    end = max(begin, int((until_s - tape.starts_at_s) * RATE))
    step = RATE // 100
    piece = tape.pcm[begin:end]
    piece = piece[: len(piece) // step * step].reshape(-1, step)
    level = np.sqrt(np.mean(piece**2, axis=1))
    silent = level < 0.1 * np.median(level)
    out: list[tuple[float, float]] = []
    run = 0
    for index, quiet in enumerate([*silent, False]):
        if quiet:
            run += 1
        elif run:
            if run > 2:
                out.append((since_s + (index - run) / 100, run / 100))
            run = 0
    return out


def percentile(values: list[float], share: float) -> float:
    """A percentile; infinite when there is nothing to count."""
    return float(np.percentile(values, share * 100)) if values else float("inf")
