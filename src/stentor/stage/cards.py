"""Keeps the cards on disk: the newest of each Space, written by a thread of its own."""

import asyncio
import logging
import threading
from pathlib import Path

from stentor.limits import RECORDER_RETRY_S
from stentor.paths import write_whole

_telemetry = logging.getLogger(__name__)


class Cards:
    """One thread that replaces card files; the live thread never waits for it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._changed = threading.Condition()
        self._newest: dict[Path, bytes] = {}
        self._waiters: list[asyncio.Future[None]] = []
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="cards", daemon=True)
        self._thread.start()

    def put(self, path: Path, card: bytes) -> None:
        """Have a card written soon; of several for one Space only the newest is."""
        with self._changed:
            self._newest[path] = card
            self._changed.notify()

    async def settle(self) -> None:
        """Wait until what was put before is written, or the disk has refused it once."""
        waiter = self._loop.create_future()
        with self._changed:
            self._waiters.append(waiter)
            self._changed.notify()
        await waiter

    def close(self) -> None:
        """Write what is waiting, once, and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._newest or self._waiters or self._closing)
                taken, self._newest = self._newest, {}
                waiters, self._waiters = self._waiters, []
                closing = self._closing
            failed = {path: card for path, card in taken.items() if not _write(path, card)}
            for waiter in waiters:
                self._loop.call_soon_threadsafe(_finish, waiter)
            if closing:
                return
            if failed:
                with self._changed:
                    self._newest = failed | self._newest
                    self._changed.wait_for(self._wanted, RECORDER_RETRY_S)

    def _wanted(self) -> bool:
        return self._closing or bool(self._waiters)


def _finish(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)


def _write(path: Path, card: bytes) -> bool:
    try:
        write_whole(path, card)
    except OSError as fault:
        _telemetry.warning("a card could not be written: %s", fault.strerror)
        return False
    return True
