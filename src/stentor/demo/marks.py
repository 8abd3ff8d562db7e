"""Marks in speech: a chirp a second, above the voice's band, by which lost samples are counted.

Recorded voices end at 4 kHz here, marks lie above, so a matched filter finds each of them exactly.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stentor.limits import SAMPLE_RATE

Pcm = npt.NDArray[np.float32]
"""Mono samples at 48 kHz, full scale 1."""

PERIOD_SAMPLES = SAMPLE_RATE
"""One mark each second."""
CHIRP_SAMPLES = SAMPLE_RATE * 40 // 1000
LEVEL = 0.16
EDGE_SAMPLES = SAMPLE_RATE // 20
"""So close to an end of a stretch a mark may be just within it or not."""
SHIFT_SAMPLES_MIN = 480
"""A second may come out up to 1 % longer or shorter where a jitter buffer steers its delay by
resampling; more than this means that samples were left out or put in (a packet has 960)."""
STRONG_SHARE = 0.35
"""Of the median mark; weaker correlations are not marks."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A chirp in a band of its own, in Hz."""

    low: float
    high: float


MARKS = (Mark(4_700, 5_900), Mark(7_400, 6_200))


@dataclass(frozen=True, slots=True)
class MarkCount:
    """What the marks of one speaker say about a stretch of sound.

    Attributes:
        expected, found: marks between the first and the last moment of the stretch.
        shifted_samples: by how much marks came too early or too late after the one before, summed.
        first: the sample of the first mark.
    """

    expected: int
    found: int
    shifted_samples: int
    first: int

    @property
    def agrees(self) -> bool:
        """Whether every mark is there, and in its place."""
        return self.found == self.expected > 0 and self.shifted_samples == 0


def chirp(mark: Mark) -> Pcm:
    """One chirp, peak 1, with soft edges."""
    t = np.arange(CHIRP_SAMPLES) / SAMPLE_RATE
    sweep = mark.low * t + (mark.high - mark.low) * t * t / (2 * t[-1])
    one: Pcm = (np.sin(2 * np.pi * sweep) * np.hanning(CHIRP_SAMPLES)).astype(np.float32)
    return one


def stamp(pcm: Pcm, mark: Mark, phase_samples: int) -> Pcm:
    """`pcm` with a mark each second, the first at `phase_samples`."""
    out = pcm.copy()
    one = LEVEL * chirp(mark)
    for at in range(phase_samples, len(pcm) - CHIRP_SAMPLES, PERIOD_SAMPLES):
        out[at : at + CHIRP_SAMPLES] += one
    return out


def find(pcm: Pcm, mark: Mark) -> list[int]:
    """The samples at which `mark` begins, at most one in half a second."""
    if len(pcm) < PERIOD_SAMPLES:
        return []
    matched = envelope(pcm, mark)
    half = PERIOD_SAMPLES // 2
    tops = [float(matched[at : at + 2 * half].max()) for at in range(0, len(pcm) - half, 2 * half)]
    least = max(STRONG_SHARE * float(np.median(tops)), LEVEL * 0.05)
    found: list[int] = []
    for at in np.flatnonzero(matched >= least):
        top = int(at) + int(np.argmax(matched[at : at + CHIRP_SAMPLES]))
        if found and top - found[-1] < half:
            if matched[top] > matched[found[-1]]:
                found[-1] = top
        else:
            found.append(top)
    return found


def count(pcm: Pcm, mark: Mark) -> MarkCount:
    """Count the marks of one speaker in a stretch without an announced gap."""
    found = find(pcm, mark)
    if not found:
        return MarkCount(max(0, len(pcm) // PERIOD_SAMPLES - 1), 0, 0, 0)
    steps = np.diff(found)
    shifts = np.abs(steps - PERIOD_SAMPLES * np.maximum(1, np.rint(steps / PERIOD_SAMPLES)))
    shifted = int(shifts[shifts >= SHIFT_SAMPLES_MIN].sum())
    before = max(0, found[0] - EDGE_SAMPLES) // PERIOD_SAMPLES
    after = max(0, len(pcm) - CHIRP_SAMPLES - EDGE_SAMPLES - found[-1]) // PERIOD_SAMPLES
    inside = round((found[-1] - found[0]) / PERIOD_SAMPLES) + 1
    return MarkCount(before + inside + after, len(found), shifted, found[0])


def envelope(pcm: Pcm, mark: Mark) -> npt.NDArray[np.float64]:
    """The envelope of the matched filter's answer, scaled so that a whole mark gives its level."""
    template = chirp(mark)
    size = 1 << (len(pcm) + len(template)).bit_length()
    spectrum = np.fft.rfft(pcm, size) * np.conj(np.fft.rfft(template, size))
    analytic = np.zeros(size, dtype=np.complex128)
    analytic[: len(spectrum)] = 2 * spectrum  # only positive frequencies: one peak whatever phase
    answer = np.abs(np.fft.ifft(analytic))[: len(pcm)]
    scaled: npt.NDArray[np.float64] = answer / float(np.sum(template**2))
    return scaled
