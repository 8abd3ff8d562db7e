"""Spaces kept up with in the event loop: told once of each change, for everybody who waits."""

import asyncio
import heapq
import itertools
import logging
from pathlib import Path

from stentor.edge.shelf import OpenLog, Shelf
from stentor.errors import StentorError, Unavailable
from stentor.ids import SpaceId
from stentor.limits import HLS_BLOCK_S, HLS_IDLE_S, HLS_WAITERS_MAX, HLS_WATCHED_MAX
from stentor.log import Bell
from stentor.record import Rendition

LOOK_S = 0.5
"""How often logs are looked at whose bell may have been missed, and idle ones are let go."""

_telemetry = logging.getLogger(__name__)


_Waiter = tuple[float, int, asyncio.Future[None]]
"""Until when, in the loop's time, a number of its own, and what is done then or before."""


class Watch:
    """One Space's log, refreshed when it changed; those who wait are woken when sound came.

    Attributes:
        log: up to its tail.
        patience_s: how long something is waited for.
        asked_at: when somebody last asked for it, in the loop's time.
        waiting: how many wait for something in it.
        failed: it cannot be read any more.
    """

    def __init__(self, log: OpenLog, patience_s: float = HLS_BLOCK_S) -> None:
        self.log = log
        self.patience_s = patience_s
        self.asked_at = 0.0
        self.waiting = 0
        self.failed = False
        self.opened = asyncio.Event()
        self._waiters: dict[Rendition, list[_Waiter]] = {each: [] for each in log.listings}
        self._numbers = itertools.count()
        self._told = dict.fromkeys(log.listings, (0, False))
        self._refreshing: asyncio.Task[None] | None = None
        self._rung = False

    def ring(self) -> None:
        """Something may have been appended."""
        self._rung = True
        if self._refreshing is None:
            self._refreshing = asyncio.create_task(self._refresh())

    def has(self, rendition: Rendition, partials: int) -> bool:
        """Whether so many partial segments are complete, or no more will come."""
        listing = self.log.listings[rendition]
        return listing.done >= partials or listing.ended

    async def wait(self, rendition: Rendition, partials: int) -> None:
        """Wait until so many partial segments are complete, or no more will come.

        Raises:
            Unavailable: `hls.silent` when nothing came in time; `space.unreadable`.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.patience_s
        self.waiting += 1
        try:
            while not self.has(rendition, partials):
                if self.failed:
                    raise _unreadable()
                if loop.time() >= deadline:
                    sentence = "No sound came for a while; it goes on at this address."
                    raise Unavailable("hls.silent", sentence)
                news = loop.create_future()
                waiter = deadline, next(self._numbers), news
                heapq.heappush(self._waiters[rendition], waiter)
                await news
        finally:
            self.waiting -= 1

    def expire(self, now: float) -> None:
        """Wake those whose time is over: one timer for all of them is cheaper than one for each."""
        for waiters in self._waiters.values():
            while waiters and waiters[0][0] <= now:
                _wake(heapq.heappop(waiters))

    async def _refresh(self) -> None:
        try:
            while self._rung:
                self._rung = False
                await self.log.refresh()
                self._tell()
        except (StentorError, OSError) as error:
            _telemetry.warning("a Space cannot be listed: %s", error)
            self.failed = True
            self._tell()
        finally:
            self._refreshing = None
            self.opened.set()

    def _tell(self) -> None:
        for rendition, listing in self.log.listings.items():
            now = listing.done, listing.ended
            if now != self._told[rendition] or self.failed:
                self._told[rendition] = now
                waiters, self._waiters[rendition] = self._waiters[rendition], []
                for waiter in waiters:
                    _wake(waiter)


class Watches:
    """The Spaces somebody asks HLS of; one descriptor tells of them all."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._bell: Bell | None = None
        self._watches: dict[SpaceId, Watch] = {}
        self._folders: dict[Path, SpaceId] = {}

    def __del__(self) -> None:
        if self._bell is not None:
            self._bell.close()

    async def of(self, space: SpaceId) -> Watch:
        """A Space that is kept up with from now on, up to its tail.

        Raises:
            Unavailable: `hls.busy`, `space.unreadable`.
        """
        watch = self._watches.get(space)
        if watch is None:
            if len(self._watches) >= HLS_WATCHED_MAX:
                raise _busy()
            watch = self._begin(space)
        watch.asked_at = asyncio.get_running_loop().time()
        if not watch.opened.is_set():
            await watch.opened.wait()
        if watch.failed:
            raise _unreadable()
        return watch

    async def until(self, watch: Watch, rendition: Rendition, partials: int) -> None:
        """Wait until so many partial segments are complete, or no more will come.

        Raises:
            Unavailable: `hls.busy`; `hls.silent` when nothing came in time; `space.unreadable`.
        """
        if watch.has(rendition, partials):
            return
        if sum(each.waiting for each in self._watches.values()) >= HLS_WAITERS_MAX:
            raise _busy()
        await watch.wait(rendition, partials)

    def _begin(self, space: SpaceId) -> Watch:
        loop = asyncio.get_running_loop()
        if self._bell is None:
            self._bell = Bell()
            loop.add_reader(self._bell.fileno(), self._rung)
            loop.call_later(LOOK_S, self._look)
        self._folders[self._bell.watch(self._shelf.folder(space))] = space
        watch = self._watches[space] = Watch(self._shelf.opened(space))
        watch.ring()
        return watch

    def _rung(self) -> None:
        assert self._bell is not None, "a bell that rings is there"
        for folder in self._bell.drain():
            if folder in self._folders:
                self._watches[self._folders[folder]].ring()

    def _look(self) -> None:
        """Look at everything once more, and let go of what nobody asks for."""
        assert self._bell is not None, "there is a bell while Spaces are watched"
        loop = asyncio.get_running_loop()
        for folder, space in list(self._folders.items()):
            watch = self._watches[space]
            if watch.failed or (not watch.waiting and loop.time() - watch.asked_at >= HLS_IDLE_S):
                self._bell.unwatch(folder)
                del self._watches[space], self._folders[folder]
            else:
                watch.ring()
                watch.expire(loop.time())
        if self._watches:
            loop.call_later(LOOK_S, self._look)
        else:
            loop.remove_reader(self._bell.fileno())
            self._bell.close()
            self._bell = None


def _wake(waiter: _Waiter) -> None:
    if not waiter[2].done():
        waiter[2].set_result(None)


def _busy() -> Unavailable:
    return Unavailable("hls.busy", "Too many wait here for sound; try again in a second.")


def _unreadable() -> Unavailable:
    sentence = "This Space cannot be heard here at the moment; try again in a second."
    return Unavailable("space.unreadable", sentence)
