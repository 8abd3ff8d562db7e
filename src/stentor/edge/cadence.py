"""How long listeners wait between two sends: the throttle of an edge under pressure. Pure.

A send costs the same whatever is in it, so 500 ms of sound at a time cost less than half of what
200 ms do. An edge that runs short gives latency up before it gives people up: it tells its players
that sends will come more seldom, waits until they have that much more sound in hand, and then
takes the step. It comes back step by step when what it would have to do leaves room to spare.
"""

from dataclasses import dataclass

import msgspec

from stentor.boxes import CADENCE_SCHEME, emsg
from stentor.limits import (
    CADENCE_BEHIND_MAX,
    CADENCE_BUSY_MAX,
    CADENCE_CALM_BUSY,
    CADENCE_CALM_MAX_S,
    CADENCE_CALM_S,
    CADENCE_LATE_S,
    CADENCE_LEAD_SPEED,
    CADENCE_PRESSED_S,
    CADENCE_RELAPSE_S,
    CADENCE_SPARE_S,
    CADENCES_MS,
    JOIN_PARTS,
    PART_MS,
    SLOTS,
)


@dataclass(frozen=True, slots=True)
class Load:
    """What an edge had to do since it was last asked.

    Attributes:
        busy: the share of the time in which the thread that sends did not wait for something to do,
            or of the processor time it is allowed: the larger of the two.
        late_s: how late the latest turn of a slot was.
        behind: the share of listeners whose sockets are full.
        egress: the share of the operator's bound on what is sent; 0 without a bound.
    """

    busy: float
    late_s: float
    behind: float = 0.0
    egress: float = 0.0


@dataclass(frozen=True, slots=True)
class Step:
    """A change of cadence: announced now, taken at `at`.

    Attributes:
        reason: `busy`, `late`, `egress`, `behind`, `calm`, `ladder` or `pinned`.
    """

    cadence_ms: int
    at: float
    reason: str


class Cadence:
    """The cadence of one edge.

    Attributes:
        current_ms: how often listeners are sent to.
        coming: a step that was announced and is not taken yet.
    """

    STRIDE_MIN = SLOTS * CADENCES_MS[0] // CADENCES_MS[-1]

    def __init__(self, current_ms: int = CADENCES_MS[0]) -> None:
        self.current_ms = current_ms
        self.coming: Step | None = None
        self._pressed_since: float | None = None
        self._calm_since: float | None = None
        self._calm_s = CADENCE_CALM_S
        self._eased_at = -CADENCE_RELAPSE_S

    @property
    def stride(self) -> int:
        """The distance between two turns of a slot, in ticks."""
        return SLOTS * self.current_ms // CADENCES_MS[-1]

    @property
    def announced_ms(self) -> int:
        """What players are to be ready for."""
        return max(self.current_ms, self.coming.cadence_ms if self.coming else 0)

    @property
    def join_parts(self) -> int:
        """Parts a new listener begins with: a cadence, and the part that is being made."""
        return max(JOIN_PARTS, -(-self.announced_ms // PART_MS) + 1)

    def notice(self, media_time: int, in_ms: int = 0) -> bytes:
        """What a player is told, as a box; empty when there is nothing unusual to tell."""
        if self.announced_ms == CADENCES_MS[0] and not in_ms:
            return b""
        return notice_box(self.announced_ms, in_ms, media_time)

    def decide(self, load: Load, now: float, pinned_ms: int = 0, least_ms: int = 0) -> Step | None:
        """What to do about the load: a step to announce, or nothing.

        Args:
            pinned_ms: what the operator wants, whatever the load; 0: nothing.
            least_ms: the shortest the ladder allows; 0: all are allowed.
        """
        if self.coming is not None:
            return None
        if pinned_ms:
            return self._step(pinned_ms, now, "pinned") if pinned_ms != self.current_ms else None
        if least_ms > self.current_ms:
            return self._step(least_ms, now, "ladder")
        at = CADENCES_MS.index(self.current_ms)
        reason = _pressure(load)
        if reason:
            self._calm_since = None
            self._pressed_since = now if self._pressed_since is None else self._pressed_since
            lasts = now - self._pressed_since >= CADENCE_PRESSED_S
            if lasts and at + 1 < len(CADENCES_MS):
                self._learn(now)
                return self._step(CADENCES_MS[at + 1], now, reason)
            return None
        self._pressed_since = None
        shorter = at and CADENCES_MS[at - 1] >= least_ms
        if shorter and self._would_be_calm(load, CADENCES_MS[at - 1]):
            self._calm_since = now if self._calm_since is None else self._calm_since
            if now - self._calm_since >= self._calm_s:
                self._eased_at = now
                return self._step(CADENCES_MS[at - 1], now, "calm")
        else:
            self._calm_since = None
        return None

    def take(self, now: float) -> Step | None:
        """The announced step, once its time has come."""
        step = self.coming
        if step is None or now < step.at:
            return None
        self.current_ms, self.coming = step.cadence_ms, None
        self._pressed_since = self._calm_since = None
        return step

    def _step(self, cadence_ms: int, now: float, reason: str) -> Step:
        self.coming = Step(cadence_ms, now + lead_s(self.current_ms, cadence_ms), reason)
        return self.coming

    def _learn(self, now: float) -> None:
        """Pressure again, soon after a step back: wait longer before the next."""
        relapsed = now - self._eased_at < CADENCE_RELAPSE_S
        longer_s = min(CADENCE_CALM_MAX_S, 2 * self._calm_s)
        self._calm_s = longer_s if relapsed else CADENCE_CALM_S

    def _would_be_calm(self, load: Load, cadence_ms: int) -> bool:
        busier = load.busy * self.current_ms / cadence_ms
        return busier <= CADENCE_CALM_BUSY and load.late_s < CADENCE_LATE_S / 2 and load.egress < 1


def lead_s(from_ms: int, to_ms: int) -> float:
    """How long before a step players must know: until they hold that much more sound."""
    extra_s = (to_ms - from_ms) / 1_000
    return extra_s / CADENCE_LEAD_SPEED + CADENCE_SPARE_S if extra_s > 0 else 0.0


def notice_box(cadence_ms: int, in_ms: int, media_time: int) -> bytes:
    """A cadence as a box."""
    told = msgspec.json.encode({"cadence_ms": cadence_ms, "in_ms": in_ms})
    return emsg(CADENCE_SCHEME, told, media_time, cadence_ms)


def _pressure(load: Load) -> str:
    """What is short; empty when nothing is."""
    if load.late_s >= CADENCE_LATE_S:
        return "late"
    if load.busy >= CADENCE_BUSY_MAX:
        return "busy"
    if load.egress >= 1:
        return "egress"
    return "behind" if load.behind >= CADENCE_BEHIND_MAX else ""
