"""Small summaries of many: how many different, which are most, and was this one here before.

None holds an address: what goes in is a hash of 64 bits, made by the caller with a key that is
random, new each day, and never on disk (docs/topics/incident.md, "Who is not in it"). All are
bounded, and all can be put together: those of several gates are the sketch of the node. Pure.
"""

import hashlib
import heapq
import math
from collections.abc import Iterable

from stentor.limits import BLOOM_BITS, BLOOM_HASHES, HLL_BITS

_HASH_BITS = 64
_MASK = (1 << _HASH_BITS) - 1
_ALPHA = 0.5 / math.log(2)


class HyperLogLog:
    """How many different hashes there were, in 1,024 bytes; the standard error is 3.3 %.

    Flajolet et al. 2007; estimated as in Ertl 2017 ("New cardinality estimation algorithms for
    HyperLogLog sketches", section 2.3), which needs no tables and holds for few and for many.
    """

    def __init__(self, registers: bytes = b"") -> None:
        self._registers = bytearray(registers or 1 << HLL_BITS)
        if len(self._registers) != 1 << HLL_BITS:
            raise ValueError(f"a sketch has {1 << HLL_BITS} registers")

    def add(self, hashed: int) -> None:
        """Take one in; again makes no difference."""
        register = hashed >> (_HASH_BITS - HLL_BITS)
        rank = _HASH_BITS - HLL_BITS + 1 - (hashed & (_MASK >> HLL_BITS)).bit_length()
        if self._registers[register] < rank:
            self._registers[register] = rank

    def merge(self, registers: bytes) -> None:
        """Take in all that another sketch has; empty: none."""
        if registers:
            self._registers = bytearray(union(bytes(self._registers), registers))

    def count(self) -> float:
        """About how many."""
        return estimate(bytes(self._registers))

    def registers(self) -> bytes:
        """What can be stored; empty when nothing was taken in."""
        return bytes(self._registers) if any(self._registers) else b""


def union(one: bytes, other: bytes) -> bytes:
    """The registers of both together; empty ones are those of nobody."""
    if not one or not other:
        return one or other
    return bytes(map(max, one, other))


def estimate(registers: bytes) -> float:
    """About how many different hashes made these registers."""
    if not any(registers):
        return 0.0
    size = len(registers)
    last = _HASH_BITS - size.bit_length() + 2  # the highest rank there can be
    counts = [0] * (last + 1)
    for rank in registers:
        counts[rank] += 1
    total = size * _tau(1 - counts[last] / size)
    for rank in range(last - 1, 0, -1):
        total = 0.5 * (total + counts[rank])
    total += size * _sigma(counts[0] / size)
    # All at the highest rank: only hashes that somebody chose are like that.
    return _ALPHA * size * size / total if total else float(1 << _HASH_BITS)


def _sigma(x: float) -> float:
    if x == 1:
        return math.inf
    y, z, before = 1.0, x, -1.0
    while z != before:
        x, before = x * x, z
        z += x * y
        y += y
    return z


def _tau(x: float) -> float:
    if x in {0.0, 1.0}:
        return 0.0
    y, z, before = 1.0, 1 - x, -1.0
    while z != before:
        x, before = math.sqrt(x), z
        y *= 0.5
        z -= (1 - x) ** 2 * y
    return z / 3


