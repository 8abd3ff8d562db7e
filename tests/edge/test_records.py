"""What is sealed without OpenSSL's connection must be what OpenSSL's client deciphers."""

import array
import contextlib
import os
import random
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import IO

import pytest

from stentor.config import Settings
from stentor.edge import records
from stentor.edge.certificate import Certificate
from stentor.edge.keylog import Keylog
from stentor.edge.records import Keys, Seal, Seals
from stentor.edge.sealer import Sealer
from stentor.edge.secured import Secured
from tests.certificates import make_certificate
from tests.edge.hands import V2, V3, Pair, client, shaken
from tests.fakes.clock import JumpingClock

CIPHERS_1_2 = [
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
]
CHANCE = random.Random(5)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    files = make_certificate(tmp_path_factory.mktemp("records"), 1)
    return Certificate(Settings(**files), JumpingClock())


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


def test_in_a_crowd_there_are_no_tickets_of_tls_1_3(certificate: Certificate) -> None:
    for crowded in (True, False):
        one, other = socket.socketpair()
        for end in (one, other):
            end.setblocking(False)
        theirs = client(V3).wrap_socket(other, do_handshake_on_connect=False)
        pair = Pair(certificate.secure(one.fileno(), crowded=crowded), theirs, one)
        pair.shake()
        keys = pair.ours.keys()
        pair.socket.sendall(Seal.alone(keys).seal(b"heard"))
        theirs.settimeout(5)
        assert pair.read(5) == b"heard"
        assert keys.number == (0 if crowded else 1)
        assert theirs.session.has_ticket != crowded
        pair.close()


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
    others = seals.take(4, Keys(13, False, bytes(16), bytes(12), 5))
    spent = seals.take(3, last)
    assert not spent.is_spent
    assert sealer.seal(array.array("i", [3, 4]), b"the last")[1]
    assert spent.is_spent
    assert not others.is_spent


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
    ours = Secured(one.fileno(), context, keylog)  # whose context tells its secrets elsewhere
    pair = Pair(ours, theirs, one)
    pair.shake()
    with pytest.raises(ConnectionAbortedError):
        ours.keys()
    pair.close()
    pair = shaken(certificate, client(V3))  # finds what the first has told, and leaves it
    pair.socket.sendall(Seal.alone(pair.ours.keys()).seal(b"heard"))
    assert pair.read(5) == b"heard"
    pair.close()


def test_the_known_answers_of_the_key_schedule() -> None:
    """RFC 8448 section 3: the server's application traffic secret, key and IV."""
    secret = bytes.fromhex("a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643")
    keys = records.keys_1_3("TLS_AES_128_GCM_SHA256", 128, secret, 0)
    assert keys.key.hex() == "9f02283b6c9c07efc26bb9f2ac92e356"
    assert keys.iv.hex() == "cf782b88dd83549aadf1e984"


@contextlib.contextmanager
def openssl(
    certificate: Certificate, *flags: str
) -> Iterator[tuple[socket.socket, Keys, IO[bytes]]]:
    """OpenSSL's own client, which can be told more than Python's: our end, keys, what it hears."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = "{}:{}".format(*listening.getsockname())
        with subprocess.Popen(
            ["openssl", "s_client", "-quiet", *flags, "-connect", address],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as theirs:
            connection, _ = listening.accept()
            ours = certificate.secure(connection.fileno())
            while True:
                with contextlib.suppress(BlockingIOError):
                    ours.do_handshake()
                    break
            assert theirs.stdout is not None
            with connection:
                yield connection, ours.keys(), theirs.stdout
            theirs.kill()


@pytest.mark.parametrize("version", ["-tls1_3", "-tls1_2"])
def test_a_client_with_little_memory_gets_small_records(
    certificate: Certificate, version: str
) -> None:
    """RFC 6066 section 4."""
    with openssl(certificate, version, "-maxfraglen", "512") as (ours, keys, heard):
        seal = Seal.alone(keys)
        assert not seal.together
        ours.sendall(seal.seal(b"h" * 3_000))
        assert heard.read(3_000) == b"h" * 3_000


@pytest.mark.parametrize(
    "suite", ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"]
)
def test_every_cipher_of_tls_1_3(certificate: Certificate, suite: str) -> None:
    with openssl(certificate, "-tls1_3", "-ciphersuites", suite) as (ours, keys, heard):
        seals = Seals(1_000)
        sealer = Sealer.open(seals)
        assert sealer is not None
        seals.take(ours.fileno(), keys)
        for _ in range(3):
            size, _ = sealer.seal(array.array("i", [ours.fileno()]), b"h" * 1_000)
            ours.sendall(bytes(sealer.memory[:size]))
        assert heard.read(3_000) == b"h" * 3_000


ONE_BY_ONE = """
import ctypes, sys
if sys.argv[1] == "denied":
    assert not ctypes.CDLL(None).prctl(65, 1, 0, 0, 0)  # PR_SET_MDWE: memory never becomes code
else:
    sys.modules["llvmlite"] = None
from stentor.edge.records import Seals
from stentor.edge.sender import Sender
sender = Sender(Seals(8))
sender.open()
print(sender._sealer)
"""


@pytest.mark.parametrize("obstacle", ["denied", "missing"])
def test_where_nothing_can_be_compiled_listeners_are_sealed_for_one_by_one(obstacle: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ONE_BY_ONE, obstacle],
        env={**os.environ, "PYTHONPATH": "src"},
        capture_output=True,
        text=True,
        check=False,
    )
    if obstacle == "denied" and "AssertionError" in done.stderr:
        pytest.skip("this kernel cannot deny it")
    assert (done.returncode, done.stdout.strip()) == (0, "None"), done.stderr
