"""People who come to listen, one after another, whatever happens to the node."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from bench.abuse.offences import LIVE
from bench.abuse.talk import get

PATIENCE_S = 10.0
PAUSE_S = 0.05
HEAD_BYTES_MAX = 4_096


@dataclass(slots=True)
class Join:
    """One of them.

    Attributes:
        asked_at: monotonic seconds.
        took_s: until the first byte of sound's response; infinite: never.
        broken: tries that ended without an answer.
        refused: tries that were answered by a refusal.
        first_word_s: until anything was said at all.
    """

    asked_at: float
    took_s: float = float("inf")
    broken: int = 0
    refused: int = 0
    first_word_s: float = float("inf")


@dataclass(slots=True)
class Joins:
    """All who came."""

    port: int
    found: list[Join] = field(default_factory=list)

    @contextlib.asynccontextmanager
    async def coming(self, rate: float) -> AsyncIterator["Joins"]:
        """So many a second, until everything within is over and they are answered."""
        async with asyncio.TaskGroup() as group:
            coming = group.create_task(self._come(rate, group))
            try:
                yield self
            finally:
                coming.cancel()

    def since(self, begin: float, end: float = float("inf")) -> list[Join]:
        """Those who came in a stretch of time."""
        return [one for one in self.found if begin <= one.asked_at < end]

    async def _come(self, rate: float, group: asyncio.TaskGroup) -> None:
        while True:
            join = Join(time.monotonic())
            self.found.append(join)
            group.create_task(self._ask(join))
            await asyncio.sleep(1 / rate)

    async def _ask(self, join: Join) -> None:
        while (waited := time.monotonic() - join.asked_at) < PATIENCE_S:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(PATIENCE_S - waited):
                    status = await self._try()
                took = time.monotonic() - join.asked_at
                if status:
                    join.first_word_s = min(join.first_word_s, took)
                if status == 200:
                    join.took_s = took
                    return
                join.refused += bool(status)
                join.broken += not status
                await asyncio.sleep(PAUSE_S)
                continue
            join.broken += 1
            await asyncio.sleep(PAUSE_S)

    async def _try(self) -> int:
        """The status of one try; 0 when the connection ended without one."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(get(LIVE))
            head = await reader.read(HEAD_BYTES_MAX)
            return int(head[9:12]) if head.startswith(b"HTTP/1.1 ") else 0
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
