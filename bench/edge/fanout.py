"""What it costs to send to listeners who are there, and how late each part comes.

Every cell of the table is a server started anew, N listeners who join it, and a window in which the
kernel's account of the server's processes is read. All servers send 32 kbit/s at the same interval.
The C limit and Icecast get a chunk of a whole interval at once; Stentor gets parts of 200 ms, as
always, and is told to send that often (`--cadence`).

**Delay** is from a part's stamp (when it was made) to the client's read of it. **Beyond the send
interval** is what a server adds to what the interval itself costs. In a server that holds parts
(Stentor above 200 ms) a part waits up to one interval for its slot, so that is max(0, delay -
interval). A server that gets a whole interval's chunk is at once one interval late with its oldest
sample, before the stamp; for it, and at 200 ms, the delay is beyond the interval as it is.
"""

import statistics
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.edge import ours, rivals
from bench.edge.crowd import crowd, flags
from bench.edge.processes import Server
from stentor.limits import PART_SAMPLES, SAMPLE_RATE

PART_MS = PART_SAMPLES * 1_000 // SAMPLE_RATE
FEW = 10
"""An almost empty server: what its memory is compared with."""
EMPTY_S = 1.5
"""What a process needed for its start only has been given back by then."""
WINDOW_S = 6.0
SETTLE_S = 2.0
JOINS_PER_S = {"c": 4_000, "stentor": 4_000, "icecast": 1_500}
"""How fast listeners come before the window; Icecast loses connections when they come faster."""
TLS_JOINS_PER_S = 2_000


@dataclass(frozen=True, slots=True)
class Cell:
    """One place in the table."""

    server: str
    listeners: int
    interval_ms: int
    tls: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """What one cell came to; of several runs, the median of each figure.

    Attributes:
        cpu_s_per_1000: processor seconds of the server for 1,000 listener-seconds.
        us_per_send: microseconds of them for each listener and interval.
        rss_kb_per_listener: memory of the processes beyond that with a few listeners.
        delay_p50_ms, delay_p99_ms: from the stamp to the client's read.
        beyond_p99_ms: what the server adds to the interval, see above.
        ttfb_p99_ms: from connect to the first byte of the body, joining as in JOINS_PER_S.
        lost: who could not join or was cut off.
        client_busy: the share of its core that the load client used.
        client_limits: the load client was too busy to be trusted.
    """

    server: str
    listeners: int
    interval_ms: int
    tls: bool
    cpu_s_per_1000: float
    us_per_send: float
    rss_kb_per_listener: float
    delay_p50_ms: float
    delay_p99_ms: float
    beyond_p99_ms: float
    gap_p99_ms: float
    ttfb_p99_ms: float
    stalls: int
    lost: int
    client_busy: float
    client_limits: bool
    runs: int = 1


def start(cell: Cell, folder: Path, certificate: tuple[Path, Path] | None = None) -> Server:
    """The server of a cell."""
    tls = certificate if cell.tls else None
    if cell.server == "c":
        return rivals.c_limit(cell.interval_ms, tls)
    if cell.server == "icecast":
        return rivals.icecast(cell.interval_ms, folder)
    return ours.stentor(folder, cadence=str(cell.interval_ms), tls=tls)


def path_of(server: str) -> str:
    """What listeners ask a server for."""
    return {"c": "/", "icecast": "/live", "stentor": ours.PATH}[server]


