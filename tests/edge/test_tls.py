"""The same door over TLS: pages, listeners, and clients that speak it badly."""

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509

from stentor.config import Settings
from stentor.edge.certificate import Certificate
from stentor.edge.conversation import Deadlines
from stentor.errors import Unavailable
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


async def test_old_tls_is_refused(running: Running, trusting: ssl.SSLContext) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await Visitor.to(running.port, old)


async def test_whoever_does_not_shake_hands_is_let_go(running: Running) -> None:
    silent = await running.visit()
    assert await silent.at_end()
    plain = await running.visit()
    plain.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await plain.head()


def test_a_certificate_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / "x.pem").write_text("no certificate")
    name = str(tmp_path / "x.pem")
    with pytest.raises(Unavailable) as invalid:
        Certificate(Settings(tls_cert=name, tls_key=name))
    assert invalid.value.code == "tls.invalid"


async def test_a_renewed_certificate_is_taken_up(
    start: Callable[..., Running], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = make_certificate(tmp_path, 1)
    running = start(settings=names)
    careless = ssl.create_default_context()
    careless.check_hostname, careless.verify_mode = False, ssl.CERT_NONE

    async def serial() -> int:
        visitor = await Visitor.to(running.port, careless)
        shown = visitor.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        await visitor.close()
        return x509.load_der_x509_certificate(shown).serial_number

    assert await serial() == 1
    other = tmp_path / "other"
    other.mkdir()
    certificate = Certificate(Settings(**names))
    Path(make_certificate(other, 2)["tls_cert"]).replace(names["tls_cert"])
    certificate.refresh()
    assert "the old certificate stays in use" in caplog.text, "it has another key"
    assert await serial() == 1
    make_certificate(tmp_path, 3)
    async with asyncio.timeout(5):
        while await serial() != 3:
            await asyncio.sleep(0.1)
