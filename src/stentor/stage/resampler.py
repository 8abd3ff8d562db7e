"""A resampler whose ratio may change at every frame: the ear's side of sound-card drift.

What comes in is a run of samples at a speaker's clock, what goes out is frames at ours. Each output
sample is read between input samples by a 16-point filter whose taps are polynomials of the
fraction (a Farrow structure: C. W. Farrow, "A continuously variable digital delay element", 1988),
so a ratio costs nothing to change and the phase never jumps.
"""

import functools

import numpy as np
from numpy.typing import NDArray

from stentor.limits import FRAME_SAMPLES, OPUS_PACKET_SAMPLES_MAX

TAPS = 16
BEFORE = TAPS // 2 - 1
"""Samples a filter needs before the one it reads behind; after it, it needs `TAPS - BEFORE - 1`."""
DEGREE = 5
PASSBAND = 0.42
"""Band that is kept exact, in parts of the sample rate: 20 kHz at 48 kHz, all that Opus has."""
_BANDS = ((PASSBAND, 1.0), (PASSBAND / 2, 100.0))
_BLOCK = 32
_CAPACITY = OPUS_PACKET_SAMPLES_MAX + 4 * FRAME_SAMPLES

Pcm = NDArray[np.float32]


@functools.cache
def _polynomials() -> NDArray[np.float64]:
    """Shape (DEGREE + 1, TAPS): tap n is the sum over k of row k times (fraction - 1/2) ** k.

    For each of many fractions the taps with the least squared error are solved for (Laakso et
    al., "Splitting the unit delay", 1996, section "LS"), over the passband, and over its lower
    half once more with a large weight, where voices are; then each tap is fitted over fractions.
    """
    grid = np.linspace(0.0, 1.0, 41)
    at = np.arange(TAPS) - BEFORE
    apart = at[:, None] - at[None, :]
    away = at[:, None] - grid[None, :]
    between = sum(weight * band * np.sinc(2 * band * apart) for band, weight in _BANDS)
    wanted = sum(weight * band * np.sinc(2 * band * away) for band, weight in _BANDS)
    taps = np.linalg.solve(between + 1e-9 * np.eye(TAPS), wanted)
    powers = np.vander(grid - 0.5, DEGREE + 1, increasing=True)
    return np.asarray(np.linalg.lstsq(powers, taps.T, rcond=None)[0], np.float64)


@functools.cache
def _block_filters() -> Pcm:
    """Each polynomial row for a block of inputs as a matrix: (rows, BLOCK + TAPS - 1, BLOCK)."""
    rows = _polynomials()
    filters = np.zeros((len(rows), _BLOCK + TAPS - 1, _BLOCK), np.float32)
    for k, row in enumerate(rows):
        for i in range(_BLOCK):
            filters[k, i : i + TAPS, i] = row
    return filters


class Resampler:
    """Input is appended, frames are taken out; in between lies what was not yet read."""

    def __init__(self) -> None:
        self._input = np.zeros(_CAPACITY + _BLOCK + TAPS, np.float32)
        self._end = BEFORE  # one past the last sample appended; silence lies before the first
        self._at = float(BEFORE)  # where the next output sample is read
        self._filters = _block_filters()
        self._steps = np.arange(FRAME_SAMPLES, dtype=np.float64)

    def clear(self) -> None:
        """Forget all input, as if nothing had been appended yet."""
        self._input[:BEFORE] = 0.0
        self._end = BEFORE
        self._at = float(BEFORE)

    @property
    def buffered(self) -> float:
        """Input samples that were appended and not yet read."""
        return self._end - self._at

    def wants(self, ratio: float) -> bool:
        """Whether a frame at `ratio` needs more input than there is."""
        last = int(self._at + (FRAME_SAMPLES - 1) * ratio)
        return last + TAPS - BEFORE > self._end

    def append(self, pcm: Pcm) -> None:
        """Take in samples; callers append only while `wants` is true, which bounds the buffer."""
        if self._end + len(pcm) > _CAPACITY:
            self._compact()
        self._input[self._end : self._end + len(pcm)] = pcm
        self._end += len(pcm)

    def _compact(self) -> None:
        start = int(self._at) - BEFORE
        kept = self._input[start : self._end].copy()
        self._input[: len(kept)] = kept
        self._end -= start
        self._at -= start

    def take(self, ratio: float) -> Pcm:
        """One frame. `ratio` is input samples for each output sample: 1.0002 for a fast speaker."""
        at = self._at + self._steps * ratio
        whole = at.astype(np.intp)
        fraction = (at - whole).astype(np.float32)
        fraction -= np.float32(0.5)
        first = int(whole[0])
        whole -= first
        terms: Pcm = self._filtered(first - BEFORE, int(whole[-1]) + 1).take(whole, axis=1)
        frame: Pcm = terms[DEGREE]
        for k in range(DEGREE - 1, -1, -1):
            frame *= fraction
            frame += terms[k]
        self._at += FRAME_SAMPLES * ratio
        return frame

    def _filtered(self, start: int, samples: int) -> Pcm:
        """Every polynomial's filter over the input from `start`: (rows, at least `samples`)."""
        blocks = -(-samples // _BLOCK)
        # The last block may reach past the input; what is computed there is never taken.
        overlapping = np.ndarray(
            (blocks, _BLOCK + TAPS - 1), np.float32, self._input.data, 4 * start, (4 * _BLOCK, 4)
        )
        filtered: Pcm = np.ascontiguousarray(overlapping) @ self._filters
        return filtered.reshape(DEGREE + 1, -1)
