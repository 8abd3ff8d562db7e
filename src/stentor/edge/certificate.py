"""The door's certificate: read at the start, and again when its files have changed."""

import logging
import ssl
from pathlib import Path

from stentor.config import Settings
from stentor.errors import Unavailable

_telemetry = logging.getLogger(__name__)
_Versions = tuple[tuple[int, int, int], ...]


class Certificate:
    """How the door speaks TLS: 1.2 or later, HTTP/1.1.

    Attributes:
        context: for every connection; None when the door does not speak TLS.
    """

    def __init__(self, settings: Settings) -> None:
        """Read certificate and key.

        Raises:
            Unavailable: `tls.invalid`.
        """
        self._files = settings.tls_cert, settings.tls_key
        self.context: ssl.SSLContext | None = None
        self._versions: _Versions = ()
        if settings.tls_cert:
            self._versions = self._look()
            self.context = _context()
            self._read(self.context)

    def refresh(self) -> None:
        """Let new connections have the certificate that is there now, if it can be used."""
        if self.context is None:
            return
        versions = self._look()
        if not versions or versions == self._versions:
            return
        self._versions = versions
        try:
            # First into a context of its own: a certificate without its key would spoil ours.
            self._read(_context())
            self._read(self.context)
        except Unavailable as error:
            _telemetry.error("the old certificate stays in use: %s", error.sentence)
        else:
            _telemetry.info("%s was read again", self._files[0])

    def _look(self) -> _Versions:
        """What changes when a file is replaced; empty while one is missing."""
        try:
            found = [Path(name).stat() for name in self._files]
        except OSError:
            return ()
        return tuple((one.st_ino, one.st_mtime_ns, one.st_size) for one in found)

    def _read(self, context: ssl.SSLContext) -> None:
        try:
            context.load_cert_chain(*self._files)
        except (OSError, ssl.SSLError) as error:
            raise Unavailable(
                "tls.invalid",
                f"{self._files[0]} and its key cannot be used: {error.strerror or error}.",
            ) from error


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(["http/1.1"])
    return context
