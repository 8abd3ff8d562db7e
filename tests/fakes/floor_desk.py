"""One Space's floor on a clock that jumps, with a real log; voices are packets pushed by hand."""

import asyncio
import json
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from stentor.config import Settings
from stentor.limits import FRAME_SAMPLES
from stentor.log import Disk, Reader, Writer
from stentor.paths import Paths
from stentor.record import Kind, Record
from stentor.space import events
from stentor.space.commands import Command
from stentor.space.events import SpaceScheduled
from stentor.space.state import begin
from stentor.stage.beat import FRAME_S
from stentor.stage.cards import Cards
from stentor.stage.floor import Floor
from stentor.stage.house import House
from stentor.stage.ports import Ports
from stentor.stage.programme import Microphone
from stentor.stage.recorder import Recorder
from stentor.tokens import Claims, Role
from tests.fakes.clock import JumpingClock
from tests.fakes.stage_house import tone

SPACE = "000000000000"
HOST = "host0001"
_SOUND = tone(440, 1)


class FloorDesk:
    """Use it with `async with`; `beat` lets time pass."""

    def __init__(
        self,
        folder: Path,
        disk: Disk | None = None,
        starts_in_s: float = 0,
        starts_itself: bool = False,
        **knobs: Any,
    ) -> None:
        self.clock = JumpingClock()
        self.paths = Paths(folder)
        self.paths.create()
        settings = Settings(data_dir=str(folder), **knobs)
        self.cards = Cards()
        self.tasks: set[asyncio.Task[None]] = set()
        self.over = asyncio.Event()
        self.silent: set[str] = set()
        self._beats = 0
        house = House(
            settings=settings,
            paths=self.paths,
            clock=self.clock,
            keyring=self.paths.keyring(),
            ports=Ports.of(settings),
            cards=self.cards,
            room=lambda: None,
            spawn=self._spawn,
        )
        self.paths.space(SPACE).mkdir(mode=0o700)
        writer = Writer.open(self.paths.log(SPACE), SPACE, self.clock, disk=disk)
        at_ms = house.wall_time_ms
        starts_at_ms = at_ms + round(starts_in_s * 1000) if starts_in_s else 0
        host = ("acc000000001", "Ada", HOST)
        first = SpaceScheduled(SPACE, "A talk", *host, "", starts_at_ms, starts_itself)
        self.floor = Floor(
            begin(first, at_ms),
            house,
            lambda on_trouble: Recorder(writer, self.clock, on_trouble),
            lambda _: self.over.set(),
        )
        self.floor.recorder.event(first, 0)

    async def __aenter__(self) -> "FloorDesk":
        return self

    async def __aexit__(self, *_: object) -> None:
        if not self.over.is_set():
            await self.floor.suspend()
        if self.tasks:
            await asyncio.wait(self.tasks)
        self.cards.close()

    def claims(self, seat: str = HOST, role: Role = "host", name: str = "Ada") -> Claims:
        return Claims("seat", SPACE, role, seat, name, 2**40)

    def join(self, seat: str = HOST, role: Role = "host", name: str = "Ada") -> dict[str, Any]:
        return self.floor.join(self.claims(seat, role, name), name, consent=True)

    def command(self, command: Command, seat: str = HOST, role: Role = "host") -> dict[str, Any]:
        return self.floor.command(self.claims(seat, role), command)

    def plug_in(self, seat: str = HOST) -> None:
        """From now on packets of this seat arrive with each beat."""
        self.silent.discard(seat)
        self.floor.programme.microphones[seat] = Microphone(seat, self.clock)

    def unplug(self, seat: str = HOST) -> None:
        """The network of this seat is cut: its session is there, its packets are not."""
        self.silent.add(seat)

    def beat(self, seconds: float) -> None:
        """Let time pass, frame by frame."""
        for _ in range(round(seconds / FRAME_S)):
            self._beats += 1
            for seat, microphone in self.floor.programme.microphones.items():
                if seat not in self.silent:
                    packet = _SOUND[self._beats % 50]
                    at = self._beats * FRAME_SAMPLES
                    microphone.packet(self._beats & 0xFFFF, at, packet, self.clock.now())
            self.floor.frame(self.clock.now())
            self.clock.jump(FRAME_S)

    async def records(self) -> list[Record]:
        """All of the log, once what was handed over is in it."""
        if not self.over.is_set():
            await self.floor.recorder.settle()
        with Reader(self.paths.log(SPACE), SPACE) as reader:
            reader.refresh()
            records: list[Record] = []
            while len(records) < reader.tail.offset:
                records += reader.read(len(records))
            return records

    async def events(self, *kinds: str) -> list[dict[str, Any]]:
        """The log's events, of all types or of these."""
        found = [
            json.loads(each.payload)
            for each in await self.records()
            if each.header.kind is Kind.EVENT and events.decode(each.payload)
        ]
        return [event for event in found if not kinds or event["type"] in kinds]

    async def card(self) -> dict[str, Any]:
        """The card on disk, once the thread that keeps it has written the newest."""
        wanted = json.loads(self.floor.card_json())
        async with asyncio.timeout(10):
            while True:
                path = self.paths.card(SPACE)
                found: dict[str, Any] = json.loads(path.read_bytes()) if path.exists() else {}
                if {**found, "duration_samples": 0} == {**wanted, "duration_samples": 0}:
                    return found
                await asyncio.sleep(0.005)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
