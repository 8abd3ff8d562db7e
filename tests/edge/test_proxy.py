"""What is passed on to web and stage, what comes back, and what happens when they are away."""

import asyncio

import pytest

from stentor.limits import PROXIED_MAX
from tests.edge.conftest import Running
from tests.edge.programme import SPACE, Programme
from tests.edge.upstream import Upstream, saying

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def test_a_request_is_passed_on_with_who_asked(running: Running) -> None:
    async with Upstream(running.paths.socket("web"), saying(OK)) as web:
        heard = await (await running.visit()).get(
            "/new?a=b",
            "Cookie: stentor=1",
            "X-Forwarded-For: 6.6.6.6",
            "X-Forwarded-Proto: gopher",
            "X-FORWARDED-HOST: evil.example",
            "Forwarded: for=6.6.6.6",
            "X-Real-IP: 6.6.6.6",
            "Connection: X-Private, keep-alive",
            "X-Private: 1",
            "Upgrade: h2c",
            "TE: trailers",
        )
    assert (heard.status, heard.body) == (200, b"ok")
    lines = web.lines()
    assert lines[0] == "GET /new?a=b HTTP/1.1"
    assert "cookie: stentor=1" in lines
    assert "X-Forwarded-For: 127.0.0.1" in lines
    assert "X-Forwarded-Proto: http" in lines
    assert "X-Forwarded-Host: localhost" in lines
    said = "\n".join(lines).lower()
    for absent in ("6.6.6.6", "gopher", "evil", "x-private", "upgrade", "\nte:"):
        assert absent not in said
    assert said.count("host: localhost") == 2


