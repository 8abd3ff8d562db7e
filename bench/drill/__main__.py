"""`make drill`: do to a node what an evening may bring, and see whether it keeps its promises.

Each case starts a node of its own, pinned to all cores but the last one; crowds and attackers have
that one. `make drill CASE=B2` runs one case, `CASE=B3,B4` several. A case that cannot be run fails,
and says why. The last line is one JSON object, also in build/drill.json: of each case `ok`, its
figures, and the promise it is held to.
"""

import argparse
import asyncio
import json
import os
import resource
import sys
from typing import Any

from bench.drill.beside import Beside
from bench.drill.case import CLOCK, Case, Found
from bench.drill.cases import CASES, COMPUTING
from stentor.demo import interruption
from stentor.demo.telling import Telling, finish, table
from stentor.drill import certificate
from stentor.errors import StentorError


async def attempt(case: Case, telling: Telling) -> Found:
    """One case; whatever goes wrong in it is its failure and nobody else's."""
    try:
        async with asyncio.timeout(case.limit_s):
            return await case.run(telling)
    except TimeoutError:
        return Found(checks={f"it was over within {case.limit_s:g} s": False})
    except StentorError as error:
        return Found(checks={f"it could be run: {error.sentence}": False})
    except (OSError, LookupError, ValueError, TypeError, ExceptionGroup) as error:
        return Found(checks={f"it could be run: {type(error).__name__}: {error}": False})


async def drill(cases: list[Case], telling: Telling) -> dict[str, Any]:
    """All of them, in order; the figures."""
    names = {case.name for case in cases}
    computing = [one for name, one in COMPUTING.items() if name in names]
    try:
        for one in computing:
            await one.begin()
        return await in_turn(cases, computing, telling)
    finally:
        for one in computing:
            await one.end()


async def in_turn(cases: list[Case], computing: list[Beside], telling: Telling) -> dict[str, Any]:
    """The cases; those that only compute go on beside the patient ones."""
    found: dict[str, Any] = {}
    for case in cases:
        for beside in computing:
            beside.go_on(case.patient)
        began = telling.elapsed_s
        telling.say(f"{case.name}: {case.title}")
        one = await attempt(case, telling)
        for sentence, good in one.checks.items():
            telling.say(f"{case.name}: {'yes' if good else 'NO '} {sentence}")
        for note in one.notes:
            telling.say(f"{case.name}: note: {note}")
        found[case.name] = one.as_json(case.promise)
        found[case.name]["took_s"] = round(telling.elapsed_s - began, 1)
    return found


def chosen(names: str) -> list[Case]:
    """The cases that were asked for."""
    if not names:
        return list(CASES)
    wanted = [name.strip().upper() for name in names.replace(",", " ").split()]
    known = {case.name: case for case in CASES}
    unknown = [name for name in wanted if name not in known]
    if unknown:
        sys.exit(f"drill: no case {', '.join(unknown)}; there are {', '.join(known)}")
    return [known[name] for name in wanted]


def main() -> int:
    """Run the cases; the exit code is 0 when every promise was kept."""
    parser = argparse.ArgumentParser(
        prog="make drill",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("cases", nargs="*", help="names, as B2 (all)")
    options = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    telling = Telling(CLOCK)
    try:
        found = interruption.run(drill(chosen(" ".join(options.cases)), telling))
    except KeyboardInterrupt:
        return 130
    rows = [
        (f"{name} {case.title}", told_of(found[name]), found[name]["ok"])
        for case in CASES
        if (name := case.name) in found
    ]
    print("\n" + table(rows) + "\n")
    figures = {
        "cases": found,
        "machine": certificate.machine() | {"load_before": os.getloadavg()[2]},
        "took_s": round(telling.elapsed_s, 1),
        "ok": all(one["ok"] for one in found.values()),
    }
    json.dumps(figures)
    return finish(figures, "drill.json", as_json=True)


def told_of(found: dict[str, Any]) -> str:
    """The few figures of a case that its promise is about."""
    if found["broken"]:
        return "; ".join(found["broken"])[:120]
    shown = [f"{name} {value}" for name, value in found["figures"].items() if is_short(value)]
    return ", ".join(shown)[:120]


def is_short(value: object) -> bool:
    """Whether it fits into a row."""
    return isinstance(value, int | float | str) and len(str(value)) < 12


if __name__ == "__main__":
    sys.exit(main())
