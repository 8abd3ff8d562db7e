"""What one prefix of addresses may take: a share, never a wall. Pure.

Behind one address may be a household, a telephone company's thousands, or a program that takes ten
thousand places. Nobody can tell them apart, so nobody is refused for it. Beyond the share of its
prefix a place has a price in computing or, where nothing is computed or people go short, a later
turn (GCRA, the virtual scheduling of ITU-T I.371). And when people wait for chairs, a prefix that
holds more than its max-min share gives the rest back as its leases end.
"""

import functools
import hashlib
import ipaddress
from collections.abc import Iterable

from stentor.limits import (
    PREFIX_TEXTS_MAX,
    SHARE_BURST_CALM,
    SHARE_BURST_MIN,
    SHARE_FLOOR,
    SHARE_LOTS_S,
    SHARE_PREFIXES_MAX,
    SHARE_REFILL_S,
)

IPV4_PREFIX = 24
IPV6_PREFIX = 56
"""What one household is commonly given (RFC 6177)."""
_OCTETS = frozenset(map(str, range(256)))


@functools.lru_cache(PREFIX_TEXTS_MAX)
def prefix_of(address: str) -> str:
    """The prefix an address is counted with: /24 of IPv4, /56 of IPv6; `unknown` if it is none."""
    head, _, last = address.rpartition(".")
    if last in _OCTETS and ":" not in head:
        return _prefix_24(head)  # what most of a crowd comes from is read once for each prefix
    try:
        read = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(read, ipaddress.IPv6Address):
        if read.ipv4_mapped is None:
            return str(ipaddress.IPv6Network((int(read), IPV6_PREFIX), strict=False))
        read = read.ipv4_mapped
    return str(ipaddress.IPv4Network((int(read), IPV4_PREFIX), strict=False))


@functools.lru_cache(PREFIX_TEXTS_MAX)
def _prefix_24(head: str) -> str:
    try:
        return str(ipaddress.IPv4Network(f"{head}.0/{IPV4_PREFIX}"))
    except ValueError:
        return "unknown"


@functools.lru_cache(PREFIX_TEXTS_MAX)
def prefix_key(prefix: str, secret: bytes) -> int:
    """A prefix as 64 bits that tell nobody which one it is."""
    digest = hashlib.blake2b(prefix.encode(), key=secret, digest_size=8).digest()
    return int.from_bytes(digest, "big")


class Shares:
    """Who has taken how many places of one Space lately, at one gate; a bounded table.

    The theoretical arrival time of each prefix, in two generations: when the younger is full it
    becomes the older, and what was the older is forgotten. Who comes from so many prefixes that
    others are forgotten had a fresh share with each of them anyway.
    """

    def __init__(self, most: int = SHARE_PREFIXES_MAX) -> None:
        self._most = most // 2
        self._young: dict[int, int] = {}
        self._old: dict[int, int] = {}

    def take(self, prefix: int, now_us: int, burst: int, units: int = 1) -> int:
        """Take places; how much later their turn lies than now (µs): 0 within the share.

        Args:
            burst: places in a row that cost nothing; so many more every `SHARE_REFILL_S`.
        """
        each_us = SHARE_REFILL_S * 1_000_000 // burst
        due_us = max(self._due_us(prefix), now_us) + units * each_us
        if prefix not in self._young and len(self._young) >= self._most:
            self._old, self._young = self._young, {}
        self._young[prefix] = due_us
        return max(0, due_us - now_us - burst * each_us)

    def behind(self, prefix: int, now_us: int, burst: int) -> int:
        """How much later the turn of one more place would lie than now (µs); none is taken."""
        each_us = SHARE_REFILL_S * 1_000_000 // burst
        return max(0, max(self._due_us(prefix), now_us) + each_us - now_us - burst * each_us)

    def _due_us(self, prefix: int) -> int:
        return self._young.get(prefix) or self._old.get(prefix, 0)

    def __len__(self) -> int:
        return len(self._young) + len(self._old)


def burst_of(share: int, capacity: int, gates: int) -> int:
    """Places one prefix may take in a row at one of several gates.

    Args:
        share: chairs one prefix may have while people wait; 0: nobody goes short.
        capacity: chairs there are.
    """
    whole = share or max(SHARE_BURST_CALM, round(capacity * SHARE_FLOOR))
    # Connections are spread over gates by chance: a little more than the even part.
    return max(SHARE_BURST_MIN, whole) if gates <= 1 else max(2, 5 * whole // (4 * gates))


def level(demands: Iterable[float], supply: float) -> float:
    """The max-min share: nobody with less than it goes short, and together they have the supply.

    Infinite when there is enough for everybody.
    """
    left = sorted(demands)
    for at, demand in enumerate(left):
        share = supply / (len(left) - at)
        if demand > share:
            return share
        supply -= demand
    return float("inf")


def share_of_prefix(heavy: Iterable[float], others: float, capacity: float) -> int:
    """Seats one prefix may have while people wait; 0: there is enough for everybody.

    Args:
        heavy: what those prefixes ask for that ask for the most: chairs they hold, and places.
        others: the same of all the rest together, taken as if each came from its own prefix.
        capacity: chairs there are.
    """
    heavy = list(heavy)
    if sum(heavy) + others <= capacity:
        return 0
    share = level(heavy, capacity - others) if others < capacity else 1.0
    return max(1, round(capacity * SHARE_FLOOR), SHARE_BURST_MIN, int(min(share, capacity)))


def keeps_chair(number: int, seed: bytes, share: int, holders: int, now_s: int) -> bool:
    """Whether a ticket is renewed though its prefix holds more than its share.

    The lot is drawn anew every few minutes: those who are left have drawn well before, so the same
    lots would never make them fewer; and drawn at each renewal they would be made too few, because
    a lease that was not renewed counts until it ends.
    """
    lot = number.to_bytes(8, "big") + (now_s // SHARE_LOTS_S).to_bytes(8, "big")
    digest = hashlib.blake2b(lot, key=seed, digest_size=8).digest()
    return int.from_bytes(digest, "big") * holders < share << 64
