"""A share of a processor for one process: a control group of its own, removed afterwards."""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from stentor.errors import Unavailable

PERIOD_US = 100_000
REMOVE_S = 2.0


class Quota:
    """How much of a core a group may use; both versions of control groups."""

    def __init__(self, folder: Path, *, unified: bool) -> None:
        self._folder = folder
        self._unified = unified

    def put(self, pid: int) -> None:
        """Move a process with all its threads into the group."""
        (self._folder / "cgroup.procs").write_text(str(pid))

    def limit(self, share: float | None) -> None:
        """Let it have this share of one core; None: as much as there is."""
        quota = round(share * PERIOD_US) if share is not None else None
        if self._unified:
            (self._folder / "cpu.max").write_text(f"{quota or 'max'} {PERIOD_US}")
            return
        (self._folder / "cpu.cfs_period_us").write_text(str(PERIOD_US))
        (self._folder / "cpu.cfs_quota_us").write_text(str(quota or -1))

    def throttled(self) -> int:
        """In how many periods it had to wait."""
        for line in (self._folder / "cpu.stat").read_text().splitlines():
            name, _, value = line.partition(" ")
            if name == "nr_throttled":
                return int(value)
        return 0


@contextlib.contextmanager
def quota() -> Iterator[Quota]:
    """A group of its own; who is still in it at the end goes back to where all are.

    Raises:
        Unavailable: `bench.cgroup`: this user may make none.
    """
    parent, unified = _hierarchy()
    folder = parent / f"stentor-bench-{os.getpid()}"
    try:
        if unified and "cpu" not in (parent / "cgroup.subtree_control").read_text().split():
            (parent / "cgroup.subtree_control").write_text("+cpu")
        folder.mkdir()
    except OSError as error:
        raise Unavailable(
            "bench.cgroup",
            f"No control group can be made in {parent} ({error.strerror}): this needs root.",
        ) from error
    try:
        yield Quota(folder, unified=unified)
    finally:
        with contextlib.suppress(OSError):
            for pid in (folder / "cgroup.procs").read_text().split():
                (parent / "cgroup.procs").write_text(pid)
        _remove(folder)


def _hierarchy() -> tuple[Path, bool]:
    """Where groups with a processor quota are made, and whether that is version 2."""
    unified = None
    for line in Path("/proc/mounts").read_text().splitlines():
        _, place, kind, options = line.split()[:4]
        if kind == "cgroup" and "cpu" in options.split(","):
            return Path(place), False
        if kind == "cgroup2":
            unified = Path(place)
    if unified and "cpu" in (unified / "cgroup.controllers").read_text().split():
        return unified, True
    raise Unavailable("bench.cgroup", "This machine has no control groups for processors.")


def _remove(folder: Path) -> None:
    """A group whose last process has just ended is busy for a moment."""
    deadline = time.monotonic() + REMOVE_S
    while True:
        try:
            folder.rmdir()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
