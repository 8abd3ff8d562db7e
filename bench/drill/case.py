"""What a case is, and what it says."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from bench.edge.processes import ROOT
from stentor.clock import SystemClock
from stentor.demo import interruption
from stentor.demo.telling import Telling
from stentor.errors import Unavailable

CLOCK = SystemClock()
LAG_S_MAX = 0.1
"""A listener that looks so late takes a part for later than it was."""


@dataclass(slots=True)
class Found:
    """What came of a case.

    Attributes:
        figures: numbers, for the record.
        checks: the promise, sentence by sentence: what was found -> whether that is as promised.
        notes: what a reader of the figures must know: a generator at its limit, what was left out.
    """

    figures: dict[str, Any] = field(default_factory=dict)
    checks: dict[str, bool] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether every promise was kept; a case that checked nothing has shown nothing."""
        return bool(self.checks) and all(self.checks.values())

    def note_generator(self, figures: dict[str, Any]) -> None:
        """Say when a generator's figures are rather its own (`figures.summary`)."""
        if figures["generator_limits"]:
            self.notes.append("the generator was at its limit: delays are rather its own")
        if figures["generator_lag_s_max"] > LAG_S_MAX:
            late = figures["generator_lag_s_max"]
            self.notes.append(
                f"the generator was kept from its core for {late} s: stalls may be its"
            )

    def as_json(self, promise: str) -> dict[str, Any]:
        """For the last line."""
        broken = [name for name, good in self.checks.items() if not good]
        return {
            "ok": self.ok,
            "promise": promise,
            "broken": broken,
            "notes": self.notes,
            "figures": self.figures,
        }


@dataclass(frozen=True, slots=True)
class Case:
    """One case.

    Attributes:
        limit_s: it is given up after so long.
        patient: none of its figures suffers from programs that compute beside it.
    """

    name: str
    title: str
    promise: str
    run: Callable[[Telling], Awaitable[Found]]
    limit_s: float = 180.0
    patient: bool = False


async def program(
    module: str, *words: str, prefix: tuple[str, ...] = ()
) -> tuple[int, dict[str, Any]]:
    """Run a benchmark of its own; its exit code and its last line, which is a JSON object."""
    process = await asyncio.create_subprocess_exec(
        *prefix, sys.executable, "-m", module, *words, cwd=ROOT, stdout=asyncio.subprocess.PIPE,
        limit=64 * 1024 * 1024, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    last = b""
    try:
        async for line in process.stdout:
            if line.startswith(b"{"):
                last = line
            else:
                sys.stdout.write(f"          {line.decode(errors='replace')}")
                sys.stdout.flush()
        code = await process.wait()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    found: dict[str, Any] = json.loads(last) if last else {}
    return code, found


def run_within(inside: Callable[[Telling], Awaitable[dict[str, Any]]]) -> int:
    """Be what `program` runs in a namespace: the last line is one JSON object."""

    async def figures() -> dict[str, Any]:
        return await inside(Telling(CLOCK))

    try:
        print(json.dumps(interruption.run(figures())), flush=True)
    except Unavailable as error:
        print(error.sentence, file=sys.stderr)
        return 2
    return 0
