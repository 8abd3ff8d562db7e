"""Clients that would have the door to themselves: others are answered all the same."""

import asyncio

from stentor.limits import PROXIED_MAX
from tests.edge.client import Visitor
from tests.edge.conftest import Running
from tests.edge.upstream import Upstream, saying


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