def measure(cell: Cell, certificate: tuple[Path, Path] | None = None) -> Row:
    """One run of one cell."""
    holds = cell.server == "stentor"
    common = {
        "path": path_of(cell.server),
        "part_ms": PART_MS if holds else cell.interval_ms,
        "cadence_ms": cell.interval_ms,
        "tls": cell.tls,
    }
    rate = TLS_JOINS_PER_S if cell.tls else JOINS_PER_S[cell.server]
    with tempfile.TemporaryDirectory(prefix="stentor-bench-") as folder:
        server = start(cell, Path(folder), certificate)
        try:
            few = crowd(server, *flags(**common, listeners=FEW, seconds=0.2, settle=EMPTY_S))
            many = crowd(
                server,
                *flags(
                    **common,
                    listeners=cell.listeners,
                    rate=rate,
                    seconds=WINDOW_S,
                    settle=SETTLE_S,
                    give_up=cell.listeners / rate + 5,
                ),
            )
        finally:
            server.stop()
    found = many.figures
    here = max(1, found["joined"] - found["ended"])
    delay = found["delay_ms"]
    waits_ms = cell.interval_ms if holds and cell.interval_ms > PART_MS else 0
    return Row(
        **asdict(cell),
        cpu_s_per_1000=many.cpu_s / many.seconds / here * 1_000,
        us_per_send=many.cpu_s / many.seconds / here * cell.interval_ms * 1_000,
        rss_kb_per_listener=(many.rss_kb - few.rss_kb) / here,
        delay_p50_ms=delay["p50"],
        delay_p99_ms=delay["p99"],
        beyond_p99_ms=max(0.0, delay["p99"] - waits_ms),
        gap_p99_ms=found["gap_ms"]["p99"],
        ttfb_p99_ms=found["ttfb_ms"]["p99"],
        stalls=found["stalls"],
        lost=found["failed"] + found["ended"],
        client_busy=found["client_busy"],
        client_limits=found["client_limits"],
    )


def median(rows: list[Row]) -> Row:
    """The median of each figure over runs of one cell; trouble of any run stays."""
    first = asdict(rows[0])
    both: dict[str, object] = {}
    for name, value in first.items():
        values = [asdict(row)[name] for row in rows]
        if name in {"stalls", "lost"}:
            both[name] = max(values)
        elif name == "client_limits":
            both[name] = any(values)
        else:
            is_figure = isinstance(value, float)
            both[name] = statistics.median(values) if is_figure else value
    return Row(**(both | {"runs": len(rows)}))  # type: ignore[arg-type]


def cells(counts: Iterable[int], intervals: Iterable[int], servers: Iterable[str]) -> list[Cell]:
    """Every combination, the servers side by side."""
    return [
        Cell(server, count, interval)
        for interval in intervals
        for count in counts
        for server in servers
    ]


def table(
    wanted: list[Cell],
    repeated: dict[Cell, int],
    say: Callable[[str], None],
    certificate: tuple[Path, Path] | None = None,
) -> list[Row]:
    """Measure all cells; those that are repeated take turns, so that a slow minute hits all."""
    runs: dict[Cell, list[Row]] = {}
    for turn in range(max([1, *repeated.values()])):
        for cell in wanted:
            if turn >= repeated.get(cell, 1):
                continue
            row = measure(cell, certificate)
            runs.setdefault(cell, []).append(row)
            say(line(row))
    return [median(rows) for rows in runs.values()]


HEADING = (
    f"{'server':<8} {'listeners':>9} {'every':>7} {'tls':>3}  {'cpu-s/1000':>10} {'us/send':>7} "
    f"{'kB each':>7} {'p50 ms':>7} {'p99 ms':>7} {'beyond':>7} {'stalls':>6} {'lost':>5} client"
)


def line(row: Row) -> str:
    """One row for a person."""
    tls = "yes" if row.tls else ""
    return (
        f"{row.server:<8} {row.listeners:>9,} {row.interval_ms:>4} ms {tls:>3} "
        f" {row.cpu_s_per_1000:>10.4f} {row.us_per_send:>7.1f} {row.rss_kb_per_listener:>7.2f} "
        f"{row.delay_p50_ms:>7.1f} {row.delay_p99_ms:>7.1f} {row.beyond_p99_ms:>7.1f} "
        f"{row.stalls:>6} {row.lost:>5} {row.client_busy:>5.0%}{'!' if row.client_limits else ''}"
    )
