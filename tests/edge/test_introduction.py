"""The door behind a proxy that begins with PROXY headers: who is believed, counted and closed."""

import asyncio
import logging
import socket
import ssl
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from stentor import config
from stentor.edge.conversation import Deadlines
from stentor.errors import Refused
from tests.certificates import make_certificate
from tests.edge.client import Listener, Visitor
from tests.edge.conftest import Running
from tests.edge.programme import SPACE, Programme
from tests.edge.upstream import Upstream, saying

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LISTED, OTHER = "127.0.0.1", "127.0.0.7"
SETTINGS = {"trusted_proxy": LISTED, "proxy_protocol": "on"}
LOCAL = b"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"


def header(address: str) -> bytes:
    packed = socket.inet_aton(address) + socket.inet_aton("192.0.2.1")
    body = packed + struct.pack(">HH", 50_000, 443)
    return b"\r\n\r\n\x00\r\nQUIT\n\x21\x11" + struct.pack(">H", len(body)) + body


async def connect(running: Running, data: bytes = b"", source: str = LISTED) -> Listener:
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", running.port, local_addr=(source, 0)
    )
    writer.write(data)
    running.guests.append(listener := Listener(reader, writer))
    return listener


@pytest.fixture
async def running(start: Callable[..., Running]) -> Running:
    return start(settings=SETTINGS, deadlines=Deadlines(header_s=0.5), uncounted="")


async def test_whom_the_header_names_is_the_client(running: Running) -> None:
    async with Upstream(running.paths.socket("web"), saying(OK)) as web:
        for said, told in (
            (header("192.0.2.9"), "192.0.2.9"),
            (b"PROXY TCP6 2001:db8::9 ::1 1 2\r\n", "2001:db8::9"),
            (LOCAL, LISTED),
        ):
            visitor = await connect(running, said)
            heard = await visitor.get("/x", "X-Forwarded-For: 6.6.6.6")
            assert heard.body == b"ok"
            assert f"X-Forwarded-For: {told}" in web.lines()


async def test_a_header_may_come_byte_by_byte(running: Running) -> None:
    visitor = await connect(running)
    request = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
    for byte in header("192.0.2.9") + request:
        visitor.write(bytes([byte]))
        await visitor.writer.drain()
        await asyncio.sleep(0.001)
    assert (await visitor.answer()).status == 200


async def test_a_listed_proxy_without_a_header_is_closed(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    for said in (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", header("192.0.2.9")[:-1], b"\x16\x03"):
        assert await (await connect(running, said)).at_end()
    assert caplog.text.count("is a listed proxy") == 2


async def test_who_is_not_listed_is_not_believed(running: Running) -> None:
    visitor = await connect(running, header("192.0.2.9"), OTHER)
    visitor.write("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (await visitor.answer()).status == 400
    async with Upstream(running.paths.socket("web"), saying(OK)) as web:
        visitor = await connect(running, b"", OTHER)
        assert (await visitor.get("/x", "X-Forwarded-For: 6.6.6.6")).body == b"ok"
        assert f"X-Forwarded-For: {OTHER}" in web.lines()


async def test_clients_are_counted_by_their_own_address(
    start: Callable[..., Running], programme: Programme
) -> None:
    running = start(settings=SETTINGS, client_connections_max=2, uncounted="")
    programme.begin()
    programme.play(2)
    held = [await connect(running, header("192.0.2.9")) for _ in range(2)]
    for one in held:
        assert (await one.get("/healthz")).status == 200
    refused = await (await connect(running, header("192.0.2.9"))).get("/healthz")
    assert (refused.status, refused.json()["code"]) == (503, "door.full")
    assert (await (await connect(running, header("192.0.2.10"))).get("/healthz")).status == 200
    listeners = [await connect(running, header("192.0.2.11")) for _ in range(2)]
    for one in listeners:
        assert (await one.begin(f"/s/{SPACE}/live/opus")).status == 200
        await one.until(2)


async def test_the_header_comes_before_tls(
    start: Callable[..., Running], tmp_path: Path, programme: Programme
) -> None:
    names = make_certificate(tmp_path, 1)
    running = start(settings={**SETTINGS, **names})
    trusting = ssl.create_default_context(cafile=names["tls_cert"])
    programme.begin()
    programme.play(2)
    plain = await asyncio.to_thread(socket.create_connection, ("127.0.0.1", running.port))
    plain.sendall(header("192.0.2.9"))
    reader, writer = await asyncio.open_connection(
        sock=plain, ssl=trusting, server_hostname="localhost", limit=1 << 20
    )
    running.guests.append(listener := Listener(reader, writer))
    assert (await listener.begin(f"/s/{SPACE}/live/opus")).status == 200
    await listener.until(2)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await Visitor.to(running.port, trusting)


async def test_those_not_introduced_end_with_the_door(start: Callable[..., Running]) -> None:
    running = start(settings=SETTINGS)
    silent = await connect(running, b"PROXY ")
    await (await connect(running, LOCAL)).get("/healthz")  # it has taken the first one as well
    running.stop.set()
    assert await silent.at_end()


def test_the_setting_wants_listed_proxies(tmp_path: Path) -> None:
    given = {"data_dir": str(tmp_path), "proxy_protocol": "on"}
    with pytest.raises(Refused, match="trusted_proxy"):
        config.load(given)
    assert config.load({**given, "trusted_proxy": "10.0.0.1"}).proxy_protocol == "on"
    with pytest.raises(Refused, match="proxy_protocol"):
        config.load({**given, "proxy_protocol": "perhaps"})
