"""A simulated playhead: counts the stalls that a listener would have heard."""

from dataclasses import dataclass, field

from stentor.limits import CADENCES_MS, PART_SAMPLES, SAMPLE_RATE

START_S_MIN = 0.4
"""max(2 cadences, 400 ms): what a player has in hand when it starts."""
STALL_S = 0.020
"""A playhead that waits longer than one frame has stalled."""
SLOWER, FASTER = 0.92, 1.05
"""How fast it plays while it deepens what it has in hand before a longer cadence, and while it
comes back after a shorter one: as the page's player does, with less to spare."""
SPARE_S = 0.05
PART_S = PART_SAMPLES / SAMPLE_RATE


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
    cadence_s: float = CADENCES_MS[0] / 1_000
    _at: float = 0.0
    _playing: bool = False
    _hand_s: float = 0.0
    _speed: float = 1.0

    def expect(self, cadence_ms: int) -> None:
        """The stream says how far apart sends will be."""
        cadence_s = cadence_ms / 1_000
        if cadence_s != self.cadence_s:
            self._speed = SLOWER if cadence_s > self.cadence_s else FASTER
            self.cadence_s = cadence_s

    def arrive(self, now: float, samples: int) -> None:
        """`samples` more can be played since `now`."""
        seconds = samples / SAMPLE_RATE
        self.received_s += seconds
        self._play(now)
        self._hand_s = max(0.0, self._hand_s) + seconds
        if not self._playing and self._hand_s >= max(2 * self.cadence_s, START_S_MIN) - 1e-9:
            if self.stalls and not self.stalls[-1].seconds:
                self.stalls[-1].seconds = now - self.stalls[-1].at
            self._playing = True
        self._settle()

    def close(self, now: float) -> None:
        """Nothing more is expected now: a wait that is still going on counts as a stall."""
        self._play(now)
        if self.stalls and not self.stalls[-1].seconds:
            self.stalls[-1].seconds = now - self.stalls[-1].at

    def _play(self, now: float) -> None:
        if self._playing:
            self._hand_s -= (now - self._at) * self._speed
            if self._hand_s < -STALL_S:
                self.stalls.append(Stall(now + self._hand_s / self._speed, 0.0))
                self._playing, self._hand_s = False, 0.0
        self._at = now

    def _settle(self) -> None:
        """Back to the usual speed once there is as much in hand as the cadence needs."""
        depth_s = self.cadence_s + PART_S + SPARE_S
        deep = self._hand_s >= depth_s
        if (self._speed == SLOWER and deep) or (self._speed == FASTER and not deep):
            self._speed = 1.0
