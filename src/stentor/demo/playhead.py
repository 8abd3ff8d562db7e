"""A simulated playhead: counts the stalls that a listener would have heard."""

from dataclasses import dataclass, field

from stentor.limits import SAMPLE_RATE

START_SAMPLES = SAMPLE_RATE * 400 // 1000
"""max(2 cadences, 400 ms): what a player has in hand when it starts."""
STALL_S = 0.020
"""A playhead that waits longer than one frame has stalled."""


@dataclass(slots=True)
class Stall:
    """The playhead ran out at `at` (monotonic seconds) and waited `seconds`."""

    at: float
    seconds: float


@dataclass(slots=True)
class Playhead:
    """Plays what arrives in real time, from 400 ms in hand; after a stall it gathers them anew."""

    received_s: float = 0.0
    stalls: list[Stall] = field(default_factory=list)
    _empty_at: float = 0.0
    _playing: bool = False
    _hand_s: float = 0.0

    def arrive(self, now: float, samples: int) -> None:
        """`samples` more can be played since `now`."""
        seconds = samples / SAMPLE_RATE
        self.received_s += seconds
        if self._playing and now - self._empty_at > STALL_S:
            self.stalls.append(Stall(self._empty_at, 0.0))
            self._playing, self._hand_s = False, 0.0
        if self._playing:
            self._empty_at = max(self._empty_at, now) + seconds
            return
        self._hand_s += seconds
        if self._hand_s >= START_SAMPLES / SAMPLE_RATE - 1e-9:
            if self.stalls and not self.stalls[-1].seconds:
                self.stalls[-1].seconds = now - self.stalls[-1].at
            self._playing, self._empty_at = True, now + self._hand_s

    def close(self, now: float) -> None:
        """Nothing more is expected now: a wait that is still going on counts as a stall."""
        if self._playing and now - self._empty_at > STALL_S:
            self.stalls.append(Stall(self._empty_at, now - self._empty_at))
            self._playing = False
        elif self.stalls and not self.stalls[-1].seconds:
            self.stalls[-1].seconds = now - self.stalls[-1].at
