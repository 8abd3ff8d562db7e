"""Stentor under measurement: the real processes of a node, and a process that fills the log."""

import http.client
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench.edge.processes import CLIENT_CORE, READY_S, SERVER_CORE, Server, start
from bench.edge.programme import SPACE
from stentor.errors import Unavailable

PATH = f"/s/{SPACE}/live/opus"
BACKLOG = 4_096
SOURCE = ("127.0.0.2", 0)
"""Not where proxies are: what they must say first nobody else has to say."""


def stentor(
    folder: Path,
    *,
    cadence: str = "auto",
    edges: int = 1,
    tls: tuple[Path, Path] | None = None,
    core: int | None = SERVER_CORE,
    more: Sequence[str] = (),
) -> Server:
    """A node's door and listeners, with a live Space.

    Args:
        cadence: what `--cadence` is given.
        edges: pairs of gate and edge behind one door.
        tls: certificate and key.
        core: where its processes run; None: anywhere.
        more: further settings, as flags.
    """
    data = str(folder / "data")
    writing = start(
        [sys.executable, "-m", "bench.edge.programme", data], core=CLIENT_CORE, awaits="ready"
    )
    with socket.create_server(("127.0.0.1", 0), backlog=BACKLOG) as door:
        port = int(door.getsockname()[1])
        flags = ["--data", data, "--listen", f"127.0.0.1:{port}", "--telemetry", "ERROR"]
        flags += ["--cadence", cadence, "--edges", str(edges), *more]
        if tls is not None:
            flags += ["--tls-cert", str(tls[0]), "--tls-key", str(tls[1])]
        processes = [
            start(command, core=core, pass_fds=(door.fileno(),))
            for index in range(edges)
            for command in door_commands(index, door.fileno(), flags)
        ]
    server = Server("stentor", port, processes, [writing])
    try:
        until_answering(port, processes, secure=tls is not None)
    except Unavailable:
        server.stop()
        raise
    return server


def door_commands(index: int, door_fd: int, flags: list[str]) -> list[list[str]]:
    """The processes of one pair, as the supervisor starts them."""
    program = [sys.executable, "-m", "stentor"]
    number = ["--index", str(index)]
    return [
        [*program, "edge", *number, *flags],
        [*program, "gate", *number, "--door-fd", str(door_fd), *flags],
    ]


def until_answering(port: int, processes: list[subprocess.Popen[str]], *, secure: bool) -> None:
    """Wait until the door lets a listener in.

    Raises:
        Unavailable: `bench.failed`: a process ended, or it took too long.
    """
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    extra = {"context": unchecked()} if secure else {}
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline and all(one.poll() is None for one in processes):
        connection = kind("127.0.0.1", port, timeout=2.0, source_address=SOURCE, **extra)
        try:
            connection.request("GET", PATH)
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.05)
        finally:
            connection.close()
    raise Unavailable("bench.failed", "Stentor does not answer.")


def unchecked() -> ssl.SSLContext:
    """TLS without a look at the certificate, which is made for this run."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
