"""How fast a speaker's clock runs against ours, and the pace at which its audio is read.

The time a packet takes from the speaker's clock to ours (its transit) has a floor: the network's
fastest way. The floor moves only with the two clocks, so its slope is the drift. Reading at that
pace keeps the delay; a small and slow extra leads it to its target.
"""

from collections import deque
from typing import NamedTuple

from stentor.limits import DRIFT_PPM_MAX

BLOCK_S = 2.0
"""Transits are kept as the least of so long."""
BLOCKS = 60
"""Two minutes of floors make the slope: it is then known to a part per million."""
FLOOR_BLOCKS = 5
"""The floor is the least of so many blocks, so that it can also rise within ten seconds."""
SLOPE_BLOCKS_MIN = 6
SLOPE_ERROR_MAX = 20e-6
"""A slope less certain than this (one standard error) is not used yet."""
STEP_S = 0.006
"""A floor that leaves its line by more than this, and more than usual, took another way."""


class _Block(NamedTuple):
    at: float
    transit: float


class Drift:
    """The floor of transits and its slope.

    Attributes:
        slope: seconds a second by which the floor rises; a speaker's clock that runs fast makes it
            fall. 0 until it is known.
    """

    def __init__(self) -> None:
        self.slope = 0.0
        self._blocks: deque[_Block] = deque(maxlen=BLOCKS)
        self._least: _Block | None = None
        self._block_ends = 0.0

    def forget_floor(self) -> None:
        """Transits before this moment no longer count; the slope is kept: clocks stay clocks."""
        self._blocks.clear()
        self._least = None

    def observe(self, transit: float, now: float) -> None:
        """Count a packet's transit; only differences of transits mean anything."""
        if self._least is None:
            self._least = _Block(now, transit)
            self._block_ends = now + BLOCK_S
        elif now >= self._block_ends:
            self._close(self._least)
            self._least = _Block(now, transit)
            self._block_ends = now + BLOCK_S
        elif transit < self._least.transit + self.slope * (now - self._least.at):
            self._least = _Block(now, transit)

    def floor(self, now: float) -> float | None:
        """The transit of the fastest packets at `now`; None before the first packet."""
        if self._least is None:
            return None
        least = self._least.transit + self.slope * (now - self._least.at)
        for place in range(max(0, len(self._blocks) - FLOOR_BLOCKS), len(self._blocks)):
            block = self._blocks[place]
            least = min(least, block.transit + self.slope * (now - block.at))
        return least

    def _close(self, block: _Block) -> None:
        self._blocks.append(block)
        if len(self._blocks) < SLOPE_BLOCKS_MIN:
            return
        mean_at, mean, slope, residual, spread = _line(self._blocks)
        off = abs(block.transit - mean - slope * (block.at - mean_at))
        if off > max(STEP_S, 4 * residual):
            self._blocks.clear()
            self._blocks.append(block)
            return
        if residual / spread <= SLOPE_ERROR_MAX:
            bound = DRIFT_PPM_MAX * 1e-6
            self.slope = min(bound, max(-bound, slope))


def _line(blocks: deque[_Block]) -> tuple[float, float, float, float, float]:
    """Least squares: mean time, mean transit, slope, residual (RMS), and the spread of times."""
    count = len(blocks)
    mean_at = sum(block.at for block in blocks) / count
    mean = sum(block.transit for block in blocks) / count
    squares = sum((block.at - mean_at) ** 2 for block in blocks)
    both = sum((block.at - mean_at) * (block.transit - mean) for block in blocks)
    slope = both / squares
    errors = sum((block.transit - mean - slope * (block.at - mean_at)) ** 2 for block in blocks)
    return mean_at, mean, slope, (errors / (count - 2)) ** 0.5, squares**0.5


class Pace:
    """The ratio at which a voice is read: the drift, and a correction of the delay.

    Near the target the correction is some hundred parts per million and changes by ten a second,
    far below what an ear or a measurement of a tone notices. Only when packets come too late, or
    the delay is too long, it goes to half a per cent, a twelfth of a semitone.

    Attributes:
        ratio: samples of the speaker's clock for one of ours.
    """

    FAR_S = 0.010
    """Excess above which the delay is shortened fast: less than half a frame is not worth it."""
    NEAR_S = 0.005
    """Lack above which the delay is grown fast."""
    SLOW_S = 100.0
    """Near its target the delay's error falls to 1 / e in so long."""
    CORRECTION_MAX = 5e-3
    DRIFT_SLEW = 5e-6
    SLOW_SLEW = 10e-6
    FAST_SLEW = 3e-3
    """How fast the ratio itself may change, a second, when packets come too late."""
    CALM_SLEW = 1.5e-3
    """The same when the delay is too long: a steady tone stays 40 dB above what that does to it."""

    def __init__(self) -> None:
        self.ratio = 1.0
        self._drift = 0.0
        self._correction = 0.0

    def steer(self, slope: float, excess_s: float, elapsed_s: float) -> None:
        """Set the ratio anew.

        Args:
            slope: of the floor of transits, from `Drift`.
            excess_s: the delay less its target.
            elapsed_s: since the last call.
        """
        self._drift = _towards(self._drift, -slope, self.DRIFT_SLEW * elapsed_s)
        wanted = excess_s / self.SLOW_S
        slew = self.SLOW_SLEW
        if excess_s > self.FAR_S:
            wanted += (excess_s - self.FAR_S) / 4.0
            slew = self.CALM_SLEW
        elif excess_s < -self.NEAR_S:
            wanted += excess_s + self.NEAR_S
            slew = self.FAST_SLEW
        wanted = min(self.CORRECTION_MAX, max(-self.CORRECTION_MAX, wanted))
        # Back from a fast correction: not so slowly that it shoots over the target.
        slew += max(0.0, abs(wanted - self._correction) - 4e-4)
        if excess_s >= -self.NEAR_S:
            slew = min(slew, self.CALM_SLEW)
        self._correction = _towards(self._correction, wanted, slew * elapsed_s)
        self.ratio = 1.0 + self._drift + self._correction


def _towards(value: float, wanted: float, step: float) -> float:
    return min(wanted, value + step) if wanted > value else max(wanted, value - step)
