"""A clock that stands still until it is told to jump."""


class JumpingClock:
    """Both times of `stentor.clock.Clock`; a jump moves them together unless told otherwise."""

    def __init__(self, now: float = 1_000.0, wall_time: int = 1_800_000_000_000_000_000) -> None:
        self._now = now
        self._wall_time = wall_time

    def now(self) -> float:
        return self._now

    def wall_time(self) -> int:
        return self._wall_time

    def jump(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds
        self._wall_time += round(seconds * 1e9)

    def set_wall_time(self, seconds: float) -> None:
        """Somebody sets the clock on the wall; the monotonic one does not care."""
        self._wall_time += round(seconds * 1e9)
