"""What radio streams must bring: a melody without a refrain, and a mark in each second."""

import functools
import io

import av
import numpy as np
from numpy.typing import NDArray

from stentor.demo.marks import MARKS, MarkCount, count, stamp
from stentor.limits import SAMPLE_RATE
from stentor.record import Rendition
from stentor.stage.encoder import RenditionEncoder
from tests.edge.programme import SECONDS, Sound

Pcm = NDArray[np.float32]
NOTE = SAMPLE_RATE // 8


@functools.cache
def melody() -> Pcm:
    """Half a minute."""
    chance = np.random.default_rng(7)
    time = np.arange(NOTE) / SAMPLE_RATE
    swell = np.hanning(NOTE)
    notes = [
        0.4 * swell * np.sin(2 * np.pi * pitch * time)
        for pitch in chance.uniform(150, 2_500, SECONDS * 8)
    ]
    return stamp(np.concatenate(notes).astype(np.float32), MARKS[0], 0)


@functools.cache
def sung(rendition: Rendition) -> Sound:
    """The melody as a rendition."""
    encoder = RenditionEncoder(rendition, 0)
    return Sound(encoder.init(), encoder.feed(melody()))


def heard(stream: bytes, format_name: str) -> Pcm:
    """What FFmpeg's demuxer and decoder make of a stream."""
    name = {"mp3": "mp3", "aac": "aac", "ogg": "ogg"}[format_name]
    with av.open(io.BytesIO(stream), format=name) as container:
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=SAMPLE_RATE)
        blocks = [
            ready.to_ndarray()[0]
            for frame in container.decode(audio=0)
            for ready in resampler.resample(frame)
        ]
    return np.concatenate(blocks)


def place_in(source: Pcm, sound: Pcm) -> tuple[int, float]:
    """Where in `sound` the source begins, and how alike the two are there (1: the same)."""
    size = 1 << (len(source) + len(sound)).bit_length()
    product = np.fft.rfft(sound, size) * np.conj(np.fft.rfft(source, size))
    lags = np.fft.irfft(product, size)
    lag = int(np.argmax(lags))
    lag = lag - size if lag > size // 2 else lag
    a = source[max(0, -lag) : len(sound) - lag]
    b = sound[max(0, lag) :][: len(a)]
    a = a[: len(b)]
    return lag, float(np.dot(a, b) / np.sqrt(np.dot(a, a) * np.dot(b, b)))


def marks_in(sound: Pcm) -> MarkCount:
    """The marks of the melody in a stretch."""
    return count(sound, MARKS[0])
