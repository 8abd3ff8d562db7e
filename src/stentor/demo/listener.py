"""One listener without a socket: what it asks for, what it was given, what it would have heard.

Bytes and the time come in; nothing is read or waited for here. It resumes as the page does: it asks
for the last cursor it saw.
"""

import enum
import hashlib
import json
from dataclasses import dataclass, field

from stentor.boxes import CURSOR_TAG, EVENT_SCHEME
from stentor.demo.fragments import Fragment, boxes, emsg_parts, fragment
from stentor.demo.playhead import Playhead
from stentor.demo.response import Response
from stentor.errors import Corrupt
from stentor.record import Cursor


class Phase(enum.Enum):
    """What a listener is about."""

    CONNECTING = "connecting"
    LISTENING = "listening"
    ENDED = "ended"
    """The Space was sealed, or has ended: nothing more to come."""
    BROKEN = "broken"
    """The connection was lost or refused for now; ask again."""


@dataclass(slots=True)
class Ledger:
    """Every part of one rendition that any listener was given, by number: its SHA-256."""

    parts: dict[int, bytes] = field(default_factory=dict)
    fragments: dict[bytes, Fragment] = field(default_factory=dict)
    differing: int = 0
    """Parts that came with two different contents."""
    inits: set[bytes] = field(default_factory=set)

    def enter(self, moof: bytes, part: bytes) -> Fragment:
        """Note a part that was given to somebody."""
        digest = hashlib.sha256(part).digest()
        found = self.fragments.get(digest)
        if found is None:
            found = self.fragments[digest] = fragment(moof)
        if self.parts.setdefault(found.sequence, digest) != digest:
            self.differing += 1
        return found


@dataclass(slots=True)
class Resume:
    """One loss of the connection: when, and when the next new part was there (0: not yet)."""

    broken_at: float
    back_at: float = 0.0
    sound_at: float = 0.0


@dataclass(slots=True)
class Listener:
    """A player's side of the endless response; see PROTOCOL.md, *Live*."""

    space: str
    rendition: str
    ledger: Ledger
    phase: Phase = Phase.CONNECTING
    playhead: Playhead = field(default_factory=Playhead)
    parts: int = 0
    lost: int = 0
    twice: int = 0
    torn: int = 0
    """Places where decode times do not follow one another, though numbers do."""
    first_sequence: int = 0
    last_sequence: int = 0
    last_part_at: float = 0.0
    resumes: list[Resume] = field(default_factory=list)
    refusals: dict[int, int] = field(default_factory=dict)
    events: dict[str, int] = field(default_factory=dict)
    _cursor: Cursor | None = None
    _next_media_time: int = -1
    _response: Response = field(default_factory=Response)
    _held: bytes = b""
    _moof: bytes = b""

    def request(self, host: str) -> bytes:
        """The request to send on a new connection."""
        self.phase = Phase.CONNECTING
        self._response, self._held, self._moof = Response(), b"", b""
        query = f"?cursor={self._cursor}" if self._cursor else ""
        path = f"/s/{self.space}/live/{self.rendition}{query}"
        return f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: audio/mp4\r\n\r\n".encode()

    def receive(self, now: float, data: bytes) -> None:
        """Bytes came at `now`; `phase` says what follows from them."""
        try:
            body = self._response.feed(data)
            status = self._response.status
            if status == 200:
                self.phase = Phase.LISTENING
                if body:
                    self._take(now, self._held + body)
            elif status:
                self.refusals[status] = self.refusals.get(status, 0) + 1
                self.phase = Phase.ENDED if status == 409 else Phase.BROKEN
        except Corrupt:
            self.torn += 1
            self.phase = Phase.BROKEN
            return
        if self._response.ended and status == 200:
            self.phase = Phase.ENDED

    def lose(self, now: float) -> None:
        """The connection is gone."""
        if not self.resumes or self.resumes[-1].sound_at:
            self.resumes.append(Resume(now))
        self.phase = Phase.BROKEN

    def _take(self, now: float, data: bytes) -> None:
        whole = _whole(data)
        self._held = data[whole:]
        for kind, box in boxes(data[:whole]):
            if kind == b"moof":
                self._moof = box
            elif kind == b"mdat":
                self._part(now, self.ledger.enter(self._moof, self._moof + box))
            elif kind == b"skip" and box[8:12] == CURSOR_TAG:
                self._move(
                    Cursor(int.from_bytes(box[12:16], "big"), int.from_bytes(box[16:24], "big"))
                )
            elif kind == b"moov":
                self.ledger.inits.add(hashlib.sha256(box).digest())
            elif kind == b"emsg":
                self._event(box)

    def _part(self, now: float, part: Fragment) -> None:
        if self.resumes and not self.resumes[-1].sound_at:
            self.resumes[-1].sound_at = now
        if self.first_sequence and part.sequence <= self.last_sequence:
            self.twice += 1
            return
        if self.first_sequence:
            self.lost += part.sequence - self.last_sequence - 1
            if part.sequence == self.last_sequence + 1 and part.media_time != self._next_media_time:
                self.torn += 1
        else:
            self.first_sequence = part.sequence
        self.last_sequence = part.sequence
        self._next_media_time = part.media_time + part.duration
        self.parts += 1
        self.last_part_at = now
        self.playhead.arrive(now, part.duration)

    def _move(self, cursor: Cursor) -> None:
        if self._cursor and cursor < self._cursor:
            self.torn += 1
        self._cursor = cursor

    def _event(self, box: bytes) -> None:
        scheme, _, message = emsg_parts(box)
        if scheme == EVENT_SCHEME:
            kind = str(json.loads(message).get("type"))
            self.events[kind] = self.events.get(kind, 0) + 1


def _whole(data: bytes) -> int:
    """How many bytes at the beginning of `data` are whole boxes."""
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if size < 8:
            raise Corrupt("boxes.torn", "A box of less than 8 bytes.")
        if at + size > len(data):
            break
        at += size
    return at
