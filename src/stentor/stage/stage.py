"""The stage's life: every open Space of the node, taken up from the logs, and one beat for all."""

import asyncio
import contextlib
import gc
import logging
import os
import secrets
import shutil
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec

from stentor import ids, tokens
from stentor.clock import Clock
from stentor.config import Settings
from stentor.errors import Corrupt, Refused, StentorError, Unavailable
from stentor.limits import (
    CREATE_S,
    RECORDER_RETRY_S,
    SAMPLE_RATE,
    SPACES_KEPT_MAX,
    SPACES_OPEN_MAX,
    TAKE_UP_CARDS,
    TAKE_UP_S,
    WHIP_SESSIONS_MAX,
)
from stentor.log import Writer
from stentor.paths import Paths
from stentor.space import card, rules
from stentor.space.events import SpaceEnded, SpaceScheduled, SpeakerDropped, SpeakingChanged
from stentor.space.state import OVER, begin, card_of
from stentor.stage import erasing
from stentor.stage.archive import Archive, unknown
from stentor.stage.beat import Beat, quiet_collector
from stentor.stage.cards import Cards
from stentor.stage.floor import Floor
from stentor.stage.house import House
from stentor.stage.ports import Ports
from stentor.stage.programme import resumed_at
from stentor.stage.recorder import Recorder
from stentor.stage.takeup import Kept, take_up
from stentor.stage.warmup import warm_up
from stentor.tokens import Claims, TokenKind

_FAULTS_PER_LINE = 500
"""A fault that comes with every frame is told every ten seconds."""

_telemetry = logging.getLogger(__name__)


