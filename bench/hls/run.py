"""Low-latency HLS players, directly and through caches: what the edge is asked, and when they hear.

    python -m bench.hls.run [--players 200] [--seconds 20]

Prints a table and, as the last line, one JSON object, which is written to build/hls-cache.json too.
"""

import argparse
import asyncio
import contextlib
import json
import os
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import uvloop

from bench.hls.caches import Origin, answers, direct, free_port, nginx, started, varnish
from bench.hls.player import Player
from bench.hls.source import SPACE, Source
from stentor.clock import SystemClock
from stentor.edge.playlist import PARTIAL_SAMPLES, PARTIALS
from stentor.limits import SAMPLE_RATE
from stentor.paths import Paths

RESULT = Path(__file__).parents[2] / "build" / "hls-cache.json"
JOIN_S = 4.0
"""Players come one after another; then it is counted."""
SETTLE_S = 6.0
PARTIAL_S = PARTIAL_SAMPLES / SAMPLE_RATE
_SOUND = re.compile(r"/opus/(\d+)\.(\d+)\.m4s$")
_LIST = re.compile(r"_HLS_msn=(\d+)&_HLS_part=(\d+)")


@contextlib.contextmanager
def edge(paths: Paths) -> Iterator[tuple[int, int]]:
    """An edge in a process of its own: its port and process."""
    with contextlib.ExitStack() as stack:
        port = free_port()
        process = started(stack, sys.executable, "-m", "bench.hls.edge", str(paths.data), str(port))
        answers(port)
        yield port, process


def processor_s(process: int) -> float:
    """Processor time a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def listen(
    port: int, origin: Origin, process: int, source: Source, count: int, seconds: float
) -> dict[str, Any]:
    """Let players listen at a port, and count what becomes of it."""
    clock = source.clock
    players = [Player(port, f"/s/{SPACE}/hls", "opus", clock) for _ in range(count)]
    tasks = []
    for player in players:
        tasks.append(asyncio.create_task(player.run()))
        await asyncio.sleep(JOIN_S / count)
    await asyncio.sleep(SETTLE_S)
    asked, used, began = origin.asked.copy(), processor_s(process), clock.now()
    for player in players:
        player.stalls = player.errors = 0
    await asyncio.sleep(seconds)
    took = clock.now() - began
    used = processor_s(process) - used
    asked = origin.asked - asked
    # The first that came was asked for before.
    first = next(number for number, at in source.ready_at_s.items() if at > began) + 1
    counted = range(first, max(source.ready_at_s) - 1)
    failures = [task.exception() for task in tasks if task.done()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert not failures, failures
    return {
        "players": count,
        "parts": len(counted),
        **asked_for(asked, counted),
        **heard(players, source, counted),
        "edge_cores": round(used / took, 4),
    }


def asked_for(asked: Counter[str], counted: range) -> dict[str, float | None]:
    """What the edge was asked, for each partial segment: its sound, a playlist, and all else."""
    if not asked:
        return {"origin_per_part": None, "origin_sound_per_part": None}
    sound = lists = other = 0
    for address, count in asked.items():
        if found := _SOUND.search(address):
            sound += count * (int(found[1]) * PARTIALS + int(found[2]) in counted)
        elif found := _LIST.search(address):
            lists += count * (int(found[1]) * PARTIALS + int(found[2]) in counted)
        else:
            other += count
    return {
        "origin_per_part": round((sound + lists + other) / len(counted), 2),
        "origin_sound_per_part": round(sound / len(counted), 2),
    }


def heard(players: list[Player], source: Source, counted: range) -> dict[str, Any]:
    """How long sound is on its way, how far behind playheads are, and whether they ran out."""
    late_ms = [
        (player.arrived_at_s[number] - source.ready_at_s[number]) * 1_000
        for player in players
        for number in counted
        if number in player.arrived_at_s
    ]
    behind_s = [
        player.begun_at_s - source.started_at_s - player.head * PARTIAL_S for player in players
    ]
    return {
        "arrival_p50_ms": round(median(late_ms), 1),
        "arrival_p99_ms": round(quantiles(late_ms, n=100)[-1], 1),
        "latency_p50_s": round(median(behind_s), 2),
        "latency_p99_s": round(quantiles(behind_s, n=100)[-1], 2),
        "stalls": sum(player.stalls for player in players),
        "errors": sum(player.errors for player in players),
        "missing": len(players) * len(counted) - len(late_ms),
    }


async def main(count: int, seconds: float) -> dict[str, Any]:
    """All caches, one after another, before the same Space."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="stentor-hls-") as folder:
        place = Path(folder)
        place.chmod(0o755)  # Varnish works as another user
        paths = Paths(place / "data")
        paths.create()
        with Source(paths, SystemClock()) as source, edge(paths) as (port, process):
            for name, before in {"none": direct, "varnish": varnish, "nginx": nginx}.items():
                async with Origin(port) as origin:
                    asked = port if before is direct else origin.port
                    with before(asked, place) as door:
                        row = {"cache": name}
                        row |= await listen(door, origin, process, source, count, seconds)
                print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
                rows.append(row)
    told = {row["cache"]: row for row in rows}
    best = told["varnish"]
    return {
        "players": count,
        "origin_per_part": best["origin_per_part"],
        "latency_p50_s": best["latency_p50_s"],
        "stalls": best["stalls"],
        "edge_us_per_request": round(
            told["none"]["edge_cores"] / (2 * count / PARTIAL_S) * 1e6  # a playlist and its sound
        ),
        "nginx_staleness_ms": round(
            told["nginx"]["arrival_p50_ms"] - told["none"]["arrival_p50_ms"], 1
        ),
        "rows": rows,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--players", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=20.0)
    given = parser.parse_args()
    result = json.dumps(uvloop.run(main(given.players, given.seconds)))
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(result + "\n")
    print(result)
