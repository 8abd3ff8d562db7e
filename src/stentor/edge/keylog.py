"""What OpenSSL tells of the secrets of connections while it shakes hands: read at once, never kept.

The `ssl` module tells them in one way, as lines of a file (RFC 9850). Here that file is a pipe with
both ends in this process; nothing of it reaches a disk. One thread shakes all hands and reads the
pipe after each step, so that nobody has to ask whose secrets they are.
"""

import os
import ssl

TRAFFIC = b"SERVER_TRAFFIC_SECRET_0"
"""What a TLS 1.3 server seals what it says with."""
MASTER = b"CLIENT_RANDOM"
"""The master secret (TLS 1.2)."""
_BYTES = 4 * 1024
"""A step of a handshake tells five secrets in 1 kB."""


class Keylog:
    """A pipe from this process to itself."""

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def attach(self, context: ssl.SSLContext) -> None:
        """Have a context's connections tell their secrets.

        Raises:
            OSError: there is no /proc.
        """
        context.keylog_filename = f"/proc/self/fd/{self._writing}"

    def read(self) -> bytes:
        """What was told since this was called last."""
        try:
            return os.read(self._reading, _BYTES)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        """Close the pipe; contexts keep an end of their own."""
        os.close(self._reading)
        os.close(self._writing)


def secret_of(told: bytes, label: bytes, random: bytes) -> bytes:
    """A connection's secret, among what was told; empty when it is not there.

    Args:
        random: the client's random bytes, by which secrets say whose they are.
    """
    begin = b"%b %b " % (label, random.hex().encode())
    for line in told.splitlines():
        if line.startswith(begin):
            return bytes.fromhex(line[len(begin) :].decode())
    return b""
