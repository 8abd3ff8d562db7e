"""The door behind Caddy and HAProxy: nothing is held back, and nobody lies about who they are."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from stentor.limits import CLIENT_BODIES_MAX
from stentor.record import Rendition
from tests.certificates import make_certificate
from tests.edge.client import Live, Visitor
from tests.edge.conftest import Running, listening
from tests.edge.programme import SPACE, Programme
from tests.edge.proxies import HAPROXY, Proxy, caddy, haproxy, haproxy_tcp
from tests.edge.upstream import Upstream, saying

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LIVE = f"/s/{SPACE}/live/opus"


@pytest.fixture(scope="module")
def door() -> Iterator[socket.socket]:
    """Where the proxies look for the edge of each test."""
    with listening() as made:
        yield made


@pytest.fixture(scope="module", params=["caddy", "haproxy"])
def proxy(
    request: pytest.FixtureRequest, door: socket.socket, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    folder, port = tmp_path_factory.mktemp(request.param), door.getsockname()[1]
    if request.param == "caddy":
        made = caddy(folder, port)
    elif HAPROXY is None:
        pytest.skip("these tests want HAProxy")
    else:
        made = haproxy(folder, port, make_certificate(folder, 1))
    with made:
        yield made


@pytest.fixture
async def running(start: Callable[..., Running], door: socket.socket, proxy: Proxy) -> Running:
    settings = {"trusted_proxy": "127.0.0.1", "public_url": proxy.url}
    return start(door=door.dup(), settings=settings)


@dataclass
class Stream:
    """A live response in pieces that a proxy cut anywhere."""

    pieces: AsyncIterator[bytes]
    live: Live = field(default_factory=Live)
    rest: bytes = b""

    async def until(self, parts: int) -> Live:
        """Listen until so many parts have come in all, each with its cursor."""
        while len(self.live.parts) < parts:
            self.take(await anext(self.pieces))
        return self.live

    async def to_end(self) -> Live:
        async for piece in self.pieces:
            self.take(piece)
        assert not self.rest
        return self.live

    def take(self, piece: bytes) -> None:
        self.rest += piece
        whole = self.rest.rfind(b"skipstcu") + 20  # every piece of an edge ends with a cursor
        if 20 <= whole <= len(self.rest):
            self.live.take(self.rest[:whole])
            self.rest = self.rest[whole:]


@contextlib.asynccontextmanager
async def listen(client: httpx.AsyncClient, query: str = "") -> AsyncIterator[Stream]:
    async with client.stream("GET", LIVE + query) as response:
        assert response.status_code == 200
        yield Stream(response.aiter_raw())


async def pieces_of(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while piece := await reader.read(65_536):
        yield piece


@contextlib.asynccontextmanager
async def listen_by_curl(proxy: Proxy, query: str = "") -> AsyncIterator[Stream]:
    """A listener over HTTP/2 who, unlike httpx, goes on when told to open no more streams."""
    url = f"{proxy.url}{LIVE}{query}"
    curl = await asyncio.create_subprocess_exec(
        "curl", "--silent", "--no-buffer", "--http2", "--cacert", proxy.authority, url,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert curl.stdout is not None
    try:
        yield Stream(pieces_of(curl.stdout))
    finally:
        if curl.returncode is None:
            curl.kill()
        await curl.communicate()  # to the end, which closes the pipe


@pytest.mark.parametrize("http2", [False, True])
async def test_each_part_is_there_before_the_next_is_written(
    proxy: Proxy, running: Running, programme: Programme, *, http2: bool
) -> None:
    programme.begin()
    programme.play(2)
    async with asyncio.timeout(10), proxy.client(http2=http2) as client:
        assert (await client.get("/healthz")).http_version == ("HTTP/2" if http2 else "HTTP/1.1")
        async with listen(client) as stream:
            for number in range(3, 20):
                await stream.until(number - 1)
                programme.play(1)
            programme.end()
            heard = await stream.to_end()
    assert heard.parts == programme.payloads(Rendition.OPUS)


async def test_who_leaves_is_let_go(proxy: Proxy, running: Running, programme: Programme) -> None:
    programme.begin()
    programme.play(2)
    async with proxy.client() as client, listen(client) as stream:
        await stream.until(2)
        await running.told("listeners", 1)
    async with asyncio.timeout(10):
        while (await running.health())["listeners"]:
            programme.play(1)
            await asyncio.sleep(0.02)


async def test_nobody_says_who_they_are_not(proxy: Proxy, running: Running) -> None:
    lies = {
        "X-Forwarded-For": "6.6.6.6",
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Host": "evil.example",
        "Forwarded": "for=6.6.6.6;proto=http",
        "X-Real-IP": "6.6.6.6",
    }
    async with Upstream(running.paths.socket("web"), saying(OK)) as web:
        for source in ("127.0.0.9", "127.0.0.10"):
            async with proxy.client(source) as client:
                assert (await client.get("/login", headers=lies)).text == "ok"
            told = {line for line in web.lines() if "6.6.6.6" in line or "evil" in line}
            assert not told
            assert f"X-Forwarded-For: {source}" in web.lines()
            assert "X-Forwarded-Proto: https" in web.lines()
            assert f"X-Forwarded-Host: localhost:{proxy.port}" in web.lines()
        # Who finds the door itself is no proxy, and not believed either.
        with socket.create_connection(
            ("127.0.0.1", running.port), source_address=("127.0.0.11", 0)
        ) as plain:
            reader, writer = await asyncio.open_connection(sock=plain.dup())
            heard = await Visitor(reader, writer).get("/login", "X-Forwarded-For: 6.6.6.6")
            writer.close()
        assert heard.body == b"ok"
        assert "X-Forwarded-For: 127.0.0.11" in web.lines()


async def test_each_client_has_its_share_behind_a_proxy(proxy: Proxy, running: Running) -> None:
    size = 64_000  # more than a proxy gathers before it begins to pass on

    async def slow() -> Visitor:
        reader, writer = await asyncio.open_connection(
            "localhost", proxy.port, ssl=proxy.trusting(), local_addr=("127.0.0.9", 0)
        )
        running.guests.append(visitor := Visitor(reader, writer))
        visitor.write(f"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n")
        visitor.write(b"x" * (size - 1))
        return visitor

    async with Upstream(running.paths.socket("web"), saying(OK)), asyncio.timeout(10):
        held = [await slow() for _ in range(CLIENT_BODIES_MAX)]
        async with proxy.client() as same, proxy.client("127.0.0.10") as other:
            while (heard := await same.post("/x", content=b"{}")).status_code == 200:
                pass  # not all of them have reached the edge
            assert heard.json()["code"] == "door.busy"
            assert (await other.post("/x", content=b"{}")).text == "ok"
        for one in held:
            one.write("x")
            assert (await one.answer()).body == b"ok"


async def test_a_studio_through_a_proxy(proxy: Proxy, running: Running) -> None:
    say = asyncio.Queue[bytes]()

    async def stage(head: bytes, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if head.startswith(b"POST"):
            writer.write(b"HTTP/1.1 201 Created\r\nLocation: /stage/x/whip/1\r\n")
            writer.write(b"Content-Type: application/sdp\r\nContent-Length: 3\r\n\r\nv=0")
            return
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while line := await say.get():
            writer.write(b"%x\r\n%b\r\n" % (len(line), line))
            await writer.drain()
        writer.write(b"0\r\n\r\n")

    name, _, token = running.seat().partition(": ")
    async with Upstream(running.paths.socket("stage"), stage) as upstream, proxy.client() as client:
        client.headers[name] = token
        async with asyncio.timeout(10), client.stream("GET", f"/stage/{SPACE}/events") as answer:
            lines = answer.aiter_lines()
            for number in range(5):
                say.put_nowait(json.dumps({"type": "levels", "n": number}).encode() + b"\n")
                assert json.loads(await anext(lines))["n"] == number
            offer = b"v=0\r\n" + b"a=x\r\n" * 2_000
            told = await client.post(f"/stage/{SPACE}/whip", content=offer)
            assert (told.status_code, told.text) == (201, "v=0")
            assert told.headers["location"] == "/stage/x/whip/1"
            assert upstream.bodies[-1] == offer
            say.put_nowait(b"")
            assert [line async for line in lines] == []


async def test_pages_ranges_and_hls_through_a_proxy(
    proxy: Proxy, running: Running, programme: Programme
) -> None:
    programme.begin()
    programme.play(100)
    programme.end()
    async with proxy.client() as client:
        page = await client.get(f"/s/{SPACE}")
        assert page.status_code == 200
        whole = await client.get(f"/s/{SPACE}/replay/opus.mp4")
        assert whole.content.endswith(programme.payloads(Rendition.OPUS)[-1])
        some = await client.get(f"/s/{SPACE}/replay/opus.mp4", headers={"Range": "bytes=1000-1999"})
        assert (some.status_code, some.content) == (206, whole.content[1_000:2_000])
        again = await client.get(
            f"/s/{SPACE}/replay/opus.mp4", headers={"If-None-Match": whole.headers["etag"]}
        )
        assert again.status_code == 304
        playlist = await client.get(f"/s/{SPACE}/hls/aac.m3u8")
        segments = [line for line in playlist.text.splitlines() if line.endswith(".m4s")]
        answers = await asyncio.gather(
            *(client.get(f"/s/{SPACE}/hls/{segment}") for segment in segments)
        )
        assert b"".join(one.content for one in answers).count(b"moof") >= 90


async def test_low_latency_hls_over_http_2(
    proxy: Proxy, running: Running, programme: Programme
) -> None:
    programme.begin()
    programme.play(40)  # media segments 0 and 1
    async with asyncio.timeout(10), proxy.client() as client:
        here = f"/s/{SPACE}/hls/aac"
        playlist = await client.get(f"{here}.m3u8")
        assert 'PRELOAD-HINT:TYPE=PART,URI="aac/2.0.m4s"' in playlist.text
        for coming in (f"{here}.m3u8?_HLS_msn=2&_HLS_part=0", f"{here}/2.1.m4s"):
            waiting = asyncio.create_task(client.get(coming))
            whole = await client.get(f"{here}/1.m4s")  # on the same connection, past who waits
            assert not waiting.done()
            programme.play(5)
            answers = [whole, await waiting]
            assert {(one.status_code, one.http_version) for one in answers} == {(200, "HTTP/2")}
        assert '"aac/2.0.m4s"' in (await client.get(f"{here}.m3u8")).text


async def test_who_listens_hears_nothing_of_a_reload(
    proxy: Proxy, running: Running, programme: Programme
) -> None:
    programme.begin()
    programme.play(2)
    async with asyncio.timeout(20):
        async with listen_by_curl(proxy) as stream, proxy.client(http2=False) as client:
            await stream.until(2)
            async with listen(client) as old:
                await old.until(2)
                proxy.reload()
                async with listen_by_curl(proxy) as new:
                    await new.until(2)
                    programme.play(1)
                    for one in (stream, old, new):
                        heard = await one.until(3)
                    proxy.kill()
        programme.play(5)
        proxy.start()
        async with listen_by_curl(proxy, f"?cursor={heard.cursor}") as resumed:
            await resumed.until(1)
            programme.end()
            rest = await resumed.to_end()
    assert heard.parts + rest.parts == programme.payloads(Rendition.OPUS)


@pytest.fixture
async def behind_tcp(
    start: Callable[..., Running], tmp_path: Path
) -> AsyncIterator[tuple[Proxy, Running]]:
    """An edge that speaks TLS itself, behind HAProxy in TCP mode."""
    if HAPROXY is None:
        pytest.skip("these tests want HAProxy")
    names = make_certificate(tmp_path, 1)
    settings = {"trusted_proxy": "127.0.0.1", "proxy_protocol": "on", **names}
    running = start(settings=settings, client_connections_max=2, uncounted="")
    proxy = haproxy_tcp(tmp_path, running.port, names)
    await asyncio.to_thread(proxy.start)
    yield proxy, running
    proxy.kill()


async def test_tls_goes_through_and_the_client_is_known(
    behind_tcp: tuple[Proxy, Running], programme: Programme
) -> None:
    proxy, running = behind_tcp
    programme.begin()
    programme.play(2)
    lies = {"X-Forwarded-For": "6.6.6.6"}
    async with (
        asyncio.timeout(20),
        Upstream(running.paths.socket("web"), saying(OK)) as web,
        proxy.client(http2=False) as client,
        proxy.client("127.0.0.10", http2=False) as other,
        listen(client) as stream,
    ):
        assert (await client.get("/login", headers=lies)).text == "ok"
        assert "X-Forwarded-For: 127.0.0.9" in web.lines()
        assert "X-Forwarded-Proto: https" in web.lines()
        for number in range(3, 10):
            await stream.until(number - 1)
            programme.play(1)
        async with listen(client):
            full = await client.get(LIVE, headers=lies)
            assert (full.status_code, full.json()["code"]) == (503, "door.full")
            async with listen(other) as modest:
                await modest.until(2)
        await asyncio.to_thread(proxy.reload)
        programme.end()
        heard = await stream.to_end()
    assert heard.parts == programme.payloads(Rendition.OPUS)
