"""What is sealed without OpenSSL's connection must be what OpenSSL's client deciphers."""

import array
import contextlib
import random
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from stentor.config import Settings
from stentor.edge import records
from stentor.edge.certificate import Certificate
from stentor.edge.keylog import Keylog
from stentor.edge.records import Keys, Seal, Seals
from stentor.edge.sealer import Sealer
from stentor.edge.secured import Secured
from tests.certificates import make_certificate
from tests.fakes.clock import JumpingClock

V2, V3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
CIPHERS_1_2 = [
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
]
CHANCE = random.Random(5)


@dataclass
class Pair:
    """A client, and the door's end of its connection."""

    ours: Secured
    theirs: ssl.SSLSocket
    socket: socket.socket

    def shake(self) -> None:
        left: list[Secured | ssl.SSLSocket] = [self.theirs, self.ours]
        while left:
            for end in list(left):
                with contextlib.suppress(ssl.SSLWantReadError, BlockingIOError):
                    end.do_handshake()
                    left.remove(end)

    def close(self) -> None:
        self.socket.close()
        self.theirs.close()

    def read(self, size: int) -> bytes:
        got = b""
        while len(got) < size:
            got += self.theirs.recv(size - len(got))
        return got


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    files = make_certificate(tmp_path_factory.mktemp("records"), 1)
    return Certificate(Settings(**files), JumpingClock())


def shaken(
    certificate: Certificate, client: ssl.SSLContext, session: ssl.SSLSession | None = None
) -> Pair:
    one, other = socket.socketpair()
    for end in (one, other):
        end.setblocking(False)
    theirs = client.wrap_socket(other, do_handshake_on_connect=False, session=session)
    pair = Pair(certificate.secure(one), theirs, one)
    pair.shake()
    theirs.settimeout(5)
    one.setblocking(True)
    return pair


def client(version: ssl.TLSVersion, cipher: str = "") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    if cipher:
        context.set_ciphers(cipher)
    return context


@pytest.fixture
def connect(certificate: Certificate) -> Iterator[Callable[..., Pair]]:
    """Makes connections whose handshake is done."""
    made: list[Pair] = []

    def make(version: ssl.TLSVersion = V3, cipher: str = "") -> Pair:
        made.append(shaken(certificate, client(version, cipher)))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize(("version", "cipher"), [(V3, ""), *((V2, one) for one in CIPHERS_1_2)])
def test_the_client_hears_one_connection(
    connect: Callable[..., Pair], version: ssl.TLSVersion, cipher: str
) -> None:
    pair = connect(version, cipher)
    if cipher:
        assert pair.theirs.cipher()[0] == cipher
    words = [CHANCE.randbytes(size) for size in (1, 200, 70_000, 5)]
    for word in words[:2]:  # OpenSSL has said something before
        assert pair.ours.send(word) == len(word)
    assert pair.ours.is_clear
    seal = Seal.alone(pair.ours.keys())
    pair.socket.sendall(b"".join(map(seal.seal, words[2:])) + seal.end())
    heard = b"".join(words)
    assert pair.read(len(heard)) == heard
    assert pair.theirs.recv(1) == b""  # close_notify: a cut would raise


@pytest.mark.parametrize("version", [V3, V2])
def test_a_resumed_session_has_keys_of_its_own(
    certificate: Certificate, version: ssl.TLSVersion
) -> None:
    context, session, keys = client(version), None, []
    for _ in range(2):
        pair = shaken(certificate, context, session)
        keys.append(pair.ours.keys())
        pair.socket.sendall(Seal.alone(keys[-1]).seal(b"heard"))
        assert pair.read(5) == b"heard"
        assert pair.theirs.session_reused == (session is not None)
        session = pair.theirs.session
        pair.close()
    assert keys[0].key != keys[1].key


def test_many_at_once_and_each_alone_take_turns(connect: Callable[..., Pair]) -> None:
    pairs = [connect() for _ in range(5)]
    seals = Seals(1_000)
    sealer = Sealer.open(seals)
    assert sealer is not None, "OpenSSL and LLVM are here: the tests' machine can compile"
    mine = [seals.take(one.socket.fileno(), one.ours.keys()) for one in pairs]
    everybody = array.array("i", [one.socket.fileno() for one in pairs])
    for size in (1, 2_400, records.RECORD_BYTES, records.RECORD_BYTES + 1, 50_000):
        word = CHANCE.randbytes(size)
        length, failed = sealer.seal(everybody, word)
        assert not failed
        for number, (pair, seal) in enumerate(zip(pairs, mine, strict=True)):
            pair.socket.sendall(bytes(sealer.memory[number * length : (number + 1) * length]))
            pair.socket.sendall(seal.seal(word[:10]))
            assert pair.read(size + len(word[:10])) == word + word[:10]


def test_a_key_seals_no_more_than_it_may() -> None:
    last = Keys(13, False, bytes(16), bytes(12), records.RECORDS_MAX - 1)
    seal = Seal.alone(last)
    seal.seal(b"the last")
    with pytest.raises(ConnectionAbortedError):
        seal.seal(b"one more")
    seals = Seals(8)
    sealer = Sealer.open(seals)
    assert sealer is not None
    seals.take(3, last)
    assert not sealer.seal(array.array("i", [3]), b"the last")[1]
    assert sealer.seal(array.array("i", [3]), b"one more")[1]


def test_nothing_is_left_of_a_connection_that_has_ended() -> None:
    seals = Seals(8)
    seal = seals.take(3, Keys(13, False, b"k" * 16, b"i" * 12, 7))
    assert b"k" * 16 in seals.rows[:]
    seal.forget()
    assert not any(seals.rows[:])


def test_secrets_of_others_are_not_taken_for_ones_own(certificate: Certificate) -> None:
    one, other = socket.socketpair()
    for end in (one, other):
        end.setblocking(False)
    context, keylog = certificate.context, Keylog()
    assert context is not None
    theirs = client(V3).wrap_socket(other, do_handshake_on_connect=False)
    ours = Secured(one, context, keylog)  # whose context tells its secrets elsewhere
    pair = Pair(ours, theirs, one)
    pair.shake()
    with pytest.raises(ConnectionAbortedError):
        ours.keys()
    pair.close()
    pair = shaken(certificate, client(V3))  # finds what the first has told, and leaves it
    pair.socket.sendall(Seal.alone(pair.ours.keys()).seal(b"heard"))
    assert pair.read(5) == b"heard"
    pair.close()
    keylog.close()


def test_the_known_answers_of_the_key_schedule() -> None:
    """RFC 8448 section 3: the server's application traffic secret, key and IV."""
    secret = bytes.fromhex("a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643")
    keys = records.keys_1_3("TLS_AES_128_GCM_SHA256", 128, secret, 0)
    assert keys.key.hex() == "9f02283b6c9c07efc26bb9f2ac92e356"
    assert keys.iv.hex() == "cf782b88dd83549aadf1e984"
