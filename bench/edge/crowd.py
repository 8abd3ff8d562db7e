"""Runs the load client (crowd.c) and reads the server's cost exactly while it measures."""

import json
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.edge import tools
from bench.edge.processes import CLIENT_CORE, Server, on_core
from stentor.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Heard:
    """One run of the load client.

    Attributes:
        figures: what it printed (crowd --help).
        cpu_s: processor seconds of the server within the window.
        join_cpu_s: the same from before the first connection until all had joined.
        seconds: the window.
        rss_kb: the server's memory at the window's end.
    """

    figures: dict[str, Any]
    cpu_s: float
    join_cpu_s: float
    seconds: float
    rss_kb: int


def crowd(
    server: Server,
    *arguments: str,
    core: int | None = CLIENT_CORE,
    progress: Callable[[dict[str, Any]], None] | None = None,
    until: threading.Event | None = None,
    client: str = "crowd",
) -> Heard:
    """Let a crowd hear a server.

    Args:
        client: which load client.
        arguments: for the load client.
        core: where it runs; None: anywhere.
        progress: is given each line of `--every`.
        until: ends the window when it is set, at the next of these lines.

    Raises:
        Unavailable: `bench.failed`: the client ended without figures.
    """
    program = str(tools.program(client))
    command = on_core(core, [program, "--to", f"127.0.0.1:{server.port}", *arguments])
    cpu_before, began = server.cpu_s(), 0.0
    join_cpu_s = cpu_s = seconds = 0.0
    rss_kb = 0
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stderr is not None
        assert running.stdout is not None
        for line in running.stderr:
            if line.startswith("joined"):
                join_cpu_s = server.cpu_s() - cpu_before
            elif line.startswith("begin"):
                cpu_before, began = server.cpu_s(), time.monotonic()
            elif line.startswith("end"):
                seconds = time.monotonic() - began
                cpu_s = server.cpu_s() - cpu_before
                rss_kb = server.rss_kb()
            elif line.startswith("{"):
                if progress is not None:
                    progress(json.loads(line))
                if until is not None and until.is_set():
                    running.terminate()
            else:
                raise Unavailable("bench.failed", line.strip())
        answer = running.stdout.read()
    if not answer:
        raise Unavailable("bench.failed", f"The load client ended with {running.returncode}.")
    return Heard(json.loads(answer), cpu_s, join_cpu_s, seconds, rss_kb)


def flags(**options: object) -> Sequence[str]:
    """Options of the load client: `part_ms=200` is `--part-ms 200`."""
    words: list[str] = []
    for name, value in options.items():
        if value is None or value is False:
            continue
        words.append(f"--{name.replace('_', '-')}")
        if value is not True:
            words.append(str(value))
    return words
