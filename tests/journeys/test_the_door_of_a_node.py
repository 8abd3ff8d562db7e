"""A whole node at its door: more come than it holds, the usher dies, the door is shut."""

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stentor.clock import SystemClock
from stentor.demo import owner
from stentor.demo.evening import together
from stentor.demo.house import House
from stentor.log import Reader
from stentor.record import Kind
from tests.edge.client import Heard, Visitor

CHAIRS = 20
CROWD = 60


class Person:
    """Somebody with a browser: joins again with what they were given, listens, leaves."""

    def __init__(self, port: int, space: str) -> None:
        self.port = port
        self.space = space
        self.place: dict = {}
        self.shown = ""
        self.listening: Visitor | None = None

    async def join(self) -> Heard:
        visitor = await Visitor.to(self.port)
        shown = [self.shown] if self.shown else []
        lines = [f"POST /s/{self.space}/join HTTP/1.1", "Host: a", "Content-Length: 2", *shown]
        visitor.write("\r\n".join([*lines, "Stentor-Client: headers", "", "{}"]))
        heard = await visitor.answer()
        await visitor.close()
        told = heard.json()
        for name in ("ticket", "place"):
            if name in told:
                self.shown = f"Stentor-{name.title()}: {told[name]}"
        if heard.status == 202:
            self.place = told
        return heard

    async def listen(self) -> None:
        self.listening = await Visitor.to(self.port)
        target = f"/s/{self.space}/live/opus"
        self.listening.write(f"GET {target} HTTP/1.1\r\nHost: a\r\n{self.shown}\r\n\r\n")
        heard = await self.listening.head()
        assert heard.status == 200, heard

    async def hears(self) -> None:
        assert self.listening is not None
        async with asyncio.timeout(5):
            assert await self.listening.chunk()

    async def leave(self) -> None:
        assert self.listening is not None
        await self.listening.close()


async def admitting(port: int, space: str, wanted: Callable[[dict], bool]) -> dict:
    """What the door says, once it says what is wanted; asked of several gates."""
    async with asyncio.timeout(20):
        while True:
            visitor = await Visitor.to(port)
            told = (await visitor.get(f"/s/{space}/admitting", "Connection: close")).json()
            await visitor.close()
            if wanted(told):
                return told
            await asyncio.sleep(0.2)


async def command(house: House, *words: str) -> str:
    """`stentor WORDS` on this node, as its operator."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "stentor", *words, "--data", str(house.data),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode == 0
    return said.decode()


def ladder_of(house: House, space: str) -> list[dict]:
    with Reader(house.paths.log(space), space) as reader:
        reader.refresh()
        headers = list(reader.headers(kind=Kind.EVENT))
        events = [json.loads(reader.record(header.offset).payload) for header in headers]
    return [event for event in events if event["type"] == "ladder.changed"]


async def come_in(port: int, waiting: list[Person], most: int) -> list[Person]:
    """Those who hold places ask when their turn has come, until so many are in."""
    inside: list[Person] = []
    async with asyncio.timeout(20):
        while len(inside) < most:
            told = await admitting(port, waiting[0].space, bool)
            for person in sorted(waiting, key=_turn):
                is_called = _turn(person) <= told["admitting_us"]
                if is_called and person not in inside and (await person.join()).status == 200:
                    await person.listen()
                    inside.append(person)
            await asyncio.sleep(0.3)
    return inside


@pytest.mark.timeout(120)
async def test_who_finds_no_chair_waits_in_turn(tmp_path: Path) -> None:
    extra = ("--listeners-max", str(CHAIRS), "--challenge", "off", "--ticketless-share", "0")
    house = House(tmp_path / "data", SystemClock(), edges=2, extra=extra)
    await asyncio.to_thread(house.start)
    people: list[Person] = []
    try:
        caller = await owner.sign_up(house)
        space = await owner.create_space(caller, "A full house")
        host = await owner.take_host_seat(house, caller, space, house.clock, None)
        async with together(host.run()):
            await host.commanded("space.start")
            _, port = house.settings.address
            await admitting(port, space, lambda told: told["capacity"] == CHAIRS)
            people = [Person(port, space) for _ in range(CROWD)]
            inside = []
            for person in people:
                if (await person.join()).status == 200:
                    await person.listen()
                    inside.append(person)
            waiting = [person for person in people if person not in inside]
            # Some chairs are kept for accounts, and nobody has one. A gate may have given all
            # of its part while the other has some left: for those, people are called.
            assert CHAIRS * 3 // 4 <= len(inside) <= CHAIRS, len(inside)
            assert len({person.place["turn_us"] for person in waiting}) == len(waiting)

            told = await admitting(port, space, lambda told: told["waiting"] >= len(waiting) - 5)
            house.kill("usher")
            assert (await Person(port, space).join()).status == 202, "gates go by its last word"
            await asyncio.gather(*(person.hears() for person in inside))
            back = await admitting(port, space, lambda one: one["at_ms"] > told["at_ms"] + 500)
            assert back["admitting_us"] >= told["admitting_us"]

            for person in inside[:8]:
                await person.leave()
            # Where in a second turns lie is drawn by lot, and the usher counts on the mean: of so
            # few it may have called fewer than it believes, and chairs stay empty for those.
            came = await come_in(port, waiting, 3)
            order = sorted(waiting, key=_turn)
            assert max(map(order.index, came)) < 12, "by turn, as many as probably come"

            await command(house, "ladder", "5")
            await admitting(port, space, lambda one: one["mode"] == "closed")
            shut = await Person(port, space).join()
            assert (shut.status, shut.json()["code"]) == (503, "door.closed")
            assert shut.json()["recording_at_ms"] > told["at_ms"]
            await asyncio.gather(*(person.hears() for person in [*inside[8:], *came]))
            said = await command(house, "status")
            assert f"{space}  closed" in said
            await command(house, "ladder", "0")
            await admitting(port, space, lambda one: one["mode"] != "closed")
            steps = [(event["step"], event["by"]) for event in ladder_of(house, space)]
            assert steps == [(5, "operator"), (0, "operator")]
    finally:
        for person in people:
            if person.listening is not None:
                await person.listening.close()
        await asyncio.to_thread(house.stop)
    assert (house.paths.ledger(space) / "durable.json").exists()


def _turn(person: Person) -> int:
    return person.place["turn_us"]
