"""The recorder: takes records from the live thread at once, and writes them from its own threads.

The live thread never waits for the disk: it hands records over and goes on. When the disk refuses
or is too slow, the oldest waiting parts are given up, the hole is written down as `log.gap` as soon
as the disk takes something again, and everybody on stage still hears each other meanwhile.
"""

import asyncio
import collections
import functools
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from stentor.clock import Clock
from stentor.errors import StentorError, Unavailable
from stentor.limits import (
    CHECKPOINT_INTERVAL_S,
    RECORDER_EVENTS_MAX,
    RECORDER_PARTS_MAX,
    RECORDER_RETRY_S,
    SYNC_INTERVAL_S,
)
from stentor.record import Flag, Header, Kind, Rendition
from stentor.space import events
from stentor.space.events import Event, LogGap

_telemetry = logging.getLogger(__name__)


class LogWriter(Protocol):
    """What the recorder needs of a log's writer."""

    def append(
        self,
        kind: Kind,
        payload: bytes,
        *,
        rendition: Rendition = Rendition.NONE,
        flags: Flag = Flag.NONE,
        media_time: int = 0,
        duration: int = 0,
    ) -> Header:
        """Write one record; it is in the log when this returns."""
        ...

    def sync(self) -> object:
        """Wait until all that was appended is on the medium."""
        ...

    def checkpoint(self) -> object:
        """Append a checkpoint."""
        ...

    def seal(self, duration_samples: int) -> object:
        """Append the seal and sync."""
        ...

    def recover(self) -> object:
        """Go on after a failure; nothing when there was none."""
        ...

    def close(self) -> None:
        """Let go of the log."""
        ...


@dataclass(frozen=True, slots=True)
class _Entry:
    kind: Kind
    payload: bytes
    rendition: Rendition
    flags: Flag
    media_time: int
    duration: int


@dataclass(frozen=True, slots=True)
class _Order:
    """Something to do with the writer once all that was handed over before is written."""

    act: Callable[[LogWriter], object]
    done: "asyncio.Future[None]"


