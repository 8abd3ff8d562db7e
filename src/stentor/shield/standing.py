"""Which hosts and prefixes many people in good standing come from: carriers, schools, firms. Pure.

Behind one address of a telephone company are thousands. Each pass that was shown and found genuine
sets one of 64 bits by its number; where many are set there are many people, and a neighbour who
floods is no reason to shut them out. One pass shown often sets one bit.
"""

from stentor.limits import SHIELD_KEYS_MAX, STANDING_PASSES, STANDING_S


class Standing:
    """Passes seen lately, by host and prefix, in two generations."""

    __slots__ = ("_old", "_turned_at", "kept")

    def __init__(self) -> None:
        self.kept: dict[str, int] = {}
        """The bits of each, in the young generation; empty only before the first pass."""
        self._old: dict[str, int] = {}
        self._turned_at = 0.0

    def shown(self, key: str, number: int, now: float) -> None:
        """Note a genuine pass.

        Args:
            number: the pass's own, not chosen by its holder.
        """
        if now - self._turned_at > STANDING_S or len(self.kept) >= SHIELD_KEYS_MAX:
            self._old, self.kept, self._turned_at = self.kept, {}, now
        self.kept[key] = self.kept.get(key, 0) | 1 << (number & 63)

    def is_good(self, key: str) -> bool:
        """Whether many people come from there."""
        bits = self.kept.get(key, 0) | self._old.get(key, 0)
        return bits.bit_count() >= STANDING_PASSES
