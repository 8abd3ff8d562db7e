"""`make cadence`: an edge runs short of processor, and nobody hears it.

8,000 listeners; the edge's process is in a control group of its own, which may use one core, then
half, then a quarter of it, and then as much as it likes. The edge must make its cadence longer step
by step, announced so early that no player stalls, and come back to 200 ms when it may. The crowd is
outside the group, on the other core. Each step is printed with its time; the last line is one JSON
object, also in build/cadence.json. Takes about two minutes; needs root for the control group.
"""

import argparse
import http.client
import json
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.edge import ours
from bench.edge.__main__ import raise_descriptors, rounded
from bench.edge.crowd import crowd, flags
from bench.edge.processes import Server
from bench.edge.promises import Promise, as_json
from bench.edge.quota import Quota, quota
from stentor.clock import SystemClock
from stentor.demo.telling import Telling, finish, table
from stentor.errors import StentorError
from stentor.limits import CADENCES_MS

LISTENERS = 8_000
SHARES = (1.0, 0.5, 0.25)
HELD_S = (10.0, 20.0, 30.0)
"""How long each share lasts: a step takes its 1.5 s of pressure and its warning of 4 to 13 s."""
BACK_S_MAX = 90.0
"""Three steps back, after 10 s of calm each, have time enough."""
LOOK_S = 0.2


@dataclass(slots=True)
class Drill:
    """What happens to an edge, while a thread of its own watches it."""

    server: Server
    group: Quota
    telling: Telling
    steps: list[dict[str, Any]] = field(default_factory=list)
    shares: list[dict[str, Any]] = field(default_factory=list)
    cadence_ms: int = CADENCES_MS[0]
    back_s: float = 0.0
    crowd_line: dict[str, Any] = field(default_factory=dict)
    over: threading.Event = field(default_factory=threading.Event)

    def status(self) -> dict[str, Any]:
        """What the door says of the edge."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=5.0)
        try:
            connection.request("GET", "/healthz")
            found: dict[str, Any] = json.loads(connection.getresponse().read())
            return found
        finally:
            connection.close()

    def look(self) -> None:
        """Notice a step."""
        now_ms = self.status()["cadence_ms"]
        if now_ms != self.cadence_ms:
            step = {
                "at_s": round(self.telling.elapsed_s, 1),
                "from_ms": self.cadence_ms,
                "to_ms": now_ms,
                "share": self.shares[-1]["share"] if self.shares else 1.0,
                "stalls": self.crowd_line.get("stalls", 0),
            }
            self.steps.append(step)
            self.telling.say(f"sends every {now_ms} ms now ({self.cadence_ms} ms before)")
            self.cadence_ms = now_ms

    def watch(self, seconds: float) -> None:
        """Look for a while."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self.over.is_set():
            self.look()
            time.sleep(LOOK_S)

    def run(self) -> None:
        """Cut, and release."""
        for share, seconds in zip(SHARES, HELD_S, strict=True):
            self._allow(share)
            self.watch(seconds)
        self._allow(None)
        began = time.monotonic()
        while self.cadence_ms != CADENCES_MS[0] and time.monotonic() - began < BACK_S_MAX:
            self.watch(LOOK_S)
        self.back_s = time.monotonic() - began
        self.watch(5.0)
        self.over.set()

    def _allow(self, share: float | None) -> None:
        self.group.limit(share)
        text = "as much as it likes" if share is None else f"{share:.0%} of a core"
        self.telling.say(f"the edge may use {text}; {self._heard()}")
        self.shares.append(
            {
                "share": share,
                "at_s": round(self.telling.elapsed_s, 1),
                "throttled_periods": self.group.throttled(),
            }
        )

    def _heard(self) -> str:
        line = self.crowd_line
        return (
            f"{line['joined']:,} listen, {line['stalls']} stalls, delay p99 "
            f"{line['delay_p99']:.0f} ms"
        )


def measure(listeners: int, telling: Telling) -> tuple[dict[str, Any], list[Promise]]:
    """The whole drill."""
    with tempfile.TemporaryDirectory(prefix="stentor-bench-") as folder, quota() as group:
        server = ours.stentor(Path(folder))
        drill = Drill(server, group, telling)
        group.put(server.processes[0].pid)
        drilling = threading.Thread(target=drill.run, daemon=True)

        def tell(line: dict[str, Any]) -> None:
            more = line["stalls"] - drill.crowd_line.get("stalls", 0)
            if more:
                telling.say(f"{more:,} stalls")
            drill.crowd_line = line
            if line["joined"] >= listeners and drilling.ident is None:
                drilling.start()

        try:
            heard = crowd(
                server,
                *flags(path=ours.PATH, listeners=listeners, rate=2_000, every=500, seconds=600),
                progress=tell,
                until=drill.over,
            )
        finally:
            server.stop()
    found = heard.figures
    lost = found["failed"] + found["ended"]
    longest = max([step["to_ms"] for step in drill.steps], default=CADENCES_MS[0])
    figures = {
        "listeners": listeners,
        "joined": found["joined"],
        "steps": drill.steps,
        "shares": drill.shares,
        "longest_ms": longest,
        "back_s": drill.back_s,
        "stalls": found["stalls"],
        "lost": lost,
        "client_busy": found["client_busy"],
    }
    return figures, promises(drill, found["stalls"] + lost, longest)


def promises(drill: Drill, lost: int, longest_ms: int) -> list[Promise]:
    """What is promised of it."""
    places = {cadence: number for number, cadence in enumerate(CADENCES_MS)}
    ways = [places[step["to_ms"]] - places[step["from_ms"]] for step in drill.steps]
    leaps = sum(abs(way) != 1 for way in ways) + (ways != sorted(ways, reverse=True))
    return [
        Promise("stalls", "Stalls and lost listeners", lost, 0),
        Promise("longest_ms", "Longest cadence, ms", longest_ms, CADENCES_MS[1], at_most=False),
        Promise("leaps", "Steps out of order", leaps, 0),
        Promise("end_ms", "Cadence at the end, ms", drill.cadence_ms, CADENCES_MS[0]),
    ]


def main() -> int:
    """Drill, print, and say whether all is as promised (exit code 0)."""
    parser = argparse.ArgumentParser(
        prog="make cadence",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--listeners", type=int, default=LISTENERS)
    options = parser.parse_args()
    raise_descriptors()
    try:
        figures, kept = measure(options.listeners, Telling(SystemClock()))
    except StentorError as error:
        print(f"cadence: {error.sentence}", file=sys.stderr)
        return 2
    print("\n" + table([promise.as_row() for promise in kept]) + "\n")
    answer = rounded(figures | {"promises": as_json(kept)})
    answer["ok"] = all(promise.kept for promise in kept)
    return finish(answer, "cadence.json", as_json=True)


if __name__ == "__main__":
    sys.exit(main())
