"""`make simulate`: a million people at a door no machine here could bring, played by number.

The code that decides is `stentor.gate`, unchanged; people, networks and edges are made up, from
seeds. Shown is what is promised of waiting: that nobody gains by coming milliseconds earlier, that
the wait that is told is true, and that no visible page is old. The first seeds are played to the
end, the others for as long as people arrive. The last line is one JSON object, also in
build/simulation.json.
"""

import argparse
import json
import multiprocessing
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from stentor.simulation.evening import Evening
from stentor.simulation.scenario import Attack, Scenario
from stentor.simulation.verdict import FAIR_P, PAGE_AGE_MAX_S, WAIT_ERROR_MAX, Seen, judge

SEEDS = 20
FAIR_SEEDS = 0.9
"""Of the seeds, those that must be fair: one in a hundred looks unfair by chance alone."""
WHOLE = 4
"""Seeds that are played to the end."""
WHOLE_S = 2_400
REPORT = Path("build/simulation.json")


def scenario(arrivals: int, whole: bool, attacked: bool) -> Scenario:
    """A house for a third of those who come, as the promise has it: twenty edges."""
    chairs = max(50, arrivals * 15 // 1_000)
    attack = Attack()
    if attacked:
        attack = Attack(
            flood_per_s=arrivals // 300, hoarders=arrivals // 20, bots=arrivals // 10,
            bot_prefixes=50, replays_per_s=200, solves=True,
        )  # fmt: skip
    return Scenario(
        name="attack" if attacked else "crowd",
        arrivals=arrivals,
        chairs=chairs,
        joins_per_s=max(20, chairs // 10),
        last_s=WHOLE_S if whole else 61,
        attack=attack,
    )


def played(told: tuple[int, int, bool, bool]) -> dict[str, Any]:
    """One evening, in a process of its own."""
    arrivals, seed, whole, attacked = told
    begins = time.perf_counter()
    evening = Evening(scenario(arrivals, whole, attacked), seed).play()
    seen = judge(evening, seed, evening.minutes[-1].from_s + 60)
    took_s = round(time.perf_counter() - begins, 1)
    return {**msgspec.to_builtins(seen), "whole": whole, "attacked": attacked, "took_s": took_s}


def promises(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Each promise, what was seen, and whether it was kept."""
    crowds = [row for row in rows if not row["attacked"]]
    whole = [row for row in crowds if row["whole"]]
    fair = sum(row["fair_p"] >= FAIR_P for row in crowds)
    error = statistics.median(row["wait_error"] for row in whole)
    age_s = max(row["page_age_s"] for row in rows)
    over = max(row["overdrawn"] for row in rows)
    held: dict[str, dict[str, Any]] = {
        "fairness": {
            "promise": f"p >= {FAIR_P} in {FAIR_SEEDS:.0%} of the seeds",
            "fair": fair,
            "seeds": len(crowds),
            "ok": fair >= FAIR_SEEDS * len(crowds),
        },
        "wait": {
            "promise": f"median error of the estimate <= {WAIT_ERROR_MAX:.0%}",
            "error": error,
            "errors": [row["wait_error"] for row in whole],
            "told_on_arrival": [row["told_error"] for row in whole],
            "in_range": [row["in_range"] for row in whole],
            "ok": error <= WAIT_ERROR_MAX,
        },
        "page": {
            "promise": f"no visible page older than {PAGE_AGE_MAX_S:g} s",
            "oldest_s": age_s,
            "ok": age_s <= PAGE_AGE_MAX_S,
        },
        "chairs": {
            "promise": "never more listeners than chairs",
            "overdrawn": over,
            "ok": over == 0,
        },
    }
    attacked = [row for row in rows if row["attacked"]]
    if attacked and whole:
        quiet = statistics.mean(row["in_share"] for row in whole)
        held["attack"] = {
            "promise": "reported, no promise",
            "people_in_of_quiet": [round(row["in_share"] / quiet, 3) for row in attacked],
            "bots_share": [row["bots_share"] for row in attacked],
            "ok": True,
        }
    return held


def main() -> int:
    """Play, tell, and write the report."""
    parser = argparse.ArgumentParser(prog="python -m bench.simulation", description=__doc__)
    parser.add_argument("--arrivals", type=int, default=1_000_000)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--whole", type=int, default=WHOLE, help="seeds played to the end")
    parser.add_argument("--attacks", type=int, default=1, help="evenings with attackers")
    parser.add_argument("--processes", type=int, default=multiprocessing.cpu_count())
    given = parser.parse_args()
    # The long ones first, so that no processor is left alone with one of them.
    wanted = [(given.arrivals, seed, True, False) for seed in range(1, given.whole + 1)]
    wanted += [(given.arrivals, seed, True, True) for seed in range(1, given.attacks + 1)]
    wanted += [
        (given.arrivals, seed, False, False) for seed in range(given.whole + 1, given.seeds + 1)
    ]
    rows: list[dict[str, Any]] = []
    begins = time.perf_counter()
    names = [*(name for name in Seen.__struct_fields__ if name != "arrivals"), "took_s"]
    with multiprocessing.get_context("spawn").Pool(given.processes, maxtasksperchild=1) as pool:
        for row in pool.imap_unordered(played, wanted):
            rows.append(row)
            kind = "attack" if row["attacked"] else "whole" if row["whole"] else "arrivals"
            print(kind, *(f"{name}={row[name]}" for name in names), flush=True)
    held = promises(rows)
    report = {
        "arrivals": given.arrivals,
        "took_s": round(time.perf_counter() - begins, 1),
        "ok": all(one["ok"] for one in held.values()),
        "promises": held,
    }
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(json.dumps({**report, "evenings": rows}, indent=1) + "\n")
    for name, one in held.items():
        print("ok" if one["ok"] else "NOT KEPT", name, one)
    print(json.dumps(report))
    return 0 if report["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
