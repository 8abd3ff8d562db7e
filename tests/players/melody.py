"""A sound of which every moment is unlike every other, and finding it again in what was heard."""

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stentor.limits import PART_SAMPLES, SAMPLE_RATE
from stentor.record import Rendition
from stentor.stage.encoder import RenditionEncoder
from tests.edge.programme import SECONDS, Sound

NOTE_S = 0.16
WINDOW = SAMPLE_RATE // 4

Pcm = NDArray[np.float64]


@functools.cache
def melody() -> Pcm:
    """Notes in a random order that is always the same, with soft edges; `SECONDS` long."""
    chance = np.random.default_rng(7)
    count = round(SECONDS / NOTE_S)
    time = np.arange(round(NOTE_S * SAMPLE_RATE)) / SAMPLE_RATE
    edge = np.minimum(1, np.minimum(time, NOTE_S - time) / 0.01)
    pitches = chance.choice(np.geomspace(150, 900, 24), count)
    return np.concatenate([0.3 * np.sin(2 * np.pi * pitch * time) * edge for pitch in pitches])


@functools.cache
def sound(rendition: Rendition) -> Sound:
    """The melody as the stage would encode it."""
    encoder = RenditionEncoder(rendition, 0)
    pcm = np.concatenate([melody(), melody()[:SAMPLE_RATE]]).astype(np.float32)
    return Sound(encoder.init(), encoder.feed(pcm)[: SECONDS * SAMPLE_RATE // PART_SAMPLES])


@dataclass(frozen=True)
class Found:
    """What was heard, laid over the melody.

    Attributes:
        seconds: how much was heard.
        at_s: where in the melody it begins.
        likeness: the correlation of each quarter second with the melody at its place, 1: the same.
    """

    seconds: float
    at_s: float
    likeness: list[float]

    @property
    def is_whole(self) -> bool:
        """Whether all of it is the melody, without a hole, a jump or anything twice."""
        return bool(self.likeness) and min(self.likeness) > 0.7


def find(heard: Pcm) -> Found:
    """Lay what was heard over the melody, which goes round and round."""
    sounding = np.flatnonzero(np.abs(heard) > 0.02)
    if not len(sounding):
        return Found(0, 0, [])
    heard = heard[sounding[0] : sounding[-1] + 1]
    known = melody()
    piece = heard[: len(known)]
    product = np.fft.rfft(known) * np.conj(np.fft.rfft(piece, len(known)))
    at = int(np.argmax(np.fft.irfft(product, len(known))))
    likeness = []
    for begin in range(0, len(heard) - WINDOW, WINDOW):
        window = heard[begin : begin + WINDOW]
        there = np.take(known, np.arange(at + begin, at + begin + WINDOW), mode="wrap")
        energy = float(np.sum(window**2) * np.sum(there**2))
        likeness.append(float(np.sum(window * there)) / max(energy**0.5, 1e-9))
    return Found(len(heard) / SAMPLE_RATE, at / SAMPLE_RATE, likeness)


def pcm_of(raw: bytes) -> Pcm:
    """16-bit little-endian mono samples as floats."""
    return np.frombuffer(raw[: len(raw) // 2 * 2], "<i2").astype(np.float64) / 32_768
