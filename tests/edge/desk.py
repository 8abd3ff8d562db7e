"""An usher's desk as edges see it: hears their reports, and says what it is told to say."""

import asyncio
import contextlib
import socket

from stentor.gate.notice import EdgeReport, Notice
from stentor.paths import Paths
from stentor.reports import FromEdge, of_notices, read_report


class Desk:
    """Everybody who has connected; the newest report of each edge."""

    def __init__(self, paths: Paths) -> None:
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._path = paths.socket("usher")
        self._path.unlink(missing_ok=True)
        self._listening.bind(str(self._path))
        self._listening.listen()
        self._listening.setblocking(False)
        self._connections: list[socket.socket] = []
        self.reports: list[EdgeReport] = []
        self._news = asyncio.Event()
        asyncio.get_running_loop().add_reader(self._listening.fileno(), self._accept)

    def _accept(self) -> None:
        connection, _ = self._listening.accept()
        connection.setblocking(False)
        self._connections.append(connection)
        asyncio.get_running_loop().add_reader(connection.fileno(), self._hear, connection)

    def _hear(self, connection: socket.socket) -> None:
        data = connection.recv(1 << 18)
        if not data:
            self._leave(connection)
            return
        told = read_report(data)
        if isinstance(told, FromEdge):
            self.reports.append(told.report)
            self._news.set()

    def _leave(self, connection: socket.socket) -> None:
        asyncio.get_running_loop().remove_reader(connection.fileno())
        self._connections.remove(connection)
        connection.close()

    async def report(self) -> EdgeReport:
        """The next one."""
        self._news.clear()
        await self._news.wait()
        return self.reports[-1]

    def say(self, *notices: Notice) -> None:
        for connection in self._connections:
            for message in of_notices(notices):
                connection.send(message)

    def close(self) -> None:
        if self._listening.fileno() < 0:
            return
        asyncio.get_running_loop().remove_reader(self._listening.fileno())
        self._listening.close()
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
        for connection in list(self._connections):
            self._leave(connection)
