"""The ladder: what is given up, in which order, when the house runs short. Pure.

0 normal; 1 longer cadence; 2 reactions thinned and a challenge asked; 3 low rendition; 4 waiting
room, admission halved; 5 no new live listeners. One step at a time, up after a few seconds of
pressure, down after many of calm. Starting on time and those who listen already come first.
"""

from dataclasses import dataclass, field

from stentor.limits import (
    LADDER_CALM_S,
    LADDER_DOWN_S,
    LADDER_EASE,
    LADDER_UP_S,
)

TOP = 5
CADENCE_MIN_MS = (200, 500, 500, 1_000, 1_000, 2_000)
"""The shortest cadence on each step."""

THRESHOLDS: dict[str, tuple[tuple[float, int], ...]] = {
    # name of the trigger: (value from which it wants a step, the step)
    "cpu": ((0.70, 1), (0.85, 3), (0.93, 4), (0.98, 5)),
    "lateness": ((60.0, 1), (150.0, 3), (400.0, 4), (1_000.0, 5)),
    "egress": ((0.85, 1), (0.92, 3), (0.97, 4), (1.02, 5)),
    "descriptors": ((0.95, 4), (0.985, 5)),
    "memory": ((0.88, 3), (0.93, 4), (0.97, 5)),
    "capacity": ((1.12, 3), (1.25, 4), (1.40, 5)),
    "arrivals": ((3.0, 2),),
    "gate": ((0.80, 2), (0.95, 4)),
}
FIGURES = {
    "cpu": "busy",
    "lateness": "late_ms",
    "egress": "egress_used",
    "descriptors": "descriptors_used",
    "memory": "memory_used",
    "capacity": "listeners_per_capacity",
    "arrivals": "arrivals_per_expected",
    "gate": "gate_busy",
}
"""What the figure of each trigger is called where it is shown."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long pressure and calm must last; a drill has less of it.

    Attributes:
        up_s: between two steps up; pressure must have lasted so long.
        calm_s: before the first step down; `down_s`: between two of them.
    """

    up_s: float = LADDER_UP_S
    down_s: float = LADDER_DOWN_S
    calm_s: float = LADDER_CALM_S


@dataclass(frozen=True, slots=True)
class Change:
    """A step was taken: from where, to where, why, its figures, and who wanted it."""

    before: int
    step: int
    why: str
    figures: dict[str, float]
    by: str


@dataclass(slots=True)
class Ladder:
    """The ladder of one Space.

    Attributes:
        step: now.
        why, figures: of the last change.
    """

    patience: Patience = field(default_factory=Patience)
    step: int = 0
    why: str = ""
    figures: dict[str, float] = field(default_factory=dict)
    since: float = 0.0
    _forced: dict[str, int] = field(default_factory=dict)
    _pressed_since: float | None = None
    _calm_since: float | None = None
    _moved_at: float | None = None
    _goes_down: bool = False

    def force(self, step: int | None, by: str) -> None:
        """The host or the operator wants a step, or lets it go (None). The operator's counts more.

        It is taken at the next turn, at once: who forces has their reasons.
        """
        if step is None:
            self._forced.pop(by, None)
        else:
            self._forced[by] = max(0, min(TOP, step))

    @property
    def forced(self) -> tuple[int, str] | None:
        """The step that somebody wants, and who."""
        for by in ("operator", "host"):
            if by in self._forced:
                return self._forced[by], by
        return None

    def memory(self, now: float) -> tuple[int, str, dict[str, float], float, int | None]:
        """Step, why, figures, seconds since then, and what the host wants."""
        since_s = now - self.since if self.since else 0.0
        return self.step, self.why, self.figures, since_s, self._forced.get("host")

    def recall(
        self, step: int, why: str, figures: dict[str, float], since: float, now: float
    ) -> None:
        """Stand where another ladder stood; calm is looked for from now on."""
        self.step, self.why, self.figures, self.since = step, why, figures, since
        self._moved_at = now

    def turn(self, pressure: dict[str, float], now: float) -> Change | None:
        """Look at the pressure; the step that was taken, if one was. Called once a second."""
        forced = self.forced
        if forced is not None:
            step, by = forced
            self._pressed_since = self._calm_since = None
            return self._to(step, by, {}, by, now) if step != self.step else None
        wanted, why = wants(pressure)
        if wanted > self.step:
            self._calm_since = None
            self._pressed_since = now if self._pressed_since is None else self._pressed_since
            since = max(self._pressed_since, self._moved_at or self._pressed_since)
            if now - since < self.patience.up_s:
                return None
            return self._to(self.step + 1, why, {FIGURES[why]: round(pressure[why], 3)}, "", now)
        self._pressed_since = None
        eased, _ = wants(pressure, LADDER_EASE)
        if not self.step or eased >= self.step:
            self._calm_since = None
            return None
        self._calm_since = now if self._calm_since is None else self._calm_since
        waits_s = self.patience.down_s if self._goes_down else self.patience.calm_s
        since = (
            max(self._calm_since, self._moved_at or 0.0) if self._goes_down else self._calm_since
        )
        if now - since < waits_s:
            return None
        self._goes_down = True
        return self._to(self.step - 1, "calm", {}, "", now)

    def _to(self, step: int, why: str, figures: dict[str, float], by: str, now: float) -> Change:
        change = Change(self.step, step, why, figures, by or "usher")
        self._goes_down = step < self.step
        self.step, self.since, self._moved_at = step, now, now
        if step and why != "calm":
            self.why, self.figures = why, figures
        elif not step:
            self.why, self.figures = "", {}
        return change


def wants(pressure: dict[str, float], ease: float = 1.0) -> tuple[int, str]:
    """The highest step that any trigger wants, and which trigger it is.

    Args:
        ease: thresholds are multiplied by it: a step is left at lower values than it is taken at.
    """
    wanted, why = 0, ""
    for name, value in pressure.items():
        for threshold, step in THRESHOLDS[name]:
            if value >= threshold * ease and step > wanted:
                wanted, why = step, name
    return wanted, why
