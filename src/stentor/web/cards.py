"""The cards of all Spaces, read from disk at most once a second however many people ask."""

import asyncio
import logging
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from stentor.clock import Clock
from stentor.ids import is_space_id
from stentor.limits import CARD_BYTES_MAX, CARDS_KEPT_MAX, CARDS_READ_S
from stentor.paths import Paths
from stentor.space import card as cards
from stentor.space.card import Card

_telemetry = logging.getLogger("stentor.web")
_Version = tuple[int, int, int]
"""When a file was changed, its inode and its size: another one means that it was replaced."""


class Cards:
    """The last changed cards, in memory; only those that were replaced are read again."""

    def __init__(self, paths: Paths, clock: Clock) -> None:
        self._paths = paths
        self._clock = clock
        self._reading = asyncio.Lock()
        self._read_at = float("-inf")
        self._kept: dict[str, tuple[_Version, Card | None]] = {}
        self._newest: Sequence[Card] = ()

    async def newest(self) -> Sequence[Card]:
        """The cards that changed last, newest first; the same object until it is read again."""
        async with self._reading:
            now = self._clock.now()
            if now - self._read_at >= CARDS_READ_S:
                self._newest = await asyncio.to_thread(self._read_changed)
                self._read_at = now
            return self._newest

    def one(self, space: str) -> Card | None:
        """The card of one Space as it is now; None when there is no such Space."""
        return _read(self._paths.card(space)) if is_space_id(space) else None

    def _read_changed(self) -> Sequence[Card]:
        versions: list[tuple[_Version, str]] = []
        try:
            with os.scandir(self._paths.spaces) as entries:
                for entry in entries:
                    version = _version(self._paths.card(entry.name))
                    if version is not None and is_space_id(entry.name):
                        versions.append((version, entry.name))
        except OSError as error:
            _telemetry.warning("Spaces cannot be listed: %s", error.strerror)
            return self._newest
        versions.sort(reverse=True)
        kept: dict[str, tuple[_Version, Card | None]] = {}
        for version, space in versions[:CARDS_KEPT_MAX]:
            before = self._kept.get(space)
            same = before is not None and before[0] == version
            kept[space] = before if before and same else (version, _read(self._paths.card(space)))
        changed = kept != self._kept
        self._kept = kept
        if not changed and self._newest:
            return self._newest
        return tuple(card for _, card in kept.values() if card is not None)


def _version(path: Path) -> _Version | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size


def _read(path: Path) -> Card | None:
    try:
        with path.open("rb") as file:
            data = file.read(CARD_BYTES_MAX + 1)
        return cards.decode(data)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        _telemetry.warning("the card of %s cannot be read: %s", path.parent.name, error)
        return None
