"""When the listeners of one stream have their turn: two ticks after each part. Pure.

Everybody could be sent a part at the moment it is there; the last of 10,000 would then have it
100 ms after the first, and sooner or later than that from part to part. Instead listeners stand in
20 slots, and each slot has its tick: with a cadence of 200 ms every second, with longer ones every
5th, 10th or 20th. Ticks are counted from the arrival of a part, so the wheel follows the stage's
clock, and a slot's parts come at the same moment of each cadence.
"""

from stentor.limits import FLUSH_S, SLOTS, TICK_GAP_S, TICKS_PER_PART


class Wheel:
    """The ticks of one stream.

    Attributes:
        tick: the next one to be served.
        end: ticks before this one have begun or will soon; a multiple of `TICKS_PER_PART`.
    """

    __slots__ = ("_began_at", "_flush_end", "_gap_s", "_parts_at", "_resting", "end", "tick")

    def __init__(self) -> None:
        self.tick = 0
        self.end = 0
        self._began_at = 0.0
        self._gap_s = 0.0
        self._flush_end = 0
        self._parts_at = -FLUSH_S
        self._resting = True

    def arrived(self, now: float, gap_s: float, stride: int) -> None:
        """A part is there: another two ticks begin.

        Args:
            gap_s: between two ticks; with few listeners they need not be spread.
            stride: each slot's distance between two of its ticks.
        """
        self._parts_at = now
        self._resting = False
        self._begin(now, gap_s)
        # Whoever is late by a whole lap has nothing from being served twice in a row.
        self.tick = max(self.tick, self.end - stride)

    def flush(self, now: float, gap_s: float) -> None:
        """No part is to be waited for: within the ticks of one part every slot has its turn."""
        self._resting = True
        self._begin(now, gap_s)
        self._flush_end = self.end

    def _begin(self, now: float, gap_s: float) -> None:
        self._began_at = now
        self._gap_s = min(gap_s, TICK_GAP_S)
        self.end += TICKS_PER_PART

    def is_quiet(self, now: float) -> bool:
        """Whether no part came lately: whatever else there is need not wait for the next."""
        return now - self._parts_at >= FLUSH_S

    def due_at(self) -> float:
        """When the next tick is due, or when what is left is to be flushed; infinity: never."""
        if self.tick < self.end:
            first = self.end - TICKS_PER_PART
            return self._began_at + (self.tick - first) * self._gap_s
        return float("inf") if self._resting else self._parts_at + FLUSH_S

    def turn(self, stride: int) -> range:
        """The numbers of the slots whose tick it is now; then it is over."""
        tick = self.tick
        self.tick += 1
        if tick < self._flush_end:
            stride = TICKS_PER_PART
        return range(tick % stride, SLOTS, stride)
