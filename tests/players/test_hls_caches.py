"""HLS through Varnish, with the configuration that docs/operating gives people."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.hls.caches import Origin, varnish
from stentor.gate.notice import PLACES
from stentor.paths import Paths
from tests.edge.client import Listener, Visitor
from tests.edge.conftest import Running
from tests.edge.desk import Desk
from tests.edge.programme import SPACE, Programme
from tests.edge.test_double_use import ticket
from tests.edge.test_players import until_mode

HLS = f"/s/{SPACE}/hls"
CROWD = 20


@dataclass(frozen=True)
class Cached:
    """An edge behind Varnish."""

    port: int
    origin: Origin

    def asked(self, name: str) -> int:
        """How often the edge was asked for something."""
        return self.origin.asked[f"{HLS}/{name}"]


@pytest.fixture
async def cache(running: Running) -> AsyncIterator[Cached]:
    if not (shutil.which("varnishd") or Path("/usr/sbin/varnishd").exists()):
        pytest.skip("these tests want Varnish")
    with tempfile.TemporaryDirectory(prefix="stentor-") as folder:
        Path(folder).chmod(0o755)  # Varnish works as another user
        async with Origin(running.port) as origin:
            before = varnish(origin.port, Path(folder))
            port = await asyncio.to_thread(before.__enter__)
            yield Cached(port, origin)
            await asyncio.to_thread(before.__exit__, None, None, None)


async def test_a_crowd_that_waits_is_one_request_to_the_edge(
    cache: Cached, programme: Programme
) -> None:
    programme.begin()
    programme.play(40)
    visitors = [await Visitor.to(cache.port) for _ in range(2 * CROWD)]
    lists = "opus.m3u8?_HLS_msn=2&_HLS_part=0"
    waiting = [
        asyncio.create_task(visitor.get(f"{HLS}/{name}"))
        for number, visitor in enumerate(visitors)
        for name in [(lists, "opus/2.0.m4s")[number % 2]]
    ]
    while not (cache.asked(lists) and cache.asked("opus/2.0.m4s")):
        await asyncio.sleep(0.01)
    assert not any(task.done() for task in waiting)
    programme.play(4)
    heard = await asyncio.gather(*waiting)
    assert {answer.status for answer in heard} == {200}
    assert len({answer.body for answer in heard}) == 2
    assert cache.asked(lists) == 1
    assert cache.asked("opus/2.0.m4s") == 1
    for visitor in visitors:
        await visitor.close()


async def test_a_crowd_that_asks_too_early_is_refused_once(
    cache: Cached, programme: Programme
) -> None:
    programme.begin()
    programme.play(20)
    visitor = await Visitor.to(cache.port)
    for _ in range(5):
        assert (await visitor.get(f"{HLS}/opus/9.m4s")).status == 404
    assert cache.asked("opus/9.m4s") == 1
    await visitor.close()


async def test_other_arguments_and_cookies_make_no_other_thing(
    cache: Cached, programme: Programme
) -> None:
    programme.begin()
    programme.play(40)
    visitor = await Visitor.to(cache.port)
    plain = await visitor.get(f"{HLS}/opus/0.m4s")
    other = await visitor.get(f"{HLS}/opus/0.m4s?x=1", "Cookie: stentor=me")
    assert plain.body == other.body
    assert other.headers["age"]
    piece = await visitor.get(f"{HLS}/opus/0.m4s", "Range: bytes=4-7")
    assert (piece.status, piece.body) == (206, b"moof")
    assert cache.asked("opus/0.m4s") == 1
    await visitor.close()


async def test_a_live_response_flows_through(cache: Cached, programme: Programme) -> None:
    programme.begin()
    programme.play(5)
    listener = await Listener.to(cache.port)
    assert (await listener.begin(f"/s/{SPACE}/live/opus")).status == 200
    await listener.until(2)
    programme.play(3)
    await listener.until(5)
    await listener.close()


async def test_a_refusal_that_is_one_players_is_not_handed_to_another(
    cache: Cached, programme: Programme, paths: Paths, running: Running
) -> None:
    programme.begin()
    programme.play(40)
    desk = Desk(paths)
    await desk.report()
    await until_mode(desk, running.port, PLACES)
    visitor = await Visitor.to(cache.port)
    assert (await visitor.get(f"{HLS}/opus.m3u8")).status == 503
    cookie = ticket(paths).replace("Stentor-Ticket: ", "Cookie: a=b; stentor-ticket=")
    assert (await visitor.get(f"{HLS}/opus.m3u8", cookie)).status == 200
    desk.close()
    await visitor.close()
