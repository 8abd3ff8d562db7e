"""Connections that have not asked for anything yet, each prefix with a share of its own. Pure."""

from typing import Generic, TypeVar

T = TypeVar("T")


class HalfOpen(Generic[T]):
    """Whoever is waited for, by prefix.

    A prefix over its share loses its own oldest, not its newest: people say at once what they want,
    and who opens connections to keep them open is in nobody's way but their own.
    """

    def __init__(self, share: int) -> None:
        """Args: share: how many one prefix may have."""
        self._share = share
        self._of: dict[str, dict[T, None]] = {}

    def __len__(self) -> int:
        """Prefixes that have any."""
        return len(self._of)

    def hold(self, prefix: str, one: T) -> T | None:
        """Wait for one more; who has to be let go for it, if anybody."""
        waiting = self._of.setdefault(prefix, {})
        waiting[one] = None
        if len(waiting) <= self._share:
            return None
        oldest = next(iter(waiting))
        del waiting[oldest]
        return oldest

    def let_go(self, prefix: str, one: T) -> None:
        """Wait for one less; it may have been let go before."""
        waiting = self._of.get(prefix)
        if waiting is None:
            return
        waiting.pop(one, None)
        if not waiting:
            del self._of[prefix]
