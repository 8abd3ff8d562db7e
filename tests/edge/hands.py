"""A client of the standard library and the door's end of its connection, hands shaken."""

import contextlib
import socket
import ssl
from dataclasses import dataclass

from stentor.edge.certificate import Certificate
from stentor.edge.secured import Secured

V2, V3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


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


def unshaken(
    certificate: Certificate, client: ssl.SSLContext, session: ssl.SSLSession | None = None
) -> Pair:
    one, other = socket.socketpair()
    for end in (one, other):
        end.setblocking(False)
    theirs = client.wrap_socket(other, do_handshake_on_connect=False, session=session)
    return Pair(certificate.secure(one.fileno()), theirs, one)


def shaken(
    certificate: Certificate, client: ssl.SSLContext, session: ssl.SSLSession | None = None
) -> Pair:
    pair = unshaken(certificate, client, session)
    pair.shake()
    pair.theirs.settimeout(5)
    pair.socket.setblocking(True)
    return pair


def client(version: ssl.TLSVersion, cipher: str = "") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    if cipher:
        context.set_ciphers(cipher)
    return context
