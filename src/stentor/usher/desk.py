"""The usher's desk: a Unix socket at which gates and edges report, and hear what it decides."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

from stentor.errors import Unavailable
from stentor.limits import REPORTERS_MAX, USHER_BACKLOG_BYTES, USHER_MESSAGE_BYTES

_telemetry = logging.getLogger(__name__)


class Reporter:
    """One gate or edge at the desk.

    Attributes:
        number: that of its connection; none is given twice.
    """

    def __init__(self, connection: socket.socket, number: int) -> None:
        self.socket = connection
        self.number = number


class Desk:
    """Everybody who reports. Messages keep their bounds (SOCK_SEQPACKET, unix(7))."""

    def __init__(
        self,
        path: Path,
        heard: Callable[[Reporter, bytes], None],
        left: Callable[[Reporter], None],
    ) -> None:
        """Listen; a stale socket is replaced.

        Args:
            heard: is given each message. A ValueError it raises ends the connection.
            left: is told of each connection that has ended.

        Raises:
            Unavailable: `usher.socket`.
        """
        self._heard, self._left = heard, left
        self._reporters: dict[int, Reporter] = {}
        self._connections = 0
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        scratch = path.with_name(f".{path.name}.new")
        try:
            scratch.unlink(missing_ok=True)
            self._listening.bind(str(scratch))
            scratch.chmod(0o600)
            self._listening.listen(REPORTERS_MAX)
            self._listening.setblocking(False)
            scratch.replace(path)
        except OSError as error:
            self._listening.close()
            sentence = f"{path} cannot be made: {error.strerror}."
            raise Unavailable("usher.socket", sentence) from error
        asyncio.get_running_loop().add_reader(self._listening.fileno(), self._accept)

    def close(self) -> None:
        """Let go of everybody."""
        asyncio.get_running_loop().remove_reader(self._listening.fileno())
        self._listening.close()
        for reporter in list(self._reporters.values()):
            self._lose(reporter)

    @property
    def reporters(self) -> list[Reporter]:
        """All who are connected."""
        return list(self._reporters.values())

    @staticmethod
    def tell_one(reporter: Reporter, messages: Sequence[bytes]) -> None:
        """Tell one. Who does not listen is told the newer thing next time."""
        with contextlib.suppress(OSError):  # full, or gone: that is heard of by its end
            for message in messages:
                reporter.socket.send(message)

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionError):
            connection, _ = self._listening.accept()
            if len(self._reporters) >= REPORTERS_MAX:
                connection.close()
                return
            connection.setblocking(False)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, USHER_BACKLOG_BYTES)
            self._connections += 1
            reporter = Reporter(connection, self._connections)
            self._reporters[connection.fileno()] = reporter
            asyncio.get_running_loop().add_reader(connection.fileno(), self._hear, reporter)

    def _hear(self, reporter: Reporter) -> None:
        try:
            data = reporter.socket.recv(USHER_MESSAGE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lose(reporter)
            return
        try:
            self._heard(reporter, data)
        except ValueError as error:  # msgspec's errors are such
            _telemetry.error("a report is not understood: %s", error)
            self._lose(reporter)

    def _lose(self, reporter: Reporter) -> None:
        if self._reporters.pop(reporter.socket.fileno(), None) is None:
            return
        asyncio.get_running_loop().remove_reader(reporter.socket.fileno())
        reporter.socket.close()
        self._left(reporter)
