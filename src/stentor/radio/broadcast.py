"""One radio stream, made once for all edges that ask for it."""

from collections import deque
from collections.abc import Sequence
from typing import Protocol

from stentor.limits import PART_SAMPLES
from stentor.radio.timeline import Timeline
from stentor.radio.unpack import frames_of
from stentor.record import Flag, Header, Rendition
from stentor.relay import Place, Word, encode


class Format(Protocol):
    """Parts and silence to the bytes of a stream."""

    rendition: Rendition
    frame_samples: int
    position: int

    def header(self, title: str) -> bytes:
        """What everybody who begins must have first."""
        ...

    def part(self, frames: Sequence[bytes]) -> bytes:
        """What the frames of one part become."""
        ...

    def silence(self, frames: int) -> bytes:
        """So many frames of silence, of this format's length."""
        ...

    def end(self) -> bytes:
        """What is left, at the end."""
        ...


class Audience(Protocol):
    """Somebody who is told."""

    def tell(self, message: bytes) -> None:
        """Take a message; never waits."""
        ...

    def close(self) -> None:
        """There is nothing more to say."""
        ...


class Broadcast:
    """One Space in one format.

    Attributes:
        audience: the edges' connections.
        burst_parts: what everybody begins with.
    """

    def __init__(
        self, made_as: Format, burst_parts: int, now: float, after: Place | None, title: str
    ) -> None:
        """Begin.

        Args:
            after: how far those who listen have come already.
        """
        self.audience: set[Audience] = set()
        self.burst_parts = burst_parts
        self._format = made_as
        self._timeline = Timeline(now, after.media_time if after is not None else -1)
        self._resumes = after is not None
        self._title = title
        self._recent: deque[tuple[Place, bytes]] = deque(maxlen=burst_parts)

    @property
    def rendition(self) -> Rendition:
        """The rendition it is made of."""
        return self._format.rendition

    @property
    def media_time(self) -> int:
        """Where the programme goes on; -1 when any part will do."""
        return self._timeline.media_time

    def join(self, somebody: Audience, after: Place | None) -> None:
        """Tell somebody all there is to know now, and everything from now on."""
        somebody.tell(self._header())
        somebody.tell(encode(Word.TITLE, self._title.encode()))
        for place, message in self._recent:
            if after is None or place.position > after.position:
                somebody.tell(message)
        self.audience.add(somebody)

    def begin(self) -> None:
        """There is no part yet: silence, so that players begin to play."""
        if not self._resumes:
            self._silence(self.burst_parts * PART_SAMPLES)

    def part(self, header: Header, payload: bytes, now: float) -> None:
        """A part has come.

        Raises:
            Corrupt: `boxes.torn`: it is no part.
        """
        is_gap = bool(Flag.GAP & header.flags)
        hole = self._timeline.take(header.media_time, header.duration, is_gap=is_gap, now=now)
        if hole is None:
            return
        self._silence(hole)
        self._say(self._format.part(frames_of(payload)))

    def tick(self, now: float) -> None:
        """Time has passed: what is due is silence."""
        due = self._timeline.due(now)
        if due >= PART_SAMPLES:
            self._timeline.put_in(self._silence(due))

    def entitle(self, title: str) -> None:
        """Somebody else speaks, or the Space has another name."""
        if title == self._title:
            return
        self._title = title
        self._tell(self._header())
        self._tell(encode(Word.TITLE, title.encode()))

    def end(self) -> None:
        """The programme is over."""
        self._say(self._format.end())
        self._tell(encode(Word.END))
        self.close()

    def close(self) -> None:
        """Let go of everybody; they may ask again."""
        for somebody in list(self.audience):
            somebody.close()

    def _header(self) -> bytes:
        return encode(Word.HEADER, self._format.header(self._title))

    def _silence(self, samples: int) -> int:
        """Say nothing for so long, in pieces like parts; the samples it became."""
        size = self._format.frame_samples
        frames = samples // size
        for at in range(0, frames, PART_SAMPLES // size):
            self._say(self._format.silence(min(PART_SAMPLES // size, frames - at)))
        return frames * size

    def _say(self, audio: bytes) -> None:
        if audio:
            place = Place(self._timeline.media_time, self._format.position)
            message = encode(Word.AUDIO, audio, place)
            self._recent.append((place, message))
            self._tell(message)

    def _tell(self, message: bytes) -> None:
        for somebody in list(self.audience):
            somebody.tell(message)
