"""`stentor serve`: starts, watches and restarts the processes of one node, and nothing else.

It owns the public listening socket, so that an edge's death loses no connection that waits in it.
When the supervisor itself dies, its processes go on; the next one asks them to stop, then starts.
"""

import contextlib
import logging
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from stentor import environment, node
from stentor.clock import Clock
from stentor.config import Settings
from stentor.errors import Unavailable
from stentor.limits import RESTART_WAIT_MAX_S, RESTART_WAIT_MIN_S, STEADY_S, STOP_DEADLINE_S
from stentor.paths import Paths
from stentor.shield.kernel import obstacle
from stentor.shield.prefixes import is_loopback

_telemetry = logging.getLogger(__name__)
LOCK = "serve"
SHIELD = "shield"
EXIT_UNABLE = 2
"""A process that says by this that it cannot work here is not asked again, if others can do."""


@dataclass(slots=True)
class Child:
    """One process of the node.

    Attributes:
        vital: whether the node is none without it.
        is_gate: whether it finds in its environment what gates need.
    """

    name: str
    command: list[str]
    descriptors: tuple[int, ...] = ()
    vital: bool = True
    is_gate: bool = False
    process: subprocess.Popen[bytes] | None = None
    pidfd: int = -1
    started_at: float = 0.0
    wait_s: float = RESTART_WAIT_MIN_S
    restart_at: float = 0.0


