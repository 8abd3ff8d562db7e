"""What is answered without a task: the same as with one, deadlines and bounds among it."""

import asyncio
from collections.abc import Callable

import pytest

from stentor.edge.conversation import Deadlines
from stentor.limits import QUICK_BODY_BYTES_MAX
from tests.edge.client import Heard, Visitor
from tests.edge.conftest import Running
from tests.edge.programme import SPACE, Programme

PAGE = f"/s/{SPACE}"
ASKED = f"GET {PAGE} HTTP/1.1\r\nHost: a\r\n\r\n"
LIVE = f"/s/{SPACE}/live/opus"
HEALTH = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
IMPATIENT = Deadlines(header_s=0.2, keep_alive_s=0.2, body_s=0.2, stuck_s=0.3)


@pytest.fixture
def begun(programme: Programme) -> Programme:
    programme.begin()
    programme.play(3)
    return programme


async def test_requests_that_take_long_and_such_that_do_not_are_answered_in_order(
    running: Running, begun: Programme
) -> None:
    visitor = await running.visit()
    bad = f"GET {LIVE} HTTP/1.1\r\nHost: a\r\nStentor-Ticket: x\r\n\r\n"
    none = "GET /s/zzzzzzzzzzzz/live/opus HTTP/1.1\r\nHost: a\r\n\r\n"
    visitor.write(ASKED + none + ASKED + HEALTH + ASKED + bad + ASKED)
    heard = [await visitor.answer() for _ in range(6)]
    assert [one.status for one in heard] == [200, 404, 200, 200, 200, 403]
    assert {one.body for one in heard[::2]} == {heard[0].body, heard[4].body}
    assert heard[5].json()["code"] == "ticket.invalid"


async def test_a_page_is_the_same_whoever_answers(running: Running, begun: Programme) -> None:
    visitor = await running.visit()

    async def ask(*headers: str) -> tuple[Heard, Heard]:
        at_once = await (await running.visit()).get(PAGE, *headers)
        visitor.write(HEALTH)
        await visitor.answer()  # from here on a task answers
        by_task = await visitor.get(PAGE, *headers)
        for heard in (at_once, by_task):
            del heard.headers["date"]
        return at_once, by_task

    for headers in ((), ("Accept-Encoding: gzip",), ("Connection: Keep-Alive",)):
        at_once, by_task = await ask(*headers)
        assert at_once == by_task
        assert (at_once.status, len(at_once.body) > 100) == (200, True)
    at_once, by_task = await ask(f"If-None-Match: {at_once.headers['etag']}")
    assert at_once == by_task
    assert at_once.status == 304


async def test_whoever_has_seen_the_page_listens_on_the_same_connection(
    running: Running, begun: Programme
) -> None:
    visitor = await running.visit()
    for _ in range(3):
        assert (await visitor.get(PAGE)).status == 200
    visitor.write(f"GET {LIVE} HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (await visitor.head()).headers["content-type"] == "audio/mp4"
    assert len(await visitor.chunk()) > 100
    await running.told("listeners", 1)


async def test_a_head_in_pieces_is_read_and_a_late_one_refused(
    start: Callable[..., Running], begun: Programme
) -> None:
    running = start(deadlines=IMPATIENT)
    visitor = await running.visit()
    for asked in (ASKED, ASKED):
        for piece in (asked[:7], asked[7:-3], asked[-3:]):
            visitor.write(piece)
            await visitor.writer.drain()
            await asyncio.sleep(0.02)
        assert (await visitor.answer()).status == 200
    visitor.write(ASKED[:-1])
    heard = await visitor.answer()
    assert (heard.status, heard.json()["code"]) == (408, "request.timeout")
    assert await visitor.at_end()


async def test_whoever_asks_for_nothing_more_is_let_go(
    start: Callable[..., Running], begun: Programme
) -> None:
    running = start(deadlines=IMPATIENT)
    visitor = await running.visit()
    assert (await visitor.get(PAGE)).status == 200
    assert await visitor.at_end()


async def test_http_1_0_and_whoever_wants_no_more(running: Running, begun: Programme) -> None:
    for asked in (f"GET {PAGE} HTTP/1.0\r\n\r\n", ASKED[:-2] + "Connection: close\r\n\r\n"):
        for more in ("", "junk"):
            visitor = await running.visit()
            visitor.write(asked + more)
            heard = await visitor.answer()
            assert (heard.status, heard.headers["connection"]) == (200, "close")
            assert await visitor.at_end()


@pytest.mark.parametrize("size", [2, QUICK_BODY_BYTES_MAX + 1])
async def test_a_body_is_nobody_elses_request(running: Running, size: int) -> None:
    visitor = await running.visit()
    visitor.write(f"POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n")
    visitor.write(b"x" * size)
    assert (await visitor.answer()).status == 503, "nobody is behind this door"
    assert (await visitor.get("/healthz")).status == 200


async def test_answers_nobody_reads_yet_come_whole(running: Running, begun: Programme) -> None:
    visitor = await Visitor.to(running.port)
    visitor.writer.transport.pause_reading()
    count = 600
    visitor.write(ASKED * count)
    await asyncio.sleep(0.3)
    others = await running.visit()
    assert (await others.get(PAGE)).status == 200
    visitor.writer.transport.resume_reading()
    first = await visitor.answer()
    for _ in range(count - 1):
        assert (await visitor.answer()).body == first.body
    await visitor.close()


async def test_places_are_given_back(start: Callable[..., Running], begun: Programme) -> None:
    running = start(client_connections_max=2, uncounted="")
    for _ in range(5):
        visitor = await running.visit()
        assert (await visitor.get(PAGE)).status == 200
        other = await running.visit()
        assert (await other.get("/healthz")).status == 200
        third = await running.visit()
        assert (await third.get(PAGE)).status == 503
        assert await third.at_end()
        for one in (visitor, other):
            await one.close()
        while (await (again := await running.visit()).get(PAGE)).status == 503:
            assert await again.at_end()
        await again.close()


async def test_the_idle_make_room(start: Callable[..., Running], begun: Programme) -> None:
    running = start(connections_max=3)
    held = [await running.visit() for _ in range(3)]
    for visitor in held:
        assert (await visitor.get(PAGE)).status == 200
    late = await running.visit()
    assert (await late.get(PAGE)).status == 200
    for visitor in held:
        assert await visitor.at_end()
