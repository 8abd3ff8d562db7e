"""A Space on disk as the stage leaves it: a real log of really encoded audio, and a card."""

import functools
import struct
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import numpy as np

from stentor.clock import Clock, SystemClock
from stentor.limits import PART_SAMPLES, SAMPLE_RATE
from stentor.log import Disk, Writer
from stentor.paths import Paths, write_whole
from stentor.record import RENDITION_NAMES, Flag, Header, Kind, Rendition
from stentor.space import card, events
from stentor.stage.encoder import EncodedPart, RenditionEncoder

SPACE = "0123456789ab"
SECONDS = 32
"""A whole number of frames of every rendition: the sound can follow upon itself."""


@dataclass(frozen=True)
class Sound:
    """One rendition of a tone."""

    init: bytes
    parts: list[EncodedPart]


@functools.cache
def sound(rendition: Rendition) -> Sound:
    """Half a minute, encoded once."""
    encoder = RenditionEncoder(rendition, 0)
    # A second more, since encoders are late.
    time = np.arange((SECONDS + 1) * SAMPLE_RATE) / SAMPLE_RATE
    tone = (0.3 * np.sin(2 * np.pi * 330 * time) * (1 + np.sin(2 * np.pi * time))).astype(
        np.float32
    )
    return Sound(encoder.init(), encoder.feed(tone)[: SECONDS * SAMPLE_RATE // PART_SAMPLES])


def part(sound: Sound, number: int) -> EncodedPart:
    """Part `number` of a Space; the sound repeats when it has run out, its time does not."""
    turn, index = divmod(number, len(sound.parts))
    known = sound.parts[index]
    media_time = known.media_time + turn * len(sound.parts) * PART_SAMPLES
    time = struct.pack(">4sIQ", b"tfdt", 1 << 24, known.media_time)
    payload = known.payload.replace(time, time[:8] + struct.pack(">Q", media_time), 1)
    return EncodedPart(media_time, known.duration, payload)


class Programme:
    """Plays the stage's part: appends to the log, replaces the card."""

    def __init__(
        self,
        paths: Paths,
        space: str = SPACE,
        clock: Clock | None = None,
        sound: Callable[[Rendition], Sound] = sound,
    ) -> None:
        self.sound = sound
        self.paths = paths
        self.space = space
        self.clock = clock or SystemClock()
        self.folder = paths.log(space)
        self.played = 0
        self.headers: list[Header] = []
        self.card = card.Card(
            space=space, phase="scheduled", title="A test <of> sound", host_name="Ada"
        )
        self.writer = Writer.open(self.folder, space, self.clock)
        self.show()
        self.event(
            events.SpaceScheduled(
                space=space, title="A test", host_id="a", host_name="Ada", host_speaker="h"
            )
        )

    def show(self, **changes: object) -> None:
        """Replace the card, changed."""
        self.card = msgspec.structs.replace(self.card, **changes)
        write_whole(self.paths.card(self.space), card.encode(self.card))

    def event(self, event: events.Event) -> Header:
        media_time = self.played * PART_SAMPLES
        return self.writer.append(Kind.EVENT, events.encode(event), media_time=media_time)

    def begin(self) -> None:
        """The start: media_time 0."""
        started_at_ms = self.clock.wall_time() // 1_000_000
        self.event(events.SpaceStarted(at_ms=started_at_ms))
        for rendition in RENDITION_NAMES.values():
            self.writer.append(Kind.INIT, self.sound(rendition).init, rendition=rendition)
        self.show(phase="live", started_at_ms=started_at_ms)

    def play(self, parts: int, renditions: tuple[Rendition, ...] = tuple(Rendition)[1:]) -> None:
        """Append parts of every rendition; the sound repeats when it has run out."""
        for _ in range(parts):
            for rendition in renditions:
                self.headers.append(self._append(rendition))
            self.played += 1

    def gap(self, parts: int) -> None:
        """The stage was away for so long: silence in its place."""
        for _ in range(parts):
            for rendition in RENDITION_NAMES.values():
                self._append(rendition, Flag.INDEPENDENT | Flag.GAP)
            self.played += 1

    def lose(self, parts: int) -> None:
        """Storage refused so many parts."""
        self.played += parts

    def _append(self, rendition: Rendition, flags: Flag = Flag.INDEPENDENT) -> Header:
        made = part(self.sound(rendition), self.played)
        return self.writer.append(
            Kind.PART,
            made.payload,
            rendition=rendition,
            flags=flags,
            media_time=made.media_time,
            duration=made.duration,
        )

    def end(self) -> None:
        """The end: event, seal, card."""
        samples = self.played * PART_SAMPLES
        self.event(events.SpaceEnded(at_ms=1, reason="host", media_time=samples))
        self.writer.seal(samples)
        self.show(phase="replay", duration_samples=samples)

    def reopen(self, disk: Disk | None = None) -> None:
        """The stage died and was started again: a new epoch, a new segment."""
        self.writer.close()
        self.writer = Writer.open(self.folder, self.space, self.clock, disk=disk)

    def payloads(self, rendition: Rendition) -> list[bytes]:
        """All parts appended, in order."""
        known = self.sound(rendition)
        return [part(known, number).payload for number in range(self.played)]

    def close(self) -> None:
        self.writer.close()