class Supervisor:
    """Keeps the processes of one node alive until told to stop."""

    def __init__(self, settings: Settings, paths: Paths, clock: Clock, flags: list[str]) -> None:
        """Args: flags: the command line that gives a child the same settings."""
        self._settings = settings
        self._paths = paths
        self._clock = clock
        self._flags = flags
        self._selector = selectors.DefaultSelector()
        self._children: list[Child] = []
        self._stopping = False

    def run(self, ready: Callable[[], None]) -> None:
        """Serve until SIGTERM, SIGINT or SIGHUP; calls `ready` once when the door answers.

        Raises:
            Unavailable: another supervisor runs here, or the door cannot be opened.
        """
        self._paths.create()
        with node.hold_lock(self._paths, LOCK), self._signals():
            stop_orphans(self._paths, self._clock)
            door = node.bind_door(self._settings)
            self._children = self._plan(door.fileno())
            try:
                for child in self._children:
                    self._start(child)
                self._watch(ready)
            finally:
                self._stop(door)

    def _plan(self, door_fd: int) -> list[Child]:
        program = [sys.executable, "-m", "stentor"]
        singles = ("stage", "usher", "radio", "web")
        plan = [Child(name, [*program, name, *self._flags]) for name in singles]
        for index in range(self._settings.edge_count):
            command = [*program, "edge", "--index", str(index)]
            plan.append(Child(f"edge-{index}", [*command, *self._flags]))
        for index in range(self._settings.edge_count):
            command = [*program, "gate", "--index", str(index), "--door-fd", str(door_fd)]
            command += self._flags
            plan.append(Child(f"gate-{index}", command, (door_fd,), is_gate=True))
        if self._shields():
            command = [*program, SHIELD, "--with-parent", *self._flags]
            plan.append(Child(SHIELD, command, vital=False))
        return plan

    def _shields(self) -> bool:
        """Whether a helper is to keep the kernel's drop list for this node; says why not."""
        if self._settings.kernel_shield == "off" or is_loopback(self._settings.address[0]):
            return False
        if node.lock_holder(self._paths.run / f"{SHIELD}.lock"):
            _telemetry.info("a shield that was started apart keeps the kernel's drop list")
            return False
        why = obstacle()
        if why:
            _telemetry.warning("floods are refused by the gates alone, not by the kernel: %s", why)
        return not why

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        receiver, sender = socket.socketpair()
        receiver.setblocking(False)
        sender.setblocking(False)
        before = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
        numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        handlers = {number: signal.signal(number, self._on_signal) for number in numbers}
        self._selector.register(receiver, selectors.EVENT_READ, None)
        try:
            yield
        finally:
            self._selector.unregister(receiver)
            for number, handler in handlers.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(before)
            receiver.close()
            sender.close()

    def _on_signal(self, _number: int, _frame: object) -> None:
        self._stopping = True

    def _start(self, child: Child) -> None:
        now = self._clock.now()
        try:
            # A session of its own: Ctrl-C reaches the supervisor only, and children outlive it.
            child.process = subprocess.Popen(  # noqa: S603 - our own program
                child.command,
                env=environment.of_gates() if child.is_gate else None,
                pass_fds=child.descriptors,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
            child.pidfd = os.pidfd_open(child.process.pid)
        except OSError as error:  # no memory or process left just now: the others go on
            _telemetry.warning("%s cannot be started: %s", child.name, error)
            if child.process is not None:
                child.process.kill()
                child.process.wait()
                child.process = None
            self._schedule(child, now)
            return
        child.started_at = now
        child.restart_at = 0.0
        self._selector.register(child.pidfd, selectors.EVENT_READ, child)

    def _schedule(self, child: Child, now: float) -> None:
        """Start it again after its wait, which doubles while it keeps failing."""
        child.restart_at = now + child.wait_s
        child.wait_s = min(RESTART_WAIT_MAX_S, child.wait_s * 2)

    def _watch(self, ready: Callable[[], None]) -> None:
        announced = False
        while not self._stopping:
            due = [child.restart_at for child in self._children if child.restart_at]
            timeout = max(0.0, min(due) - self._clock.now()) if due else None
            if not announced:
                timeout = 0.05
                announced = self._is_ready()
                if announced:
                    ready()
                    continue
            for key, _ in self._selector.select(timeout):
                if isinstance(key.data, Child):
                    self._reap(key.data)
                else:
                    with contextlib.suppress(BlockingIOError):
                        key.fileobj.recv(64)  # type: ignore[union-attr]  # the signals' socket
            for child in self._children:
                if child.restart_at and child.restart_at <= self._clock.now():
                    self._start(child)

    def _is_ready(self) -> bool:
        """Stage and web answer, and every edge is up (it holds its lock once it has begun)."""
        locks = [self._paths.run / f"{child.name}.lock" for child in self._children if child.vital]
        up = all(node.lock_holder(lock) for lock in locks)
        return up and all(_answers(self._paths.socket(name)) for name in ("stage", "web"))

    def _reap(self, child: Child) -> None:
        assert child.process is not None
        status = child.process.wait()
        self._selector.unregister(child.pidfd)
        os.close(child.pidfd)
        child.process, child.pidfd = None, -1
        now = self._clock.now()
        if now - child.started_at >= STEADY_S:
            child.wait_s = RESTART_WAIT_MIN_S
        elif not child.vital and status == EXIT_UNABLE:
            _telemetry.warning("%s cannot work here; the node goes on without", child.name)
            return
        _telemetry.warning(
            "%s ended (%s); starting it again in %.2f s", child.name, status, child.wait_s
        )
        self._schedule(child, now)

    def _stop(self, door: socket.socket) -> None:
        """Ask all to stop, give them time, then end those that did not."""
        door.close()
        alive = [child for child in self._children if child.process is not None]
        for child in alive:
            child.process.terminate()  # type: ignore[union-attr]
        deadline = self._clock.now() + STOP_DEADLINE_S
        for child in alive:
            assert child.process is not None
            try:
                child.process.wait(max(0.0, deadline - self._clock.now()))
            except subprocess.TimeoutExpired:
                _telemetry.warning("%s did not stop in time; ending it", child.name)
                child.process.kill()
                child.process.wait()


def _answers(path: object) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(0.5)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def stop_orphans(paths: Paths, clock: Clock) -> None:
    """End processes that a supervisor left behind when it died, so that their places are free.

    A lock file that is held names a living process of this data directory, and no other.

    Raises:
        Unavailable: `process.running` when one does not end.
    """
    # A shield ends with its supervisor; one that is there was started apart.
    locks = [path for path in paths.run.glob("*.lock") if path.stem not in {LOCK, SHIELD}]
    for number, patience_s in ((signal.SIGTERM, STOP_DEADLINE_S), (signal.SIGKILL, 2.0)):
        held = {path: pid for path in locks if (pid := node.lock_holder(path))}
        for path, pid in held.items():
            _telemetry.warning("%s is still there (process %d); asking it to stop", path.stem, pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = clock.now() + patience_s
        while any(node.lock_holder(path) for path in held) and clock.now() < deadline:
            time.sleep(0.02)
    left = [path.stem for path in locks if node.lock_holder(path)]
    if left:
        raise Unavailable("process.running", f"{', '.join(left)} of an earlier run do not end.")
