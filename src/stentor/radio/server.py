"""The radio process: edges ask on its socket, and each stream is made once for all who ask."""

import asyncio
import logging
from typing import cast

from stentor.clock import Clock
from stentor.config import Settings
from stentor.errors import Refused, StentorError, Unavailable
from stentor.ids import is_space_id
from stentor.limits import (
    RADIO_ASK_BYTES_MAX,
    RADIO_BACKLOG_BYTES,
    RADIO_CONNECTIONS_MAX,
    RADIO_TICK_S,
)
from stentor.paths import Paths
from stentor.radio.adts import Adts
from stentor.radio.broadcast import Format
from stentor.radio.ogg import OggOpus
from stentor.radio.station import Station
from stentor.relay import RADIO_FORMATS, Ask, Place, decode_ask

_telemetry = logging.getLogger(__name__)


async def serve(settings: Settings, paths: Paths, clock: Clock, stop: asyncio.Event) -> None:
    """Make radio streams for the edges that ask, until `stop` is set.

    Raises:
        Unavailable: `radio.socket` when the Unix socket cannot be made.
    """
    radio = Radio(paths, clock)
    path = paths.socket("radio")
    try:
        server = await asyncio.get_running_loop().create_unix_server(
            lambda: _Edge(radio), str(path)
        )
        path.chmod(0o600)
    except OSError as error:
        raise Unavailable("radio.socket", f"{path} cannot be made: {error.strerror}") from error
    _telemetry.info("radio is open")
    try:
        async with asyncio.TaskGroup() as group:
            working = group.create_task(radio.run())
            await stop.wait()
            working.cancel()
    finally:
        server.close()
        radio.close()
        path.unlink(missing_ok=True)


def make_format(name: str, space: str, position: int) -> Format:
    """A format by its name, from a position on."""
    match name:
        case "aac":
            return Adts(position)
        case "ogg":
            return OggOpus(space, position)
        case _:
            from stentor.radio.mp3 import Mp3  # 25 MB of codecs, for those who want MP3

            return Mp3(position)


class Radio:
    """All Spaces that somebody listens to by radio."""

    def __init__(self, paths: Paths, clock: Clock) -> None:
        self.connections_count = 0
        self._paths = paths
        self._clock = clock
        self._stations: dict[str, Station] = {}
        self._asked = asyncio.Event()

    async def run(self) -> None:
        """Follow the logs."""
        while True:
            if not self._stations:
                self._asked.clear()
                await self._asked.wait()
            for name, station in list(self._stations.items()):
                await self._follow(name, station)
            await asyncio.sleep(RADIO_TICK_S)

    def join(self, edge: "_Edge", ask: Ask) -> None:
        """An edge asks.

        Raises:
            Refused: `radio.unknown`: there is no such Space or format.
            Corrupt: its log is not what was written.
            OSError: the log cannot be read.
        """
        known = is_space_id(ask.space) and self._paths.log(ask.space).is_dir()
        if not known or ask.format not in RADIO_FORMATS:
            raise Refused("radio.unknown", "There is no such radio stream.")
        station = self._stations.get(ask.space)
        if station is None or station.over:
            station = self._stations[ask.space] = Station(ask.space, self._paths, make_format)
        after = Place(*ask.after) if ask.after is not None else None
        edge.station = station
        station.join(ask.format, edge, after, self._clock.now())
        self._asked.set()

    def leave(self, edge: "_Edge") -> None:
        """An edge's connection has gone."""
        station = edge.station
        if station is not None:
            station.leave(edge)
            if not station.formats:
                self._forget(station)

    def close(self) -> None:
        """Let go of everybody."""
        for station in list(self._stations.values()):
            self._forget(station)

    async def _follow(self, name: str, station: Station) -> None:
        try:
            while station.advance(self._clock.now()):
                await asyncio.sleep(0)
                if self._stations.get(name) is not station:
                    return
            station.tick(self._clock.now())
        except (StentorError, OSError):
            _telemetry.exception("Space %s cannot be followed", name)
            self._forget(station)

    def _forget(self, station: Station) -> None:
        for name, known in list(self._stations.items()):
            if known is station:
                del self._stations[name]
        station.close()


class _Edge(asyncio.Protocol):
    """An edge's connection: one line in, messages out.

    Attributes:
        station: what it listens to.
    """

    def __init__(self, radio: Radio) -> None:
        self.station: Station | None = None
        self._radio = radio
        self._line = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody has connected."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are of no such class
        self._radio.connections_count += 1
        if self._radio.connections_count > RADIO_CONNECTIONS_MAX:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """What it asks for; anything after that ends the connection."""
        self._line += data
        if self.station is not None or len(self._line) > RADIO_ASK_BYTES_MAX:
            self.close()
        elif self._line.endswith(b"\n"):
            try:
                self._radio.join(self, decode_ask(self._line))
            except (StentorError, OSError) as fault:
                _telemetry.warning("no radio for an edge: %s", fault)
                self.close()

    def connection_lost(self, _: Exception | None) -> None:
        """It has gone."""
        self._radio.connections_count -= 1
        self._radio.leave(self)

    def tell(self, message: bytes) -> None:
        """Send a message; an edge that takes too little is let go, and asks again."""
        assert self._transport is not None, "whoever asked is connected"
        if self._transport.get_write_buffer_size() > RADIO_BACKLOG_BYTES:
            self._transport.abort()
        elif not self._transport.is_closing():
            self._transport.write(message)

    def close(self) -> None:
        """Send what is waiting, and end."""
        if self._transport is not None:
            self._transport.close()
