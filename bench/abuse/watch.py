"""What a node's doors hold while it is attacked: connections, memory, and how soon they answer."""

import contextlib
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from bench.abuse.talk import get
from stentor.demo.house import House

EVERY_S = 0.25
SETTLE_S = 4.0
PROBE_S_MAX = 5.0
PAGE_BYTES = 4096
ATTACKERS = "077F"
"""Addresses 127.7.x.y, as /proc/net/tcp writes the end of them."""
LOOPBACK = "0100007F"
"""127.0.0.1, where slowhttptest comes from."""


def held(port: int, ends: str) -> int:
    """Connections to `port` that a process here holds and whose other end's address ends so."""
    found = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[1].rpartition(":")[2], 16) == port and fields[9] != "0":
            found += fields[2].partition(":")[0].endswith(ends)
    return found


def memory_mb(pids: list[int]) -> float:
    """Resident memory of processes."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    total += int(line.split()[1])
    return total / 1024


def kernel_mb() -> float:
    """What the kernel holds for all TCP connections of this machine."""
    for line in Path("/proc/net/sockstat").read_text().splitlines():
        if line.startswith("TCP:"):
            return int(line.split()[-1]) * PAGE_BYTES / 1e6
    return 0.0


def descriptors(pids: list[int]) -> int:
    """Files and sockets that processes have open."""
    found = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            found += len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return found


def doors_of(house: House) -> list[int]:
    """The processes that hold connections from outside."""
    return [
        pid for name, pid in house.processes().items() if name.partition("-")[0] in {"edge", "gate"}
    ]


def probe(port: int, tls: ssl.SSLContext | None) -> float:
    """How long a visitor waits for a small answer, in seconds; infinite without one."""
    began = time.monotonic()
    try:
        with contextlib.ExitStack() as stack:
            plain = socket.create_connection(
                ("127.0.0.1", port), PROBE_S_MAX, source_address=("127.0.0.9", 0)
            )
            visitor = stack.enter_context(tls.wrap_socket(plain) if tls else plain)
            visitor.sendall(get("/healthz", "Connection: close"))
            if not visitor.recv(4_096).startswith(b"HTTP/1.1 200 "):
                return float("inf")
    except OSError:
        return float("inf")
    return time.monotonic() - began


@dataclass(slots=True)
class Watch:
    """Looks every so often, beside the drill.

    Attributes:
        held: (seconds since the beginning, attackers' connections that the doors hold).
        memory_mb: of the doors' processes, the most.
        kernel_mb: of all connections, the most.
        answers_s: how long a visitor waited each time.
    """

    house: House
    ends: str
    tls: ssl.SSLContext | None = None
    held: list[tuple[float, int]] = field(default_factory=list)
    memory_mb: float = 0.0
    kernel_mb: float = 0.0
    answers_s: list[float] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._threads = [threading.Thread(target=act) for act in (self._look, self._visit)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def settle(self) -> None:
        """Wait until the doors hold none of them any more, or for a short while."""
        until = time.monotonic() + SETTLE_S
        while time.monotonic() < until and (not self.held or self.held[-1][1]):
            time.sleep(EVERY_S)

    @property
    def held_from_s(self) -> float:
        """When the most were held for the first time."""
        most = self.held_most
        return next((at for at, count in self.held if count == most), 0.0)

    @property
    def held_most(self) -> int:
        """The most connections of attackers that were held."""
        return max((count for _, count in self.held), default=0)

    @property
    def freed_s(self) -> tuple[float, float]:
        """When the first of them was let go, and when none was left; infinite: never."""
        most, begun = self.held_most, self.held_from_s
        after = [(at, count) for at, count in self.held if at >= begun]
        first = next((at for at, count in after if count < most), float("inf"))
        last = next((at for at, count in after if not count), float("inf"))
        return first, last

    def _look(self) -> None:
        began = time.monotonic()
        port = self.house.settings.address[1]
        while not self._over.wait(EVERY_S):
            self.held.append((time.monotonic() - began, held(port, self.ends)))
            self.memory_mb = max(self.memory_mb, memory_mb(doors_of(self.house)))
            self.kernel_mb = max(self.kernel_mb, kernel_mb())

    def _visit(self) -> None:
        while not self._over.wait(EVERY_S):
            self.answers_s.append(probe(self.house.settings.address[1], self.tls))


def cpu_s(pid: int) -> float:
    """Seconds of a core that all threads of a process have had."""
    found = 0.0
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                found += int((task / "schedstat").read_text().split()[0]) / 1e9
    return found
