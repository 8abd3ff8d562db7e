"""The cards an edge knows: read from disk when they change, kept in a bounded memory."""

import asyncio
import heapq
import itertools
import os
import zlib
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import msgspec

from stentor.clock import Clock
from stentor.errors import Refused
from stentor.ids import SpaceId, is_space_id
from stentor.limits import (
    CARD_BYTES_MAX,
    CARDS_KEPT,
    LIVE_LISTED_MAX,
    SPACES_KEPT_MAX,
)
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


def read_card(path: Path | str, known: KnownCard | None) -> KnownCard | None:
    """The card at `path`; `known` itself while the file is the same; None without one.

    A card that cannot be read counts as missing: the stage will replace it.
    """
    try:
        status = os.stat(path)  # noqa: PTH116 - half of Path.stat's cost, at every request
        version = (status.st_ino, status.st_mtime_ns, status.st_size)
        if known is not None and known.version == version:
            return known
        if status.st_size > CARD_BYTES_MAX:
            return None
        data = Path(path).read_bytes()
        return KnownCard(version, data, decode(data))
    except (OSError, msgspec.ValidationError, msgspec.DecodeError):
        return None


class Cards:
    """Cards by Space, looked up at every request.

    A look at the disk costs one `stat`; whoever comes in the same turn of the event loop is told
    the same.
    """

    def __init__(self, paths: Paths, clock: Clock) -> None:
        self._paths = paths
        self._clock = clock
        self._known: OrderedDict[str, tuple[str, KnownCard]] = OrderedDict()
        self._seen: set[str] = set()
        self._live: list[Card] = []
        self._listed_at = -LIST_AGE_S
        self._looking = False

    def find(self, text: str) -> KnownCard:
        """The card of the Space with this identifier.

        Raises:
            Refused: `space.unknown`.
        """
        path, known = self._known.get(text) or (None, None)
        if known is not None and text in self._seen:
            return known
        if path is None and is_space_id(text):
            path = str(self._paths.card(SpaceId(text)))
        known = read_card(path, known) if path is not None else None
        if path is None or known is None or known.card.space != text:
            self._forget(text)
            raise Refused("space.unknown", "There is no Space at this address.")
        self._known[text] = path, known
        self._known.move_to_end(text)
        if not self._seen:
            asyncio.get_running_loop().call_soon(self._seen.clear)
        self._seen.add(text)
        if len(self._known) > CARDS_KEPT:
            self._forget(next(iter(self._known)))
        return known

    def _forget(self, text: str) -> None:
        self._known.pop(text, None)
        self._seen.discard(text)

    async def live(self) -> list[Card]:
        """Spaces that are live or whose doors are open, newest first; a few seconds old."""
        if not self._looking and self._clock.now() - self._listed_at >= LIST_AGE_S:
            self._looking = True
            try:
                self._live = await asyncio.to_thread(live_cards, self._paths)
            finally:
                self._looking = False
                self._listed_at = self._clock.now()
        return self._live


def live_cards(paths: Paths) -> list[Card]:
    """The cards of Spaces that are live or whose doors are open, among those changed last."""
    changed = []
    try:
        with os.scandir(paths.spaces) as entries:
            for entry in itertools.islice(entries, SPACES_KEPT_MAX):
                if is_space_id(entry.name):
                    path = paths.card(entry.name)
                    changed.append((_changed_at(path), path))
    except FileNotFoundError:
        return []
    newest = heapq.nlargest(CARDS_KEPT, changed)
    cards = [known.card for _, path in newest if (known := read_card(path, None))]
    found = [card for card in cards if card.phase in {"live", "doors"}]
    found.sort(key=lambda card: (card.phase == "live", card.started_at_ms), reverse=True)
    return found[:LIVE_LISTED_MAX]


def _changed_at(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
