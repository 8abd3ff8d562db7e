"""The terms on which the door speaks TLS, and what becomes of them when the files change."""

import logging
import ssl
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography import x509

from stentor.config import Settings
from stentor.edge.certificate import Certificate
from stentor.errors import Unavailable
from stentor.limits import TLS_TICKET_KEYS_S
from tests.certificates import make_certificate
from tests.fakes.clock import JumpingClock


@dataclass
class Line:
    """One connection between a client and a server, in memory."""

    server: ssl.SSLContext
    client: ssl.SSLContext
    session: ssl.SSLSession | None = None
    pipes: list[ssl.MemoryBIO] = field(default_factory=lambda: [ssl.MemoryBIO() for _ in "1234"])

    def __post_init__(self) -> None:
        to_server, from_server, to_client, from_client = self.pipes
        self.theirs = self.client.wrap_bio(to_client, from_client, session=self.session)
        self.ours = self.server.wrap_bio(to_server, from_server, server_side=True)
        for _ in range(4):
            for end in (self.theirs, self.ours):
                self._try(end.do_handshake)
                to_server.write(from_client.read())
                to_client.write(from_server.read())
        self._try(self.theirs.read)  # the ticket comes with the first bytes

    @property
    def serial(self) -> int:
        shown = self.theirs.getpeercert(binary_form=True)
        assert shown
        return x509.load_der_x509_certificate(shown).serial_number

    @staticmethod
    def _try(step: object) -> None:
        try:
            step()
        except ssl.SSLWantReadError:
            return


def client(version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3, *alpn: str) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    made.minimum_version = made.maximum_version = version
    made.set_alpn_protocols(alpn)
    return made


@pytest.fixture
def clock() -> JumpingClock:
    return JumpingClock()


@pytest.fixture
def names(tmp_path: Path) -> dict[str, str]:
    return make_certificate(tmp_path, 1)


@pytest.fixture
def certificate(names: dict[str, str], clock: JumpingClock) -> Certificate:
    return Certificate(Settings(**names), clock)


BOTH = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.mark.parametrize("version", BOTH)
def test_a_session_is_resumed(certificate: Certificate, version: ssl.TLSVersion) -> None:
    theirs = client(version, "http/1.1")
    first = Line(certificate.context, theirs)
    assert not first.theirs.session_reused
    again = Line(certificate.context, theirs, first.theirs.session)
    assert again.theirs.session_reused
    assert again.ours.selected_alpn_protocol() == "http/1.1"


@pytest.mark.parametrize("version", BOTH)
def test_keys_of_sessions_are_forgotten(
    certificate: Certificate, clock: JumpingClock, version: ssl.TLSVersion
) -> None:
    theirs = client(version)
    first = Line(certificate.context, theirs)
    clock.jump(TLS_TICKET_KEYS_S - 1)
    certificate.refresh()
    assert Line(certificate.context, theirs, first.theirs.session).theirs.session_reused
    clock.jump(2)
    certificate.refresh()
    late = Line(certificate.context, theirs, first.theirs.session)
    assert not late.theirs.session_reused
    assert late.theirs.version() == version.name.replace("_", ".")


def test_only_http_1_1_is_agreed_on(certificate: Certificate) -> None:
    v3 = ssl.TLSVersion.TLSv1_3
    both = Line(certificate.context, client(v3, "h2", "http/1.1"))
    assert both.theirs.selected_alpn_protocol() == "http/1.1"
    assert Line(certificate.context, client(v3, "h2")).theirs.selected_alpn_protocol() is None
    assert Line(certificate.context, client(v3)).theirs.selected_alpn_protocol() is None


@pytest.mark.parametrize(
    ("first", "chosen"), [("CHACHA20", "CHACHA20"), ("AES256-GCM", "AES128-GCM")]
)
def test_whoever_asks_for_chacha_first_has_it(
    certificate: Certificate, first: str, chosen: str
) -> None:
    theirs = client(ssl.TLSVersion.TLSv1_2)
    strong = [one["name"] for one in theirs.get_ciphers() if "ECDHE-ECDSA" in one["name"]]
    theirs.set_ciphers(":".join(sorted(strong, key=lambda name: first not in name)))
    assert chosen in Line(certificate.context, theirs).theirs.cipher()[0]


@pytest.mark.parametrize("weak", ["ECDHE-ECDSA-AES128-SHA256", "AES128-GCM-SHA256", "DHE+AESGCM"])
def test_weak_ciphers_are_refused(certificate: Certificate, weak: str) -> None:
    theirs = client(ssl.TLSVersion.TLSv1_2)
    theirs.set_ciphers(weak)
    with pytest.raises(ssl.SSLError, match="NO_SHARED_CIPHER"):
        Line(certificate.context, theirs)


def test_a_renewed_certificate_of_another_kind_takes_the_place_of_the_first(
    certificate: Certificate, tmp_path: Path
) -> None:
    line = Line(certificate.context, client())
    make_certificate(tmp_path, 2, with_rsa=True)
    certificate.refresh()
    assert Line(certificate.context, client()).serial == 2
    make_certificate(tmp_path, 3)
    certificate.refresh()
    wants_rsa = client(ssl.TLSVersion.TLSv1_2)
    wants_rsa.set_ciphers("ECDHE+aRSA+AESGCM:ECDHE+AESGCM")
    assert Line(certificate.context, wants_rsa).serial == 3, "the RSA one is not shown any more"
    line.ours.write(b"still here")
    line.pipes[2].write(line.pipes[1].read())
    assert line.theirs.read() == b"still here"


def test_what_cannot_be_used_changes_nothing(
    certificate: Certificate,
    clock: JumpingClock,
    names: dict[str, str],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    before = certificate.context
    certificate.refresh()
    other = tmp_path / "other"
    other.mkdir()
    Path(make_certificate(other, 2)["tls_cert"]).replace(names["tls_cert"])
    for _ in range(3):  # said once, not at every look
        certificate.refresh()
    Path(names["tls_key"]).unlink()
    certificate.refresh()
    clock.jump(TLS_TICKET_KEYS_S * 2)
    certificate.refresh()
    assert certificate.context is before
    assert [one.levelname for one in caplog.records] == ["ERROR"]
    Path(make_certificate(other, 2)["tls_key"])
    make_certificate(tmp_path, 4)
    certificate.refresh()
    assert Line(certificate.context, client()).serial == 4


def test_a_certificate_that_cannot_be_used_is_said(tmp_path: Path, clock: JumpingClock) -> None:
    (tmp_path / "x.pem").write_text("no certificate")
    name = str(tmp_path / "x.pem")
    with pytest.raises(Unavailable) as invalid:
        Certificate(Settings(tls_cert=name, tls_key=name), clock)
    assert invalid.value.code == "tls.invalid"
    assert Certificate(Settings(), clock).context is None
