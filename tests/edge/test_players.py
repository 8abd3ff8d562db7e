"""HLS players are counted: at the gate, for as long as they keep asking."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from stentor.gate.notice import CLOSED, OPEN, PLACES
from stentor.limits import MOVES_PER_MINUTE
from stentor.paths import Paths
from tests.edge.client import Heard, Visitor
from tests.edge.conftest import Running
from tests.edge.desk import Desk
from tests.edge.programme import SPACE, Programme
from tests.edge.test_double_use import ticket
from tests.edge.test_reporting import notice

LIST = f"/s/{SPACE}/hls/opus.m3u8"
SOUND = f"/s/{SPACE}/hls/opus/0.m4s"


@pytest.fixture
async def desk(paths: Paths) -> AsyncIterator[Desk]:
    made = Desk(paths)
    yield made
    made.close()


async def ask(port: int, address: str, *headers: str, target: str = LIST) -> Heard:
    """What a player at an address of this machine gets, on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
    visitor = Visitor(reader, writer)
    heard = await visitor.get(target, *headers)
    await visitor.close()
    return heard


async def until_mode(desk: Desk, port: int, mode: str) -> None:
    """Have gates hear of a mode; the joins' own document says so."""
    while (await ask(port, "127.0.0.1", target=f"/s/{SPACE}/admitting")).json()["mode"] != mode:
        desk.say(notice(mode=mode))
        await asyncio.sleep(0.05)


async def test_who_is_counted_goes_on_while_others_wait_for_their_turn(
    start: Callable[..., Running], desk: Desk, paths: Paths, programme: Programme
) -> None:
    programme.begin()
    programme.play(40)
    port = start().port
    await desk.report()
    assert (await ask(port, "127.0.0.2")).status == 200
    await until_mode(desk, port, PLACES)
    assert (await ask(port, "127.0.0.2", target=SOUND)).status == 200
    for target in (LIST, SOUND):
        refused = await ask(port, "127.0.0.3", target=target)
        assert (refused.status, refused.json()["code"]) == (503, "door.places")
        assert refused.headers["cache-control"] == "no-store", "it is nobody else's"
        assert refused.headers["access-control-allow-origin"] == "*"
    assert (await ask(port, "127.0.0.3", ticket(paths))).status == 200
    await until_mode(desk, port, CLOSED)
    assert (await ask(port, "127.0.0.3")).json()["code"] == "door.closed"
    assert (await ask(port, "127.0.0.2")).status == 200
    await until_mode(desk, port, OPEN)
    assert (await ask(port, "127.0.0.3")).status == 200
    programme.end()
    await until_over(port)
    assert (await ask(port, "127.0.0.9")).status == 200, "a recording is for everybody"


async def until_over(port: int) -> None:
    while (await ask(port, "127.0.0.1", target=f"/s/{SPACE}/card.json")).json()["phase"] == "live":
        await asyncio.sleep(0.05)


async def test_players_have_a_share(start: Callable[..., Running], programme: Programme) -> None:
    programme.begin()
    programme.play(40)
    port = start(connections_max=9).port
    while not (await ask(port, "127.0.0.1", target="/healthz")).json()["capacity"]:
        await asyncio.sleep(0.05)
    for _ in range(2):
        for number in (2, 3):
            assert (await ask(port, f"127.0.0.{number}")).status == 200
    refused = await ask(port, "127.0.0.4")
    assert (refused.status, refused.json()["code"]) == (503, "ticketless.full")


async def test_gates_tell_each_other_whom_they_count(
    start: Callable[..., Running], desk: Desk, programme: Programme
) -> None:
    programme.begin()
    programme.play(40)
    first, second = (start(settings={"edges": 2}).port for _ in range(2))
    await desk.report()
    assert (await ask(first, "127.0.0.2")).status == 200
    await until_mode(desk, second, PLACES)
    while (await ask(second, "127.0.0.2")).status != 200:
        await asyncio.sleep(0.05)
    assert (await ask(second, "127.0.0.3")).status == 503


async def test_a_ticket_is_one_players(
    start: Callable[..., Running], paths: Paths, programme: Programme
) -> None:
    programme.begin()
    programme.play(40)
    port = start().port
    shown = ticket(paths)
    for turn in range(MOVES_PER_MINUTE + 1):
        assert (await ask(port, f"127.0.{turn}.2", shown)).status == 200
    refused = await ask(port, "127.0.99.2", shown)
    assert (refused.status, refused.json()["code"]) == (429, "ticket.moving")
    forged = await ask(port, "127.0.0.2", "Stentor-Ticket: AQAAAAA")
    assert (forged.status, forged.json()["code"]) == (403, "ticket.invalid")
