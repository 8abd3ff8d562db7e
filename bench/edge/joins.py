"""What it costs to let somebody in, and how long they wait for the first byte.

A join is a new connection, a request that carries a ticket, and the first byte of the body. Three
things are measured:

* a crowd of 10,000 that comes at 4,000 a second and stays, and one that comes within a second;
* **saturated**: 400 joins under way at any time, each closed by the client at the first byte. Joins
  per core are joins for each second of processor time of all the server's processes;
* the same from nginx, which answers with a static page as long as what Stentor sends at first.
"""

import socket
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.edge import ours, rivals
from bench.edge.crowd import Heard, crowd, flags
from bench.edge.fanout import path_of
from bench.edge.processes import Server
from bench.edge.programme import SPACE
from stentor.clock import SystemClock
from stentor.gate import tickets
from stentor.gate.signing import day_keys
from stentor.paths import Paths

CROWD = 10_000
RATES = {"crowd": 4_000, "flash": 10_000}
TICKETS_VALID_S = 3_600
IN_FLIGHT = 400
SATURATED_S = 4.0
INTERVAL_MS = 500
"""Of the rivals; Stentor chooses by itself."""


def write_tickets(folder: Path, count: int) -> Path:
    """A file of tickets that the node in this folder takes."""
    clock, keyring = SystemClock(), Paths(str(folder / "data")).keyring()
    keys = day_keys(keyring, clock.wall_time() / 1e9)
    expires_at_s = clock.wall_time() // 1_000_000_000 + TICKETS_VALID_S
    path = folder / "tickets"
    issued = (
        tickets.issue(tickets.Ticket(SPACE, number, expires_at_s), keys) for number in range(count)
    )
    path.write_text("\n".join(issued) + "\n")
    return path


def arrive(name: str, rate: int) -> dict[str, Any]:
    """A crowd comes to a server at a rate, and stays."""
    with tempfile.TemporaryDirectory(prefix="stentor-bench-") as place:
        folder = Path(place)
        server, holding = _server(name, folder), None
        if name == "stentor":
            holding = write_tickets(folder, CROWD)
        try:
            heard = crowd(
                server,
                *flags(
                    path=path_of(name),
                    listeners=CROWD,
                    rate=rate,
                    tickets=holding,
                    seconds=1,
                    settle=0.5,
                    give_up=CROWD / rate + 15,
                    part_ms=200 if name == "stentor" else INTERVAL_MS,
                    cadence_ms=200 if name == "stentor" else INTERVAL_MS,
                ),
            )
        finally:
            server.stop()
    figures = heard.figures
    return {
        "server": name,
        "listeners": CROWD,
        "per_s": rate,
        "ttfb_p50_ms": figures["ttfb_ms"]["p50"],
        "ttfb_p99_ms": figures["ttfb_ms"]["p99"],
        "ttfb_max_ms": figures["ttfb_ms"]["max"],
        "head_p99_ms": figures["head_ms"]["p99"],
        "joined": figures["joined"],
        "stalls": figures["stalls"],
        "us_per_join": round(heard.join_cpu_s / max(1, figures["joined"]) * 1e6, 1),
        "client_busy": figures["client_join_busy"],
    }


def _server(name: str, folder: Path) -> Server:
    if name == "c":
        return rivals.c_limit(INTERVAL_MS)
    if name == "icecast":
        return rivals.icecast(INTERVAL_MS, folder)
    return ours.stentor(folder)


def saturate(server: Server, path: str, holding: Path | None) -> dict[str, Any]:
    """Joins as fast as they go."""
    heard = crowd(
        server,
        *flags(
            path=path,
            until="body",
            rate=0,
            in_flight=IN_FLIGHT,
            tickets=holding,
            seconds=SATURATED_S,
            settle=1,
        ),
    )
    return {"server": server.name, **per_core(heard)}


def per_core(heard: Heard) -> dict[str, Any]:
    """What each connection of a saturated run cost."""
    done = max(1, heard.figures["done"])
    return {
        "per_s": round(done / heard.seconds),
        "per_core": round(done / max(1e-9, heard.cpu_s)),
        "us_each": round(heard.cpu_s / done * 1e6, 1),
        "server_busy": round(heard.cpu_s / heard.seconds, 3),
        "client_busy": heard.figures["client_busy"],
        "failed": heard.figures["failed"],
        "statuses": heard.figures["status"],
    }


def first_bytes(server: Server) -> int:
    """How much Stentor sends to somebody new before the next part."""
    with socket.create_connection(("127.0.0.1", server.port)) as listener:
        listener.sendall(f"GET {ours.PATH} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
        time.sleep(0.1)
        return len(listener.recv(65_536))


def side_by_side(runs: int, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Saturated joins to Stentor and nginx in turn; of each figure the median."""
    with (
        tempfile.TemporaryDirectory(prefix="stentor-bench-") as place,
        tempfile.TemporaryDirectory(prefix="stentor-bench-") as elsewhere,
    ):
        folder = Path(place)
        node = ours.stentor(folder)
        try:
            holding = write_tickets(folder, CROWD)
            nginx = rivals.nginx(bytes(first_bytes(node)), Path(elsewhere))
            found: dict[str, list[dict[str, Any]]] = {"stentor": [], "nginx": []}
            try:
                for _ in range(runs):
                    found["stentor"].append(saturate(node, ours.PATH, holding))
                    found["nginx"].append(saturate(nginx, "/page.html", None))
                    for rows in found.values():
                        say(line(rows[-1]))
            finally:
                nginx.stop()
        finally:
            node.stop()
    return [_median(rows) for rows in found.values()]


def _median(rows: list[dict[str, Any]]) -> dict[str, Any]:
    numbers = ("per_s", "per_core", "us_each", "server_busy", "client_busy")
    return rows[-1] | {name: statistics.median(row[name] for row in rows) for name in numbers}


def line(row: dict[str, Any]) -> str:
    """A row for a person."""
    if "ttfb_p99_ms" in row:
        return (
            f"{row['server']:<8} {row['listeners']:,} at {row['per_s']:,}/s: first byte p50 "
            f"{row['ttfb_p50_ms']:.1f} p99 {row['ttfb_p99_ms']:.1f} max {row['ttfb_max_ms']:.1f} ms"
            f", {row['us_per_join']} us each, {row['joined']:,} joined"
        )
    return (
        f"{row['server']:<8} saturated: {row['per_s']:,.0f}/s, {row['per_core']:,.0f} per core, "
        f"{row['us_each']} us each (server {row['server_busy']:.0%}, "
        f"client {row['client_busy']:.0%}), statuses {row['statuses']}"
    )
