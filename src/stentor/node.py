"""The composition root: makes one process of a node out of one stop.

Each process is started with the same settings, holds `run/NAME.lock` while it lives, stops on
SIGTERM or SIGINT, and exits with 0 after a clean stop.
"""

import asyncio
import contextlib
import fcntl
import gc
import logging
import os
import resource
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Protocol

import uvloop

from stentor import telemetry
from stentor.clock import SystemClock
from stentor.config import Settings, parse_address
from stentor.errors import Unavailable
from stentor.limits import DOOR_BACKLOG, LOCK_PAUSE_S, LOCK_TRIES
from stentor.paths import Paths

_telemetry = logging.getLogger(__name__)

NICENESS = {
    "stage": -10, "shield": -7, "edge": -5, "usher": -5, "gate": 0, "radio": 2, "web": 5
}  # fmt: skip
"""Who goes first when the processor is short: voices, then whom to refuse, then listeners and the
usher (little work, but the door goes by it), then the door, then radio's encoders, then pages.
Going before others takes root or CAP_SYS_NICE; without them only the latter two step back."""


class Stoppable(Protocol):
    """What can be told to stop from a signal's handler."""

    def stop(self) -> None:
        """End soon."""
        ...


def run_stage(settings: Settings) -> None:
    """Be the stage until asked to stop: speakers in, mix-minus out, parts into the log."""
    from stentor import stage

    paths, clock = Paths(settings.data_dir), SystemClock()
    _run("stage", settings, paths, lambda stop: stage.serve(settings, paths, clock, stop))


def run_radio(settings: Settings) -> None:
    """Be the radio process until asked to stop: parts to MP3, AAC and Ogg Opus for the edges."""
    from stentor import radio

    paths, clock = Paths(settings.data_dir), SystemClock()
    _run("radio", settings, paths, lambda stop: radio.serve(settings, paths, clock, stop))


def run_web(settings: Settings) -> None:
    """Be the web process until asked to stop: pages, accounts, API."""
    from stentor import web

    paths, clock = Paths(settings.data_dir), SystemClock()
    _run("web", settings, paths, lambda stop: web.serve(settings, paths, clock, stop))


def run_usher(settings: Settings) -> None:
    """Be the usher until asked to stop: who waits, who comes in, the ladder, the ledger."""
    from stentor import usher

    paths, clock = Paths(settings.data_dir), SystemClock()
    _run("usher", settings, paths, lambda stop: usher.serve(settings, paths, clock, stop))


def run_gate(settings: Settings, index: int, door_fd: int | None) -> None:
    """Be one gate until asked to stop: the public door, where listeners are handed to edges.

    Args:
        index: which gate of this node, from 0.
        door_fd: descriptor of the listening socket inherited from the supervisor; None to bind one.
    """
    from stentor import edge

    paths, clock = Paths(settings.data_dir), SystemClock()
    door, aside = _inherited(settings, door_fd), bind_aside(settings)
    _run(
        f"gate-{index}",
        settings,
        paths,
        lambda stop: edge.serve_gate(
            settings, paths, clock, stop, door=door, index=index, aside=aside
        ),
    )


def run_edge(settings: Settings, index: int) -> None:
    """Be one edge until asked to stop.

    Args:
        index: which edge of this node, from 0.
    """
    from stentor import edge

    paths, clock = Paths(settings.data_dir), SystemClock()
    with _process(f"edge-{index}", settings, paths):
        edge.run_edge(settings, paths, clock, index, _stop_on_signals)
    _telemetry.info("stopped")


def run_shield(settings: Settings, *, with_parent: bool) -> None:
    """Be the shield's helper until asked to stop: the kernel's drop list.

    Args:
        with_parent: whether to end with the process that started this one.
    """
    from stentor.shield import capabilities
    from stentor.shield.serve import serve

    paths, clock = Paths(settings.data_dir), SystemClock()
    parent = os.getppid()

    def started(helper: Stoppable) -> None:
        _stop_on_signals(helper)
        if with_parent:  # only now: what a process is told of its parent ends with its rights
            capabilities.end_with_parent(signal.SIGTERM)
            if os.getppid() != parent:
                helper.stop()

    with _process("shield", settings, paths):
        serve(settings, paths, clock, started)
    _telemetry.info("stopped")


