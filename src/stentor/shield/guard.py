"""What the door asks before it does anything for anybody. Pure: addresses and times in, words out.

Every gate has one of its own, so a node of N gates lets N times as much through. A check costs less
than a microsecond; memory is bounded whatever is asked.
"""

import enum
from collections.abc import Sequence
from typing import Protocol

from stentor.limits import (
    BAN_TRICKLE_BURST,
    BAN_TRICKLE_PER_S,
    SHIELD_HOST_RATES,
    SHIELD_KEYS_MAX,
    SHIELD_NEWS_MAX,
    SHIELD_PREFIX_FACTOR,
    STANDING_FACTOR,
)
from stentor.shield.buckets import Buckets
from stentor.shield.fairness import Fairness
from stentor.shield.offenders import Offenders
from stentor.shield.prefixes import source_of
from stentor.shield.standing import Standing

FORGET_EVERY_S = 10.0
PARDON = 0.0
"""Seconds of a ban that has come to its end."""


class Verb(enum.IntEnum):
    """What somebody does; each has a rate of its own (`limits.SHIELD_HOST_RATES`)."""

    CONNECTION = 0
    REQUEST = 1
    JOIN = 2
    """One that shows no genuine ticket, place or solution: over its rate it is challenged."""
    BAD_TICKET = 3
    """A ticket or place that is not genuine."""
    MALFORMED = 4
    """What is not HTTP, or never became a whole request."""


class Addresses(Protocol):
    """Some addresses."""

    def __contains__(self, text: str, /) -> bool:
        """Whether an address is among them."""
        ...


_CONNECTION = Verb.CONNECTION


class Shield:
    """The rates, those who exceed them, and those who are known as many people."""

    def __init__(
        self,
        uncounted: Addresses,
        *,
        bans: bool = True,
        rates: Sequence[tuple[float, float]] = SHIELD_HOST_RATES,
    ) -> None:
        """Nobody has come yet.

        Args:
            uncounted: addresses no limit is meant for: listed proxies, this machine.
            bans: whether anybody is kept out at all; not where connections come from proxies,
                whose address is what the kernel would see.
            rates: of one host, by `Verb`.
        """
        self._uncounted = uncounted
        self._bans = bans
        self._hosts, self._prefixes = (
            Buckets(rates, factor, SHIELD_KEYS_MAX) for factor in (1.0, SHIELD_PREFIX_FACTOR)
        )
        self._offenders = Offenders()
        self._trickle = Buckets([(BAN_TRICKLE_PER_S, BAN_TRICKLE_BURST)], 1.0, SHIELD_KEYS_MAX)
        self._standing = Standing()
        self.fairness = Fairness()
        """What each prefix may have while more come than can be looked at."""
        self._news: list[tuple[str, float]] = []
        self._refused = [0] * len(Verb)
        self._forgot_at = 0.0
        self._told: dict[str, int] = {}
        self._banned = 0
        self._shut_out = 0
        self.half_open = 0
        """Connections let go because their prefix had too many that said nothing."""

    def connected(self, address: str, now: float) -> bool:
        """Whether a new connection is to be looked at; if not, it is closed without a byte."""
        if address in self._uncounted:
            return True
        host, prefix = source_of(address)
        if not self._bears(host, prefix, _CONNECTION, now, behind=False):
            return False
        standing = self._standing
        scale = STANDING_FACTOR if standing.kept and standing.is_good(prefix) else 1.0
        return self.fairness.take(prefix, scale)

    def asked(self, address: str, verb: Verb, now: float, *, behind: bool = False) -> bool:
        """Whether somebody may do this once more; it is counted.

        Args:
            address: of the client, as the door or a listed proxy says.
            now: monotonic seconds.
            behind: whether a proxy says so: then it is refused, and never kept out.
        """
        if address in self._uncounted:
            return True
        host, prefix = source_of(address)
        return self._bears(host, prefix, verb, now, behind=behind)

    def _bears(self, host: str, prefix: str, verb: Verb, now: float, *, behind: bool) -> bool:
        offenders, standing = self._offenders, self._standing
        if verb is _CONNECTION and offenders.kept and not behind:
            banned = self._banned_key(host, prefix, now)
            if banned:
                let_in = self._trickle.take(banned, 0, now)
                self._shut_out += not let_in
                return let_in
        # Over the rate of joins one only computes: many people may be asked to, as one flooder is.
        known = standing.kept and verb is not Verb.JOIN
        scale = STANDING_FACTOR if known and standing.is_good(host) else 1.0
        if not self._hosts.take(host, verb, now, scale):
            self._offended(host, verb, now, behind or scale > 1.0)
            return False
        scale = STANDING_FACTOR if known and standing.is_good(prefix) else 1.0
        if not self._prefixes.take(prefix, verb, now, scale):
            self._offended(prefix, verb, now, behind or scale > 1.0)
            return False
        return True

    def _banned_key(self, host: str, prefix: str, now: float) -> str:
        if self._offenders.is_banned(host, now):
            return host
        return prefix if self._offenders.is_banned(prefix, now) else ""

    def _offended(self, key: str, verb: Verb, now: float, spared: bool) -> None:
        self._refused[verb] += 1
        # Joins over their rate are challenged, which many people at once may be.
        if spared or not self._bans or verb is Verb.JOIN:
            return
        ban_s = self._offenders.offended(key, now)
        if ban_s:
            self._banned += 1
            self._tell(key, ban_s)

    def _tell(self, key: str, seconds: float) -> None:
        if len(self._news) < SHIELD_NEWS_MAX:
            self._news.append((key, seconds))

    def vouched(self, address: str, number: int, now: float) -> None:
        """Somebody has shown a genuine ticket or place, or was given a ticket.

        Args:
            number: the pass's own.
        """
        if address in self._uncounted:
            return
        for key in source_of(address):
            self._standing.shown(key, number, now)
            if self._offenders.is_banned(key, now) and self._standing.is_good(key):
                self._offenders.forgive(key)  # there are people behind it
                self._tell(key, PARDON)

    def is_many(self, address: str) -> bool:
        """Whether many people in good standing come from there."""
        return any(map(self._standing.is_good, source_of(address)))

    def forgive(self, key: str) -> None:
        """Let a host or prefix in again: the operator says so."""
        self._offenders.forgive(key)

    def bans(self, now: float) -> list[tuple[str, float]]:
        """Who is kept out, and for how many seconds more; for a kernel that has just come."""
        return self._offenders.banned(now)

    def news(self, now: float) -> list[tuple[str, float]]:
        """Bans (and pardons) since the last call, for the kernel; to be called every second."""
        if now - self._forgot_at > FORGET_EVERY_S:
            self._forgot_at = now
            self._offenders.forget(now)
        news, self._news = self._news, []
        return news

    def fresh_counts(self) -> dict[str, int]:
        """What was refused since the last call; nothing of what there was none."""
        counted = self.counts()
        fresh = {name: count - self._told.get(name, 0) for name, count in counted.items()}
        self._told = counted
        return {name: count for name, count in fresh.items() if count}

    def counts(self) -> dict[str, int]:
        """What was refused since the gate began, for its report."""
        counted = {f"{verb.name.lower()}s": self._refused[verb] for verb in Verb}
        counted["malformed"] = counted.pop("malformeds")
        return counted | {
            "bans": self._banned,
            "shut_out": self._shut_out,
            "half_open": self.half_open,
            "shed": self.fairness.shed,
        }
