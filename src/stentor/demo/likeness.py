"""Was what was said also what was heard? Speech aligned with the programme, window by window."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stentor.demo.marks import Pcm
from stentor.limits import SAMPLE_RATE

RATE = 8_000
"""Speech of the drills ends at 4 kHz; marks, which are not compared, lie above."""
WINDOW = RATE // 4
SEARCH = RATE * 150 // 1000
"""A window may be found so much earlier or later: jitter buffers breathe."""
ACTIVE_RMS = 0.02
ALIKE = 0.6
"""Correlation (1: the same) from which a window of speech has been heard."""

_Signal = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Likeness:
    """Quarter seconds of speech that should be in the programme, and those that are."""

    windows: int
    heard: int
    median: float
    """The median correlation of all windows."""


def compare(said: Pcm, programme: Pcm, gap: tuple[int, int] | None = None) -> Likeness:
    """Look for each window of `said` in `programme`.

    Args:
        gap: programme samples (from, to) that are announced to be without this speaker.
    """
    speech, heard = _narrow(said), _narrow(programme)
    lag = _lag(speech, heard)
    values = []
    for begin in range(0, len(speech) - WINDOW, WINDOW):
        window = speech[begin : begin + WINDOW]
        at = begin + lag
        outside = at < SEARCH or at + WINDOW + SEARCH > len(heard)
        if outside or float(np.sqrt(np.mean(window**2))) < ACTIVE_RMS:
            continue
        if gap and gap[0] - SAMPLE_RATE < at * 6 + WINDOW * 6 and at * 6 < gap[1] + SAMPLE_RATE:
            continue
        values.append(_alike(window, heard[at - SEARCH : at + WINDOW + SEARCH]))
    alike = sum(1 for value in values if value >= ALIKE)
    return Likeness(len(values), alike, float(np.median(values)) if values else 0.0)


def _narrow(pcm: Pcm) -> _Signal:
    """At 8 kHz, by leaving out the upper part of the spectrum."""
    whole = len(pcm) // 6 * 6
    spectrum = np.fft.rfft(pcm[:whole])
    narrow: _Signal = np.fft.irfft(spectrum[: whole // 12 + 1], whole // 6) / 6
    return narrow


def _lag(speech: _Signal, heard: _Signal) -> int:
    """By how many samples `speech` is later in `heard`."""
    size = 1 << (len(speech) + len(heard)).bit_length()
    product = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(speech, size))
    top = int(np.argmax(np.fft.irfft(product, size)))
    return top if top < len(heard) else top - size


def _alike(window: _Signal, heard: _Signal) -> float:
    """The best normalised correlation of `window` anywhere in `heard`."""
    dots = np.correlate(heard, window, "valid")
    squares = np.concatenate([[0.0], np.cumsum(heard**2)])
    energy = squares[len(window) :] - squares[: -len(window)]
    return float(np.max(dots / np.sqrt(np.maximum(energy, 1e-9) * np.sum(window**2))))
