"""A token bucket: so many a second on average, so many at once."""


class Bucket:
    """Says of each event whether it is within its rate.

    Args:
        per_s: events a second that are allowed on average.
        burst: events allowed at once after a pause.
    """

    __slots__ = ("_at", "_burst", "_level", "_per_s")

    def __init__(self, per_s: float, burst: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._level = burst
        self._at: float | None = None

    def take(self, now: float) -> bool:
        """Whether one more event at `now` (monotonic seconds) is allowed; it is counted if so."""
        if self._at is not None:
            self._level = min(self._burst, self._level + (now - self._at) * self._per_s)
        self._at = now
        if self._level < 1.0:
            return False
        self._level -= 1.0
        return True
