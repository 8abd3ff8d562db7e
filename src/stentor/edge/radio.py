"""Radio streams as an edge has them: what the radio process says becomes frames in rings.

A feed's connection is one more descriptor that the fan-out's loop hears; it never waits for it.
When the radio process goes, listeners stay, and the feed asks again from where they are.
"""

import contextlib
import logging
import socket
from collections.abc import Callable
from pathlib import Path

from stentor.edge.answer import chunk
from stentor.edge.follow import Stream
from stentor.edge.icy import Weaver, is_woven, stream_name
from stentor.edge.ring import Content, Ring
from stentor.errors import Corrupt
from stentor.ids import SpaceId
from stentor.limits import RADIO_AWAY_S, RADIO_IDLE_S
from stentor.record import Rendition
from stentor.relay import RADIO_FORMATS, Ask, Message, Messages, Place, Word, encode_ask

_telemetry = logging.getLogger(__name__)
_READ_BYTES = 64 * 1024

Hear = Callable[[int, Callable[[int], None]], None]
Forget = Callable[[int], None]


class Line:
    """How feeds reach the radio process and the loop."""

    def __init__(self, path: Path, hear: Hear, forget: Forget) -> None:
        self._path = path
        self._hear = hear
        self._forget = forget

    def open(self, ask: Ask, called: Callable[[int], None]) -> socket.socket | None:
        """Connect and ask; None while the radio process is away."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.setblocking(False)
        try:
            connection.connect(str(self._path))
            connection.send(encode_ask(ask))
        except OSError:
            connection.close()
            return None
        self._hear(connection.fileno(), called)
        return connection

    def close(self, connection: socket.socket) -> None:
        """Say no more."""
        self._forget(connection.fileno())
        connection.close()


class Feed:
    """One Space in one format, with titles woven in and without.

    Attributes:
        streams: by the names admissions have for them.
        begun: whether a listener has something to begin with.
    """

    def __init__(
        self,
        space: SpaceId,
        format_name: str,
        line: Line,
        changed: Callable[[], None],
        now: float,
    ) -> None:
        """Args: changed: is called when there is something new in the streams."""
        self._space = space
        self._format = format_name
        self._line = line
        self._changed = changed
        self._weaver = Weaver()
        self._messages = Messages()
        self._place: Place | None = None
        self._connection: socket.socket | None = None
        self._needed_at = self._began_at = now
        self.begun = False
        woven = (False, True) if RADIO_FORMATS[format_name].icy else (False,)
        self.streams = {
            stream_name(format_name, woven=one): Stream(
                Rendition.NONE, Ring(0), join_parts=RADIO_FORMATS[format_name].burst_parts
            )
            for one in woven
        }
        self.look(now, needed=True)

    def look(self, now: float, *, needed: bool) -> bool:
        """Ask again if that is called for.

        Args:
            needed: whether anybody listens or waits.

        Returns:
            Whether the feed is still of use.
        """
        over = any(stream.over for stream in self.streams.values())
        if needed:
            self._needed_at = now
            if self._connection is None and not over:
                self._ask()
        return needed or now - self._needed_at < RADIO_IDLE_S

    def is_away(self, now: float) -> bool:
        """Whether who waits for the first sound has waited long enough."""
        return not self.begun and now - self._began_at >= RADIO_AWAY_S

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            self._line.close(self._connection)
            self._connection = None

    def _ask(self) -> None:
        self._messages = Messages()
        ask = Ask(self._space, self._format, self._place)
        self._connection = self._line.open(ask, self._receive)

    def _receive(self, _: int) -> None:
        assert self._connection is not None, "only an open connection is heard"
        with contextlib.suppress(BlockingIOError):
            try:
                data = self._connection.recv(_READ_BYTES)
                for message in self._messages.feed(data):
                    self._take(message)
            except ConnectionError:
                data = b""
            except Corrupt:
                _telemetry.exception("the radio process says what nobody understands")
                data = b""
            if not data:
                self.close()
            self._changed()

    def _take(self, message: Message) -> None:
        match message.word:
            case Word.HEADER:
                for stream in self.streams.values():
                    stream.init = message.payload
            case Word.TITLE:
                self._weaver.entitle(message.payload.decode(errors="replace"))
            case Word.AUDIO:
                self._place = message.place
                self.begun = True
                for name, stream in self.streams.items():
                    pieces = [(message.payload, True)]
                    if is_woven(name):
                        pieces = self._weaver.weave(message.payload)
                    for piece, begins in pieces:
                        content = Content.START if begins else Content.PART
                        stream.ring.append(chunk(piece), 0, content)
                    stream.parts_new += 1
            case Word.END:
                self.begun = True
                for stream in self.streams.values():
                    stream.over = stream.others_new = True