class Stage:
    """All Spaces that are announced or live here.

    Attributes:
        floors: the Spaces that are not sealed.
        archive: those that are.
    """

    def __init__(self, settings: Settings, paths: Paths, clock: Clock) -> None:
        self.floors: dict[str, Floor] = {}
        self.beat = Beat(clock, self._frame, self._stalled)
        self._tasks: set[asyncio.Task[None]] = set()
        self._creating: set[str] = set()
        self._faults = 0
        self._taken_up = asyncio.Event()
        self._untaken: dict[str, StentorError] = {}
        self.house = House(
            settings=settings,
            paths=paths,
            clock=clock,
            keyring=paths.keyring(),
            ports=Ports.of(settings),
            cards=Cards(),
            room=self._check_room,
            spawn=self._spawn,
        )
        self.archive = Archive(self.house)

    # For the HTTP side ----------------------------------------------------------------------------

    def claims(self, token: str, space: str, kinds: frozenset[TokenKind]) -> Claims:
        """What a token says, if it is for this Space and of one of these kinds.

        Raises:
            Refused: `token.*`.
        """
        claims = tokens.check(token, self.house.keyring, self.house.clock.wall_time() / 1e9)
        if claims.kind not in kinds:
            raise Refused("token.wrong_role", "This link cannot be used for this.")
        if claims.kind != "service" and claims.space != space:
            raise Refused("token.wrong_space", "This link belongs to another Space.")
        return claims

    async def find(self, space: str) -> Floor:
        """An open Space; while the stage is starting, this waits until it has been taken up.

        Raises:
            Refused: `space.unknown` or `space.ended`.
            Unavailable: `stage.starting`: it has not been taken up yet; `stage.fault`.
            Corrupt: `log.corrupt`: it cannot be taken up.
        """
        if space not in self.floors:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TAKE_UP_S):
                    await self._taken_up.wait()
        floor = self.floors.get(space)
        if floor is not None:
            return floor
        if await self.is_over(space):
            raise Refused("space.ended", "This Space has ended; its address offers the recording.")
        if ids.is_space_id(space) and await asyncio.to_thread(self.house.paths.log(space).exists):
            raise _not_taken_up(self._untaken.get(space))
        raise unknown()

    async def is_over(self, space: str) -> bool:
        """Whether a Space's card says that its log is sealed; read apart from the beat."""
        if space in self.floors or not ids.is_space_id(space):
            return False
        return await asyncio.to_thread(_is_over, self.house.paths.card(space))

    async def create(self, event: SpaceScheduled) -> Floor:
        """Announce a Space; it is on the medium when this returns.

        Args:
            event: what is announced; `space` and an empty `host_speaker` are given here.

        Raises:
            Refused: `space.invalid`, `space.too_many`.
            Unavailable: the disk refuses.
        """
        at_ms = self.house.wall_time_ms
        space = ids.encode(secrets.token_bytes(8), ids.SPACE_ID_CHARS)
        speaker = event.host_speaker
        if not ids.is_speaker_id(speaker):
            speaker = ids.encode(secrets.token_bytes(8), ids.SPEAKER_ID_CHARS)
        event = rules.check_schedule(event, at_ms)
        event = msgspec.structs.replace(event, space=space, host_speaker=speaker)
        if len(self.floors) + len(self._creating) >= SPACES_OPEN_MAX:
            raise Refused("space.too_many", f"{SPACES_OPEN_MAX} Spaces are open; end one first.")
        self._creating.add(space)
        try:
            floor = await self._open(event, at_ms)
        finally:
            self._creating.discard(space)
        return floor

    async def _open(self, event: SpaceScheduled, at_ms: int) -> Floor:
        """Make a new Space's log and card, and put it among the open ones."""
        space = event.space
        writer = await asyncio.to_thread(self._make_log, space)
        floor = Floor(begin(event, at_ms), self.house, self._recorder(writer), self._over)
        floor.recorder.event(event, 0)
        try:
            async with asyncio.timeout(CREATE_S):
                await floor.recorder.settle()
        except TimeoutError:
            await floor.recorder.close()
            await asyncio.to_thread(shutil.rmtree, self.house.paths.space(space), True)
            raise Unavailable("log.disk_full", "The disk takes nothing; make room first.") from None
        floor.show()
        await self.house.cards.settle()
        self.floors[space] = floor
        return floor

    def report(self) -> dict[str, Any]:
        """Small figures for the supervisor and for measurements."""
        floors = self.floors.values()
        return {
            "beat": self.beat.lateness.report(),
            "spaces": len(floors),
            "live": sum(floor.programme.live for floor in floors),
            "sessions": sum(len(floor.sessions) for floor in floors),
            "studios": sum(floor.stream.followers for floor in floors),
            "records_waiting": sum(floor.recorder.waiting for floor in floors),
            "faults": self._faults,
            "parts_lost": sum(floor.recorder.parts_lost for floor in floors),
            "voices": {
                speaker: microphone.voice.stats
                for floor in floors
                for speaker, microphone in floor.programme.microphones.items()
            },
        }

    # Life -----------------------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event) -> None:
        """Take up all Spaces and beat until `stop` is set; then leave them to be taken up again."""
        await asyncio.to_thread(warm_up, self.house.clock)
        quiet_collector()
        async with asyncio.TaskGroup() as group:
            working = [
                group.create_task(self.beat.run()),
                group.create_task(self._take_up_all()),
            ]
            await stop.wait()
            for task in working:
                task.cancel()

    async def close(self) -> None:
        """Write all there is and let go; live Spaces are not ended."""
        for floor in self.floors.values():
            self._spawn(floor.suspend())
        while self._tasks:
            await asyncio.wait(self._tasks)
        self.house.cards.close()

    async def _take_up_all(self) -> None:
        """Take up every Space that is not sealed; those that the disk refuses, again and again."""
        folders = await asyncio.to_thread(_newest_first, self.house.paths.spaces)
        left: list[str] = []
        for at in range(0, len(folders), TAKE_UP_CARDS):
            some = await asyncio.to_thread(_unsealed, folders[at : at + TAKE_UP_CARDS])
            left += [space for space in some if not await self._try_take_up(space)]
        self._end_of_start()
        while left:
            await asyncio.sleep(RECORDER_RETRY_S)
            left = [space for space in left if not await self._try_take_up(space)]

    def _end_of_start(self) -> None:
        if not self._taken_up.is_set():
            self._taken_up.set()
            gc.freeze()  # what was taken up lives long: the beat's collections need not look at it

    async def _try_take_up(self, space: str) -> bool:
        """Whether nothing is left to be done for this Space, or nothing can be."""
        log, before = self.house.paths.log(space), self._untaken.get(space)
        busy = space in self.floors or space in self._creating
        if busy or not await asyncio.to_thread(log.exists):  # or an empty folder
            self._untaken.pop(space, None)
            return True
        kept: Kept | None = None
        try:
            kept = await asyncio.to_thread(take_up, log, space, self.house.clock)
            if kept is not None:
                await self._finish_erasure(kept)
                self._take_up(kept)
        except StentorError as fault:
            if before is None or before.sentence != fault.sentence:
                _telemetry.error("Space %s cannot be taken up: %s", space, fault.sentence)
            await self._let_go(space, kept)
            self._untaken[space] = fault
            return isinstance(fault, Corrupt)
        except Exception:  # the others must go on
            if before is None:
                _telemetry.exception("Space %s cannot be taken up", space)
            await self._let_go(space, kept)
            self._untaken[space] = Unavailable("stage.fault", "The stage cannot take it up.")
            return False
        self._untaken.pop(space, None)
        return True

    async def _finish_erasure(self, kept: Kept) -> None:
        folder = self.house.paths.space(kept.state.space)
        if erasing.is_begun(folder):
            await asyncio.to_thread(erasing.finish, folder, kept.writer, kept.state)

    async def _let_go(self, space: str, kept: Kept | None) -> None:
        """Leave a Space that could not be taken up as it was, for the next try."""
        if kept is None:
            return
        floor = self.floors.pop(space, None)
        if floor is not None:
            await floor.suspend()
        else:
            kept.writer.close()

    def _take_up(self, kept: Kept) -> None:
        """Go on with a Space from where its log ends."""
        state = kept.state
        if state.phase in OVER - {"ended"}:  # sealed, but its card does not say so yet
            kept.writer.close()
            path = self.house.paths.card(state.space)
            self.house.cards.put(path, card.encode(card_of(state)))
            return
        floor = Floor(state, self.house, self._recorder(kept.writer), self._over)
        self.floors[state.space] = floor
        floor.programme.media_time = kept.tail
        if state.phase == "ended":
            self._spawn(floor.seal())
            return
        floor.record(*(SpeakerDropped(seat.speaker, kept.whole) for seat in state.connected))
        if state.phase == "live":
            self._go_on(floor, kept)
        floor.show()
        _telemetry.info("Space %s is taken up: %s", state.space, floor.state.phase)

    def _go_on(self, floor: Floor, kept: Kept) -> None:
        wall_time = self.house.clock.wall_time()
        at = resumed_at(kept.state.started_at_ms, kept.tail, kept.tail_wall_time, wall_time)
        if at - kept.tail > self.house.settings.abandoned_after_s * SAMPLE_RATE:
            floor.record(SpaceEnded(self.house.wall_time_ms, "abandoned", kept.tail))
            return
        if kept.state.speaking:
            floor.record(SpeakingChanged([]))
        inits = floor.programme.go_on(kept.tails, at)
        for rendition, init in inits.items():
            if rendition not in kept.inits:
                floor.recorder.init(rendition, init, at)
        floor.recorder.live = True
        self._spawn(floor.fill(kept.whole, "restart"))

    def _recorder(self, writer: Writer) -> Callable[[Callable[[str], None]], Recorder]:
        return lambda on_trouble: Recorder(writer, self.house.clock, on_trouble)

    def _make_log(self, space: str) -> Writer:
        folder = self.house.paths.space(space)
        try:
            folder.mkdir(mode=0o700)
        except OSError as error:
            sentence = f"No Space can be kept: {error.strerror}."
            raise Unavailable("data.unwritable", sentence) from error
        try:
            return Writer.open(self.house.paths.log(space), space, self.house.clock)
        except StentorError:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def _frame(self, now: float) -> None:
        for floor in list(self.floors.values()):
            try:
                floor.frame(now)
            except Exception:
                if self._faults % _FAULTS_PER_LINE == 0:
                    _telemetry.exception("a frame of Space %s failed", floor.space)
                self._faults += 1

    def _stalled(self, frames: int) -> None:
        for floor in list(self.floors.values()):
            floor.stalled(frames)

    def _over(self, floor: Floor) -> None:
        self.floors.pop(floor.space, None)
        _telemetry.info("Space %s is over", floor.space)

    def _check_room(self) -> None:
        if sum(len(floor.sessions) for floor in self.floors.values()) >= WHIP_SESSIONS_MAX:
            raise Unavailable("stage.sessions", "The stage is full just now; try again soon.", 5.0)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(_guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _guarded(work: Coroutine[Any, Any, None]) -> None:
    """One Space's fault is told and goes no further."""
    try:
        await work
    except StentorError as fault:
        _telemetry.error("%s: %s", fault.code, fault.sentence)
    except Exception:
        _telemetry.exception("something the stage had begun failed")


def _newest_first(spaces: Path) -> list[Path]:
    """The folders of all Spaces, the last changed first: a live one is not kept waiting."""
    found: list[tuple[int, str]] = []
    with os.scandir(spaces) as entries:
        for number, entry in enumerate(entries):
            if number >= SPACES_KEPT_MAX:
                _telemetry.error("only %s Spaces are looked at", SPACES_KEPT_MAX)
                break
            if ids.is_space_id(entry.name):
                with contextlib.suppress(OSError):  # removed just now
                    found.append((entry.stat().st_mtime_ns, entry.name))
    return [spaces / name for _, name in sorted(found, reverse=True)]


def _unsealed(folders: list[Path]) -> list[str]:
    """The Spaces something is left to be done for."""
    return [
        folder.name
        for folder in folders
        if erasing.is_begun(folder) or not _is_over(folder / "card.json")
    ]


def _not_taken_up(fault: StentorError | None) -> StentorError:
    """Why there is no floor; where exactly its log is damaged is for the operator only."""
    if isinstance(fault, Corrupt):
        return Corrupt("log.corrupt", "This Space's log is damaged; see the stage's telemetry.")
    code = "stage.starting" if fault is None else fault.code
    code = code if code == "stage.fault" else "stage.starting"
    return Unavailable(code, "The stage cannot take this Space up yet; its telemetry says why.")


def _is_over(path: Path) -> bool:
    try:
        return card.decode(path.read_bytes()).phase in OVER - {"ended"}
    except (OSError, ValueError):
        return False
