"""DTLS 1.2 as the server of one speaker (RFC 6347, RFC 5764): datagrams in, datagrams and keys out.

Only datagrams that `ice` let in come here. OpenSSL keeps the time of retransmissions itself.
"""

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL

from stentor import limits
from stentor.stage.srtp import PROFILES, Srtp

DTLS1_2_VERSION = 0xFEFD
CIPHERS = b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305"
_RECORD_HEADER_BYTES = 13
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha-512": hashes.SHA512(),
    "sha-384": hashes.SHA384(),
    "sha-256": hashes.SHA256(),
}
"""Hash functions of fingerprints, the preferred one first (RFC 8122 section 5)."""


class HandshakeFailed(Exception):  # noqa: N818 - says what happened
    """The speaker cannot be talked to, or is not who signed the offer."""


class Certificate:
    """An ECDSA P-256 certificate, made for one process, and what OpenSSL makes of it.

    Args:
        wall_time: UTC nanoseconds since 1970.
    """

    def __init__(self, wall_time: int) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "stentor")])
        today = datetime.fromtimestamp(wall_time // 1_000_000_000, UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(today - timedelta(days=1))
            .not_valid_after(today + timedelta(days=3_650))
            .sign(key, hashes.SHA256())
        )
        self.fingerprint = _fingerprint(certificate, "sha-256")
        """`AB:CD:…` of SHA-256, for the answer."""
        self.context = SSL.Context(SSL.DTLS_SERVER_METHOD)
        self.context.set_min_proto_version(DTLS1_2_VERSION)
        # DTLS 1.3 records cannot be told apart from outside, and a flight must be cut into
        # datagrams here.
        self.context.set_max_proto_version(DTLS1_2_VERSION)
        self.context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_QUERY_MTU | SSL.OP_NO_RENEGOTIATION)
        self.context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        # Certificates of browsers are self-signed: the fingerprint in the offer vouches for them.
        self.context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
        self.context.use_certificate(certificate)
        self.context.use_privatekey(key)
        self.context.set_cipher_list(CIPHERS)
        self.context.set_tlsext_use_srtp(b":".join(profile.name for profile in PROFILES))


class DtlsServer:
    """One speaker's handshake, and afterwards its good-bye.

    Args:
        certificate: ours.
        fingerprints: (hash function, `AB:CD:…`) of the speaker's certificate, from the offer.
    """

    def __init__(self, certificate: Certificate, fingerprints: list[tuple[str, str]]) -> None:
        self.srtp: Srtp | None = None
        """The keys, once the handshake is done and the speaker is the one of the offer."""
        self.ended = False
        """Whether the speaker has said good-bye (close_notify)."""
        self._fingerprints = fingerprints
        self._received = 0
        self._connection = SSL.Connection(certificate.context)
        self._connection.set_ciphertext_mtu(limits.DTLS_DATAGRAM_BYTES)
        self._connection.set_accept_state()

    def receive(self, data: bytes) -> list[bytes]:
        """Take one datagram; gives the datagrams to be sent.

        Raises:
            HandshakeFailed: the session is of no use any more.
        """
        self._received += 1
        if self._received > limits.DTLS_DATAGRAMS_MAX:
            if self.srtp is None:
                raise HandshakeFailed("too many datagrams")
            return []
        self._connection.bio_write(data)
        if self.srtp is None:
            self._shake()
        if self.srtp is not None:
            self._read()
        return self._flight()

    def timeout_s(self) -> float | None:
        """Seconds until `expire` is to be called; None when nothing waits for an answer."""
        return self._connection.DTLSv1_get_timeout() if self.srtp is None else None

    def expire(self) -> list[bytes]:
        """The last flight once more, as nothing came back in time (RFC 6347 section 4.2.4).

        Raises:
            HandshakeFailed: it was repeated often enough.
        """
        try:
            self._connection.DTLSv1_handle_timeout()
        except SSL.Error as error:
            raise HandshakeFailed("no answer") from error
        return self._flight()

    def close(self) -> list[bytes]:
        """Say good-bye; gives the datagrams to be sent."""
        if self.srtp is None:
            return []
        try:
            self._connection.shutdown()
        except SSL.Error:
            return []  # it was shut down already
        return self._flight()

    def _shake(self) -> None:
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            return
        except SSL.Error as error:
            raise HandshakeFailed("the handshake was broken") from error
        self._identify()
        chosen = self._connection.get_selected_srtp_profile()
        profile = next((profile for profile in PROFILES if profile.name == chosen), None)
        if profile is None:
            raise HandshakeFailed("no common SRTP profile")
        label = b"EXTRACTOR-dtls_srtp"
        material = self._connection.export_keying_material(label, profile.material_bytes)
        self.srtp = Srtp(profile, material)

    def _identify(self) -> None:
        """Compare the certificate with the fingerprints of the offer (RFC 8122 section 5)."""
        certificate = self._connection.get_peer_certificate(as_cryptography=True)
        for algorithm in _HASHES:
            wanted = [value for name, value in self._fingerprints if name == algorithm]
            if wanted and certificate is not None:
                if _fingerprint(certificate, algorithm) in wanted:
                    return
                break
        raise HandshakeFailed("the certificate is not the one in the offer")

    def _read(self) -> None:
        """Read what came after the handshake; only its end is of interest."""
        try:
            self._connection.recv(limits.DATAGRAM_BYTES_MAX)
        except SSL.ZeroReturnError:
            self.ended = True
        except SSL.Error:
            return  # nothing, or not the speaker's record: no word about it (section 4.1.2.7)

    def _flight(self) -> list[bytes]:
        """What OpenSSL wants to send: whole records, packed into datagrams."""
        try:
            data = self._connection.bio_read(65_536)
        except SSL.WantReadError:
            return []
        datagrams: list[bytes] = []
        at = 0
        while at < len(data):
            end = at + _RECORD_HEADER_BYTES + int.from_bytes(data[at + 11 : at + 13], "big")
            record = data[at:end]
            if datagrams and len(datagrams[-1]) + len(record) <= limits.DTLS_DATAGRAM_BYTES:
                datagrams[-1] += record
            else:
                datagrams.append(record)
            at = end
        return datagrams


def _fingerprint(certificate: x509.Certificate, algorithm: str) -> str:
    return certificate.fingerprint(_HASHES[algorithm]).hex(":").upper()
