"""The same door over TLS: pages, listeners, and clients that speak it badly."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509

from stentor.edge.conversation import Deadlines
from stentor.record import Rendition
from tests.certificates import make_certificate
from tests.edge.client import Listener, Visitor
from tests.edge.conftest import Running
from tests.edge.programme import SPACE, Programme
from tests.edge.upstream import Upstream, saying


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return make_certificate(tmp_path_factory.mktemp("tls"), 1)


@pytest.fixture
def trusting(certificate: dict[str, str]) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=certificate["tls_cert"])
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


@pytest.fixture
async def running(start: Callable[..., Running], certificate: dict[str, str]) -> Running:
    deadlines = Deadlines(header_s=0.5, keep_alive_s=0.5, body_s=0.5, stuck_s=1.0)
    return start(settings=certificate, deadlines=deadlines)


async def test_pages_and_replays_over_tls(
    running: Running, programme: Programme, trusting: ssl.SSLContext
) -> None:
    programme.begin()
    programme.play(300)
    programme.end()
    visitor = await Visitor.to(running.port, trusting)
    chosen = visitor.writer.get_extra_info("ssl_object")
    assert chosen.selected_alpn_protocol() == "http/1.1"
    assert chosen.version() == "TLSv1.3"
    assert (await visitor.get(f"/s/{SPACE}")).status == 200
    heard = await visitor.get(f"/s/{SPACE}/replay/aac.mp4")
    assert heard.body.endswith(programme.payloads(Rendition.AAC)[-1])
    async with Upstream(
        running.paths.socket("web"), saying(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    ) as web:
        await visitor.get("/login")
    assert "X-Forwarded-Proto: https" in web.lines()
    await visitor.close()


async def test_a_listener_over_tls_joins_resumes_and_hears_the_end(
    running: Running, programme: Programme, trusting: ssl.SSLContext
) -> None:
    programme.begin()
    programme.play(3)
    listener = await Listener.to(running.port, trusting)
    assert (await listener.begin(f"/s/{SPACE}/live/opus")).status == 200
    before = await listener.until(2)
    await listener.close()
    programme.play(400)
    listener = await Listener.to(running.port, trusting)
    await listener.begin(f"/s/{SPACE}/live/opus?cursor={before.cursor}")
    after = await listener.until(400)
    programme.end()
    await listener.to_end()
    assert before.parts + after.parts == programme.payloads(Rendition.OPUS)[1:]
    await listener.close()


async def test_old_tls_is_refused(running: Running) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("DEFAULT:@SECLEVEL=0")  # or it would not even ask
    with pytest.warns(DeprecationWarning):
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        await Visitor.to(running.port, old)


async def test_whoever_does_not_finish_the_handshake_is_let_go(
    running: Running, programme: Programme, trusting: ssl.SSLContext
) -> None:
    programme.begin()
    programme.play(2)
    hello = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        trusting.wrap_bio(ssl.MemoryBIO(), hello, server_hostname="localhost").do_handshake()
    whole = hello.read()
    half = [whole[:3], whole[:100], whole]
    guests = [await running.visit() for _ in half * 10]
    for guest, said in zip(guests, half * 10, strict=True):
        guest.write(said)
    listener = await Listener.to(running.port, trusting)
    await listener.begin(f"/s/{SPACE}/live/opus")
    await listener.until(2)
    for guest in guests:
        try:
            await guest.reader.read()  # what the server said to a whole hello, and the end
        except ConnectionError:
            continue
    programme.play(1)
    await listener.until(3)
    await listener.close()


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
async def test_plain_http_is_told_to_speak_https(running: Running, method: str) -> None:
    plain = await running.visit()
    body = "x" * 4_000 if method == "POST" else ""
    plain.write(f"{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n{body}")
    heard = await plain.answer()
    assert (heard.status, heard.json()["code"]) == (400, "request.plain")
    assert "https://" in heard.json()["title"]
    assert await plain.at_end()


async def test_junk_instead_of_tls_is_closed(running: Running) -> None:
    for junk in (b"\0" * 600, b"CONNECT a:443 HTTP/1.1\r\n\r\n", b"SSH-2.0-x\r\n", b"\x16\x03\x01"):
        guest = await running.visit()
        guest.write(junk * 2)
        try:
            assert not (await guest.reader.read()).startswith(b"HTTP")
        except ConnectionError:
            continue


async def test_a_client_that_wants_http_2_alone_is_refused(
    running: Running, trusting: ssl.SSLContext
) -> None:
    trusting.set_alpn_protocols(["h2"])
    visitor = await Visitor.to(running.port, trusting)
    assert visitor.writer.get_extra_info("ssl_object").selected_alpn_protocol() is None
    visitor.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
    heard = await visitor.answer()
    assert (heard.status, heard.json()["code"]) == (505, "request.version")
    await visitor.close()


def ask(
    port: int, context: ssl.SSLContext, session: ssl.SSLSession | None = None, end: str = "close"
) -> tuple[ssl.SSLSession, bool]:
    """One request by a client that minds how connections end; whether it resumed its session."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(
            plain, server_hostname="localhost", session=session, suppress_ragged_eofs=False
        ) as line,
    ):
        line.sendall(f"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: {end}\r\n\r\n".encode())
        heard = b""
        while piece := line.recv(4_096):  # without close_notify: ssl.SSLEOFError
            heard += piece
        assert heard.startswith(b"HTTP/1.1 200 OK\r\n")
        assert line.session is not None
        return line.session, bool(line.session_reused)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("end", ["close", "keep-alive"])
