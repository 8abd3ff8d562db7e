"""The Spaces that are open, by their cards: scheduled, with open doors, or live."""

import itertools
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from stentor.ids import is_space_id
from stentor.limits import CARD_BYTES_MAX, SPACES_KEPT_MAX, SPACES_OPEN_MAX, USHER_SCAN_S
from stentor.paths import Paths
from stentor.space.card import Card, decode

OPEN = frozenset({"scheduled", "doors", "live"})


@dataclass(frozen=True, slots=True)
class _Known:
    version: tuple[int, int]
    card: Card


class OpenSpaces:
    """Cards of open Spaces: all are looked for now and then, those that are known every time."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._known: dict[str, _Known] = {}
        self._over: dict[str, tuple[int, int]] = {}
        self._scanned_at: float | None = None

    def look(self, now: float, named: Iterable[str] = ()) -> Mapping[str, Card]:
        """The cards of all open Spaces; what ended since stays for one more look.

        Args:
            named: Spaces that somebody asks for: they are found at once.
        """
        for space in [
            space for space, known in self._known.items() if known.card.phase not in OPEN
        ]:
            self._over[space] = self._known.pop(space).version
        if self._scanned_at is None or now - self._scanned_at >= USHER_SCAN_S:
            self._scanned_at = now
            self._scan()
        for space in {*self._known, *itertools.islice(named, SPACES_OPEN_MAX)}:
            self._read(space)
        return {space: known.card for space, known in self._known.items()}

    def _scan(self) -> None:
        try:
            with os.scandir(self._paths.spaces) as entries:
                names = [entry.name for entry in itertools.islice(entries, SPACES_KEPT_MAX)]
        except FileNotFoundError:
            return
        for name in names:
            self._read(name)
        self._over = {space: self._over[space] for space in names if space in self._over}

    def _read(self, space: str) -> None:
        """Read a card if its file is another one than before."""
        if not is_space_id(space):
            return
        path = self._paths.card(space)
        try:
            status = path.stat()
            version = (status.st_ino, status.st_mtime_ns)
            known = self._known.get(space)
            if version == (known.version if known is not None else self._over.get(space)):
                return
            if status.st_size > CARD_BYTES_MAX:
                return
            card = decode(path.read_bytes())
        except (OSError, msgspec.ValidationError, msgspec.DecodeError):
            return  # the stage will replace it
        if card.phase in OPEN and (known is not None or len(self._known) < SPACES_OPEN_MAX):
            self._known[space] = _Known(version, card)
            self._over.pop(space, None)
        elif known is not None:
            self._known[space] = _Known(version, card)
        elif card.phase not in OPEN:
            self._over[space] = version
