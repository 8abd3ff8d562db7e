"""A connection from accept to its first request: no task, no timer, a few bytes of memory.

A crowd that arrives at once is a crowd of these. Whoever has come to listen is admitted from here;
everybody else is given a task of their own.
"""

import asyncio
import ssl
from collections.abc import Callable

from stentor.edge.request import find_head
from stentor.edge.wire import READ_BYTES, Wire
from stentor.errors import StentorError


class Arrival:
    """One connection that has not asked for anything yet.

    Attributes:
        wire: the connection.
        data: what has arrived.
        due: by when its request's head must be whole, in the loop's time.
        release: gives its place back.
    """

    __slots__ = ("_loop", "_met", "_writes", "data", "due", "release", "wire")

    def __init__(
        self,
        wire: Wire,
        data: bytes,
        due: float,
        release: Callable[[], None],
        met: Callable[["Arrival"], None],
    ) -> None:
        """Wait for its handshake and its request.

        Args:
            met: called once, when a head is whole, malformed, or will never be.
        """
        self._loop = asyncio.get_running_loop()
        self.wire = wire
        self.data = bytearray(data)
        self.due = due
        self.release = release
        self._met = met
        self._writes = False
        self._loop.add_reader(wire.socket.fileno(), self.look)

    def look(self) -> None:
        """See what has arrived."""
        try:
            if not self.wire.shaken:
                self.wire.shake()
            while True:
                data = self.wire.socket.recv(READ_BYTES)
                if not data:
                    break
                self.data += data
                if find_head(self.data):
                    break
        except (BlockingIOError, ssl.SSLWantReadError):
            self._wait_to_write(False)
            return
        except ssl.SSLWantWriteError:
            self._wait_to_write(True)
            return
        except (OSError, ValueError, StentorError):
            pass  # whoever it is met by will find the same
        self.leave()
        self._met(self)

    def _wait_to_write(self, writes: bool) -> None:
        if writes != self._writes:
            self._writes = writes
            descriptor = self.wire.socket.fileno()
            if writes:
                self._loop.add_writer(descriptor, self.look)
            else:
                self._loop.remove_writer(descriptor)

    def leave(self) -> None:
        """Hear no more of the connection."""
        descriptor = self.wire.socket.fileno()
        self._loop.remove_reader(descriptor)
        self._wait_to_write(False)