class Recorder:
    """Owns the writer of one Space's log.

    Args:
        on_trouble: called in the event loop with a sentence when the disk refuses, and with an
            empty one when it takes records again.
    """

    def __init__(self, writer: LogWriter, clock: Clock, on_trouble: Callable[[str], None]) -> None:
        self._writer = writer
        self._clock = clock
        self._on_trouble = on_trouble
        self._loop = asyncio.get_running_loop()
        self._changed = threading.Condition()
        self._waiting: collections.deque[_Entry | _Order] = collections.deque()
        self._parts_waiting = 0
        self._lost: tuple[int, int] | None = None
        self._closing = False
        self._dead = False
        self._trouble = ""
        self.records = 0
        self.parts_lost = 0
        self.live = False
        """Whether checkpoints are due; set by the programme's start, cleared by its end."""
        self._unsynced = threading.Event()
        self._finished = threading.Event()
        self._syncer = threading.Thread(target=self._run_sync, name="sync", daemon=True)
        self._syncer.start()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Records handed over and not yet written."""
        return len(self._waiting)

    def event(self, event: Event, media_time: int) -> None:
        """Hand an event over; raises `Unavailable` (`log.closed`) once closing, as all these do."""
        payload = events.encode(event)
        self._hand(_Entry(Kind.EVENT, payload, Rendition.NONE, Flag.NONE, media_time, 0))

    def init(self, rendition: Rendition, payload: bytes, media_time: int = 0) -> None:
        """Hand the beginning of a rendition over."""
        self._hand(_Entry(Kind.INIT, payload, rendition, Flag.NONE, media_time, 0))

    def part(
        self, rendition: Rendition, payload: bytes, media_time: int, duration: int, flags: Flag
    ) -> None:
        """Hand a part over."""
        self._hand(_Entry(Kind.PART, payload, rendition, flags, media_time, duration))

    async def settle(self) -> None:
        """Wait until all that was handed over is in the log and on the medium.

        Raises:
            Unavailable: `log.closed` when the recorder closes before it could be done.
        """
        await self._order(lambda writer: writer.sync())

    async def seal(self, duration_samples: int) -> None:
        """Write the seal behind all that was handed over; raises as `settle` does."""
        await self._order(lambda writer: writer.seal(duration_samples))

    async def close(self) -> None:
        """Write what is waiting if the disk lets us, sync, and let go of the log."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        await asyncio.to_thread(self._thread.join)

    async def _order(self, act: Callable[[LogWriter], object]) -> None:
        order = _Order(act, self._loop.create_future())
        with self._changed:
            if self._closing:
                raise _closed()
            self._waiting.append(order)
            self._changed.notify()
        await order.done

    def _hand(self, entry: _Entry) -> None:
        with self._changed:
            if self._closing:  # nobody is told "done" of what will not be written
                raise _closed()
            if entry.kind is Kind.PART:
                self._parts_waiting += 1
                if self._parts_waiting > RECORDER_PARTS_MAX:
                    self._give_up_oldest_part()
            elif len(self._waiting) >= RECORDER_PARTS_MAX + RECORDER_EVENTS_MAX:
                _telemetry.error("an event was lost: too many wait for the disk")
                return
            self._waiting.append(entry)
            self._changed.notify()

    def _give_up_oldest_part(self) -> None:
        for index, entry in enumerate(self._waiting):
            if isinstance(entry, _Entry) and entry.kind is Kind.PART:
                del self._waiting[index]
                self._parts_waiting -= 1
                self.parts_lost += 1
                since, until = self._lost or (entry.media_time, entry.media_time)
                end = entry.media_time + entry.duration
                self._lost = min(since, entry.media_time), max(until, end)
                return

    # The thread that writes -----------------------------------------------------------------------

    def _run(self) -> None:
        checkpointed_at = self._clock.now()
        while True:
            with self._changed:
                if not self._waiting and not self._closing:
                    self._changed.wait(RECORDER_RETRY_S if self.live or self._trouble else None)
                taken = self._waiting.popleft() if self._waiting else None
                if isinstance(taken, _Entry) and taken.kind is Kind.PART:
                    self._parts_waiting -= 1
                lost, self._lost = self._lost, None
                finished = taken is None and self._closing
            if finished:
                break
            if self._dead:  # a disk that refuses does not keep us: what is left is given up
                if isinstance(taken, _Order):
                    self._call(_finish, taken.done, False)
                continue
            if lost is not None:
                self._write_gap(*lost)
            match taken:
                case _Entry():
                    self._insist(functools.partial(self._append, taken))
                case _Order():
                    done = self._insist(functools.partial(taken.act, self._writer))
                    self._call(_finish, taken.done, done)
                case None if self._trouble:
                    self._try(lambda: None)
                case None:
                    pass
            if self.live and self._clock.now() - checkpointed_at >= CHECKPOINT_INTERVAL_S:
                checkpointed_at = self._clock.now()
                self._try(self._writer.checkpoint)
        self._finished.set()
        self._unsynced.set()
        self._syncer.join()
        self._try(self._writer.sync)
        self._writer.close()

    def _append(self, entry: _Entry) -> None:
        self._writer.append(
            entry.kind,
            entry.payload,
            rendition=entry.rendition,
            flags=entry.flags,
            media_time=entry.media_time,
            duration=entry.duration,
        )
        self.records += 1
        self._unsynced.set()

    def _write_gap(self, since: int, until: int) -> None:
        payload = events.encode(LogGap(since, until, self._trouble or "slow disk"))
        entry = _Entry(Kind.EVENT, payload, Rendition.NONE, Flag.NONE, until, 0)
        self._insist(functools.partial(self._append, entry))

    def _insist(self, act: Callable[[], object]) -> bool:
        """Try until it works; once closing, only one more time. Whether it worked."""
        while not self._try(act):
            with self._changed:
                if self._closing:
                    self._dead = True
                    return False
                self._changed.wait_for(lambda: self._closing, RECORDER_RETRY_S)
        return True

    def _try(self, act: Callable[[], object]) -> bool:
        """Do something with the writer, made whole first when it has failed before."""
        try:
            if self._trouble:
                self._writer.recover()
            act()
        except (OSError, StentorError) as fault:
            self._report(fault)
            return False
        except Exception:
            _telemetry.exception("a record was given up")  # a fault of ours: spare the Space
        if self._trouble:
            _telemetry.warning("the disk takes records again")
            self._trouble = ""
            self._call(self._on_trouble, "")
        return True

    def _report(self, fault: OSError | StentorError) -> None:
        sentence = fault.sentence if isinstance(fault, StentorError) else str(fault.strerror)
        if not self._trouble:
            _telemetry.error("the disk refuses: %s", sentence)
            self._call(self._on_trouble, sentence)
        self._trouble = sentence

    def _call(self, function: Callable[..., object], *arguments: object) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            _telemetry.debug("the loop has ended before its recorder")

    # The thread that syncs ------------------------------------------------------------------------

    def _run_sync(self) -> None:
        """Have the medium catch up, apart from writing: a slow fsync must not delay a part."""
        while self._unsynced.wait() and not self._finished.wait(SYNC_INTERVAL_S):
            self._unsynced.clear()
            if self._finished.is_set():  # what was cleared may have been its wake-up call
                return
            try:
                self._writer.sync()
            except (OSError, StentorError) as fault:
                self._report(fault)
                with self._changed:
                    self._changed.notify()


def _finish(done: "asyncio.Future[None]", worked: object) -> None:
    if done.done():
        return
    if worked:
        done.set_result(None)
    else:
        done.set_exception(_closed())


def _closed() -> Unavailable:
    return Unavailable("log.closed", "The recording could not be written before the stage closed.")
