"""The drill's handle on its listeners, who live in a process of their own."""

import asyncio
import contextlib
import json
import sys
from dataclasses import dataclass, field
from typing import Any, Self

from stentor.errors import Unavailable

ANSWER_BYTES_MAX = 64 * 1024 * 1024
ANSWER_S_MAX = 10.0


@dataclass(frozen=True, slots=True)
class Account:
    """What one listener knows at the end; times are monotonic seconds of this machine."""

    rendition: str
    phase: str
    parts: int
    first: int
    last: int
    lost: int
    twice: int
    torn: int
    last_part_at: float
    stalls: list[tuple[float, float]]
    """(when, seconds)"""
    resumes: list[tuple[float, float, float]]
    """(broken, answered, first part after it); 0 for what has not happened."""
    refusals: dict[str, int]
    events: dict[str, int]

    def stalls_between(self, begin: float, end: float) -> int:
        """Stalls that began in this stretch of time."""
        return sum(1 for at, _ in self.stalls if begin <= at < end)


@dataclass(frozen=True, slots=True)
class Report:
    """All listeners, and the parts they were given: rendition -> number -> SHA-256 in hex."""

    listeners: list[Account]
    parts: dict[str, dict[int, str]]
    differing: int
    now: float


@dataclass(slots=True)
class Crowd:
    """Listeners in another process; leaves with `async with`."""

    host: str
    port: int
    space: str
    _process: asyncio.subprocess.Process | None = field(default=None)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "stentor.demo.listeners",
            self.host,
            str(self.port),
            self.space,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=ANSWER_BYTES_MAX,
            start_new_session=True,  # Ctrl-C is ours to handle
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(2.0):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def join(self, count: int, over_s: float) -> None:
        """Let `count` more come in during the next `over_s` seconds."""
        await self._ask(order="join", count=count, over_s=over_s)

    async def look(self) -> dict[str, Any]:
        """A few figures: listening, hearing, ended, parts, stalls, last_part_at."""
        return await self._ask(order="look")

    async def ports(self) -> list[int]:
        """The local port of each listener's connection; 0 when it has none."""
        answer = await self._ask(order="ports")
        return list(answer["ports"])

    async def report(self) -> Report:
        """Everything, at the end."""
        answer = await self._ask(order="report")
        accounts = []
        for one in answer["listeners"]:
            one["stalls"] = [tuple(stall) for stall in one["stalls"]]
            one["resumes"] = [tuple(resume) for resume in one["resumes"]]
            accounts.append(Account(**one))
        parts = {
            name: {int(number): digest for number, digest in found.items()}
            for name, found in answer["parts"].items()
        }
        return Report(accounts, parts, answer["differing"], answer["now"])

    async def all_hearing(self, count: int, timeout_s: float) -> bool:
        """Wait until `count` listeners have been given sound; False when that takes too long."""
        return await self._until("hearing", count, timeout_s)

    async def all_listening(self, count: int, timeout_s: float) -> bool:
        """Wait until `count` listeners are connected; False when that takes too long."""
        return await self._until("listening", count, timeout_s)

    async def all_ended(self, count: int, timeout_s: float) -> bool:
        """Wait until `count` listeners were told the end; False when that takes too long."""
        return await self._until("ended", count, timeout_s)

    async def _until(self, figure: str, count: int, timeout_s: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while (await self.look())[figure] < count:
                    await asyncio.sleep(0.05)
                return True
        return False

    async def _ask(self, **order: object) -> dict[str, Any]:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise Unavailable("demo.failed", "The listeners' process is not running.")
        # One at a time; shielded, so that a timeout of the asker cannot mix up the answers.
        return await asyncio.shield(self._exchange(process, order))

    async def _exchange(
        self, process: asyncio.subprocess.Process, order: dict[str, object]
    ) -> dict[str, Any]:
        assert process.stdin is not None
        assert process.stdout is not None
        async with self._lock, asyncio.timeout(ANSWER_S_MAX):
            process.stdin.write(json.dumps(order).encode() + b"\n")
            await process.stdin.drain()
            line = await process.stdout.readline()
        if not line:
            raise Unavailable("demo.failed", "The listeners' process has ended.")
        found: dict[str, Any] = json.loads(line)
        return found
