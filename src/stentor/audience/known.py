"""The prefixes whose people stayed at earlier Spaces: what tells newcomers from others. Pure.

Two filters, each for some weeks: who came again is in the newer one, and who did not is forgotten
with the older one. What goes in is a prefix as `gate.shares.prefix_key` makes it. A filter gives no
list of who is in it, but it can be asked about each prefix there is by whoever has the node's
keys: it is personal data for as long as it is kept (docs/topics/incident.md).
"""

from collections.abc import Iterable

import msgspec

from stentor.audience.sketches import Bloom, Generations
from stentor.errors import Corrupt
from stentor.limits import KNOWN_PREFIXES_MAX


class _Stored(msgspec.Struct, array_like=True):
    """The file: when the newer filter began (UTC, s), and of both the bits and how many are in."""

    begun_s: float
    current: bytes
    current_count: int
    before: bytes
    before_count: int


class Known:
    """Prefixes of earlier Spaces."""

    def __init__(self, begun_s: float, filters: Generations | None = None) -> None:
        """Args: begun_s: when the newer filter began, UTC."""
        self._begun_s = begun_s
        self._filters = filters or Generations()

    def __contains__(self, prefix: int) -> bool:
        """Whether people from there have stayed before (1 yes in 100 may be wrong)."""
        return prefix in self._filters

    @property
    def history(self) -> int:
        """How many prefixes are remembered; those in both filters count twice."""
        return self._filters.current.added + self._filters.before.added

    def add(self, prefixes: Iterable[int], now_s: float, turn_s: float) -> None:
        """A Space is over, at which people from there stayed.

        Args:
            turn_s: for how long a filter takes prefixes in; it is forgotten after as long again.
        """
        if now_s - self._begun_s >= turn_s:
            if now_s - self._begun_s >= 2 * turn_s:
                self._filters.turn()  # nobody came for so long that both are too old
            self._turn(now_s)
        for prefix in prefixes:
            if prefix in self._filters.current:
                continue
            if self._filters.current.added >= KNOWN_PREFIXES_MAX:
                self._turn(now_s)
            self._filters.current.add(prefix)

    def _turn(self, now_s: float) -> None:
        self._filters.turn()
        self._begun_s = now_s

    def encode(self) -> bytes:
        """The file's bytes."""
        current, before = self._filters.current, self._filters.before
        return msgspec.msgpack.encode(
            _Stored(self._begun_s, current.bits(), current.added, before.bits(), before.added)
        )

    @classmethod
    def decode(cls, data: bytes) -> "Known":
        """Read a file.

        Raises:
            Corrupt: `known.file`.
        """
        try:
            told = msgspec.msgpack.decode(data, type=_Stored)
            current = Bloom(told.current, told.current_count)
            before = Bloom(told.before, told.before_count)
        except ValueError as wrong:  # msgspec's errors are such
            raise Corrupt("known.file", f"This is no memory of prefixes: {wrong}.") from wrong
        return cls(told.begun_s, Generations(current, before))
