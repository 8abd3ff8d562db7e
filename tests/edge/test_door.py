"""The door on real sockets: deadlines, bounds, pipelining, and what looks like an attack."""

import asyncio
import struct
from collections.abc import Callable

import pytest

from stentor.edge.conversation import Deadlines
from tests.edge.client import Visitor
from tests.edge.conftest import Running
from tests.edge.programme import SPACE, Programme

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
IMPATIENT = Deadlines(header_s=0.2, keep_alive_s=0.2, body_s=0.2, stuck_s=0.3)


@pytest.fixture
async def impatient(start: Callable[..., Running]) -> Running:
    return start(deadlines=IMPATIENT)


async def test_a_head_that_trickles_in_is_refused_at_the_deadline(impatient: Running) -> None:
    visitor = await impatient.visit()

    async def trickle() -> None:
        while True:
            visitor.write(b"X")
            await asyncio.sleep(0.02)

    visitor.write(HEALTH[:-2])
    dripping = asyncio.create_task(trickle())
    heard = await visitor.answer()
    dripping.cancel()
    assert (heard.status, heard.json()["code"]) == (408, "request.timeout")
    assert await visitor.at_end()


async def test_whoever_says_nothing_is_let_go(impatient: Running) -> None:
    assert await (await impatient.visit()).at_end()


async def test_a_connection_without_a_further_request_is_let_go(impatient: Running) -> None:
    visitor = await impatient.visit()
    assert (await visitor.get("/healthz")).status == 200
    assert await visitor.at_end()


async def test_a_body_that_does_not_come_is_refused_at_the_deadline(impatient: Running) -> None:
    visitor = await impatient.visit()
    visitor.write("POST /api/login HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
    assert (await visitor.answer()).status == 408
    assert await visitor.at_end()


async def test_a_slow_but_timely_head_is_read(running: Running) -> None:
    visitor = await running.visit()
    for piece in (HEALTH[:5], HEALTH[5:20], HEALTH[20:-1], HEALTH[-1:]):
        visitor.write(piece)
        await visitor.writer.drain()
        await asyncio.sleep(0.02)
    assert (await visitor.answer()).status == 200


async def test_pipelined_requests_are_answered_in_order(running: Running) -> None:
    visitor = await running.visit()
    visitor.write(HEALTH + b"GET /static/no HTTP/1.1\r\nHost: a\r\n\r\n" + b"\r\n" + HEALTH)
    assert [(await visitor.answer()).status for _ in range(3)] == [200, 404, 200]


async def test_junk_behind_a_request_is_refused_after_its_answer(running: Running) -> None:
    visitor = await running.visit()
    visitor.write(HEALTH + b"\x16\x03\x01 what is this\r\n\r\n" + HEALTH)
    assert (await visitor.answer()).status == 200
    heard = await visitor.answer()
    assert (heard.status, heard.json()["code"]) == (400, "request.malformed")
    assert heard.headers["connection"] == "close"
    assert await visitor.at_end()


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("GET /healthz HTTP/1.1\r\nHost: a\r\nX: " + "x" * 17_000 + "\r\n\r\n", 431),
        ("GET /healthz HTTP/1.1\r\nHost: a\r\n" + "X: y\r\n" * 70 + "\r\n", 431),
        ("GET /" + "x" * 20_000, 431),
        ("POST /api/login HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n", 413),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
            "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("DELETE /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 405),
    ],
)
async def test_a_bad_request_gets_a_clear_answer_and_the_connection_ends(
    running: Running, head: str, status: int
) -> None:
    visitor = await running.visit()
    visitor.write(head)
    heard = await visitor.answer()
    assert heard.status == status
    assert heard.headers["content-type"] == "application/problem+json"
    assert await visitor.at_end()


async def test_one_answer_reaches_a_client_that_goes_on_sending(running: Running) -> None:
    visitor = await running.visit()
    visitor.write("POST /api/login HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n")
    visitor.write(bytes(60_000))
    assert (await visitor.answer()).status == 413


