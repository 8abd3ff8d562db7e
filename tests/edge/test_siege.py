"""Clients that would have the door to themselves: others are answered all the same."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from stentor.limits import PROXIED_MAX
from tests.edge.client import Visitor
from tests.edge.conftest import Running, listening
from tests.edge.programme import SPACE, Programme
from tests.edge.upstream import Upstream, saying

HEALTH = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
PAGE = f"GET /s/{SPACE} HTTP/1.1\r\nHost: a\r\n\r\n"
SIEGE = """
import socket, sys, threading
client = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
def hear():
    while client.recv(1 << 20):
        pass
threading.Thread(target=hear, daemon=True).start()
data = sys.argv[2].encode() * 1_000
while True:
    client.sendall(data)
"""


@asynccontextmanager
async def besieged(port: int, said: str) -> AsyncIterator[None]:
    """By a program that says the same over and over, as fast as it can, and reads the answers."""
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SIEGE, str(port), said), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield
    finally:
        if program.returncode is None:
            program.kill()
        await program.wait()


@pytest.mark.parametrize("said", [HEALTH, PAGE, "\r\n"], ids=["requests", "pages", "empty lines"])
async def test_who_never_stops_talking_leaves_others_their_turn(
    running: Running, programme: Programme, said: str
) -> None:
    programme.begin()
    visitor = await running.visit()
    async with besieged(running.port, said):
        for _ in range(20):
            assert (await visitor.get("/healthz")).status == 200
            await asyncio.sleep(0.02)  # until the siege has begun


async def test_who_does_not_read_keeps_nobody_from_asking_web(running: Running) -> None:
    page = b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n" + bytes(60_000)
    async with Upstream(running.paths.socket("web"), saying(page)) as web:
        assert (await (await running.visit()).get("/x")).status == 200
        crowd: list[Visitor] = []
        for _ in range(PROXIED_MAX):
            visitor = await running.visit()
            visitor.writer.transport.pause_reading()
            visitor.write("GET /x HTTP/1.1\r\nHost: a\r\n\r\n" * 200)
            crowd.append(visitor)
        asked = -1
        while asked != len(web.heads):  # until every answer stands still
            asked = len(web.heads)
            await asyncio.sleep(0.2)
        assert asked >= PROXIED_MAX
        heard = await (await running.visit()).get("/x")
        assert (heard.status, len(heard.body)) == (200, 60_000)


async def test_those_on_the_stage_come_in_by_a_door_of_their_own(
    start: Callable[..., Running], programme: Programme
) -> None:
    aside = listening()
    one = start(aside=aside, connections_max=4)
    crowd = [await one.visit() for _ in range(8)]
    visitor = await Visitor.to(aside.getsockname()[1])
    one.guests.append(visitor)
    assert (await visitor.get("/healthz")).status == 200
    assert len(crowd) == 8
