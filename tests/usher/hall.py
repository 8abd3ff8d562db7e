"""An usher at its desk, and edges that report to it what a test wants them to say."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from stentor.clock import Clock, SystemClock
from stentor.config import Settings
from stentor.edge.usher_link import UsherLink
from stentor.gate.notice import EdgeReport, EdgeSpace, Notice
from stentor.paths import Paths
from stentor.reports import of_edge
from stentor.usher.serve import Process


class Hall:
    """An usher as it runs in a process, and one edge of it."""

    def __init__(self, paths: Paths, clock: Clock | None = None, **knobs: object) -> None:
        self.paths = paths
        self.clock = clock or SystemClock()
        self.settings = Settings(data_dir=str(paths.data), **knobs)
        self.edge = Edge(paths.socket("usher"))
        self._process: Process | None = None

    async def open(self) -> None:
        """Be at the desk."""
        self._process = Process(self.settings, self.paths, self.clock)
        self._reporting = asyncio.create_task(self.edge.keep_reporting())

    async def close(self) -> None:
        """Leave as a process does that is told to stop."""
        if self._process is not None:
            await self._process.close()
        self._leave()

    def die(self) -> None:
        """Vanish like a process that is killed: nothing more is written."""
        assert self._process is not None
        self._process.vanish()
        self._leave()

    def _leave(self) -> None:
        self._process = None
        self._reporting.cancel()
        self.edge.link.close()


class Edge:
    """Says how many it holds and could hold, each time it is asked to; hears the Notices."""

    def __init__(self, desk: Path) -> None:
        self.link = UsherLink(desk)
        self.capacity = 100
        self.spaces: dict[str, EdgeSpace] = {}
        self.notices: dict[str, Notice] = {}

    async def report(self) -> None:
        """Report once."""
        deadline = time.monotonic() + 5
        while self.link.socket is None and not self.link.open():
            assert time.monotonic() < deadline, "the usher is not at its desk"
            await asyncio.sleep(0.01)
        at_ms = time.time_ns() // 1_000_000
        told = EdgeReport("edge-9", at_ms, self.spaces, capacity=self.capacity, binding="cpu")
        told.joins_per_s = 1_000
        assert self.link.tell([of_edge(told)]) == 1
        for space in self.spaces.values():
            space.began = space.ended = 0

    async def keep_reporting(self) -> None:
        """Report again and again, and hear what the usher says, until cancelled."""
        while True:
            await self.report()
            for _ in range(10):
                heard, there = self.link.hear()
                self.notices |= {notice.space: notice for notice in heard}
                await asyncio.sleep(0.02)
                if not there:
                    self.link.close()
                    break

    async def until(
        self, space: str, wanted: Callable[[Notice], bool], seconds: float = 6.0
    ) -> Notice:
        """Wait until a Notice is as it should be."""
        deadline = time.monotonic() + seconds
        while not ((notice := self.notices.get(space)) is not None and wanted(notice)):
            assert time.monotonic() < deadline, notice
            await asyncio.sleep(0.02)
        return notice
