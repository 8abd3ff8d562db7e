"""Solving the door's challenge in the place of many devices.

People's devices compute in parallel; a generator has one core for all of them. So it looks the
answer up with the node's own keys, which it has because it runs on the node's machine, and has each
person wait as long as their device would have searched. Without keys it searches.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from stentor.gate import challenge
from stentor.gate.challenge import Challenge
from stentor.gate.signing import KIND_CHALLENGE, opened_whole

HASHES_PER_S = 150_000
"""SHA-256 of a short text in a page's worker, on a telephone of the middle class."""
_BITS_AT = 5
_LEAST_BYTES = 26


class Solver:
    """Solves challenges of one node."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        """Begin.

        Args:
            keys: of the node, as hexadecimal (`DayKeys.valid`); empty: they are not known.
        """
        self._keys = {bytes.fromhex(kid): bytes.fromhex(key) for kid, key in keys.items()}

    def solve(self, document: Mapping[str, Any]) -> tuple[int, float]:
        """The solution, and how long a device would have searched for it, in seconds.

        Raises:
            ValueError: this is no challenge.
        """
        try:
            asked = msgspec.convert(document, Challenge)
        except msgspec.ValidationError as wrong:
            raise ValueError(str(wrong)) from wrong
        number = self._known(asked.salt) if self._keys else challenge.solve(asked)
        return number, number / HASHES_PER_S

    def _known(self, salt: str) -> int:
        found = opened_whole(salt, KIND_CHALLENGE, _LEAST_BYTES, self._keys)
        if found is None:
            raise ValueError("this challenge was set by another node")
        body, secret = found
        bits = body[_BITS_AT]
        return int.from_bytes(secret[:8], "big") >> 64 - bits if bits else 0
