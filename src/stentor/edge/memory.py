"""How much memory this process may still take: what the machine and its groups have left."""

import os
from dataclasses import dataclass
from pathlib import Path

from stentor.edge.quota import OWN, ROOT, folders

_MEMINFO = Path("/proc/meminfo")
_STATM = Path("/proc/self/statm")


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes, as they stand.

    Attributes:
        own: what this process holds.
        free: what is left, of the machine or of the tightest group it is in; 0: unknown.
        whole: that of which `free` is left; 0: unknown.
    """

    own: int
    free: int
    whole: int

    @property
    def used(self) -> float:
        """The share that is taken, by whomever."""
        return 1 - self.free / self.whole if self.whole else 0.0


def look(own: Path = OWN, root: Path = ROOT, meminfo: Path = _MEMINFO) -> Memory:
    """How it stands; what cannot be read is unknown."""
    try:
        held = int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        held = 0
    left = [_machine(meminfo), *(_group(folder) for folder in folders("memory", own, root))]
    known = [one for one in left if one is not None]
    free, whole = min(known, default=(0, 0))
    return Memory(held, max(0, free), whole)


def _machine(meminfo: Path) -> tuple[int, int] | None:
    """What is left of the machine's memory, and all there is."""
    try:
        lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        free, whole = (int(lines[name].split()[0]) * 1024 for name in ("MemAvailable", "MemTotal"))
    except (OSError, ValueError, KeyError, IndexError):
        return None
    return free, whole


def _group(folder: Path) -> tuple[int, int] | None:
    """The same of one control group; None without a limit."""
    for limit, usage in (
        ("memory.max", "memory.current"),  # version 2
        ("memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        try:
            whole, used = int((folder / limit).read_text()), int((folder / usage).read_text())
        except (OSError, ValueError):  # not there, or `max`
            continue
        if whole < 1 << 60:  # version 1 writes a number for no limit
            return whole - used, whole
    return None
