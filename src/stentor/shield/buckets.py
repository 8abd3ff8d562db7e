"""Token buckets in a bounded table: so many a second for each key, so many at once. Pure.

After the generic cell rate algorithm (ITU-T I.371): a bucket is one number, the moment at which it
will be full again. The table has two generations: what has not been asked of for a whole one is
forgotten, however many keys strangers invent, and a check costs two look-ups at most.
"""

from collections.abc import Sequence

from stentor.limits import SHIELD_GENERATION_S

ROUNDING = 1e-3
"""Of an event: times are sums of fractions, and the last of a burst is not to be lost by that."""


class Buckets:
    """Some rates, for many keys."""

    __slots__ = ("_keys_max", "_new", "_old", "_rates", "_turned_at", "_young")

    def __init__(self, rates: Sequence[tuple[float, float]], factor: float, keys_max: int) -> None:
        """Every bucket is full.

        Args:
            rates: of each kind of event, how many a second on average and how many at once.
            factor: how many times as much each key may have of all.
            keys_max: keys of one generation; twice as many are held at most.
        """
        self._rates = [
            (1.0 / (per_s * factor), (burst * factor - 1.0 + ROUNDING) / (per_s * factor))
            for per_s, burst in rates
        ]  # seconds an event takes to be made good, and seconds that may be owed
        self._keys_max = keys_max
        self._new = [0.0] * len(self._rates)
        self._young: dict[str, list[float]] = {}
        self._old: dict[str, list[float]] = {}
        self._turned_at = 0.0

    def __len__(self) -> int:
        """Keys that are held."""
        return len(self._young) + len(self._old)

    def take(self, key: str, kind: int, now: float, scale: float = 1.0) -> bool:
        """Whether one more event of a key is within its rate; it is counted if so.

        Args:
            kind: which of the rates.
            now: monotonic seconds.
            scale: how many times as much this key may have just now.
        """
        row = self._young.get(key)
        if row is None:
            row = self._enter(key, now)
        step_s, slack_s = self._rates[kind]
        full_at = row[kind]
        if full_at <= now:
            row[kind] = now + step_s / scale
            return True
        if full_at - now > slack_s:
            return False
        row[kind] = full_at + step_s / scale
        return True

    def _enter(self, key: str, now: float) -> list[float]:
        """Bring a key into the young generation, from the old one if it is there."""
        if len(self._young) >= self._keys_max or now - self._turned_at > SHIELD_GENERATION_S:
            self._old, self._young, self._turned_at = self._young, {}, now
        row = self._old.pop(key, None)
        if row is None:
            row = self._new.copy()
        self._young[key] = row
        return row
