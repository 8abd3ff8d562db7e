"""What a drill says while it runs: a line for each phase, and a table at the end."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from stentor.clock import Clock


class Telling:
    """Lines with the time since the drill began."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = clock.now()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the drill began."""
        return self._clock.now() - self._began

    def say(self, text: str) -> None:
        """One line."""
        print(f"{self.elapsed_s:6.1f} s  {text}", flush=True)


def table(rows: Sequence[tuple[str, str, bool | None]]) -> str:
    """Rows of (what, how much, whether that is as promised; None: no promise)."""
    width = max(len(what) for what, _, _ in rows)
    signs = {True: "yes", False: "NO", None: "   "}
    lines = [f"  {what:<{width}}  {signs[good]:<3}  {value}" for what, value, good in rows]
    return "\n".join(lines)


def finish(figures: Mapping[str, object], file: str, *, as_json: bool) -> int:
    """Write the figures where make keeps them, and as one JSON line; the exit code."""
    line = json.dumps(figures)
    if Path("Makefile").is_file():
        Path("build").mkdir(exist_ok=True)
        Path("build", file).write_text(line + "\n")
    if as_json:
        print(line, flush=True)
    else:
        sys.stdout.flush()
    return 0 if figures["ok"] else 1
