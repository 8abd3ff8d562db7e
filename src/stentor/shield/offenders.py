"""Who keeps exceeding is kept out, longer each time. Pure."""

from stentor.limits import (
    BAN_MAX_S,
    BAN_MIN_S,
    BANS_MAX,
    OFFENCE_GAP_S,
    OFFENCE_SECONDS,
    OFFENCE_SECONDS_AGAIN,
    OFFENCES_MANY_PER_S,
    OFFENCES_PER_S,
    OFFENDER_FORGOTTEN_S,
    SHIELD_KEYS_MAX,
)


class _Offender:
    """One host or prefix: refusals in its last second, and seconds with too many of them."""

    __slots__ = ("bad_at", "bad_seconds", "count", "second")

    def __init__(self) -> None:
        self.second = self.count = self.bad_seconds = 0
        self.bad_at = -OFFENCE_GAP_S


class Offenders:
    """Everybody who was refused or kept out lately, and those who are kept out now.

    Attributes:
        kept: until when, and for how long; longest ago first.
    """

    def __init__(self) -> None:
        self.kept: dict[str, tuple[float, float]] = {}
        self._refused: dict[str, _Offender] = {}

    def offended(self, key: str, now: float) -> float:
        """Count a refusal; how long the ban is that it leads to, in seconds, mostly 0.

        A few refusals a second are a crowd that is impatient, and many in one second a crowd that
        came at once. Only who goes on as if nothing had been said is kept out.
        """
        one = self._refused.get(key)
        if one is None:
            while len(self._refused) >= SHIELD_KEYS_MAX:
                del self._refused[next(iter(self._refused))]
            one = self._refused[key] = _Offender()
        second = int(now)
        if one.second != second:
            one.second, one.count = second, 0
        one.count += 1
        if one.count != OFFENCES_PER_S and one.count not in OFFENCES_MANY_PER_S:
            return 0.0
        one.bad_seconds = one.bad_seconds + 1 if second - one.bad_at <= OFFENCE_GAP_S else 1
        one.bad_at = second
        until, last_s = self.kept.get(key, (0.0, 0.0))
        relapses = last_s > 0.0 and now < until + OFFENDER_FORGOTTEN_S
        if one.bad_seconds < (OFFENCE_SECONDS_AGAIN if relapses else OFFENCE_SECONDS):
            return 0.0
        del self._refused[key]
        return self._ban(key, now, min(BAN_MAX_S, last_s * 2.0) if relapses else BAN_MIN_S)

    def _ban(self, key: str, now: float, seconds: float) -> float:
        self.kept.pop(key, None)
        while len(self.kept) >= BANS_MAX:
            del self.kept[next(iter(self.kept))]
        self.kept[key] = now + seconds, seconds
        return seconds

    def is_banned(self, key: str, now: float) -> bool:
        """Whether somebody is to be kept out at this moment."""
        ban = self.kept.get(key)
        return ban is not None and now < ban[0]

    def forgive(self, key: str) -> None:
        """Let somebody in again, as if nothing had been."""
        self.kept.pop(key, None)
        self._refused.pop(key, None)

    def forget(self, now: float) -> None:
        """Forget whoever has done nothing for long."""
        for key, (until, _) in list(self.kept.items()):
            if now > until + OFFENDER_FORGOTTEN_S:
                del self.kept[key]
        for key, one in list(self._refused.items()):
            if now - one.second > OFFENCE_GAP_S + 1:
                del self._refused[key]

    def banned(self, now: float) -> list[tuple[str, float]]:
        """Who is kept out, and for how many seconds more."""
        return [(key, until - now) for key, (until, _) in self.kept.items() if now < until]
