"""Solving the door's challenge as a page does."""

from typing import Any


def solve(challenge: dict[str, Any]) -> str:
    """The solution of a challenge that the door has set."""
    raise NotImplementedError(challenge)
