"""Processes of a server under measurement: started on a core, counted by the kernel, stopped."""

import contextlib
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stentor import environment
from stentor.errors import Unavailable

SERVER_CORE = 0
CLIENT_CORE = 1
ROOT = Path(__file__).resolve().parent.parent.parent
READY_S = 20.0
STOP_S = 5.0


def on_core(core: int | None, command: Sequence[str]) -> list[str]:
    """The command, kept on one core; None: wherever the kernel likes."""
    return [*([] if core is None else ["taskset", "-c", str(core)]), *command]


def children_of(pid: int) -> Iterator[int]:
    """A process and all that descend from it."""
    yield pid
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from children_of(int(child))


@dataclass(slots=True)
class Server:
    """Something that listens on a port, made of one or more processes.

    Attributes:
        helpers: processes that belong to it but whose cost is not its own: sources of sound.
    """

    name: str
    port: int
    processes: list[subprocess.Popen[str]] = field(default_factory=list)
    helpers: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def pids(self) -> list[int]:
        """All its processes."""
        return [pid for process in self.processes for pid in children_of(process.pid)]

    def cpu_s(self) -> float:
        """Processor seconds of all threads so far, from the scheduler's own account (ns)."""
        total = 0
        for pid in self.pids:
            for task in Path(f"/proc/{pid}/task").iterdir():
                with contextlib.suppress(OSError):  # a thread that has just ended
                    total += int((task / "schedstat").read_text().split()[0])
        return total / 1e9

    def rss_kb(self) -> int:
        """Memory that is its processes' own; the kernel's for sockets is not among it."""
        return sum(status_kb(pid, "RssAnon") for pid in self.pids)

    def stop(self) -> None:
        """End all, gently first."""
        everybody = [*self.helpers, *self.processes]
        for process in everybody:
            process.terminate()
        for process in everybody:
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def status_kb(pid: int, name: str) -> int:
    """One figure of /proc/PID/status in kB; 0 for a process that is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1])
    return 0


def start(
    command: Sequence[str],
    *,
    core: int | None,
    pass_fds: tuple[int, ...] = (),
    user: str | None = None,
    awaits: str = "",
    silent: bool = False,
) -> subprocess.Popen[str]:
    """Start a process; with `awaits`, wait until it has written that line.

    Args:
        silent: what it says on standard error is not ours to show.

    Raises:
        Unavailable: `bench.failed`: it ended before.
    """
    process = subprocess.Popen(
        on_core(core, command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if awaits else subprocess.DEVNULL,
        stderr=subprocess.DEVNULL if silent else None,
        pass_fds=pass_fds,
        user=user,
        cwd=ROOT,
        env={**environment.of_gates(), "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"},
        text=True,
    )
    if awaits:
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip() == awaits:
                return process
        raise Unavailable("bench.failed", f"{' '.join(command[:4])} ended before it was ready.")
    return process


def until_listening(port: int, process: subprocess.Popen[str]) -> None:
    """Wait until somebody accepts on the port.

    Raises:
        Unavailable: `bench.failed`: the process ended, or took too long.
    """
    wanted = f"0100007F:{port:04X} 00000000:0000 0A"
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline and process.poll() is None:
        if wanted in Path("/proc/net/tcp").read_text():
            return
        time.sleep(0.02)
    raise Unavailable("bench.failed", f"Nobody listens on port {port}: {process.args}")
