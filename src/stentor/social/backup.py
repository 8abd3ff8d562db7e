"""Backup of a running node: the database and every Space's log, each as of one moment.

Guaranteed is what each log's `durable.json` said when its Space was reached: it is copied before
the segments, and segments only grow. Restoring is unpacking; see docs/operating/backup.md.
"""

import contextlib
import logging
import os
import sqlite3
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from stentor.errors import Refused, Unavailable
from stentor.limits import DATABASE_BUSY_S
from stentor.paths import Paths

_COPY_BYTES = 1024 * 1024
_telemetry = logging.getLogger("stentor.social")


class _Target(Protocol):
    """What a backup is written to."""

    def add(self, path: Path, name: str) -> None:
        """Copy a file as it is now, however it grows meanwhile."""
        ...


def backup(
    paths: Paths,
    target: str | Path,
    *,
    include_secrets: bool = False,
    progress: Callable[[str], None] = _telemetry.info,
) -> None:
    """Write a backup while the node runs.

    Args:
        paths: the data directory to save.
        target: a name ending in `.tar` for one file, any other for a folder; it must not exist.
        include_secrets: also the signing keys; without them links given out before are void.
        progress: is told what is being copied, in a sentence.

    Raises:
        Refused: `backup.exists` when the target is there already.
        Unavailable: `backup.failed` when it cannot be read or written; nothing is left behind.
    """
    whole = Path(target).absolute()
    if os.path.lexists(whole):
        raise Refused("backup.exists", f"{whole} exists; a backup never overwrites. Name another.")
    if not paths.data.is_dir():
        raise Unavailable("backup.failed", f"There is no data directory {paths.data}.", 60.0)
    partial = whole.with_name(f".{whole.name}.{os.getpid()}.partial")
    try:
        whole.parent.mkdir(parents=True, exist_ok=True)
        with _writing(partial, archive=whole.suffix == ".tar") as out:
            _copy_all(paths, out, include_secrets, progress)
        partial.rename(whole)
    except (OSError, sqlite3.Error, tarfile.TarError) as error:
        raise Unavailable("backup.failed", f"The backup was not made: {error}", 60.0) from error
    finally:
        _remove(partial)
    progress(f"The backup is complete: {whole}")


def _copy_all(
    paths: Paths, out: _Target, include_secrets: bool, progress: Callable[[str], None]
) -> None:
    settings = paths.data / "stentor.toml"
    if settings.is_file():
        out.add(settings, settings.name)
    if paths.database.exists():
        progress("Copying the database.")
        with tempfile.TemporaryDirectory(prefix="stentor-backup-") as folder:
            copy = Path(folder) / paths.database.name
            _copy_database(paths.database, copy)
            out.add(copy, paths.database.name)
    spaces = sorted(path for path in paths.spaces.glob("*") if path.is_dir())
    for number, space in enumerate(spaces, 1):
        progress(f"Copying Space {space.name}, {number} of {len(spaces)}.")
        for path in _files_of(space):
            # A scratch file may have been renamed since it was listed; segments never go.
            with contextlib.suppress(FileNotFoundError):
                out.add(path, str(path.relative_to(paths.data)))
    if include_secrets:
        for path in sorted(paths.secrets.iterdir()):
            if path.is_file() and not path.name.startswith("."):
                out.add(path, f"secrets/{path.name}")


def _files_of(space: Path) -> Iterator[Path]:
    """A Space's files in the order that keeps the promise: what is durable, then the segments."""
    log = space / "log"
    first = [log / "durable.json"]
    yield from (path for path in first if path.is_file())
    segments = sorted(log.glob("*.seg"))
    yield from segments
    seen = {*first, *segments}
    for path in sorted(space.rglob("*")):
        ours = path.is_file() and not path.is_symlink() and not path.name.startswith(".")
        if ours and path not in seen and path.suffix not in {".lock", ".seg"}:
            yield path


def _copy_database(source: Path, copy: Path) -> None:
    """One consistent state of the database while others write to it (SQLite's backup API)."""
    copy.touch(mode=0o600)
    opened = sqlite3.connect(f"{source.as_uri()}?mode=rw", uri=True, timeout=DATABASE_BUSY_S)
    with contextlib.closing(opened) as reading, contextlib.closing(sqlite3.connect(copy)) as to:
        # A locked database is an error after the timeout here; the backup itself would wait for
        # ever. It copies all pages in one step, so that no writer makes it begin again.
        reading.execute("SELECT count(*) FROM sqlite_master").fetchone()
        reading.backup(to, pages=-1)
        to.execute("PRAGMA journal_mode = DELETE")  # one file, without a WAL beside it


@contextlib.contextmanager
def _writing(partial: Path, *, archive: bool) -> Iterator[_Target]:
    if not archive:
        partial.mkdir(mode=0o700)
        yield _Folder(partial)
        return
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
            yield _Archive(tar)
        file.flush()
        os.fsync(file.fileno())


class _Archive:
    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar

    def add(self, path: Path, name: str) -> None:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            entry = tarfile.TarInfo(name)
            entry.size = status.st_size  # the bytes there are now; the rest is for next time
            entry.mtime = int(status.st_mtime)
            entry.mode = 0o600
            self._tar.addfile(entry, file)


class _Folder:
    def __init__(self, root: Path) -> None:
        self._root = root

    def add(self, path: Path, name: str) -> None:
        with path.open("rb") as file:
            left = os.fstat(file.fileno()).st_size
            to = self._root / name
            for folder in reversed(to.relative_to(self._root).parents):
                (self._root / folder).mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as out:
                while left and (data := file.read(min(left, _COPY_BYTES))):
                    out.write(data)
                    left -= len(data)
                out.flush()
                os.fsync(out.fileno())
        if left:
            raise OSError(f"{path.name} became shorter while it was copied; try again")


def _remove(partial: Path) -> None:
    if partial.is_dir():
        for path in sorted(partial.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        partial.rmdir()
    else:
        partial.unlink(missing_ok=True)
