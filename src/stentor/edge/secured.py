"""A connection that speaks TLS, while a gate has it. OpenSSL never sees the socket.

So what goes over the socket is seen here, record by record: at the end the connection can be given
away as a descriptor, with the keys and the number of the next record.
"""

import contextlib
import os
import ssl

from stentor.edge.hello import read_hello
from stentor.edge.keylog import MASTER, TRAFFIC, UPDATE, Keylog, secret_of
from stentor.edge.records import HEADER_BYTES, Keys, keys_1_2, keys_1_3
from stentor.limits import (
    KEY_UPDATES_MAX,
    SECURED_READS_MAX,
    SECURED_RECORDS_MAX,
    SECURED_UNSENT_BYTES,
)

READ_BYTES = 16 * 1024
_RANDOM = slice(11, 43)
"""Where our random bytes are in the first of our records: after its header, that of the hello, and
the hello's version (RFC 5246 section 7.4.1.3)."""


class Secured:
    """One connection, with as much of a socket's methods as the door needs."""

    __slots__ = (
        "_descriptor",
        "_finish",
        "_hello",
        "_incoming",
        "_keylog",
        "_outgoing",
        "_random",
        "_records",
        "_talk",
        "_told",
        "_unsent",
        "_updates",
    )

    def __init__(self, descriptor: int, context: ssl.SSLContext, keylog: Keylog) -> None:
        """Nothing is said before `do_handshake`.

        Args:
            descriptor: of a socket that does not block; it is not closed here.
            keylog: what the context tells its secrets to.
        """
        self._descriptor = descriptor
        self._keylog = keylog
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._talk = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._unsent = self._hello = self._random = self._told = self._finish = b""
        self._records = 0
        """Sent after what the handshake ended with."""
        self._updates = 0
        """How often other keys were agreed on since then."""

    def do_handshake(self) -> None:
        """Go on with the handshake by what has arrived, once: the peer has to think as well.

        Raises:
            OSError: not yet (BlockingIOError, `ssl.SSLWantWriteError`); or the peer does not speak
                TLS as we do, or left.
        """
        if not self._push():
            raise ssl.SSLWantWriteError
        data = os.read(self._descriptor, READ_BYTES)
        if not data:
            raise ConnectionResetError("the peer left during the handshake")
        if not self._random:  # nothing was answered yet
            self._hello += data
        self._incoming.write(data)
        if not self._shake():
            if not self._push():
                raise ssl.SSLWantWriteError
            raise BlockingIOError

    def _shake(self) -> bool:
        """One step of the handshake; whether it was the last."""
        done = False
        try:
            self._talk.do_handshake()
            done = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            self._unsent += self._outgoing.read()  # an alert, which says why
            self._push()
            raise
        finally:
            # Whose secrets these are is sure as long as they are read before another has a turn.
            self._told += self._keylog.read()
        said = self._outgoing.read()
        self._random = self._random or said[_RANDOM]
        self._unsent += said
        if done:
            self._finish = said
            self._push()
        return done

    @property
    def has_more(self) -> bool:
        """Whether something has arrived that was not deciphered."""
        return bool(self._incoming.pending or self._talk.pending())

    def recv(self, most: int) -> bytes:
        """What has arrived, deciphered; empty when the peer has finished sending.

        Raises:
            OSError: nothing yet (BlockingIOError), or the connection broke.
        """
        for _ in range(SECURED_READS_MAX):
            if self.has_more:
                try:
                    return self._talk.read(most)
                except ssl.SSLZeroReturnError:
                    return b""
                except ssl.SSLWantReadError:
                    pass
                finally:
                    self._look_for_updates()
            data = os.read(self._descriptor, READ_BYTES)
            if not data:
                return b""
            self._incoming.write(data)
        raise ConnectionAbortedError("records without content")

    def _look_for_updates(self) -> None:
        """See whether the client has changed its keys, or had us change ours (KeyUpdate).

        Raises:
            ConnectionAbortedError: it does nothing else.
        """
        self._emit()
        if told := self._keylog.read():
            self._updates += told.count(UPDATE)
            if self._updates > KEY_UPDATES_MAX:
                raise ConnectionAbortedError("keys are changed again and again")

    def send(self, data: bytes | memoryview) -> int:
        """Send some of it; how much. The rest of its records goes out before anything else.

        Raises:
            OSError: not yet (BlockingIOError), or the connection broke.
        """
        self.flush()
        taken = self._talk.write(memoryview(data)[:SECURED_UNSENT_BYTES])
        self._emit()
        self._push()
        return taken

    def flush(self) -> None:
        """Send what was enciphered.

        Raises:
            OSError: not all of it yet (BlockingIOError), or the connection broke.
        """
        if not self._push():
            raise BlockingIOError

    def unwrap(self) -> None:
        """Say that nothing follows; we do not wait for the peer to say so.

        Raises:
            OSError: the connection broke.
        """
        # Whatever the peer still says or has said, our part is done.
        with contextlib.suppress(ssl.SSLError):
            self._talk.unwrap()
        self._emit()
        self._push()

    @property
    def is_clear(self) -> bool:
        """Whether everything was sent, so that it can be given away."""
        return not self._unsent

    def keys(self) -> Keys:
        """What somebody else can go on sending with.

        Raises:
            ConnectionAbortedError: they are not known, or were changed, or have been used for long.
        """
        chosen, (random, record_bytes) = self._talk.cipher(), read_hello(self._hello)
        newest = self._talk.version() == "TLSv1.3"
        secret = secret_of(self._told, TRAFFIC if newest else MASTER, random)
        # Of TLS 1.2's end Finished alone is sealed with these keys; of TLS 1.3 all of it: tickets.
        number = self._records + (_count(self._finish) if newest else 1)
        if chosen is None or not secret:
            raise ConnectionAbortedError("a connection's secrets are not known")
        if self._updates or number > SECURED_RECORDS_MAX:
            raise ConnectionAbortedError("a connection's keys are not its first, or are worn")
        cipher, _, bits = chosen
        if newest:
            return keys_1_3(cipher, bits, secret, number, record_bytes)
        return keys_1_2(cipher, bits, secret, self._random + random, number, record_bytes)

    def _emit(self) -> None:
        said = self._outgoing.read()
        self._records += _count(said)
        self._unsent += said

    def _push(self) -> bool:
        """Whether everything is sent."""
        if self._unsent:
            try:
                sent = os.write(self._descriptor, self._unsent)
            except BlockingIOError:
                return False
            self._unsent = self._unsent[sent:]
        return not self._unsent


def _count(records: bytes) -> int:
    """How many records there are in some."""
    count = at = 0
    while at < len(records):
        count += 1
        at += HEADER_BYTES + int.from_bytes(records[at + 3 : at + HEADER_BYTES], "big")
    return count
