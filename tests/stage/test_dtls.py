"""The handshake ends with keys for the speaker of the offer, and with nothing for anybody else."""

import time

import pytest
from cryptography.hazmat.primitives import hashes
from OpenSSL import SSL
from pylibsrtp import Policy, Session

from stentor import limits
from stentor.stage.dtls import Certificate, DtlsServer, HandshakeFailed
from tests.fakes.raw_speaker import PROFILES, client_context, client_hello, fingerprint_of, identity

OURS = Certificate(1_800_000_000_000_000_000)
CERTIFICATE, KEY = identity()
FINGERPRINTS = [("sha-256", fingerprint_of(CERTIFICATE, hashes.SHA256()))]


def client(profiles: bytes = b":".join(PROFILES), *, certified: bool = True) -> SSL.Connection:
    pair = (CERTIFICATE, KEY) if certified else (None, None)
    connection = SSL.Connection(client_context(*pair, profiles))
    connection.set_connect_state()
    connection.set_ciphertext_mtu(1_200)
    return connection


def shake(speaker: SSL.Connection, server: DtlsServer) -> None:
    """Carry flights to and fro until both are done."""
    for _ in range(10):
        try:
            speaker.do_handshake()
        except SSL.WantReadError:
            done = False
        else:
            done = True
        for datagram in server.receive(flight(speaker)) if not done or not server.srtp else []:
            assert len(datagram) <= limits.DTLS_DATAGRAM_BYTES
            speaker.bio_write(datagram)
        if done:
            return
    raise AssertionError("no end of the handshake")


def flight(connection: SSL.Connection) -> bytes:
    try:
        return connection.bio_read(65_536)
    except SSL.WantReadError:
        return b""


@pytest.mark.parametrize("profile", PROFILES)
def test_both_sides_have_the_same_keys(profile: bytes) -> None:
    speaker, server = client(profile), DtlsServer(OURS, FINGERPRINTS)
    shake(speaker, server)
    assert server.srtp is not None
    assert speaker.get_protocol_version_name() == "DTLSv1.2"
    assert fingerprint_of(speaker.get_peer_certificate(as_cryptography=True), hashes.SHA256()) == (
        OURS.fingerprint
    )
    number, key, salt = PROFILES[profile]
    material = speaker.export_keying_material(b"EXTRACTOR-dtls_srtp", 2 * (key + salt))
    keys, salts = material[: 2 * key], material[2 * key :]
    to = Session(Policy(keys[:key] + salts[:salt], Policy.SSRC_ANY_OUTBOUND, srtp_profile=number))
    back = Session(Policy(keys[key:] + salts[salt:], Policy.SSRC_ANY_INBOUND, srtp_profile=number))
    packet = bytes.fromhex("806f00010000000100000001") + b"opus"
    assert server.srtp.open(to.protect(packet)) == packet
    assert back.unprotect(server.srtp.protect(packet)) == packet


def test_the_first_of_our_profiles_is_taken() -> None:
    speaker, server = client(b":".join(reversed(PROFILES))), DtlsServer(OURS, FINGERPRINTS)
    shake(speaker, server)
    assert speaker.get_selected_srtp_profile() == b"SRTP_AEAD_AES_128_GCM"


def test_another_certificate_is_refused() -> None:
    other, _ = identity()
    for fingerprints in (
        [("sha-256", fingerprint_of(other, hashes.SHA256()))],
        # The strongest function counts (RFC 8122 section 5), even if a weaker one would fit.
        [("sha-512", fingerprint_of(other, hashes.SHA512())), *FINGERPRINTS],
        [],
    ):
        server = DtlsServer(OURS, fingerprints)
        with pytest.raises(HandshakeFailed, match="not the one in the offer"):
            shake(client(), server)
        assert server.srtp is None


def test_one_of_several_fingerprints_is_enough() -> None:
    other, _ = identity()
    server = DtlsServer(OURS, [("sha-256", fingerprint_of(other, hashes.SHA256())), *FINGERPRINTS])
    shake(client(), server)
    assert server.srtp is not None


def test_a_speaker_without_certificate_or_srtp_is_refused() -> None:
    with pytest.raises(HandshakeFailed):
        shake(client(certified=False), DtlsServer(OURS, FINGERPRINTS))
    with pytest.raises(HandshakeFailed, match="no common SRTP profile"):
        shake(client(b""), DtlsServer(OURS, FINGERPRINTS))


def test_lost_flights_are_sent_again() -> None:
    server = DtlsServer(OURS, FINGERPRINTS)
    assert server.timeout_s() is None
    speaker = client()
    with pytest.raises(SSL.WantReadError):
        speaker.do_handshake()
    lost = server.receive(flight(speaker))
    assert lost
    wait = server.timeout_s()
    assert wait is not None
    assert 0 < wait <= 1.0
    time.sleep(wait + 0.01)
    again = server.expire()
    assert [len(datagram) for datagram in again] == [len(datagram) for datagram in lost]
    for datagram in again:
        speaker.bio_write(datagram)
    shake(speaker, server)
    assert server.srtp is not None
    assert server.timeout_s() is None


def test_junk_changes_nothing() -> None:
    server = DtlsServer(OURS, FINGERPRINTS)
    for size in (1, 12, 13, 14, 100, 1_400):
        server.receive(b"\x16" * size)
        server.receive((b"\x16\xfe\xfd" + bytes(10) + b"\xff" * size)[: size + 1])
        server.receive((b"\x17\xfe\xfd" + bytes(size))[: size + 1])
    shake(client(), server)
    assert server.srtp is not None
    for size in (1, 12, 13, 14, 100, 1_400):
        assert server.receive(b"\x17\xfe\xfd\x00\x01" + b"\x17" * size) == []
    assert not server.ended


def test_datagrams_without_end_are_an_end() -> None:
    server = DtlsServer(OURS, FINGERPRINTS)
    hello = client_hello()
    with pytest.raises(HandshakeFailed):
        for _ in range(limits.DTLS_DATAGRAMS_MAX + 1):
            server.receive(hello)


def test_good_bye_is_said_and_heard() -> None:
    speaker, server = client(), DtlsServer(OURS, FINGERPRINTS)
    assert server.close() == []
    shake(speaker, server)
    speaker.shutdown()
    server.receive(flight(speaker))
    assert server.ended
    speaker, server = client(), DtlsServer(OURS, FINGERPRINTS)
    shake(speaker, server)
    (goodbye,) = server.close()
    speaker.bio_write(goodbye)
    with pytest.raises(SSL.ZeroReturnError):
        speaker.recv(100)