async def test_bodies_go_in_and_chunks_come_out(running: Running) -> None:
    answer = (
        b"HTTP/1.1 201 Created\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nServer: x\r\n"
        b"Transfer-Encoding: chunked\r\nKeep-Alive: 5\r\n\r\n"
        b"5;x=y\r\nhello\r\n1\r\n!\r\n0\r\n\r\n"
    )
    async with Upstream(running.paths.socket("stage"), saying(answer)) as stage:
        visitor = await running.visit()
        visitor.write(
            f"POST /stage/spaces HTTP/1.1\r\nHost: a\r\n{running.seat()}\r\n"
            "Transfer-Encoding: chunked\r\n\r\n"
        )
        visitor.write("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
        text = (await visitor.reader.readuntil(b"\r\n\r\n")).decode().lower()
        assert text.startswith("http/1.1 201")
        assert "set-cookie: a=1" in text
        assert "set-cookie: b=2" in text
        assert "keep-alive" not in text
        assert "server:" not in text
        body = b""
        while piece := await visitor.chunk():
            body += piece
        assert body == b"hello!"
    assert stage.bodies == [b"abcde"]
    assert "Content-Length: 5" in stage.lines()
    assert not [line for line in stage.lines() if line.lower().startswith("transfer-encoding")]


async def test_head_304_and_bodies_until_the_end(running: Running) -> None:
    async with Upstream(running.paths.socket("web"), saying(b"")) as web:
        visitor = await running.visit()
        web.behave = saying(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        silent = await visitor.get("/", method="HEAD")
        assert (silent.status, silent.headers["content-length"]) == (200, "1000")
        web.behave = saying(b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n")
        assert (await visitor.get("/")).status == 304
        web.behave = saying(b"HTTP/1.0 200 OK\r\n\r\nuntil the end")
        assert (await visitor.get("/")).body == b"until the end"
        web.behave = saying(b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK)
        assert (await visitor.get("/")).body == b"ok"
        web.behave = saying(b"HTTP/1.1 204 No Content\r\n\r\n")
        assert (await visitor.get("/")).status == 204


async def test_an_endless_answer_is_passed_on_as_it_comes(running: Running) -> None:
    more = asyncio.Event()

    async def stream(_: bytes, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n{'a': 1}\r\n")
        await more.wait()
        writer.write(b"8\r\n{'b': 2}\r\n")
        await asyncio.sleep(60)

    async with Upstream(running.paths.socket("stage"), stream):
        visitor = await running.visit()
        visitor.write(f"GET /stage/{SPACE}/events HTTP/1.1\r\nHost: a\r\n{running.seat()}\r\n\r\n")
        await visitor.head()
        assert await visitor.chunk() == b"{'a': 1}"
        more.set()
        assert await visitor.chunk() == b"{'b': 2}"


async def test_an_answer_that_breaks_off_is_not_passed_off_as_whole(running: Running) -> None:
    cut = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
    async with Upstream(running.paths.socket("web"), saying(cut)) as web:
        visitor = await running.visit()
        with pytest.raises(asyncio.IncompleteReadError):
            await visitor.get("/")
        visitor = await running.visit()
        web.behave = saying(b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\nhello")
        with pytest.raises(asyncio.IncompleteReadError):
            await visitor.get("/")
        visitor = await running.visit()
        web.behave = saying(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello")
        assert (await visitor.get("/")).json()["code"] == "web.away"


@pytest.mark.parametrize(("target", "code"), [("/api/x", "web.away"), ("/stage/x", "stage.away")])
async def test_nobody_behind_the_door(running: Running, target: str, code: str) -> None:
    visitor = await running.visit()
    heard = await visitor.get(target, running.seat())
    assert (heard.status, heard.json()["code"]) == (503, code)
    assert heard.headers["retry-after"] == "1"
    stale = running.paths.socket(code.partition(".")[0])
    async with Upstream(stale, saying(OK)):
        assert (await visitor.get(target, running.seat())).body == b"ok"
    stale.touch()  # what a process that was killed leaves behind
    assert (await visitor.get(target, running.seat())).json()["code"] == code


async def test_a_read_is_asked_twice_and_a_change_once(running: Running) -> None:
    async with Upstream(running.paths.socket("web"), saying(b"")) as web:
        visitor = await running.visit()
        assert (await visitor.get("/x")).status == 503
        assert len(web.heads) == 2
        visitor.write("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
        assert (await visitor.answer()).status == 503
        assert len(web.heads) == 3
        web.behave = saying(b"SSH-2.0-OpenSSH\r\n\r\n")
        assert (await visitor.get("/x")).status == 503


async def test_while_web_is_away_its_pages_name_what_is_live(
    running: Running, programme: Programme
) -> None:
    programme.begin()
    heard = await (await running.visit()).get("/", "Accept: text/html")
    assert heard.status == 503
    assert heard.headers["retry-after"] == "1"
    text = heard.body.decode()
    assert f'<a href="/s/{SPACE}">A test &lt;of&gt; sound</a>' in text
    assert 'http-equiv="refresh"' in text


async def test_a_slow_web_has_a_bounded_share(running: Running, programme: Programme) -> None:
    release = asyncio.Event()

    async def slowly(_: bytes, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        writer.write(OK)

    async with Upstream(running.paths.socket("web"), slowly) as web:
        waiting = [await running.visit() for _ in range(PROXIED_MAX)]
        for visitor in waiting:
            visitor.write("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        while len(web.heads) < PROXIED_MAX:
            await asyncio.sleep(0.01)
        late = await running.visit()
        heard = await late.get("/slow")
        assert (heard.status, heard.json()["code"]) == (503, "web.busy")
        assert (await late.get(f"/s/{SPACE}")).status == 200, "pages do not need web"
        await waiting.pop().close()  # its place is still taken until web has answered
        release.set()
        for visitor in waiting:
            assert (await visitor.answer()).status == 200
        assert (await late.get("/slow")).status == 200


async def test_studios_streams_leave_room_for_commands(running: Running) -> None:
    async def behave(head: bytes, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if b"/events " not in head:
            writer.write(OK)
            return
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(60)

    async with Upstream(running.paths.socket("stage"), behave):
        for _ in range(PROXIED_MAX + 5):
            studio = await running.visit()
            studio.write(
                f"GET /stage/{SPACE}/events HTTP/1.1\r\nHost: a\r\n{running.seat()}\r\n\r\n"
            )
            assert (await studio.head()).status == 200
        visitor = await running.visit()
        assert (await visitor.get(f"/stage/{SPACE}/commands", running.seat())).body == b"ok"


async def test_only_genuine_tokens_reach_the_stage(running: Running) -> None:
    forged = running.seat()[:-3] + "AAA"
    async with Upstream(running.paths.socket("stage"), saying(OK)) as stage:
        visitor = await running.visit()
        for headers, code in (
            ([], "token.missing"),
            (["Authorization: Basic YTpi"], "token.missing"),
            (["Authorization: Bearer x"], "token.invalid"),
            ([forged], "token.invalid"),
            ([running.seat(expires_in_s=-1.0)], "token.expired"),
        ):
            heard = await visitor.get(f"/stage/{SPACE}/commands", *headers)
            assert (heard.status, heard.json()["code"]) == (401, code)
            assert heard.headers["www-authenticate"] == "Bearer"
        for headers in ([], [running.seat()]):
            heard = await visitor.get("/stage/health", *headers)
            assert (heard.status, heard.json()["code"]) == (404, "page.unknown")
        assert stage.heads == []
        assert (await visitor.get(f"/stage/{SPACE}/commands", running.seat())).body == b"ok"
