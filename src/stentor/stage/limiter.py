"""Loud sums brought under a ceiling by a gain that moves smoothly and sees peaks coming.

Many signals are limited at once, one a row, each by its own gain. All are delayed by
`LOOK_AHEAD_SAMPLES`, in which the gain comes down before the peak that needs it; it goes up again
over a fifth of a second.
"""

import numpy as np
from numpy.typing import NDArray

from stentor.limits import FRAME_SAMPLES

Rows = NDArray[np.float32]
"""Signals at 48 kHz, shape (rows, n)."""

CEILING = 10.0 ** (-1.0 / 20.0)
"""-1 dBFS: lossy codecs overshoot a little (EBU Tech 3343 asks for as much)."""
BLOCK_SAMPLES = 48
"""The gain is found for blocks of 1 ms and drawn as straight lines between them."""
LOOK_AHEAD_BLOCKS = 4
LOOK_AHEAD_SAMPLES = LOOK_AHEAD_BLOCKS * BLOCK_SAMPLES
_RELEASE = 1.0 / 200.0
"""Part of the gain's distance to 1 that is made good with each block: a fifth of a second."""

_BLOCKS = FRAME_SAMPLES // BLOCK_SAMPLES
_AHEAD = LOOK_AHEAD_BLOCKS


def _lines() -> Rows:
    """(BLOCKS + 1, FRAME_SAMPLES): gains at the borders of blocks to gains of samples."""
    at = np.arange(FRAME_SAMPLES) / BLOCK_SAMPLES
    borders = np.arange(_BLOCKS + 1)
    return np.maximum(0.0, 1.0 - np.abs(at[None, :] - borders[:, None])).astype(np.float32)


class Limiter:
    """The state of `rows` limiters. A row is cleared before another signal takes it."""

    def __init__(self, rows: int) -> None:
        self._lines = _lines()
        self._tail = np.zeros((rows, LOOK_AHEAD_SAMPLES), np.float32)
        # Of the last blocks: what their peaks allow, and those gains made to rise slowly.
        self._allowed = np.ones((rows, _AHEAD), np.float32)
        self._held = np.ones((rows, _AHEAD), np.float32)

    @property
    def rows(self) -> int:
        """How many signals there is room for."""
        return len(self._tail)

    def grow(self) -> None:
        """Make room for one more signal."""
        self._tail = np.pad(self._tail, ((0, 1), (0, 0)))
        self._allowed = np.pad(self._allowed, ((0, 1), (0, 0)), constant_values=1.0)
        self._held = np.pad(self._held, ((0, 1), (0, 0)), constant_values=1.0)

    def clear(self, row: int) -> None:
        """Forget the signal in a row."""
        self._tail[row] = 0.0
        self._allowed[row] = 1.0
        self._held[row] = 1.0

    def limit(self, frames: Rows) -> Rows:
        """One frame of each row, shape (rows, 960), later by the look-ahead, at most `CEILING`."""
        late = np.concatenate((self._tail, frames), axis=1)
        self._tail = late[:, FRAME_SAMPLES:].copy()
        out = late[:, :FRAME_SAMPLES]
        quiet = max(float(frames.max()), -float(frames.min())) <= CEILING
        if quiet and self._held.min() > 0.99999 and self._allowed.min() >= 1.0:
            return out
        out *= self._gains(frames)
        return out

    def _gains(self, frames: Rows) -> Rows:
        """The gain of each delayed sample, shape (rows, 960).

        A gain at the border of two blocks must suit both. It is the mean of `_AHEAD` held gains,
        each at most what the two blocks of every border it counts for allow.
        """
        peaks = np.abs(frames).reshape(len(frames), _BLOCKS, BLOCK_SAMPLES).max(axis=2)
        allowed = np.empty((len(frames), _AHEAD + _BLOCKS), np.float32)
        allowed[:, :_AHEAD] = self._allowed
        np.minimum(1.0, CEILING / np.maximum(peaks, 1e-9), out=allowed[:, _AHEAD:])
        self._allowed = allowed[:, _BLOCKS:].copy()
        least = allowed[:, :_BLOCKS].copy()
        for ahead in range(1, _AHEAD + 1):
            np.minimum(least, allowed[:, ahead : ahead + _BLOCKS], out=least)
        held = np.empty_like(allowed)
        held[:, :_AHEAD] = self._held
        last = held[:, _AHEAD - 1]
        for block in range(_BLOCKS):
            last = np.minimum(least[:, block], last + (1.0 - last) * np.float32(_RELEASE))
            held[:, _AHEAD + block] = last
        self._held = held[:, _BLOCKS:].copy()
        borders = held[:, : _BLOCKS + 1].copy()
        for ahead in range(1, _AHEAD):
            borders += held[:, ahead : ahead + _BLOCKS + 1]
        borders /= np.float32(_AHEAD)
        gains: Rows = borders @ self._lines
        return gains
