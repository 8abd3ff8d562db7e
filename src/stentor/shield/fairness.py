"""When more come than a door can look at, every prefix has as many connections as the next. Pure.

A flood from many prefixes exceeds the rate of none of them. So while the queue of the door does not
run empty, what it manages in a second is divided max-min among the prefixes that come: who asks for
little gets all of it, and those who ask for most go short. The bound is
found anew each second, and loosened as soon as the queue runs empty.
"""

from stentor.limits import (
    FAIR_EASED,
    FAIR_LEVEL_MIN,
    FAIR_PREFIXES_MAX,
    FAIR_TIGHTENED,
    FAIR_WINDOW_S,
)


class Fairness:
    """Connections of each prefix within a second, and how many it may have.

    Attributes:
        level: connections each prefix may have in a window; infinite while the door keeps up.
        shed: connections that were closed for it, in all.
    """

    __slots__ = ("_counts", "_since", "_taken", "_whole", "level", "shed")

    def __init__(self) -> None:
        self.level = float("inf")
        self.shed = 0
        self._counts: dict[str, int] = {}
        self._whole = float("inf")
        self._taken = 0
        self._since = 0.0

    def take(self, prefix: str, scale: float = 1.0) -> bool:
        """Whether one more connection of a prefix is to be looked at.

        Args:
            scale: how many times as much this prefix may have: many people come from there.
        """
        count = self._counts.get(prefix, 0) + 1
        if count > 1 or len(self._counts) < FAIR_PREFIXES_MAX:
            self._counts[prefix] = count
        if count > self.level * scale:
            self.shed += 1
            return False
        self._taken += 1
        return True

    def look(self, now: float, *, pressed: bool) -> None:
        """Find the bound of the next window; to be called now and then.

        Args:
            now: monotonic seconds.
            pressed: whether the queue has not run empty for a while.
        """
        passed_s = now - self._since
        if passed_s < FAIR_WINDOW_S:
            return
        per_window = self._taken * FAIR_WINDOW_S / passed_s
        demands = [count * FAIR_WINDOW_S / passed_s for count in self._counts.values()]
        if pressed:
            self._whole = FAIR_TIGHTENED * min(self._whole, per_window)
        elif self._whole != float("inf"):
            self._whole *= FAIR_EASED
        self.level = max(FAIR_LEVEL_MIN, _level(demands, self._whole))
        if self.level == float("inf"):
            self._whole = self.level
        self._counts, self._taken, self._since = {}, 0, now


def _level(demands: list[float], supply: float) -> float:
    """The max-min share: nobody with less goes short, and together they have the supply."""
    if sum(demands) <= supply:
        return float("inf")
    left = sorted(demands)
    for at, demand in enumerate(left):
        share = supply / (len(left) - at)
        if demand > share:
            return share
        supply -= demand
    return float("inf")
