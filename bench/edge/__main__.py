"""`make bench`: what an edge costs and how well it serves, beside C, Icecast and nginx.

Servers run on one core, the crowd (a load client in C) on another; processor time is what the
kernel counted for all of a server's processes. Parts, which ARGS="--only PART,PART" chooses from:

  fanout   1,000 to 15,000 listeners at 200 ms, 500 ms, 1 s: C limit, Icecast, Stentor
  joins    10,000 who come at 4,000/s and within a second; joins per core, beside nginx
  tls      10,000 listeners with TLS and without; handshakes per core, new and resumed

The table comes last but one; the last line is one JSON object, also in build/bench.json. The exit
code is 1 when a promise was not kept. Takes about a quarter of an hour, fanout most of it.
"""

import argparse
import contextlib
import os
import resource
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.edge import fanout, joins, promises, secure
from bench.edge.fanout import Cell, Row
from bench.edge.promises import MANY, Promise
from stentor.clock import SystemClock
from stentor.demo.telling import Telling, finish, table
from stentor.errors import StentorError

PARTS = ("fanout", "joins", "tls")
COUNTS = (1_000, 4_000, MANY, 15_000)
INTERVALS_MS = (200, 500, 1_000)
SERVERS = ("c", "icecast", "stentor")
SELDOM = Cell("stentor", MANY, 2_000)
"""Only Stentor ever sends this seldom."""
Say = Callable[[str], None]


def measure_fanout(options: argparse.Namespace, say: Say) -> list[Row]:
    """The table, with medians where promises rest on it."""
    wanted = fanout.cells(numbers(options.listeners), numbers(options.intervals), SERVERS)
    rested_on = [Cell(server, MANY, 500) for server in SERVERS]
    rested_on += [Cell("stentor", MANY, 1_000), SELDOM]
    if Cell("stentor", MANY, 1_000) in wanted:
        wanted = list(dict.fromkeys([*wanted, SELDOM]))
    return fanout.table(wanted, dict.fromkeys(rested_on, options.runs), say)


def measure_joins(runs: int, say: Say) -> list[dict[str, Any]]:
    """Crowds that come, and joins as fast as they go."""
    rows = []
    for rate in joins.RATES.values():
        for server in SERVERS:
            if rate == joins.RATES["flash"] and server == "icecast":
                continue  # it is lost at the lower rate already
            rows.append(joins.arrive(server, rate))
            say(joins.line(rows[-1]))
    return [*rows, *joins.side_by_side(runs, say)]


def measure_tls(runs: int, say: Say) -> tuple[list[Row], list[dict[str, Any]]]:
    """Listeners with TLS beside listeners without, and handshakes; C's cost of both beside them."""
    cells = [Cell(server, MANY, 500, tls) for tls in (False, True) for server in ("c", "stentor")]
    with tempfile.TemporaryDirectory(prefix="stentor-bench-") as folder:
        files = secure.certificate(Path(folder))
        rows = fanout.table(cells, dict.fromkeys(cells, runs), say, files)
        return rows, secure.handshakes(files, say)


def measure(options: argparse.Namespace, say: Say) -> tuple[dict[str, Any], list[Promise]]:
    """All that is wanted."""
    parts, runs = options.only.split(","), options.runs
    figures: dict[str, Any] = {}
    kept: list[Promise] = []
    rows: list[Row] = []
    if "fanout" in parts:
        rows = measure_fanout(options, say)
        kept += promises.of_fanout(rows)
    if "tls" in parts:
        both, figures["handshakes"] = measure_tls(runs, say)
        kept += promises.of_tls(both, figures["handshakes"])
        rows += [row for row in both if row.tls or not rows]
    if rows:
        figures["rows"] = [asdict(row) for row in rows]
    if "joins" in parts:
        figures["joins"] = measure_joins(runs, say)
        kept += promises.of_joins(figures["joins"])
    return figures, kept


def numbers(text: str) -> list[int]:
    """Numbers separated by commas."""
    return [int(word) for word in text.split(",")]


def rounded(value: object) -> Any:
    """Figures with as many digits as mean something."""
    if isinstance(value, dict):
        return {name: rounded(one) for name, one in value.items()}
    if isinstance(value, list):
        return [rounded(one) for one in value]
    return round(value, 4) if isinstance(value, float) else value


def raise_descriptors() -> None:
    """Everybody started from here may hold as many sockets as this machine allows."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def main() -> int:
    """Measure, print, and say whether all is as promised (exit code 0)."""
    parser = argparse.ArgumentParser(
        prog="make bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(PARTS), help="parts, comma separated")
    parser.add_argument("--runs", type=int, default=3, help="of what promises rest on (3)")
    many = ",".join(map(str, COUNTS))
    parser.add_argument("--listeners", default=many, help=f"for fanout ({many})")
    often = ",".join(map(str, INTERVALS_MS))
    parser.add_argument("--intervals", default=often, help=f"for fanout, in ms ({often})")
    options = parser.parse_args()
    if not set(options.only.split(",")) <= set(PARTS):
        parser.error(f"parts are {', '.join(PARTS)}")
    if len(os.sched_getaffinity(0)) < 2:
        print("bench: needs two processor cores, one for a server alone.", file=sys.stderr)
        return 2
    raise_descriptors()
    telling = Telling(SystemClock())

    def say(text: str) -> None:
        with contextlib.redirect_stdout(sys.stderr):
            telling.say(text)

    say(fanout.HEADING)
    try:
        figures, kept = measure(options, say)
    except StentorError as error:
        print(f"bench: {error.sentence}", file=sys.stderr)
        return 2
    print_tables(figures, kept)
    by_name = promises.as_json(kept)
    short = {name: one["value"] for name, one in by_name.items()}
    answer = rounded(figures | short | {"promises": by_name})
    answer["ok"] = all(promise.kept for promise in kept)
    return finish(answer, "bench.json", as_json=True)


def print_tables(figures: dict[str, Any], kept: list[Promise]) -> None:
    """Everything for a person."""
    if "rows" in figures:
        print("\n" + fanout.HEADING)
        for row in figures["rows"]:
            print(fanout.line(Row(**row)))
    if "joins" in figures or "handshakes" in figures:
        print()
    for row in figures.get("joins", []):
        print(joins.line(row))
    for row in figures.get("handshakes", []):
        print(secure.line(row))
    print("\n" + table([promise.as_row() for promise in kept]) + "\n")


if __name__ == "__main__":
    sys.exit(main())