async def test_http_1_0_and_head(running: Running) -> None:
    visitor = await running.visit()
    visitor.write("GET /healthz HTTP/1.0\r\n\r\n")
    heard = await visitor.answer()
    assert (heard.status, heard.headers["connection"]) == (200, "close")
    assert await visitor.at_end()
    visitor = await running.visit()
    visitor.write("GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert (await visitor.answer()).headers["connection"] == "keep-alive"
    full = await visitor.get("/static/icon.svg")
    silent = await visitor.get("/static/icon.svg", method="HEAD")
    assert silent.headers["content-length"] == full.headers["content-length"]
    assert (await visitor.get("/healthz")).status == 200, "nothing was left of a body"


async def test_expect_100_continue(running: Running) -> None:
    visitor = await running.visit()
    visitor.write("POST /api/login HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n")
    visitor.write("Content-Length: 2\r\n\r\n")
    assert (await visitor.answer()).status == 100
    visitor.write("{}")
    assert (await visitor.answer()).status == 503, "nobody is behind this door"


async def test_a_full_door_says_so(start: Callable[..., Running], programme: Programme) -> None:
    running = start(connections_max=2)
    programme.begin()
    programme.play(2)
    held = [await running.listen() for _ in range(2)]
    for listener in held:
        await listener.until(2)
    await running.told("listeners", 2)
    late = await running.visit()
    heard = await late.get(f"/s/{SPACE}/live/opus")
    assert (heard.status, heard.json()["code"]) == (503, "door.full")
    assert heard.headers["retry-after"] == "5"
    assert await late.at_end()
    programme.play(1)
    for listener in held:
        await listener.until(3)
    await held.pop().close()
    while heard.status == 503:
        visitor = await running.visit()
        heard = await visitor.get("/healthz")
        await visitor.close()
    assert heard.status == 200


async def test_a_client_that_reads_nothing_of_its_answer_is_let_go(
    start: Callable[..., Running], programme: Programme
) -> None:
    running = start(deadlines=IMPATIENT, connections_max=1)
    programme.begin()
    programme.play(1_000)
    programme.end()
    visitor = await running.visit()
    request = f"GET /s/{SPACE}/replay/aac.mp4 HTTP/1.1\r\nHost: a\r\n\r\n"
    visitor.write(request * 30)  # far more than the kernel keeps for it
    await visitor.head()
    visitor.writer.transport.pause_reading()
    status = 0
    while status != 200:  # the one place there is becomes free again
        other = await running.visit()
        status = (await other.get("/healthz")).status
        assert status in {200, 503}
        await other.close()


async def test_resets_and_half_requests_hurt_nobody(running: Running) -> None:
    for end in range(0, len(HEALTH), 3):
        visitor = await Visitor.to(running.port)
        visitor.write(HEALTH[:end])
        await visitor.writer.drain()
        sock = visitor.writer.get_extra_info("socket")
        sock.setsockopt(1, 13, struct.pack("ii", 1, 0))  # SO_LINGER: close with a reset
        await visitor.close()
    assert (await running.health())["listeners"] == 0


async def test_what_is_under_way_may_finish_when_the_edge_stops(
    running: Running, programme: Programme
) -> None:
    programme.begin()
    programme.play(500)
    programme.end()
    busy = await running.visit()
    idle = await running.visit()
    assert (await idle.get("/healthz")).status == 200
    busy.write(f"GET /s/{SPACE}/replay/aac.mp4 HTTP/1.1\r\nHost: a\r\n\r\n")
    head = await busy.head()
    running.stop.set()
    assert await idle.at_end()
    size = int(head.headers["content-length"])
    assert len(await busy.reader.readexactly(size)) == size
    await running.task


async def test_what_cannot_be_read_is_said(running: Running, programme: Programme) -> None:
    programme.begin()
    programme.play(20)
    programme.end()
    for segment in programme.folder.glob("*.seg"):
        segment.rename(segment.with_suffix(".away"))
        segment.symlink_to(segment.name)  # opening it is an error of the system's: ELOOP
    visitor = await running.visit()
    heard = await visitor.get(f"/s/{SPACE}/replay/aac.mp4")
    assert (heard.status, heard.json()["code"]) == (503, "edge.unreadable")
    assert (await visitor.get("/healthz")).status == 200
