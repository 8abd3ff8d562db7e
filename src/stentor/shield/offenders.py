"""Who keeps exceeding is kept out, longer each time. Pure."""

from stentor.limits import (
    BAN_MAX_S,
    BAN_MIN_S,
    BANS_MAX,
    OFFENCES_BURST,
    OFFENCES_PER_S,
    OFFENDER_FORGOTTEN_S,
    SHIELD_KEYS_MAX,
)
from stentor.shield.buckets import Buckets


class Offenders:
    """Everybody who was kept out lately, and those who are now."""

    def __init__(self) -> None:
        self._offences = Buckets([(OFFENCES_PER_S, OFFENCES_BURST)], 1.0, SHIELD_KEYS_MAX)
        self.kept: dict[str, tuple[float, float]] = {}
        """Until when, and for how long; longest ago first."""

    def offended(self, key: str, now: float) -> float:
        """Count a refusal; how long the ban is that it leads to, in seconds, mostly 0.

        A few refusals a second are a crowd that is impatient. Only who goes on as if nothing had
        been said is kept out.
        """
        if self._offences.take(key, 0, now):
            return 0.0
        until, last_s = self.kept.pop(key, (0.0, 0.0))
        if now < until:
            self.kept[key] = until, last_s
            return 0.0
        relapsed = last_s and now < until + OFFENDER_FORGOTTEN_S
        ban_s = min(BAN_MAX_S, last_s * 2.0) if relapsed else BAN_MIN_S
        while len(self.kept) >= BANS_MAX:
            del self.kept[next(iter(self.kept))]
        self.kept[key] = now + ban_s, ban_s
        return ban_s

    def is_banned(self, key: str, now: float) -> bool:
        """Whether somebody is to be kept out at this moment."""
        ban = self.kept.get(key)
        return ban is not None and now < ban[0]

    def forgive(self, key: str) -> None:
        """Let somebody in again, as if nothing had been."""
        self.kept.pop(key, None)

    def forget(self, now: float) -> None:
        """Forget those whose last ban was long ago."""
        for key, (until, _) in list(self.kept.items()):
            if now > until + OFFENDER_FORGOTTEN_S:
                del self.kept[key]

    def banned(self, now: float) -> list[tuple[str, float]]:
        """Who is kept out, and for how many seconds more."""
        return [(key, until - now) for key, (until, _) in self.kept.items() if now < until]
