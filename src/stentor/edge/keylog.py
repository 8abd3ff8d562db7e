"""What OpenSSL tells of the secrets of connections while it shakes hands: read at once, never kept.

The `ssl` module tells them in one way, as lines of a file (RFC 9850). Here that file is a piece of
this process's memory (memfd_create(2)), which takes any number of lines without waiting; a look at
it forgets what there was.
"""

import os
import ssl

TRAFFIC = b"SERVER_TRAFFIC_SECRET_0"
"""What a TLS 1.3 server seals what it says with."""
MASTER = b"CLIENT_RANDOM"
"""The master secret (TLS 1.2)."""
UPDATE = b"_TRAFFIC_SECRET_N "
"""What both sides seal with once keys were changed (KeyUpdate)."""
_BYTES = 4 * 1024
"""A step of a handshake tells five secrets in 1 kB."""
_KEPT_BYTES = 16 * 1024
"""The file is emptied when so much of it was read: each time would cost more."""


class Keylog:
    """A file of this process alone."""

    def __init__(self) -> None:
        self._file = os.memfd_create("keylog", os.MFD_CLOEXEC)
        self._read_bytes = 0

    def attach(self, context: ssl.SSLContext) -> None:
        """Have a context's connections tell their secrets.

        Raises:
            OSError: there is no /proc, or no descriptor left.
        """
        context.keylog_filename = f"/proc/self/fd/{self._file}"

    def read(self) -> bytes:
        """The first that was told since this was called last; the rest of it is forgotten."""
        told = os.pread(self._file, _BYTES, self._read_bytes)
        self._read_bytes += len(told)
        if len(told) == _BYTES or self._read_bytes >= _KEPT_BYTES:
            os.ftruncate(self._file, 0)
            self._read_bytes = 0
        return told


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
