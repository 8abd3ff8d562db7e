"""Connections that need a task of their own: for whatever cannot be answered at once."""

import asyncio
import logging
import socket
from collections.abc import Callable, Coroutine

from stentor.clock import Clock
from stentor.edge.admission import Admission, full, whole
from stentor.edge.answer import of_error
from stentor.edge.arrival import Arrival
from stentor.edge.certificate import Certificate
from stentor.edge.conversation import Conversations
from stentor.edge.doorstep import Caller, Listeners
from stentor.edge.wire import Wire, plain_http
from stentor.errors import Refused
from stentor.limits import SHUTDOWN_S, TURNED_AWAY_MAX

_telemetry = logging.getLogger(__name__)


class Attention:
    """All such tasks of a door."""

    def __init__(
        self,
        conversations: Conversations,
        listeners: Listeners,
        certificate: Certificate,
        clock: Clock,
    ) -> None:
        """Begin with nobody. Args: listeners: who takes those who are admitted."""
        self._conversations = conversations
        self._listeners = listeners
        self._certificate = certificate
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()
        self._turned_away = 0

    def __len__(self) -> int:
        """How many are served; who is only told that there is no place is not counted."""
        return len(self._tasks) - self._turned_away

    async def close(self) -> None:
        """Let everybody finish, for a short while."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=SHUTDOWN_S)
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def serve_arrival(self, arrival: Arrival) -> None:
        """Serve who speaks TLS, or should."""
        talk, patience_s = arrival.talk, self._conversations.deadlines.stuck_s
        connection = socket_of(arrival.descriptor)
        wire = Wire(connection, arrival.peer, talk, patience_s, shaken=arrival.shaken)
        data, due, release = arrival.data, arrival.due, arrival.release
        if talk is not None:
            self._start(self._serve(wire, data, due, release))
            return
        wall_time_s = self._clock.wall_time() / 1e9
        word = whole(of_error(plain_http()), chunked=True, wall_time_s=wall_time_s)
        self._start(self._serve(wire, data, due, release, word, ends=True))

    def serve_caller(
        self, caller: Caller, release: Callable[[], None], unsent: bytes, ends: bool
    ) -> None:
        """Serve who speaks plain HTTP and asks for more than can be given at once.

        Args:
            unsent: what is left to send of an answer.
            ends: whether the connection ends with that.
        """
        patience_s = self._conversations.deadlines.stuck_s
        wire = Wire(socket_of(caller.descriptor), caller.peer, None, patience_s)
        data = bytearray(caller.data)
        self._start(self._serve(wire, data, caller.due, release, unsent, ends=ends))

    def turn_away(self, descriptor: int, peer: str) -> bool:
        """A clear word to whom there is no place for; False when too many are being told so."""
        if self._turned_away >= TURNED_AWAY_MAX:
            return False
        self._turned_away += 1
        self._start(self._turn_away(socket_of(descriptor), peer))
        return True

    def _start(self, serving: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(serving)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _turn_away(self, connection: socket.socket, peer: str) -> None:
        try:
            certificate, deadlines = self._certificate, self._conversations.deadlines
            talk = certificate.secure(connection.fileno()) if certificate.context else None
            wire = Wire(connection, peer, talk, deadlines.stuck_s)
            if await self._shake(wire, asyncio.get_running_loop().time() + deadlines.header_s):
                await self._conversations.send(wire, full(), None, keep=False)
                await wire.finish()
        except OSError as error:
            _telemetry.debug("a connection broke: %s", type(error).__name__)
        finally:
            self._turned_away -= 1
            connection.close()

    async def _shake(self, wire: Wire, due: float) -> bool:
        """Whether the handshake is done; who speaks plain HTTP instead is told so."""
        try:
            async with asyncio.timeout_at(due):
                await wire.handshake()
        except Refused as refused:
            await self._conversations.send(wire, of_error(refused), None, keep=False)
            await wire.finish()
            return False
        return True

    async def _serve(
        self,
        wire: Wire,
        data: bytearray,
        due: float,
        release: Callable[[], None],
        unsent: bytes = b"",
        *,
        ends: bool = False,
    ) -> None:
        """One connection, from its next request to its end or to its new owner."""
        admission = None
        try:
            await wire.send(unsent)
            if ends:
                await wire.finish()
            elif await self._shake(wire, due):
                wire.widen()
                admission = await self._conversations.converse(wire, data, due)
                if admission is not None:
                    await wire.send(b"")  # what is enciphered and was not taken yet
            if admission is not None and self._listeners.is_full:
                await self._conversations.send(wire, full(), None, keep=False)
                await wire.finish()
                admission = None
        except OSError as error:
            _telemetry.debug("a connection broke: %s", type(error).__name__)
        except asyncio.CancelledError:
            _telemetry.debug("a connection was let go, to make room or to end")
        except Exception:
            _telemetry.exception("a connection ended by a fault of ours")
        if admission is None or not wire.is_clear or not self._hand_over(wire, admission):
            wire.close()
        release()

    def _hand_over(self, wire: Wire, admission: Admission) -> bool:
        wire.narrow()
        try:
            self._listeners.admit(*wire.hand_over(admission))
        except ConnectionAbortedError as error:
            _telemetry.debug("a listener could not be handed over: %s", error)
            return False
        return True


def socket_of(descriptor: int) -> socket.socket:
    """A connection that is more than a descriptor."""
    return socket.socket(fileno=descriptor)
