"""The worker processes of a drill: started, listened to, told to stop, and what they report."""

import asyncio
import contextlib
import json
import os
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Self

import msgspec

from stentor.drill.plan import Attackers, People
from stentor.errors import Unavailable

REPORT_BYTES_MAX = 256 * 1024 * 1024
REPORT_S_MAX = 30.0
STOP_S = 2.0
PERSONS_PER_WORKER = 10_000
"""A process may hold 20,000 descriptors on common machines."""
WORKERS_MAX = 16
BEGIN_S = 1.0
"""From the order to the first arrival: a worker is there within that."""
Look = defaultdict[str, float]
"""Figures of a line of progress; what nobody has said is 0."""
MODULES = {People: "stentor.drill.crowd", Attackers: "stentor.drill.assault"}


@dataclass(slots=True)
class Worker:
    """One process, and the last line it said."""

    process: asyncio.subprocess.Process
    line: dict[str, Any] = field(default_factory=dict)
    said: asyncio.Task[dict[str, Any]] | None = None

    async def listen(self) -> dict[str, Any]:
        """Read what it says until it ends; the last line is its report."""
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            self.line = json.loads(line)
        return self.line

    async def stop(self) -> dict[str, Any]:
        """Ask for the report, and have it.

        Raises:
            Unavailable: `drill.failed`.
        """
        assert self.process.stdin is not None
        assert self.said is not None
        with contextlib.suppress(OSError):
            self.process.stdin.write(b"stop\n")
            await self.process.stdin.drain()
        try:
            async with asyncio.timeout(REPORT_S_MAX):
                found = await self.said
        except TimeoutError:
            raise Unavailable("drill.failed", "A generator does not answer any more.") from None
        if await self.process.wait():
            raise Unavailable("drill.failed", "A generator has ended; see above for why.")
        return found

    async def end(self) -> None:
        """End it, whatever it does."""
        if self.process.returncode is None:
            assert self.process.stdin is not None
            self.process.stdin.close()
            try:
                async with asyncio.timeout(STOP_S):
                    await self.process.wait()
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    self.process.kill()
                await self.process.wait()
        if self.said is not None:
            self.said.cancel()
            await asyncio.gather(self.said, return_exceptions=True)


@dataclass(slots=True)
class Fleet:
    """The workers that do one thing together; leaves with `async with`."""

    what: People | Attackers
    workers: list[Worker] = field(default_factory=list)

    @classmethod
    def of(cls, what: People | Attackers, now: float, begin_s: float = BEGIN_S) -> "Fleet":
        """A fleet for a crowd or a gang; the people's first moment is `begin_s` from now."""
        if isinstance(what, People) and not what.begins_at:
            what = msgspec.structs.replace(what, begins_at=now + begin_s)
        return cls(what)

    async def __aenter__(self) -> Self:
        count = max(1, min(WORKERS_MAX, -(-self.what.count // PERSONS_PER_WORKER)))
        try:
            for index in range(count):
                await self._start(index, count)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(worker.end() for worker in self.workers))

    async def _start(self, index: int, count: int) -> None:
        plan = msgspec.structs.replace(self.what, share=(index, count), seed=self.what.seed)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            MODULES[type(self.what)],
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=REPORT_BYTES_MAX,
            start_new_session=True,  # Ctrl-C is ours to handle
        )
        worker = Worker(process)
        worker.said = asyncio.create_task(worker.listen())
        self.workers.append(worker)
        assert process.stdin is not None
        process.stdin.write(msgspec.json.encode(plan) + b"\n")
        await process.stdin.drain()

    def look(self) -> Look:
        """The last lines of all workers, added up; of `busy` and `lag_s` the largest."""
        found: Look = defaultdict(int)
        for worker in self.workers:
            if worker.process.returncode is not None:
                raise Unavailable("drill.failed", "A generator has ended; see above for why.")
            for name, value in worker.line.items():
                if isinstance(value, int | float):
                    most = name in {"busy", "lag_s"}
                    found[name] = max(found[name], value) if most else found[name] + value
        return found

    async def report(self) -> list[dict[str, Any]]:
        """What each of them has to say at the end; they are over then.

        Raises:
            Unavailable: `drill.failed`.
        """
        return list(await asyncio.gather(*(worker.stop() for worker in self.workers)))


def cores() -> tuple[set[int], int | None]:
    """The cores for the node, and the one for the generators; None when there is only one."""
    mine = sorted(os.sched_getaffinity(0))
    return (set(mine[:-1]), mine[-1]) if len(mine) > 1 else (set(mine), None)
