"""Waking up when another process changes a folder: inotify(7), so that nobody looks in vain."""

from pathlib import Path
from typing import Self

from inotify_simple import INotify, flags

from stentor.log.disk import DURABLE, LOCK

_CHANGES = flags.MODIFY | flags.CREATE | flags.MOVED_TO | flags.DELETE
_ENDS = flags.DELETE_SELF | flags.MOVE_SELF
_UNHEARD = {DURABLE, LOCK}
"""What readers do not wait for. Scratch files, whose names begin with a dot, neither."""


class Bell:
    """One descriptor that becomes readable when something changed in one of many folders.

    A folder need not exist: until it does, its nearest ancestor is watched for it. A bell belongs
    to one thread; give `fileno()` to the event loop and call `drain()` when it is readable.
    """

    def __init__(self) -> None:
        self._inotify = INotify(nonblocking=True)
        self._counts: dict[Path, int] = {}
        self._watched: dict[Path, int] = {}
        self._descriptors: dict[int, Path] = {}
        self._absent: set[Path] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return int(self._inotify.fileno())

    def watch(self, folder: Path) -> Path:
        """Hear of changes in a folder from now on; look once yourself after this.

        Returns:
            The token for `unwatch`: the folder, as `drain()` will name it. A folder that is
            watched twice must be unwatched twice.

        Raises:
            OSError: the system has no watches left (fs.inotify.max_user_watches).
        """
        self._counts[folder] = self._counts.get(folder, 0) + 1
        if self._counts[folder] == 1:
            self._absent.add(folder)
            self._settle()
        return folder

    def unwatch(self, token: Path) -> None:
        """Hear no more of a folder."""
        self._counts[token] -= 1
        if not self._counts[token]:
            del self._counts[token]
            self._absent.discard(token)
            self._let_go(token)

    def drain(self) -> set[Path]:
        """The folders in which something changed since; a new one counts as changed."""
        changed: set[Path] = set()
        for event in self._inotify.read(timeout=0):
            if event.mask & flags.Q_OVERFLOW:
                changed.update(self._counts)
                continue
            folder = self._descriptors.get(event.wd)
            if folder is None:
                continue
            if event.mask & (flags.IGNORED | _ENDS):
                self._lost(folder)
                changed.update({folder} & self._counts.keys())
            elif folder in self._counts and not _is_unheard(event.name):
                changed.add(folder)
        if self._absent:
            changed |= self._settle()
        return changed

    def close(self) -> None:
        """Let go of the descriptor."""
        self._inotify.close()

    def _settle(self) -> set[Path]:
        """Watch every absent folder, or the nearest ancestor it has; those that now exist."""
        found: set[Path] = set()
        for folder in self._absent:
            place = folder
            while not self._add(place) and place != place.parent:
                place = place.parent
            # What is missing may have come into being between the two looks: then look again.
            while place != folder and (below := _below(place, folder)).is_dir():
                if self._add(below):
                    place = below
            if place == folder:
                found.add(folder)
        self._absent -= found
        for folder in found:
            self._let_go(folder)
        return found

    def _add(self, folder: Path) -> bool:
        if folder in self._watched:
            return True
        try:
            number = self._inotify.add_watch(folder, _CHANGES | _ENDS | flags.ONLYDIR)
        except (FileNotFoundError, NotADirectoryError):
            return False
        self._watched[folder] = number
        self._descriptors[number] = folder
        return True

    def _lost(self, folder: Path) -> None:
        """A watched folder went away, or was moved."""
        number = self._watched.pop(folder, None)
        if number is not None:
            self._descriptors.pop(number, None)
            self._remove(number)
        if folder in self._counts:
            self._absent.add(folder)

    def _let_go(self, folder: Path) -> None:
        """Stop watching a folder, and the ancestors in which it was awaited, unless needed."""
        for place in (folder, *folder.parents):
            if place in self._watched and not self._is_needed(place):
                number = self._watched.pop(place)
                del self._descriptors[number]
                self._remove(number)

    def _is_needed(self, folder: Path) -> bool:
        return folder in self._counts or any(folder in path.parents for path in self._absent)

    def _remove(self, number: int) -> None:
        try:
            self._inotify.rm_watch(number)
        except OSError:
            return  # the kernel let go of it first, because the folder is gone


def _below(place: Path, folder: Path) -> Path:
    """The next step from `place` towards `folder`."""
    return place / folder.relative_to(place).parts[0]


def _is_unheard(name: str) -> bool:
    return name.startswith(".") or name in _UNHEARD
