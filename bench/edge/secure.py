"""What TLS costs: handshakes, new and resumed, as the kernel counts them for real processes.

The certificate is P-256. A handshake is a new connection up to the client's Finished, closed there;
handshakes per core are those for each second of processor time of the server, what accepting and
closing cost among it. (bench.edge.handshakes has the cryptography alone.)
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.edge import ours, rivals
from bench.edge.crowd import crowd, flags
from bench.edge.joins import INTERVAL_MS, per_core
from bench.edge.processes import Server
from tests.certificates import make_certificate

IN_FLIGHT = 100
SECONDS = 3.0
PAUSE_S = 0.5
"""Until those of the run before have gone: in a crowd nobody gets a session to come back with."""


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate and its key, P-256."""
    files = make_certificate(folder, 1)
    return Path(files["tls_cert"]), Path(files["tls_key"])


def handshakes(files: tuple[Path, Path], say: Callable[[str], None]) -> list[dict[str, Any]]:
    """New and resumed handshakes of both versions, with the limit in C and with Stentor."""
    with tempfile.TemporaryDirectory(prefix="stentor-bench-") as folder:
        limit = _rows(lambda: rivals.c_limit(INTERVAL_MS, files), say)
        return limit + _rows(lambda: ours.stentor(Path(folder), tls=files), say)


def _rows(begin: Callable[[], Server], say: Callable[[str], None]) -> list[dict[str, Any]]:
    rows = []
    server = begin()
    try:
        for version in ("1.3", "1.2"):
            for resume in (False, True):
                time.sleep(PAUSE_S)
                heard = crowd(
                    server,
                    f"--tls={version}",
                    *flags(
                        path=ours.PATH,
                        until="connected",
                        rate=0,
                        in_flight=IN_FLIGHT,
                        resume=resume,
                        seconds=SECONDS,
                        settle=0.7,
                    ),
                )
                made = max(1, heard.figures["handshakes"])
                share = round(heard.figures["resumed"] / made, 3)
                row = {
                    "server": server.name,
                    "tls": version,
                    "resumed_share": share,
                    **per_core(heard),
                }
                rows.append(row)
                say(line(row))
    finally:
        server.stop()
    return rows


def line(row: dict[str, Any]) -> str:
    """A row for a person."""
    kind = "resumed" if row["resumed_share"] > 0.5 else "new"
    return (
        f"{row['server']:<8} TLS {row['tls']} {kind:<8} "
        f"{row['per_s']:,}/s, {row['per_core']:,} per core, "
        f"{row['us_each']} us each (server {row['server_busy']:.0%}, "
        f"client {row['client_busy']:.0%}, failed {row['failed']})"
    )