def _stop_on_signals(fanout: Stoppable) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: fanout.stop())


def _inherited(settings: Settings, door_fd: int | None) -> socket.socket:
    door = bind_door(settings) if door_fd is None else socket.socket(fileno=door_fd)
    door.setblocking(False)
    return door


def bind_door(settings: Settings) -> socket.socket:
    """The listening socket of the public door.

    Raises:
        Unavailable: `door.in_use` or `door.refused`, with what to do.
    """
    return _bound(settings.listen, shared=False)


def bind_aside(settings: Settings) -> socket.socket | None:
    """A listening socket for those on the stage alone; None when none is wished.

    Each gate has one of its own at the same address, and the kernel divides who comes.

    Raises:
        Unavailable: `door.in_use` or `door.refused`.
    """
    return _bound(settings.stage_listen, shared=True) if settings.stage_listen else None


def _bound(listen: str, *, shared: bool) -> socket.socket:
    host, port = parse_address(listen)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    door = socket.socket(family, socket.SOCK_STREAM)
    try:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            door.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        door.bind((host, port))
        door.listen(DOOR_BACKLOG)
    except OSError as error:
        door.close()
        raise _door_error(listen, error) from error
    return door


def _door_error(listen: str, error: OSError) -> Unavailable:
    if isinstance(error, PermissionError):
        return Unavailable(
            "door.refused",
            f"This user may not listen on {listen}. Ports below 1024 need root or "
            "CAP_NET_BIND_SERVICE; or choose another: --listen 127.0.0.1:8081",
        )
    if error.errno == 98:
        return Unavailable(
            "door.in_use",
            f"{listen} is in use by another program. Stop that, or choose another port: "
            "--listen 127.0.0.1:8081",
        )
    return Unavailable("door.refused", f"Cannot listen on {listen}: {error.strerror}.")


@contextlib.contextmanager
def hold_lock(paths: Paths, name: str) -> Iterator[None]:
    """Hold `run/NAME.lock`, with this process's id in it, so that nobody else is NAME.

    Raises:
        Unavailable: `process.running`, naming the process that holds it.
    """
    path = paths.run / f"{name}.lock"
    with path.open("a+") as file:
        for _ in range(LOCK_TRIES):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:  # held, or just being looked at
                time.sleep(LOCK_PAUSE_S)
        else:
            raise Unavailable(
                "process.running",
                f"'{name}' already runs on {paths.data} (process {lock_holder(path)}).",
            )
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)  # whoever is next is not taken for us


def set_niceness(niceness: int) -> None:
    """Have this process go before others (negative) or after them, as far as that is permitted."""
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, niceness)
    if os.getsid(0) == os.getpid():
        # Where the kernel weighs whole sessions against each other (autogroup, sched(7)), niceness
        # counts only within one; ours is a session of its own under `stentor serve`.
        with contextlib.suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(niceness))


def lock_holder(path: Path) -> int | None:
    """The process id that holds a lock file now; None when nobody does."""
    try:
        with path.open("r+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return int(file.read().strip() or 0) or None
    except FileNotFoundError:
        pass
    return None


@contextlib.contextmanager
def _process(name: str, settings: Settings, paths: Paths) -> Iterator[None]:
    """What every process of a node is while it lives."""
    os.umask(0o077)
    telemetry.start(name, settings.telemetry)
    paths.create()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    set_niceness(NICENESS[name.partition("-")[0]])
    with hold_lock(paths, name):
        gc.collect()
        gc.freeze()  # what was imported lives as long as the process
        yield


def _run(
    name: str,
    settings: Settings,
    paths: Paths,
    serve: Callable[[asyncio.Event], Awaitable[None]],
) -> None:
    with _process(name, settings, paths):
        uvloop.run(_until_stopped(serve))


async def _until_stopped(serve: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await serve(stop)
    _telemetry.info("stopped")
