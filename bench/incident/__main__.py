"""`make drill CASE=G1`: does what the report leads to agree with what was drawn?

Twenty incidents each of crowd, attack, mixed and own fault are drawn, played attempt by attempt
through the tally of the gates, and written as a node writes them. The report reads only that. Every
figure of each report is computed again by the independent reader. The last line is one JSON object.
"""

import argparse
import json
import multiprocessing
import sys
import tempfile
from collections import Counter
from typing import Any

from bench.incident.disk import timed
from bench.incident.draw import KINDS
from bench.incident.trial import one

FIRST = 6_001
"""Seeds of the figures that are shown; rules were tuned on others."""
SEEDS = 20
RIGHT_MIN = 0.95
SILENT_MAX = 0.10


def judged(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures of the case."""
    kinds = {
        kind: {
            "right": sum(row["right"] for row in rows if row["kind"] == kind),
            "of": sum(row["kind"] == kind for row in rows),
            "cannot_tell": sum(row["silent"] for row in rows if row["kind"] == kind),
        }
        for kind in KINDS
    }
    right = sum(row["right"] for row in rows) / len(rows)
    silent = sum(row["silent"] for row in rows) / len(rows)
    differing = sum(bool(row["differing"]) for row in rows)
    wrong = [
        {name: row[name] for name in ("kind", "seed", "truth", "leading", "shares", "drawn")}
        for row in rows
        if not row["right"]
    ]
    checks = {
        f"leading evidence is right in {right:.1%} (>= {RIGHT_MIN:.0%})": right >= RIGHT_MIN,
        f"cannot tell in {silent:.1%} (<= {SILENT_MAX:.0%})": silent <= SILENT_MAX,
        f"{len(rows) - differing} of {len(rows)} reports recounted without a difference": (
            not differing
        ),
    }
    return {
        "ok": all(checks.values()),
        "checks": checks,
        "right": round(right, 4),
        "cannot_tell": round(silent, 4),
        "kinds": kinds,
        "attempts": sum(row["attempts"] for row in rows),
        "figures_recounted": sum(row["recounted"] for row in rows),
        "reports_differing": differing,
        "baselines": dict(Counter(row["quiet"] for row in rows)),
        "wrong": wrong,
    }


def main() -> int:
    """Run all; the exit code is 0 when the promise was kept."""
    parser = argparse.ArgumentParser(prog="python -m bench.incident", description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="of each kind")
    parser.add_argument("--first", type=int, default=FIRST)
    parser.add_argument("--kind", choices=KINDS)
    parser.add_argument("--workers", type=int, default=multiprocessing.cpu_count())
    options = parser.parse_args()
    kinds = [options.kind] if options.kind else KINDS
    began, rows = timed(), []
    with tempfile.TemporaryDirectory(prefix="stentor-incident-") as folder:
        jobs = [
            (kind, seed, folder)
            for seed in range(options.first, options.first + options.seeds)
            for kind in kinds
        ]
        with multiprocessing.get_context("spawn").Pool(options.workers) as pool:
            for row in pool.imap_unordered(one, jobs):
                rows.append(row)
                if not row["right"] or row["differing"]:
                    print(
                        f"{row['kind']} {row['seed']}: drawn {row['truth']} ({row['drawn']}), "
                        f"leading {row['leading']}, {row['shares']} {row['differing']}",
                        file=sys.stderr,
                        flush=True,
                    )
    found = judged(rows) | {"seconds": round(timed() - began, 1)}
    for kind, of in found["kinds"].items():
        if of["of"]:
            print(f"  {kind:<8} {of['right']} of {of['of']} right, {of['cannot_tell']} not told")
    print(json.dumps(found), flush=True)
    return 0 if found["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
