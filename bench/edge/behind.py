"""What a proxy before an edge costs, beside the edge facing the net itself.

    python -m bench.edge.behind [--listeners 2000] [--interval 500] [--runs 3]

Each way is measured with the configuration that docs/operating/ shows, edge and proxy on one core,
listeners who speak TLS on the other; figures are those of proxy and edge together. The ways take
turns, so that a slow minute hits all; what is printed is the median of the runs. A table, and one
JSON line last.
"""

import argparse
import json
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.edge import ours
from bench.edge.crowd import crowd, flags
from bench.edge.processes import SERVER_CORE, Server, on_core
from bench.edge.secure import certificate
from tests.edge import proxies

LISTED = ("--trusted-proxy", "127.0.0.1")
FEW = 10
JOINS_PER_S = 500
Files = tuple[Path, Path]


def in_front(make: Callable[[Path, int, dict[str, str]], proxies.Proxy], *, passes: bool) -> object:
    """A way through a proxy.

    Args:
        passes: TLS goes through it to the edge, a PROXY header before.
    """

    def begin(folder: Path, interval_ms: int, files: Files) -> Server:
        more = (*LISTED, "--proxy-protocol", "on") if passes else LISTED
        tls = files if passes else None
        inner = ours.stentor(folder, cadence=str(interval_ms), tls=tls, more=more)
        names = {"tls_cert": str(files[0]), "tls_key": str(files[1])}
        proxy = make(folder, inner.port, names)
        proxy.command = on_core(SERVER_CORE, proxy.command)
        try:
            proxy.start()
        except AssertionError:
            inner.stop()
            raise
        assert proxy.process is not None
        return Server(
            proxy.command[3], proxy.port, [proxy.process, *inner.processes], inner.helpers
        )

    return begin


def direct(*, secure: bool) -> object:
    """The edge by itself."""

    def begin(folder: Path, interval_ms: int, files: Files) -> Server:
        return ours.stentor(folder, cadence=str(interval_ms), tls=files if secure else None)

    return begin


WAYS = {
    "directly, without TLS": direct(secure=False),
    "directly": direct(secure=True),
    "HAProxy, TCP mode": in_front(proxies.haproxy_tcp, passes=True),
    "HAProxy, HTTP mode": in_front(proxies.haproxy, passes=False),
    "Caddy": in_front(lambda folder, port, _: proxies.caddy(folder, port), passes=False),
}


def measure(way: str, listeners: int, interval_ms: int, files: Files) -> tuple[float, float]:
    """Processor seconds for 1,000 listener-seconds, and kB for each listener."""
    common = {"path": ours.PATH, "host": "localhost", "cadence_ms": interval_ms}
    common["tls"] = not way.endswith("without TLS")
    with tempfile.TemporaryDirectory(prefix="stentor-bench-") as folder:
        server = WAYS[way](Path(folder), interval_ms, files)
        try:
            few = crowd(server, *flags(**common, listeners=FEW, seconds=0.2, settle=0.5))
            many = crowd(
                server, *flags(**common, listeners=listeners, rate=JOINS_PER_S, seconds=6.0)
            )
        finally:
            server.stop()
    found = many.figures
    assert found["joined"] - found["ended"] == listeners, found
    cores = many.cpu_s / many.seconds / listeners * 1_000
    return cores, (many.rss_kb - few.rss_kb) / listeners


def main() -> None:
    """Measure and print."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--listeners", type=int, default=2_000)
    asked.add_argument("--interval", type=int, default=500, choices=(200, 500, 1_000, 2_000))
    asked.add_argument("--runs", type=int, default=3)
    wanted = asked.parse_args()
    found: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        files = certificate(Path(folder))
        for _ in range(wanted.runs):
            for way, figures in found.items():
                figures.append(measure(way, wanted.listeners, wanted.interval, files))
    rows = []
    for way, figures in found.items():
        cores, kb = (round(statistics.median(each), 4) for each in zip(*figures, strict=True))
        rows.append({"way": way, "cpu_s_per_1000": cores, "rss_kb_per_listener": kb})
        print(f"{way:24}{cores:8.4f} cores for 1,000 listeners{kb:8.1f} kB each")
    print(json.dumps({"interval_ms": wanted.interval, "runs": wanted.runs, "rows": rows}))


if __name__ == "__main__":
    main()
