"""The cards an edge knows: read from disk when they change, kept in a bounded memory."""

import os
import zlib
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import msgspec

from stentor.clock import Clock
from stentor.errors import Refused
from stentor.ids import SpaceId, is_space_id
from stentor.limits import CARD_BYTES_MAX, CARDS_KEPT, LIVE_LISTED_MAX
from stentor.paths import Paths
from stentor.space.card import Card, decode

LIST_AGE_S = 2.0
"""How old the list of live Spaces may be: it takes a look at every Space there is."""


@dataclass(frozen=True, slots=True)
class KnownCard:
    """A card as it is on disk.

    Attributes:
        version: changes with every replacement of the file.
        data: its JSON, as the stage wrote it.
    """

    version: tuple[int, int, int]
    data: bytes
    card: Card

    @property
    def number(self) -> int:
        """32 bits that differ between different cards, on every edge alike."""
        return zlib.crc32(self.data)


def read_card(path: Path, known: KnownCard | None) -> KnownCard | None:
    """The card at `path`; `known` itself while the file is the same; None without one.

    A card that cannot be read counts as missing: the stage will replace it.
    """
    try:
        status = path.stat()
        version = (status.st_ino, status.st_mtime_ns, status.st_size)
        if known is not None and known.version == version:
            return known
        if status.st_size > CARD_BYTES_MAX:
            return None
        data = path.read_bytes()
        return KnownCard(version, data, decode(data))
    except (OSError, msgspec.ValidationError, msgspec.DecodeError):
        return None


class Cards:
    """Cards by Space, looked up at every request; a look costs one `stat`."""

    def __init__(self, paths: Paths, clock: Clock) -> None:
        self._paths = paths
        self._clock = clock
        self._known: OrderedDict[SpaceId, tuple[Path, KnownCard]] = OrderedDict()
        self._live: list[Card] = []
        self._listed_at = -LIST_AGE_S

    def find(self, text: str) -> KnownCard:
        """The card of the Space with this identifier.

        Raises:
            Refused: `space.unknown`.
        """
        space = SpaceId(text)
        path, known = self._known.get(space) or (None, None)
        if path is None and is_space_id(text):
            path = self._paths.card(space)
        known = read_card(path, known) if path is not None else None
        if path is None or known is None or known.card.space != space:
            self._known.pop(space, None)
            raise Refused("space.unknown", "There is no Space at this address.")
        self._known[space] = path, known
        self._known.move_to_end(space)
        if len(self._known) > CARDS_KEPT:
            self._known.popitem(last=False)
        return known

    def live(self) -> list[Card]:
        """Spaces that are live or whose doors are open, newest first; a few seconds old."""
        now = self._clock.now()
        if now - self._listed_at >= LIST_AGE_S:
            self._listed_at = now
            self._live = self._look()
        return self._live

    def _look(self) -> list[Card]:
        found = []
        try:
            with os.scandir(self._paths.spaces) as entries:
                names = [entry.name for entry in entries if is_space_id(entry.name)]
        except FileNotFoundError:
            return []
        for name in names:
            try:
                card = self.find(name).card
            except Refused:
                continue
            if card.phase in {"live", "doors"}:
                found.append(card)
        found.sort(key=lambda card: (card.phase == "live", card.started_at_ms), reverse=True)
        return found[:LIVE_LISTED_MAX]
