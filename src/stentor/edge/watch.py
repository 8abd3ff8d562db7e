"""Spaces kept up with in the event loop: told once of each change, for everybody who waits."""

import asyncio
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


class Watch:
    """One Space's log, refreshed when it changed; those who wait are woken when sound came.

    Attributes:
        log: up to its tail.
        asked_at: when somebody last asked for it, in the loop's time.
        waiting: how many wait for something in it.
        failed: it cannot be read any more.
    """

    def __init__(self, log: OpenLog) -> None:
        self.log = log
        self.asked_at = 0.0
        self.waiting = 0
        self.failed = False
        self.opened = asyncio.Event()
        self._news = {rendition: asyncio.Event() for rendition in log.listings}
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
            Unavailable: `space.unreadable`.
        """
        self.waiting += 1
        try:
            while not self.has(rendition, partials):
                if self.failed:
                    raise _unreadable()
                await self._news[rendition].wait()
        finally:
            self.waiting -= 1

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
                news, self._news[rendition] = self._news[rendition], asyncio.Event()
                news.set()


class Watches:
    """The Spaces somebody asks HLS of; one descriptor tells of them all."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._bell: Bell | None = None
        self._watches: dict[Path, Watch] = {}

    def __del__(self) -> None:
        if self._bell is not None:
            self._bell.close()

    async def of(self, space: SpaceId) -> Watch:
        """A Space that is kept up with from now on, up to its tail.

        Raises:
            Unavailable: `hls.busy`, `space.unreadable`.
        """
        folder = self._shelf.folder(space)
        watch = self._watches.get(folder)
        if watch is None:
            if len(self._watches) >= HLS_WATCHED_MAX:
                raise _busy()
            watch = self._begin(folder, self._shelf.opened(space))
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
        try:
            async with asyncio.timeout(HLS_BLOCK_S):
                await watch.wait(rendition, partials)
        except TimeoutError:
            sentence = "No sound came for a while; it goes on at this address."
            raise Unavailable("hls.silent", sentence) from None

    def _begin(self, folder: Path, log: OpenLog) -> Watch:
        loop = asyncio.get_running_loop()
        if self._bell is None:
            self._bell = Bell()
            loop.add_reader(self._bell.fileno(), self._rung)
            loop.call_later(LOOK_S, self._look)
        self._bell.watch(folder)
        watch = self._watches[folder] = Watch(log)
        watch.ring()
        return watch

    def _rung(self) -> None:
        assert self._bell is not None, "a bell that rings is there"
        for folder in self._bell.drain():
            if folder in self._watches:
                self._watches[folder].ring()

    def _look(self) -> None:
        """Look at everything once more, and let go of what nobody asks for."""
        assert self._bell is not None, "there is a bell while Spaces are watched"
        loop = asyncio.get_running_loop()
        for folder, watch in list(self._watches.items()):
            if watch.failed or (not watch.waiting and loop.time() - watch.asked_at >= HLS_IDLE_S):
                self._bell.unwatch(folder)
                del self._watches[folder]
            else:
                watch.ring()
        if self._watches:
            loop.call_later(LOOK_S, self._look)
        else:
            loop.remove_reader(self._bell.fileno())
            self._bell.close()
            self._bell = None


def _busy() -> Unavailable:
    return Unavailable("hls.busy", "Too many wait here for sound; try again in a second.")


def _unreadable() -> Unavailable:
    sentence = "This Space cannot be heard here at the moment; try again in a second."
    return Unavailable("space.unreadable", sentence)
