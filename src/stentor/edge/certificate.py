"""How the door speaks TLS: its terms, and a certificate that is read again when it has changed."""

import logging
import ssl
from pathlib import Path

from stentor.clock import Clock
from stentor.config import Settings
from stentor.edge.keylog import Keylog
from stentor.edge.secured import Secured
from stentor.errors import Unavailable
from stentor.limits import TLS_TICKET_KEYS_S

_telemetry = logging.getLogger(__name__)
_Versions = tuple[tuple[int, int, int], ...]
CIPHERS_1_2 = "ECDHE+AESGCM+AES128:ECDHE+AESGCM:ECDHE+CHACHA20"
"""Forward secret and authenticated; TLS 1.3 has no others. OpenSSL chooses its own for that."""
PRIORITIZE_CHACHA = 1 << 21
"""Not named by the ssl module before Python 3.12. A phone without AES in its processor asks for
ChaCha20 first, and has it; with everybody else the server chooses."""
TICKETS = 1
"""Sessions a client is given to come back with. Each costs 20 us of the 250 us of a handshake; and
with TLS 1.3 coming back costs the gate what coming does. So in a crowd there are none."""


class Certificate:
    """What connections are shaken hands with: TLS 1.2 or 1.3, HTTP/1.1 (ALPN, RFC 7301).

    Attributes:
        context: for the next connection; those that are there keep theirs. None: no TLS.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        """Read certificate and key.

        Raises:
            Unavailable: `tls.invalid`.
        """
        self._files = settings.tls_cert, settings.tls_key
        self._clock = clock
        self._made_at = clock.now()
        self._versions: _Versions = ()
        self._keylog = Keylog()
        self.context: ssl.SSLContext | None = None
        if settings.tls_cert:
            self._versions = self._look()
            self.context = self._read()

    def secure(self, descriptor: int, *, crowded: bool = False) -> Secured:
        """A new connection as one that speaks TLS. Args: crowded: it gets no ticket of TLS 1.3."""
        assert self.context is not None, "only asked where there is TLS"
        tickets = 0 if crowded else TICKETS
        if self.context.num_tickets != tickets:
            self.context.num_tickets = tickets
        return Secured(descriptor, self.context, self._keylog)

    def refresh(self) -> None:
        """Give new connections the certificate that is there now, if it can be used.

        With the old one go the keys of sessions that can be resumed; they also go by their age.
        Who comes back with an older session shakes hands anew, and notices nothing.
        """
        if self.context is None:
            return
        versions, now = self._look(), self._clock.now()
        aged = now - self._made_at > TLS_TICKET_KEYS_S
        if not versions or (versions == self._versions and not aged):
            return
        renewed = versions != self._versions
        self._versions, self._made_at = versions, now
        try:
            self.context = self._read()
        except Unavailable as error:
            _telemetry.error("the old certificate stays in use: %s", error.sentence)
        else:
            if renewed:
                _telemetry.info("%s was read again", self._files[0])

    def _look(self) -> _Versions:
        """What changes when a file is replaced; empty while one is missing."""
        try:
            found = [Path(name).stat() for name in self._files]
        except OSError:
            return ()
        return tuple((one.st_ino, one.st_mtime_ns, one.st_size) for one in found)

    def _read(self) -> ssl.SSLContext:
        """Make a context of its own each time.

        One context holds a certificate for each kind of key, and would go on showing the old one
        after RSA is followed by P-256.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE | PRIORITIZE_CHACHA
        context.set_ciphers(CIPHERS_1_2)
        context.num_tickets = TICKETS
        context.set_alpn_protocols(["http/1.1"])
        try:
            context.load_cert_chain(*self._files)
            self._keylog.attach(context)
        except OSError as error:
            raise Unavailable(
                "tls.invalid",
                f"{self._files[0]} and its key cannot be used: {error.strerror or error}.",
            ) from error
        return context
