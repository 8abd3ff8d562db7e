"""The only module that reads the time; everybody else is handed a `Clock` or a number."""

import time
from typing import Protocol


class Clock(Protocol):
    """Two of the three times of the house; the third, media_time, is counted by the stage."""

    def now(self) -> float:
        """Monotonic seconds, for deadlines and pacing."""
        ...

    def wall_time(self) -> int:
        """UTC in nanoseconds since 1970, for people and for records."""
        ...


class SystemClock:
    """The clock of the machine."""

    def now(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()

    def wall_time(self) -> int:
        """UTC nanoseconds since 1970."""
        return time.time_ns()


def thread_cpu_s() -> float:
    """Seconds of processor time the calling thread has used."""
    return time.thread_time()