async def test_sessions_are_resumed_and_connections_end_as_they_should(
    running: Running, trusting: ssl.SSLContext, version: ssl.TLSVersion, end: str
) -> None:
    trusting.minimum_version = trusting.maximum_version = version
    session, resumed = await asyncio.to_thread(ask, running.port, trusting, None, end)
    assert not resumed
    _, resumed = await asyncio.to_thread(ask, running.port, trusting, session, end)
    assert resumed


async def test_a_live_response_ends_as_it_should(
    running: Running, programme: Programme, trusting: ssl.SSLContext
) -> None:
    programme.begin()
    programme.play(2)

    def listen() -> bytes:
        with (
            socket.create_connection(("127.0.0.1", running.port), timeout=10) as plain,
            trusting.wrap_socket(
                plain, server_hostname="localhost", suppress_ragged_eofs=False
            ) as line,
        ):
            line.sendall(f"GET /s/{SPACE}/live/opus HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            heard = line.recv(4_096)
            asyncio.run_coroutine_threadsafe(ending(), loop).result(5)
            while piece := line.recv(65_536):
                heard += piece
            return heard

    async def ending() -> None:
        programme.end()

    loop = asyncio.get_running_loop()
    assert (await asyncio.to_thread(listen)).endswith(b"\r\n0\r\n\r\n")


async def test_who_listens_hears_nothing_of_a_new_certificate(
    start: Callable[..., Running], programme: Programme, tmp_path: Path
) -> None:
    names = make_certificate(tmp_path, 1, with_rsa=True)
    running = start(settings=names)
    programme.begin()
    programme.play(2)
    careless = ssl.create_default_context()
    careless.check_hostname, careless.verify_mode = False, ssl.CERT_NONE

    async def serial() -> int:
        visitor = await Visitor.to(running.port, careless)
        shown = visitor.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        await visitor.close()
        return x509.load_der_x509_certificate(shown).serial_number

    listener = await Listener.to(running.port, careless)
    await listener.begin(f"/s/{SPACE}/live/opus")
    assert await serial() == 1
    make_certificate(tmp_path, 2)
    async with asyncio.timeout(5):
        while await serial() != 2:
            await asyncio.sleep(0.1)
    Path(names["tls_key"]).write_text("broken")
    programme.play(1)
    await listener.until(3)
    programme.end()
    await listener.to_end()
    assert listener.live.parts == programme.payloads(Rendition.OPUS)
    assert await serial() == 2
    await listener.close()
