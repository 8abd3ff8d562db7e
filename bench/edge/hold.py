"""`make hold`: 60,000 listeners at once on one machine of two cores.

Four pairs of gate and edge behind one door send every second; the crowd is four processes, since
none may hold more than 20,000 descriptors on such machines, and shares the two cores with them.
Nobody may stall or be lost. The last line is one JSON object, also in build/hold.json.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.edge import ours
from bench.edge.__main__ import raise_descriptors, rounded
from bench.edge.crowd import Heard, crowd, flags
from bench.edge.promises import Promise, as_json
from stentor.clock import SystemClock
from stentor.demo.telling import Telling, finish, table
from stentor.errors import StentorError

LISTENERS = 60_000
SPARE = 1_000
"""One in so many come beside those who are promised a place: a connection may break, and nobody in
this crowd asks again as people's players do. How many broke stands in the figures."""
EDGES = 4
CADENCE_MS = 1_000
JOINS_PER_S = 2_500
BEYOND_MS_MAX = 25.0


def hold(listeners: int, seconds: float, telling: Telling) -> tuple[Heard, int]:
    """Let them come, and hold them: what they heard, and the memory of a node without them (kB)."""
    telling.say(f"{listeners:,} listeners come to {EDGES} edges at {JOINS_PER_S:,}/s")

    def tell(line: dict[str, Any]) -> None:
        telling.say(
            f"{line['joined']:,} hear it, {line['stalls']} stalls, {line['ended']} ended, "
            f"{line['failed']} failed, delay p99 {line['delay_p99']:.0f} ms"
        )

    wanted = flags(
        path=ours.PATH,
        listeners=listeners + listeners // SPARE,
        rate=JOINS_PER_S,
        processes=EDGES,
        cadence_ms=CADENCE_MS,
        seconds=seconds,
        settle=3,
        give_up=listeners / JOINS_PER_S + 20,
        every=5_000,
    )
    with tempfile.TemporaryDirectory(prefix="stentor-bench-") as folder:
        server = ours.stentor(Path(folder), cadence=str(CADENCE_MS), edges=EDGES, core=None)
        try:
            few = crowd(server, *flags(path=ours.PATH, listeners=EDGES, seconds=0.2))
            return crowd(server, *wanted, core=None, progress=tell), few.rss_kb
        finally:
            server.stop()


def figures_of(heard: Heard, empty_kb: int) -> dict[str, Any]:
    """What holding them came to."""
    found = heard.figures
    here = found["joined"] - found["ended"]
    cores = heard.cpu_s / heard.seconds
    return {
        "listeners": found["listeners"],
        "failed": found["failed"],
        "held": here,
        "edges": EDGES,
        "cadence_ms": CADENCE_MS,
        "cores": os.cpu_count(),
        "seconds": found["seconds"],
        "stalls": found["stalls"],
        "server_cores": cores,
        "cpu_s_per_1000": cores / max(1, here) * 1_000,
        "rss_kb_per_listener": (heard.rss_kb - empty_kb) / max(1, here),
        "delay_ms": found["delay_ms"],
        "gap_ms": found["gap_ms"],
        "ttfb_ms": found["ttfb_ms"],
        "client_busy": found["client_busy"],
    }


def promises(figures: dict[str, Any]) -> list[Promise]:
    """What is promised of it."""
    beyond_ms = max(0.0, figures["delay_ms"]["p99"] - CADENCE_MS)
    memory = figures["rss_kb_per_listener"]
    wanted = figures["listeners"] * SPARE // (SPARE + 1)
    return [
        Promise("held", "Listeners held at once", figures["held"], wanted, at_most=False),
        Promise("stalls", "Stalls", figures["stalls"], 0),
        Promise("delay_p99_ms", "Delay beyond the cadence, p99, ms", beyond_ms, BEYOND_MS_MAX),
        Promise("rss_kb_per_listener", "kB of memory a listener", memory, 1),
    ]


def main() -> int:
    """Hold them, print, and say whether all is as promised (exit code 0)."""
    parser = argparse.ArgumentParser(
        prog="make hold", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--listeners", type=int, default=LISTENERS)
    parser.add_argument("--seconds", type=float, default=30.0, help="how long they are held")
    options = parser.parse_args()
    raise_descriptors()
    try:
        figures = figures_of(*hold(options.listeners, options.seconds, Telling(SystemClock())))
    except StentorError as error:
        print(f"hold: {error.sentence}", file=sys.stderr)
        return 2
    kept = promises(figures)
    print("\n" + table([promise.as_row() for promise in kept]) + "\n")
    answer = rounded(figures | {"promises": as_json(kept)})
    answer["ok"] = all(promise.kept for promise in kept)
    return finish(answer, "hold.json", as_json=True)


if __name__ == "__main__":
    sys.exit(main())
