"""A disk that does its work, except for the calls it was told to fail."""

import errno
import os
from pathlib import Path

from stentor.log import Disk


class FailingDisk(Disk):
    """Counts the calls that change the disk, and fails those from `first` to `last` (from 1).

    A write that fails for want of room takes half of the bytes first, as a real one does.
    """

    def __init__(self, first: int = 0, last: int = 0, error: int = errno.EIO) -> None:
        self.first, self.last, self.error = first, last, error
        self.only = ""
        self.calls: list[str] = []

    def fail_next(self, what: str, times: int = 1, error: int = errno.EIO) -> None:
        """Fail the next calls of one kind."""
        self.first, self.last, self.only, self.error = 1, times, what, error
        self.calls.clear()

    def _fails(self, what: str) -> bool:
        if self.only in {"", what}:
            self.calls.append(what)
            return self.first <= len(self.calls) <= self.last
        return False

    def _call(self, what: str) -> None:
        if self._fails(what):
            raise OSError(self.error, os.strerror(self.error))

    def create(self, path: Path) -> int:
        self._call("create")
        return super().create(path)

    def write(self, descriptor: int, data: bytes, position: int) -> int:
        if self._fails("write"):
            taken = super().write(descriptor, data[: len(data) // 2], position)
            if self.error != errno.ENOSPC:
                raise OSError(self.error, os.strerror(self.error))
            return taken
        return super().write(descriptor, data, position)

    def truncate(self, descriptor: int, size: int) -> None:
        self._call("truncate")
        super().truncate(descriptor, size)

    def sync(self, descriptor: int) -> None:
        self._call("sync")
        super().sync(descriptor)

    def rename(self, old: Path, new: Path) -> None:
        self._call("rename")
        super().rename(old, new)

    def sync_folder(self, folder: Path) -> None:
        self._call("sync_folder")
        super().sync_folder(folder)
