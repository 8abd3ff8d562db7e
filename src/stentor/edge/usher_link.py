"""The line of a gate or an edge to the usher: reports go out, Notices come in. Never waits."""

import logging
import socket
from collections.abc import Iterable
from pathlib import Path

from stentor.gate.notice import Notice
from stentor.limits import USHER_BACKLOG_BYTES, USHER_MESSAGE_BYTES
from stentor.reports import read_notices

_telemetry = logging.getLogger(__name__)


class UsherLink:
    """A connection to the usher's desk; there is none while the usher is away.

    Attributes:
        salt: what gates hash with for the ledger, as the usher said; empty: not yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.salt = b""
        self.socket: socket.socket | None = None

    def open(self) -> bool:
        """Connect, if the usher is there."""
        link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        link.setblocking(False)
        try:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, USHER_BACKLOG_BYTES)
            link.connect(str(self._path))
        except OSError:
            link.close()
            return False
        self.socket = link
        return True

    def hear(self) -> tuple[list[Notice], bool]:
        """What the usher has said since, and whether it is still there."""
        heard: list[Notice] = []
        if self.socket is None:
            return heard, False
        try:
            while data := self.socket.recv(USHER_MESSAGE_BYTES):
                said = read_notices(data)
                heard += said.notices
                self.salt = said.salt or self.salt
        except BlockingIOError:
            return heard, True
        except (OSError, ValueError) as error:
            _telemetry.warning("the usher cannot be heard: %s", error)
        return heard, False

    def tell(self, messages: Iterable[bytes]) -> int:
        """Report; how many messages were taken. The others are to be said again."""
        taken = 0
        if self.socket is not None:
            try:
                for message in messages:
                    self.socket.send(message)
                    taken += 1
            except OSError:  # it does not read just now, or has gone: that is heard of by its end
                return taken
        return taken

    def close(self) -> None:
        """The usher has gone, or we end."""
        if self.socket is not None:
            self.socket.close()
        self.socket = None
