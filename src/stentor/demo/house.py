"""A whole node as real processes on this machine, in a data directory of its own.

It is started by `stentor serve`, as everybody does; processes are found by their lock files and
ended by their ids.
"""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

from stentor import node
from stentor.clock import Clock
from stentor.config import Settings
from stentor.errors import Unavailable
from stentor.limits import STOP_DEADLINE_S
from stentor.paths import Paths

START_S_MAX = 20.0
UDP_PORTS = 100
ANNOUNCEMENT_LINES_MAX = 100
COMPLAINT_LINES = 12


def free_port() -> int:
    """A TCP port nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def free_udp_ports(count: int, chance: random.Random) -> str:
    """A range of UDP ports of which the first, a middle and the last one are free."""
    for _ in range(50):
        low = chance.randrange(41_000, 60_000)
        try:
            for port in (low, low + count // 2, low + count - 1):
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return f"{low}-{low + count - 1}"
    raise Unavailable("demo.failed", "No free UDP ports were found on this machine.")


@dataclass(slots=True)
class House:
    """The processes of one node.

    Attributes:
        extra: more of the command line.
        setup_link: the link by which the owner's account is made, as printed; empty until then.
        left_over: processes that were still there after a stop, by name.
    """

    data: Path
    clock: Clock
    edges: int = 2
    listen: str = ""
    udp_ports: str = ""
    extra: tuple[str, ...] = ()
    setup_link: str = ""
    left_over: dict[str, int] = field(default_factory=dict)
    _process: subprocess.Popen[str] | None = None
    _announced: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.listen = self.listen or f"127.0.0.1:{free_port()}"
        self.udp_ports = self.udp_ports or free_udp_ports(UDP_PORTS, random.Random(os.getpid()))  # noqa: S311

    @property
    def paths(self) -> Paths:
        """Where this node keeps things."""
        return Paths(self.data)

    @property
    def settings(self) -> Settings:
        """As its processes have them."""
        return Settings(data_dir=str(self.data), listen=self.listen, udp_ports=self.udp_ports)

    @property
    def url(self) -> str:
        """The door, by address: names need not resolve."""
        return f"http://{self.listen}"

    @property
    def telemetry(self) -> Path:
        """Where the processes' diagnostics go."""
        return self.data / "telemetry.jsonl"

    def start(self) -> float:
        """Start `stentor serve` and wait until its door answers; how long that took, in seconds.

        Raises:
            Unavailable: `demo.failed`, with the last diagnostics.
        """
        begun = self.clock.now()
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._announced.clear()
        flags = ["--data", str(self.data), "--listen", self.listen, "--udp-ports", self.udp_ports]
        flags += ["--edges", str(self.edges), *self.extra]
        with self.telemetry.open("a") as diagnostics:
            process = self._process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", "stentor", "serve", *flags],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=diagnostics,
                text=True,
                start_new_session=True,  # Ctrl-C is ours to handle
            )
        threading.Thread(target=self._listen_to, args=(process,), daemon=True).start()
        while not self._announced.wait(0.05):
            gone = process.poll() is not None
            if gone or self.clock.now() - begun > START_S_MAX:
                raise Unavailable(
                    "demo.failed", f"stentor serve did not start.\n{self.complaints()}"
                )
        return self.clock.now() - begun

    def _listen_to(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        for line in process.stdout:  # ends with the process
            if "http" in line and "/setup" in line:
                self.setup_link = line[line.index("http") :].strip()
            if "Data in" in line:
                self._announced.set()

    def complaints(self) -> str:
        """The last lines of diagnostics, for a person."""
        with contextlib.suppress(OSError):
            lines = self.telemetry.read_text(errors="replace").splitlines()
            return "\n".join(lines[-COMPLAINT_LINES:])
        return ""

    def pid(self, name: str) -> int | None:
        """The process id of `stage`, `web`, `edge-0`, …, `serve`; None while it is not there."""
        return node.lock_holder(self.paths.run / f"{name}.lock")

    def kill(self, name: str) -> int:
        """End a process as the kernel does when memory is short (kill -9); the id it had.

        Raises:
            Unavailable: `demo.failed` when there is no such process.
        """
        pid = self.pid(name)
        if pid is None:
            raise Unavailable("demo.failed", f"There is no {name} to be killed.")
        os.kill(pid, signal.SIGKILL)
        if name == "serve" and self._process is not None:
            self._process.wait()
        return pid

    def stop(self) -> float:
        """SIGTERM, as an operator does; how long it took, in seconds. Ends orphans as well."""
        begun = self.clock.now()
        process, self._process = self._process, None
        if process is not None:
            if process.poll() is None:
                process.terminate()
            try:
                process.wait(STOP_DEADLINE_S + 1.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()
        took = self.clock.now() - begun
        self.left_over = self.processes()
        for pid in self.left_over.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return took

    def processes(self) -> dict[str, int]:
        """The processes of this node that are alive, by name."""
        locks = sorted(self.paths.run.glob("*.lock")) if self.paths.run.is_dir() else []
        return {lock.stem: pid for lock in locks if (pid := node.lock_holder(lock))}
