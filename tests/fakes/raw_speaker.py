"""A speaker made by hand, packet by packet, so that tests can send what no browser would.

STUN is aioice's, DTLS is OpenSSL's as a client, RTP is aiortc's: other people's code on purpose.
"""

import asyncio
import re
import socket
from datetime import UTC, datetime, timedelta

from aioice import stun
from aiortc.rtp import RtpPacket
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL
from pylibsrtp import Policy, Session

Address = tuple[str, int]
PAYLOAD_TYPE = 111
SSRC = 0x1234_5678
PROFILES = {
    b"SRTP_AEAD_AES_128_GCM": (Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 16, 12),
    b"SRTP_AEAD_AES_256_GCM": (Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 32, 12),
    b"SRTP_AES128_CM_SHA1_80": (Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 16, 14),
}


def identity() -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """A self-signed certificate as a browser makes one."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "speaker")])
    today = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=30))
        .sign(key, hashes.SHA256())
    )
    return certificate, key


def client_context(
    certificate: x509.Certificate | None,
    key: ec.EllipticCurvePrivateKey | None,
    profiles: bytes = b":".join(PROFILES),
) -> SSL.Context:
    """OpenSSL as a browser would set it up; without a certificate, as none should."""
    context = SSL.Context(SSL.DTLS_CLIENT_METHOD)
    context.set_verify(SSL.VERIFY_NONE, lambda *_: True)
    if certificate is not None and key is not None:
        context.use_certificate(certificate)
        context.use_privatekey(key)
    context.set_cipher_list(b"ECDHE-ECDSA-AES128-GCM-SHA256")
    context.set_options(SSL.OP_NO_QUERY_MTU)
    if profiles:
        context.set_tlsext_use_srtp(profiles)
    return context


def fingerprint_of(certificate: x509.Certificate, algorithm: hashes.HashAlgorithm) -> str:
    return certificate.fingerprint(algorithm).hex(":").upper()


def client_hello() -> bytes:
    """What a stranger would send to take over a handshake."""
    connection = SSL.Connection(client_context(*identity()))
    connection.set_connect_state()
    connection.set_ciphertext_mtu(1_200)
    try:
        connection.do_handshake()
    except SSL.WantReadError:
        return connection.bio_read(65_536)
    raise AssertionError("a client waits for an answer")


class RawSpeaker:
    """A speaker's socket, keys and counters."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.certificate, self.key = identity()
        self.ufrag, self.password = "speaker1", "p" * 24
        self.host = host
        self.socket = self._open()
        self.stage: Address = ("", 0)
        self.stage_ufrag = self.stage_password = ""
        self.dtls = SSL.Connection(client_context(self.certificate, self.key))
        self.dtls.set_connect_state()
        self.dtls.set_ciphertext_mtu(1_200)
        self.incoming: Session | None = None
        self.outgoing: Session | None = None

    def move(self) -> None:
        """Send from another port from now on."""
        self.socket.close()
        self.socket = self._open()

    def close(self) -> None:
        self.socket.close()

    def offer(self, extra: str = "", direction: str = "sendrecv", fingerprint: str = "") -> str:
        """A small offer; `extra` is put into its audio section."""
        shown = fingerprint or fingerprint_of(self.certificate, hashes.SHA256())
        return (
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n"
            f"m=audio 9 UDP/TLS/RTP/SAVPF {PAYLOAD_TYPE} 0\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\n"
            f"a={direction}\r\na=rtcp-mux\r\na=rtpmap:{PAYLOAD_TYPE} opus/48000/2\r\n"
            f"a=rtpmap:0 PCMU/8000\r\na=ice-ufrag:{self.ufrag}\r\na=ice-pwd:{self.password}\r\n"
            f"a=fingerprint:sha-256 {shown}\r\na=setup:actpass\r\n{extra}"
        )

    def learn(self, answer: str) -> None:
        """Read where the stage is, and its credentials, from the answer."""
        candidate = re.search(r"a=candidate:1 1 udp \d+ (\S+) (\d+) typ host", answer)
        ufrag = re.search(r"a=ice-ufrag:(\S+)", answer)
        password = re.search(r"a=ice-pwd:(\S+)", answer)
        assert candidate is not None and ufrag is not None and password is not None
        self.stage = (candidate[1], int(candidate[2]))
        self.stage_ufrag, self.stage_password = ufrag[1], password[1]

    def check(
        self,
        *,
        nominate: bool = True,
        ufrag: str | None = None,
        password: str | None = None,
        controlled: bool = False,
    ) -> bytes:
        """A connectivity check (RFC 8445 section 7.2.2)."""
        username = f"{ufrag or self.stage_ufrag}:{self.ufrag}"
        message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        message.attributes["USERNAME"] = username
        message.attributes["PRIORITY"] = 1_853_824_767
        message.attributes["ICE-CONTROLLED" if controlled else "ICE-CONTROLLING"] = 7
        if nominate:
            message.attributes["USE-CANDIDATE"] = None
        message.add_message_integrity((password or self.stage_password).encode())
        message.add_fingerprint()
        return bytes(message)

    def send(self, data: bytes) -> None:
        self.socket.sendto(data, self.stage)

    async def receive(self, timeout: float = 2.0) -> bytes:
        loop = asyncio.get_running_loop()
        return await asyncio.wait_for(loop.sock_recv(self.socket, 2_048), timeout)

    async def check_passes(self) -> stun.Message:
        """Send a check, again if it is lost, and wait for its answer, which must be signed."""
        for _ in range(20):
            self.send(self.check())
            try:
                data = await self.receive(0.1)
            except TimeoutError:
                continue
            if data[0] < 4:
                message = stun.parse_message(data)
                assert message.check_message_integrity(self.stage_password.encode())
                return message
        raise AssertionError("no answer to 20 checks")

    async def connect(self, answer: str) -> None:
        """ICE, DTLS, keys."""
        self.learn(answer)
        await self.check_passes()
        while True:
            try:
                self.dtls.do_handshake()
            except SSL.WantReadError:
                self._flush()
                data = await self.receive()
                if 19 < data[0] < 64:
                    self.dtls.bio_write(data)
            else:
                break
        self._flush()
        name = self.dtls.get_selected_srtp_profile()
        number, key, salt = PROFILES[name]
        material = self.dtls.export_keying_material(b"EXTRACTOR-dtls_srtp", 2 * (key + salt))
        keys, salts = material[: 2 * key], material[2 * key :]
        self.outgoing = Session(
            Policy(keys[:key] + salts[:salt], Policy.SSRC_ANY_OUTBOUND, srtp_profile=number)
        )
        self.incoming = Session(
            Policy(keys[key:] + salts[salt:], Policy.SSRC_ANY_INBOUND, srtp_profile=number)
        )

    def packet(
        self,
        sequence: int,
        payload: bytes = b"opus",
        *,
        ssrc: int = SSRC,
        payload_type: int = PAYLOAD_TYPE,
    ) -> bytes:
        """A protected RTP packet."""
        packet = RtpPacket(
            payload_type=payload_type,
            sequence_number=sequence & 0xFFFF,
            timestamp=sequence * 960,
            ssrc=ssrc,
            payload=payload,
        )
        assert self.outgoing is not None
        return self.outgoing.protect(packet.serialize())

    def _open(self) -> socket.socket:
        opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        opened.setblocking(False)
        opened.bind((self.host, 0))
        return opened

    def _flush(self) -> None:
        try:
            self.send(self.dtls.bio_read(1_500))
        except SSL.WantReadError:
            return
