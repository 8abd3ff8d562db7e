"""The beat: calls for one frame every 20 ms, by absolute deadlines, for all Spaces of the stage.

A deadline is the start plus a whole number of frames, so the beat never drifts. When it is late it
makes up for it, several frames at once; when it is very late (the machine slept) it says how many
frames are lost and goes on from the clock.
"""

import asyncio
import gc
import logging
from collections.abc import Callable

from stentor.clock import Clock
from stentor.limits import FRAME_SAMPLES, SAMPLE_RATE, STALL_S

FRAME_S = FRAME_SAMPLES / SAMPLE_RATE

EDGES_MS = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 50.0, 100.0)
"""Upper edges of the histogram's buckets; what is later falls into the last, open one."""

_EARLY_S = 0.0005
"""Timers of event loops count milliseconds: half of one is on time."""
_YOUNG_EVERY = 50
_OLD_EVERY = 3_000

_telemetry = logging.getLogger(__name__)


class Lateness:
    """How late beats were, since the stage began and in the last minute."""

    def __init__(self) -> None:
        self.count = 0
        self.missed = 0
        self.max_ms = 0.0
        self._buckets = [0] * (len(EDGES_MS) + 1)

    def add(self, late_s: float) -> None:
        """Count one beat that came `late_s` after its deadline."""
        late_ms = max(0.0, late_s * 1000)
        self.count += 1
        self.max_ms = max(self.max_ms, late_ms)
        self._buckets[sum(late_ms > edge for edge in EDGES_MS)] += 1

    def quantile_ms(self, share: float) -> float:
        """The upper edge of the bucket in which this share of all beats has been reached."""
        wanted, seen = share * self.count, 0
        for edge, count in zip(EDGES_MS, self._buckets, strict=False):
            seen += count
            if seen >= wanted:
                return min(edge, self.max_ms)
        return self.max_ms

    def report(self) -> dict[str, float]:
        """Small figures for the health page."""
        return {
            "count": self.count,
            "missed": self.missed,
            "late_p50_ms": round(self.quantile_ms(0.5), 2),
            "late_p99_ms": round(self.quantile_ms(0.99), 2),
            "late_max_ms": round(self.max_ms, 2),
        }


class Beat:
    """The one pacer of a stage.

    Args:
        frame: makes one frame of everything; is given the frame's deadline on the clock.
        stalled: told how many frames will never be made because the process was away.
    """

    def __init__(
        self, clock: Clock, frame: Callable[[float], None], stalled: Callable[[int], None]
    ) -> None:
        self._clock = clock
        self._frame = frame
        self._stalled = stalled
        self.lateness = Lateness()

    async def run(self) -> None:
        """Beat until cancelled."""
        first, number = self._clock.now(), 0
        while True:
            deadline = first + number * FRAME_S
            wait_s = deadline - self._clock.now()
            await asyncio.sleep(wait_s if wait_s > _EARLY_S else 0)
            late_s = self._clock.now() - deadline
            if late_s < -_EARLY_S:
                continue
            self.lateness.add(late_s)
            if late_s > STALL_S:
                lost = int(late_s / FRAME_S)
                self.lateness.missed += lost
                number += lost
                _telemetry.warning("the beat was away for %.2f s", late_s)
                self._stalled(lost)
                continue
            self._frame(deadline)
            number += 1
            self._collect(number)

    def _collect(self, number: int) -> None:
        """Collect garbage after a frame, where a pause hurts least, and never by surprise."""
        if number % _OLD_EVERY == 0:
            gc.collect()
        elif number % _YOUNG_EVERY == 0:
            gc.collect(1)


def quiet_collector() -> None:
    """Leave garbage to the beat: what lives now lives long, and no allocation starts a pause."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 1_000)
