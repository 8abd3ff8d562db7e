"""A connection as awaitable reads and writes on a plain non-blocking socket, with TLS or without.

The socket stays a socket: once a listener is admitted it is detached from the event loop and handed
over, with TLS together with its keys (`secured.py`).
"""

import asyncio
import contextlib
import socket
import ssl

import msgspec

from stentor.edge.admission import Admission
from stentor.edge.secured import Secured
from stentor.errors import Refused
from stentor.limits import (
    ANSWER_STUCK_S,
    DOOR_SEND_BUFFER_BYTES,
    DOOR_UNSENT_BYTES,
    LINGER_BYTES_MAX,
    LINGER_S,
    LISTENER_SEND_BUFFER_BYTES,
    LISTENER_UNSENT_BYTES,
)

READ_BYTES = 16 * 1024
WOULD_READ = (BlockingIOError, ssl.SSLWantReadError)
TCP_NOTSENT_LOWAT = 25
"""Not named by the socket module before Python 3.12."""


class Wire:
    """One connection, driven by the loop's readiness callbacks; used by one task at a time.

    Attributes:
        shaken: whether its TLS handshake is done, or it needs none.
        talk: what is spoken over the socket: TLS, or the socket itself.
    """

    __slots__ = ("_loop", "_stuck_s", "peer", "shaken", "socket", "talk")

    def __init__(
        self,
        connection: socket.socket,
        peer: str,
        secured: Secured | None,
        stuck_s: float = ANSWER_STUCK_S,
        *,
        shaken: bool = False,
    ) -> None:
        """Take a connection that does not block. Args: secured: what speaks TLS over it, if any."""
        self._loop = asyncio.get_running_loop()
        self._stuck_s = stuck_s
        self.peer = peer
        self.socket = connection
        self.talk: socket.socket | Secured = connection if secured is None else secured
        self.shaken = shaken or secured is None

    async def handshake(self) -> None:
        """Finish the TLS handshake; nothing to do without TLS.

        Raises:
            Refused: `request.plain`.
            OSError: the peer does not speak TLS as we do, or left.
        """
        while not self.shaken:
            try:
                self.shake()
            except WOULD_READ:
                await self._readable()
            except ssl.SSLWantWriteError:
                await self._writable()

    def shake(self) -> None:
        """Go on with the handshake, as far as what has arrived allows.

        Raises:
            Refused: `request.plain`: the peer speaks HTTP without TLS; so does this wire from now
                on, to be able to say so.
            OSError: not yet (`ssl.SSLWantReadError`, `ssl.SSLWantWriteError`), or as `handshake`.
        """
        assert isinstance(self.talk, Secured), "nobody else shakes hands"
        try:
            self.talk.do_handshake()
        except ssl.SSLError as error:
            if error.reason != "HTTP_REQUEST":
                raise
            self.talk = self.socket
            raise plain_http() from error
        self.shaken = True

    async def receive(self) -> bytes:
        """What has arrived, at most 16 KiB; empty when the peer has finished sending.

        Raises:
            OSError: the connection broke.
        """
        while True:
            try:
                return self.talk.recv(READ_BYTES)
            except BlockingIOError:
                await self._readable()

    async def send(self, data: bytes) -> None:
        """Send all of it.

        Raises:
            OSError: the connection broke.
            TimeoutError: the peer took nothing for too long.
        """
        view = memoryview(data)
        while view:
            try:
                view = view[self.talk.send(view) :]
            except BlockingIOError:
                await self.room()
        while isinstance(self.talk, Secured) and not self.talk.is_clear:
            await self.room()
            with contextlib.suppress(BlockingIOError):
                self.talk.flush()

    async def room(self) -> None:
        """Wait until the kernel takes some more.

        Raises:
            TimeoutError: the peer took nothing for too long.
        """
        async with asyncio.timeout(self._stuck_s):
            await self._writable()

    async def finish(self) -> None:
        """Close so that a peer still sending can read our last answer (RFC 9112 section 9.6)."""
        with contextlib.suppress(OSError, ValueError):
            if isinstance(self.talk, Secured):
                self.talk.unwrap()
        with contextlib.suppress(OSError, TimeoutError):
            self.socket.shutdown(socket.SHUT_WR)
            async with asyncio.timeout(LINGER_S):
                left = LINGER_BYTES_MAX
                while left > 0 and (data := await self._receive_raw()):
                    left -= len(data)
        self.close()

    def close(self) -> None:
        """Close at once."""
        self.socket.close()

    @property
    def is_clear(self) -> bool:
        """Whether everything it was given was sent."""
        return not isinstance(self.talk, Secured) or self.talk.is_clear

    def hand_over(self, admission: Admission) -> tuple[int, Admission]:
        """Give the connection away: its descriptor, and what it is admitted for, with its keys.

        Raises:
            ConnectionAbortedError: it speaks TLS, and its keys are not known.
        """
        if isinstance(self.talk, Secured):
            admission = msgspec.structs.replace(admission, keys=self.talk.keys())
        return self.socket.detach(), admission

    def widen(self) -> None:
        """Let the kernel hold more than one listener's sound: answers may be long."""
        self._hold(DOOR_SEND_BUFFER_BYTES, DOOR_UNSENT_BYTES)

    def narrow(self) -> None:
        """Keep small what the kernel holds: the rest of a live response waits in the ring."""
        self._hold(LISTENER_SEND_BUFFER_BYTES, LISTENER_UNSENT_BYTES)

    def _hold(self, buffer_bytes: int, unsent_bytes: int) -> None:
        with contextlib.suppress(OSError):  # it may have gone already
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer_bytes)
            self.socket.setsockopt(socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT, unsent_bytes)

    async def _receive_raw(self) -> bytes:
        """What arrives below TLS: after `shutdown` nobody deciphers it any more."""
        while True:
            try:
                return self.socket.recv(READ_BYTES)
            except BlockingIOError:
                await self._readable()

    async def _readable(self) -> None:
        waiter = self._loop.create_future()
        descriptor = self.socket.fileno()
        self._loop.add_reader(descriptor, _wake, waiter)
        try:
            await waiter
        finally:
            self._loop.remove_reader(descriptor)

    async def _writable(self) -> None:
        waiter = self._loop.create_future()
        descriptor = self.socket.fileno()
        self._loop.add_writer(descriptor, _wake, waiter)
        try:
            await waiter
        finally:
            self._loop.remove_writer(descriptor)


def plain_http() -> Refused:
    """Whoever speaks HTTP where TLS is spoken."""
    return Refused("request.plain", "This door speaks HTTPS: write https:// before its address.")


def _wake(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)