class SpaceSaving:
    """Which hashes come most, in a table of fixed size (Metwally, Agrawal, El Abbadi 2005).

    A count is at most `error` too high and never too low; whoever is more than 1 / size of all is
    in the table.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._table: dict[int, list[int]] = {}
        self._heap: list[tuple[int, int]] = []
        self.total = 0

    def add(self, hashed: int, times: int = 1) -> int:
        """Count one; how often it came at least."""
        self.total += times
        entry = self._table.get(hashed)
        if entry is None:
            error = self._make_room() if len(self._table) >= self._size else 0
            entry = self._table[hashed] = [error, error]
            heapq.heappush(self._heap, (error + times, hashed))
        entry[0] += times
        return entry[0] - entry[1]

    def least(self, hashed: int) -> int:
        """How often one came at least; 0 when it is not in the table."""
        entry = self._table.get(hashed)
        return entry[0] - entry[1] if entry else 0

    def merge(self, rows: Iterable[tuple[int, int, int]], total: int) -> None:
        """Take in another's `top()` (Agarwal et al. 2012, "Mergeable summaries")."""
        theirs = {hashed: (count, error) for hashed, count, error in rows}
        floor = min((row[0] for row in theirs.values()), default=0)
        floor = floor if len(theirs) >= self._size else 0
        mine = self._floor()
        table: dict[int, list[int]] = {}
        for hashed in {**self._table, **theirs}:
            count, error = theirs.get(hashed, (floor, floor))
            own = self._table.get(hashed, [mine, mine])
            table[hashed] = [own[0] + count, own[1] + error]
        kept = heapq.nlargest(self._size, table.items(), key=lambda item: (item[1][0], item[0]))
        self._table = dict(kept)
        self._heap = [(entry[0], hashed) for hashed, entry in kept]
        heapq.heapify(self._heap)
        self.total += total

    def top(self, rows: int | None = None) -> list[tuple[int, int, int]]:
        """The rows (hash, count, error), the highest count first."""
        ordered = sorted(self._table.items(), key=lambda item: (-item[1][0], item[0]))
        return [(hashed, entry[0], entry[1]) for hashed, entry in ordered[:rows]]

    def _floor(self) -> int:
        if len(self._table) < self._size:
            return 0
        return min(entry[0] for entry in self._table.values())

    def _make_room(self) -> int:
        """Let go of the entry with the lowest count; that count."""
        while True:  # an entry that has grown since is put back where it belongs
            known, hashed = heapq.heappop(self._heap)
            count = self._table[hashed][0]
            if count == known:
                del self._table[hashed]
                return count
            heapq.heappush(self._heap, (count, hashed))


class Bloom:
    """Whether a hash was here before: never a wrong no, seldom a wrong yes.

    4 hashes into 2^21 bits (256 KiB): 1 yes in 100 is wrong after 200,000, 1 in
    1,000 after 100,000.
    """

    def __init__(self, bits: bytes = b"", added: int = 0) -> None:
        """Args: bits: as stored; `added`: how many are in them."""
        self._bits = bytearray(bits or BLOOM_BITS // 8)
        if len(self._bits) != BLOOM_BITS // 8:
            raise ValueError(f"a filter has {BLOOM_BITS // 8} bytes")
        self.added = added

    def add(self, hashed: int) -> None:
        """Take one in."""
        for at in _places(hashed):
            self._bits[at >> 3] |= 1 << (at & 7)
        self.added += 1

    def __contains__(self, hashed: int) -> bool:
        """Whether it was taken in (or looks like it)."""
        bits = self._bits
        return all(bits[at >> 3] >> (at & 7) & 1 for at in _places(hashed))

    def bits(self) -> bytes:
        """What can be stored."""
        return bytes(self._bits)


class Generations:
    """Whether a hash was here lately: two filters, and `turn` lets go of the older one."""

    def __init__(self, current: Bloom | None = None, before: Bloom | None = None) -> None:
        self.current = current or Bloom()
        self.before = before or Bloom()

    def add(self, hashed: int) -> None:
        """Take one in."""
        self.current.add(hashed)

    def __contains__(self, hashed: int) -> bool:
        """Whether it came in this generation or the one before."""
        return hashed in self.current or hashed in self.before

    def turn(self) -> None:
        """Begin a generation, and forget the one before the last."""
        self.before, self.current = self.current, Bloom()


def keyed(salt: bytes, what: bytes) -> int:
    """The hash of 64 bits that sketches take: BLAKE2b with the salt as its key."""
    return int.from_bytes(hashlib.blake2b(what, digest_size=8, key=salt).digest(), "big")


def _places(hashed: int) -> list[int]:
    """Bits of a filter for a hash (Kirsch and Mitzenmacher 2006: two hashes are enough)."""
    one, other = hashed & 0xFFFFFFFF, (hashed >> 32) | 1
    return [(one + number * other) % BLOOM_BITS for number in range(BLOOM_HASHES)]
