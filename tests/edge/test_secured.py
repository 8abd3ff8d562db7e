"""Connections that speak TLS at a gate, and clients that use its freedoms."""

import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stentor.config import Settings
from stentor.edge import records
from stentor.edge.certificate import Certificate
from stentor.edge.records import Seal
from stentor.edge.secured import Secured
from tests.certificates import make_certificate
from tests.edge.hands import V3, client, shaken, unshaken
from tests.fakes.clock import JumpingClock


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    files = make_certificate(tmp_path_factory.mktemp("records"), 1)
    return Certificate(Settings(**files), JumpingClock())


class Client:
    """A client in memory, whose bytes can be changed on their way."""

    def __init__(self, certificate: Certificate, secrets: Path) -> None:
        context = client(V3)
        context.keylog_filename = str(secrets)
        self._secrets = secrets
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.talk = context.wrap_bio(self._incoming, self._outgoing)
        self.socket, theirs = socket.socketpair()
        for end in (self.socket, theirs):
            end.setblocking(False)
        self.theirs = theirs
        self.ours = certificate.secure(self.socket.fileno())

    def shake(self, change: Callable[[bytes], bytes] = lambda hello: hello) -> None:
        left: list[Secured | ssl.SSLObject] = [self.talk, self.ours]
        while left:
            for end in list(left):
                with contextlib.suppress(ssl.SSLWantReadError, BlockingIOError):
                    end.do_handshake()
                    left.remove(end)
                if said := self._outgoing.read():
                    self.theirs.send(change(said))
                    change = bytes
                with contextlib.suppress(BlockingIOError):
                    self._incoming.write(self.theirs.recv(65_536))

    def hear(self, size: int) -> bytes:
        self._incoming.write(self.theirs.recv(65_536))
        return self.talk.read(size)

    def updates(self, count: int) -> bytes:
        """So many KeyUpdates (RFC 8446 section 4.6.3) that want the server's keys changed too."""
        name, _, bits = self.talk.cipher()
        told = self._secrets.read_bytes()
        begin = told.index(b"CLIENT_TRAFFIC_SECRET_0 ")
        secret = bytes.fromhex(told[begin:].splitlines()[0].split(b" ")[2].decode())
        said = b""
        for _ in range(count):
            seal = Seal.alone(records.keys_1_3(name, bits, secret, 0))
            said += seal._record(22, b"\x18\x00\x00\x01\x01")
            digest = records._digest(name)
            secret = records._expand_label(digest, secret, b"traffic upd", len(secret))
        return said

    def close(self) -> None:
        self.socket.close()
        self.theirs.close()


@pytest.fixture
def guest(certificate: Certificate, tmp_path: Path) -> Iterator[Client]:
    made = Client(certificate, tmp_path / "secrets")
    yield made
    made.close()


def in_pieces(record: bytes) -> bytes:
    """A record's content in two, the first of one byte: some clients do, against censors."""
    kind, content = record[:3], record[records.HEADER_BYTES :]
    first, rest = content[:1], content[1:]
    return b"".join(kind + len(one).to_bytes(2, "big") + one for one in (first, rest))


def test_a_hello_in_pieces_is_understood(guest: Client) -> None:
    guest.shake(in_pieces)
    guest.socket.send(Seal.alone(guest.ours.keys()).seal(b"heard"))
    assert guest.hear(5) == b"heard"


def test_who_changes_keys_goes_on_and_is_not_handed_over(guest: Client) -> None:
    guest.shake()
    guest.theirs.send(guest.updates(3))
    with pytest.raises(BlockingIOError):
        guest.ours.recv(100)
    guest.ours.send(b"heard")
    assert guest.hear(5) == b"heard"
    with pytest.raises(ConnectionAbortedError):
        guest.ours.keys()


def test_who_changes_keys_for_ever_is_stopped_and_nobody_waits(
    certificate: Certificate, guest: Client
) -> None:
    guest.shake()
    guest.theirs.send(guest.updates(500))
    with pytest.raises(ConnectionAbortedError):
        guest.ours.recv(100)
    pair = shaken(certificate, client(V3))
    pair.socket.sendall(Seal.alone(pair.ours.keys()).seal(b"heard"))
    assert pair.read(5) == b"heard"
    pair.close()


def test_the_end_is_said_though_something_was_not_read(guest: Client) -> None:
    guest.shake()
    guest.talk.write(b"nobody reads this")
    guest.theirs.send(guest._outgoing.read())
    assert guest.ours.recv(6) == b"nobody"
    guest.ours.unwrap()
    assert guest.hear(1) == b"", "a cut would raise"


def test_a_crowd_that_shakes_hands_in_turns(certificate: Certificate) -> None:
    """All say hello, then all finish, again and again: everybody's secrets are their own."""
    for crowd in (60, 1, 60):
        pairs = [unshaken(certificate, client(V3)) for _ in range(crowd)]
        for _ in range(3):
            for pair in pairs:
                for end in (pair.theirs, pair.ours):
                    with contextlib.suppress(ssl.SSLWantReadError, BlockingIOError):
                        end.do_handshake()
        for pair in pairs:
            pair.socket.setblocking(True)
            pair.theirs.settimeout(5)
            pair.socket.sendall(Seal.alone(pair.ours.keys()).seal(b"heard"))
            assert pair.read(5) == b"heard"
            pair.close()
