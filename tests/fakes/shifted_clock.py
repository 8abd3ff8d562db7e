"""The machine's clock, except that it can be moved forward: for deadlines on a running loop."""

import time


class ShiftedClock:
    def __init__(self) -> None:
        self.ahead_s = 0.0

    def now(self) -> float:
        return time.monotonic() + self.ahead_s

    def wall_time(self) -> int:
        return time.time_ns() + round(self.ahead_s * 1e9)
