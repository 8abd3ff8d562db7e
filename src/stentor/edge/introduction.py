"""Connections that listed proxies make for others, until a PROXY header has said for whom."""

import asyncio
import logging
import socket
from collections.abc import Callable

from stentor.edge.clients import introduction_of
from stentor.errors import Refused
from stentor.limits import ARRIVALS_MAX

_telemetry = logging.getLogger(__name__)


class Introductions:
    """Everybody who has not been introduced yet; mostly nobody, for the header comes first."""

    def __init__(self, patience_s: float, met: Callable[[socket.socket, str], None]) -> None:
        """Begin with nobody.

        Args:
            patience_s: how long a header may take to be whole.
            met: called with a connection and its client's address.
        """
        self._patience_s = patience_s
        self._met = met
        self._waiting: dict[socket.socket, asyncio.TimerHandle] = {}

    def __len__(self) -> int:
        """How many have said nothing yet."""
        return len(self._waiting)

    def hear(self, connection: socket.socket, proxy: str) -> None:
        """Find out for whom a proxy has connected.

        Args:
            proxy: its address, which stands when it has connected for itself.
        """
        said = bytearray()
        if self._look(connection, proxy, said):
            return
        if len(self._waiting) >= ARRIVALS_MAX:
            connection.close()
            return
        loop = asyncio.get_running_loop()
        loop.add_reader(connection.fileno(), self._look, connection, proxy, said)
        self._waiting[connection] = loop.call_later(self._patience_s, self._dismiss, connection)

    def close(self) -> None:
        """Wait for nobody any more."""
        for connection in list(self._waiting):
            self._dismiss(connection)

    def _look(self, connection: socket.socket, proxy: str, said: bytearray) -> bool:
        """See what has arrived; whether no more is to be waited for."""
        try:
            source = introduction_of(connection, said)
        except BlockingIOError:
            return False
        except OSError:
            self._dismiss(connection)
        except Refused as refused:
            _telemetry.warning("%s is a listed proxy: %s", proxy, refused.sentence)
            self._dismiss(connection)
        else:
            self._forget(connection)
            self._met(connection, source.address or proxy)
        return True

    def _dismiss(self, connection: socket.socket) -> None:
        self._forget(connection)
        connection.close()

    def _forget(self, connection: socket.socket) -> None:
        timer = self._waiting.pop(connection, None)
        if timer is not None:
            timer.cancel()
            asyncio.get_running_loop().remove_reader(connection.fileno())
