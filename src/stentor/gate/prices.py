"""What a place costs in hashes under pressure: no more than is needed to calm the gates. Pure."""

from dataclasses import dataclass

from stentor.limits import (
    CHALLENGE_BITS_BASE,
    CHALLENGE_BITS_TOP,
    PRICE_DOWN_S,
    PRICE_UP_S,
)

BUSY_DEAR = 0.8
BUSY_CHEAP = 0.5
"""Between the two the price stays as it is, lest it swing."""


@dataclass(slots=True)
class Price:
    """The bits of the challenge of one Space; 0 while none is asked."""

    bits: int = 0
    _changed_at: float = 0.0

    def turn(self, step: int, gate_busy: float, now: float) -> int:
        """The bits from now on: asked from step 2 on, a bit dearer while gates are still short."""
        if step < 2:
            self.bits = 0
        elif not self.bits:
            self.bits, self._changed_at = CHALLENGE_BITS_BASE, now
        elif gate_busy >= BUSY_DEAR and now - self._changed_at >= PRICE_UP_S:
            self.bits, self._changed_at = min(CHALLENGE_BITS_TOP, self.bits + 1), now
        elif gate_busy < BUSY_CHEAP and now - self._changed_at >= PRICE_DOWN_S:
            self.bits, self._changed_at = max(CHALLENGE_BITS_BASE, self.bits - 1), now
        return self.bits
