"""Which process holds which end of a loopback connection, from /proc (proc(5))."""

import contextlib
import os
from pathlib import Path

_ESTABLISHED = "01"
_TABLES = ("tcp", "tcp6")


def _inodes(pid: int) -> set[str]:
    """The inodes of the sockets a process has open."""
    found = set()
    with contextlib.suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                target = str(link.readlink())
                if target.startswith("socket:["):
                    found.add(target[8:-1])
    return found


def _connections(pids: set[int]) -> list[tuple[int, int]]:
    """(local port, remote port) of each established TCP connection these processes hold.

    They are all in the network namespace of this process.
    """
    inodes = set().union(*(_inodes(pid) for pid in pids))
    found = []
    for table in _TABLES:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/self/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _ESTABLISHED and fields[9] in inodes:
                    ports = [int(address.rpartition(":")[2], 16) for address in fields[1:3]]
                    found.append((ports[0], ports[1]))
    return found


def remote_ports(pid: int) -> set[int]:
    """The ports of those who are connected to a process."""
    return {remote for _, remote in _connections({pid})}


def local_ports(pids: set[int], remote: int) -> set[int]:
    """The own ports of these processes' connections to port `remote`."""
    return {local for local, other in _connections(pids) if other == remote}


def descendants(pid: int) -> set[int]:
    """The processes that a process started, and those that these started."""
    parents: dict[int, int] = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError):
                after_name = Path(entry.path, "stat").read_text().rpartition(")")[2].split()
                parents[int(entry.name)] = int(after_name[1])
    found: set[int] = set()
    rest = {pid}
    while rest:
        rest = {child for child, parent in parents.items() if parent in rest} - found
        found |= rest
    return found
