"""How often passwords may be tried: a bounded table of tries by account and client prefix.

A key's tries are spaced evenly over the hour with the whole hour's number allowed at once (the
generic cell rate algorithm): one number per key says when its allowance will be full again.
There is no key for an account alone, so that nobody can lock an owner out from elsewhere.
"""

from collections import OrderedDict

from stentor.errors import Refused
from stentor.limits import (
    LOGIN_TABLE_MAX,
    LOGIN_TRIES_PER_HOUR,
    LOGIN_TRIES_PER_PREFIX_PER_HOUR,
)

_HOUR_S = 3600.0


class TooMany(Refused):
    """Too many tries (`login.too_many`).

    Args:
        retry_after_s: until the next try is allowed, in seconds.
    """

    def __init__(self, retry_after_s: float) -> None:
        minutes = max(1, round(retry_after_s / 60))
        super().__init__(
            "login.too_many",
            f"Too many passwords were tried from here. Try again in {minutes} "
            f"minute{'' if minutes == 1 else 's'}.",
        )
        self.retry_after_s = retry_after_s


class Throttle:
    """The tries of the last hour. Times are monotonic seconds, passed in."""

    def __init__(self, entries_max: int = LOGIN_TABLE_MAX) -> None:
        self._full_at: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._entries_max = entries_max

    def __len__(self) -> int:
        """Entries in the table."""
        return len(self._full_at)

    def take(self, name_key: str, prefix: str, now: float) -> None:
        """Count one try before it is made.

        Raises:
            TooMany: it may not be made.
        """
        pair, whole = (name_key, prefix), ("", prefix)
        wait_s = max(
            self._wait_s(pair, LOGIN_TRIES_PER_HOUR, now),
            self._wait_s(whole, LOGIN_TRIES_PER_PREFIX_PER_HOUR, now),
        )
        if wait_s > 0:
            raise TooMany(wait_s)
        self._charge(pair, LOGIN_TRIES_PER_HOUR, now)
        self._charge(whole, LOGIN_TRIES_PER_PREFIX_PER_HOUR, now)

    def forgive(self, name_key: str, prefix: str) -> None:
        """The password was right: forget the tries for this account from there."""
        self._full_at.pop((name_key, prefix), None)

    def _wait_s(self, key: tuple[str, str], per_hour: int, now: float) -> float:
        after = max(self._full_at.get(key, now), now) + _HOUR_S / per_hour
        # A microsecond of slack: sums of fractions are not exact.
        return max(0.0, after - now - _HOUR_S - 1e-6)

    def _charge(self, key: tuple[str, str], per_hour: int, now: float) -> None:
        self._full_at[key] = max(self._full_at.get(key, now), now) + _HOUR_S / per_hour
        self._full_at.move_to_end(key)
        while len(self._full_at) > self._entries_max:
            self._full_at.popitem(last=False)
