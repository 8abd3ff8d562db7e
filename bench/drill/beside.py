"""Benchmarks that only compute, run beside cases that mostly wait: `make drill` is to be short.

They have what processor time nobody else wants (SCHED_IDLE, sched(7)), and are stopped altogether
while a case runs whose figures are about time.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from dataclasses import dataclass
from typing import Any

from bench.edge.processes import ROOT

LINE_BYTES_MAX = 64 * 1024 * 1024


@dataclass(slots=True)
class Beside:
    """One such benchmark, in a process group of its own."""

    module: str
    words: tuple[str, ...] = ()
    _process: asyncio.subprocess.Process | None = None
    _said: asyncio.Task[dict[str, Any]] | None = None

    async def begin(self) -> None:
        """Start it."""
        process = self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", self.module, *self.words, cwd=ROOT,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            limit=LINE_BYTES_MAX, start_new_session=True,
        )  # fmt: skip
        os.sched_setscheduler(process.pid, os.SCHED_IDLE, os.sched_param(0))
        self._said = asyncio.create_task(self._listen(process))

    async def _listen(self, process: asyncio.subprocess.Process) -> dict[str, Any]:
        assert process.stdout is not None
        found: dict[str, Any] = {}
        async for line in process.stdout:
            if line.startswith(b"{"):
                found = json.loads(line)
        return found

    def go_on(self, going: bool) -> None:
        """Let it compute, or have it stand still."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGCONT if going else signal.SIGSTOP)

    async def result(self) -> tuple[int, dict[str, Any]]:
        """Wait for its end: exit code, and its last line."""
        assert self._process is not None
        assert self._said is not None
        self.go_on(True)
        found = await self._said
        return await self._process.wait(), found

    async def end(self) -> None:
        """End it, with all it has started."""
        if self._process is None:
            return
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()
        if self._said is not None:
            await asyncio.gather(self._said, return_exceptions=True)
