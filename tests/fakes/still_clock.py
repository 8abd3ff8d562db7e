"""A clock that a test moves by hand."""


class StillClock:
    def __init__(self, wall_time: int = 1_700_000_000_000_000_000) -> None:
        self.at_s = 0.0
        self._began = wall_time

    def now(self) -> float:
        return self.at_s

    def wall_time(self) -> int:
        return self._began + round(self.at_s * 1e9)
