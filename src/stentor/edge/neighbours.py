"""Gates of one node tell each other which HLS players they count: datagrams, some keys in each."""

import array
import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Iterable
from pathlib import Path

from stentor.limits import NEIGHBOUR_KEYS_MAX, NEIGHBOUR_PAUSE_S

_telemetry = logging.getLogger(__name__)


class Neighbours:
    """The other gates. Whoever is away or busy hears it again some seconds later."""

    def __init__(
        self, own: Path, others: list[Path], heard: Callable[[Iterable[int]], None]
    ) -> None:
        """Args: own: where this gate listens; `others`: likewise; `heard`: is given keys."""
        self._own = own
        self._others = [str(path) for path in others]
        self._heard = heard
        self._socket: socket.socket | None = None
        self._keys: dict[int, None] = {}
        self._telling: asyncio.Handle | None = None

    def open(self) -> None:
        """Begin to listen; a stale socket is replaced."""
        if not self._others:
            return
        made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        made.setblocking(False)
        scratch = self._own.with_name(f".{self._own.name}.new")
        try:
            scratch.unlink(missing_ok=True)
            made.bind(str(scratch))
            scratch.chmod(0o600)
            scratch.replace(self._own)
        except OSError as error:
            _telemetry.error("%s cannot be made: %s", self._own, error)
            made.close()
            return
        self._socket = made
        asyncio.get_running_loop().add_reader(made.fileno(), self._hear)

    def close(self) -> None:
        """Say and hear no more."""
        if self._telling is not None:
            self._telling.cancel()
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def tell(self, key: int) -> None:
        """Have the others hear of a player, soon."""
        if self._socket is None or len(self._keys) >= NEIGHBOUR_KEYS_MAX:
            return
        self._keys[key] = None
        if self._telling is None:
            loop = asyncio.get_running_loop()
            self._telling = loop.call_later(NEIGHBOUR_PAUSE_S, self._tell)

    def _tell(self) -> None:
        self._telling = None
        data, self._keys = _packed(self._keys), {}
        for path in self._others:
            if self._socket is not None:
                with contextlib.suppress(OSError):
                    self._socket.sendto(data, path)

    def _hear(self) -> None:
        assert self._socket is not None, "an open socket is heard"
        with contextlib.suppress(OSError):
            while True:
                self._heard(_unpacked(self._socket.recv(8 * NEIGHBOUR_KEYS_MAX)))


def _packed(keys: Iterable[int]) -> bytes:
    """Keys as 64-bit integers in the machine's own order: they never leave it."""
    return array.array("Q", keys).tobytes()


def _unpacked(data: bytes) -> Iterable[int]:
    keys = array.array("Q")
    keys.frombytes(data[: len(data) // 8 * 8])
    return keys
