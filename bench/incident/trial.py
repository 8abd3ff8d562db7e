"""One drawn incident from beginning to end: draw, play, write, report, recount."""

import json
import shutil
from pathlib import Path
from typing import Any

import msgspec

from bench import incident_recount
from bench.incident.disk import write
from bench.incident.draw import draw
from stentor.audience.incident import command
from stentor.paths import Paths


def one(job: tuple[str, int, str]) -> dict[str, Any]:
    """Draw, play, write, report, recount; what came of it."""
    kind, seed, folder = job
    incident = draw(seed, kind)
    data = Path(folder) / f"{kind}-{seed}"
    try:
        space = write(Paths(data), incident)
        made = command.make(Paths(data), space)
        said = json.loads(msgspec.json.encode(made))
        again = incident_recount.recount(data, space)
        differing = incident_recount.differences(again, said)
    finally:
        shutil.rmtree(data, ignore_errors=True)
    return {
        "kind": kind,
        "seed": seed,
        "truth": incident.truth,
        "leading": sorted(made.leading),
        "right": sorted(made.leading) == incident.truth,
        "silent": not made.leading,
        "shares": {
            name: round(getattr(made.shares, name), 3)
            for name in ("crowd", "attack", "fault", "undecided")
        },
        "drawn": [*(a.kind for a in incident.attacks), *(f.kind for f in incident.faults)],
        "attempts": sum(made.outcomes.values()),
        "quiet": made.quiet_source,
        "recounted": incident_recount.count_of(again),
        "differing": differing[:3],
    }
