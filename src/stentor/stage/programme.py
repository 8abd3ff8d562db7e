"""One live Space's sound: voices in, one mix for the log, for each speaker the mix without them.

The programme is passive: the beat calls `frame` every 20 ms. Before the start it only lets the
speakers hear each other; from the start on, what it mixes is encoded and handed to the recorder.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import Protocol

from stentor.clock import Clock
from stentor.limits import FRAME_SAMPLES, PART_SAMPLES, SAMPLE_RATE, SPEAKER_BITRATE
from stentor.record import Flag, Rendition
from stentor.stage.encoder import EncodedPart, RenditionEncoder
from stentor.stage.mixer import Mixer
from stentor.stage.opus import Encoder, Pcm
from stentor.stage.voice import Voice

RENDITIONS = (Rendition.OPUS, Rendition.OPUS_LOW, Rendition.AAC)

_FILL_SAMPLES = 50 * PART_SAMPLES
"""Silence encoded in one go, in a thread, before looking at the clock again: 10 s."""
_FILL_WAITING_MAX = 100
"""Silence is made no faster than the recorder writes it."""
_FILL_TRIES = 5
_FILL_RETRY_S = 0.1
_FAULTS_PER_LINE = 500
"""A fault that comes with every frame is told every ten seconds."""
_INLINE_SAMPLES = 4 * FRAME_SAMPLES
"""So little silence is encoded between two frames, which no beat notices."""

_telemetry = logging.getLogger(__name__)


class Line(Protocol):
    """The way back to a speaker's ears."""

    connected: bool

    def send(self, payload: bytes, timestamp: int) -> None:
        """Send one packet."""
        ...


class Parts(Protocol):
    """Where parts go: the recorder."""

    @property
    def waiting(self) -> int:
        """Records handed over and not yet written."""
        ...

    def part(
        self, rendition: Rendition, payload: bytes, media_time: int, duration: int, flags: Flag
    ) -> None:
        """Hand a part over."""
        ...


class Microphone:
    """One seat's session: its voice on the way in, its line on the way out.

    Attributes:
        heard_at: monotonic time of the last packet; None before the first.
    """

    def __init__(self, speaker: str, clock: Clock) -> None:
        self.speaker = speaker
        self.line: Line | None = None
        self.voice = Voice()
        self.heard_at: float | None = None
        self._clock = clock
        self._encoder = Encoder(SPEAKER_BITRATE)
        self._timestamp = 0
        self._faults = 0

    def packet(self, sequence: int, timestamp: int, payload: bytes, now: float) -> None:
        """Take a packet from the network."""
        self.heard_at = now
        self.voice.push(sequence, timestamp, payload, now)

    def frame(self, now: float) -> Pcm:
        """The voice's frame of this beat; one voice that fails does not silence the others."""
        try:
            return self.voice.frame(now)
        except Exception:
            _telemetry.exception("a voice failed and begins anew")
            self.voice = Voice()
            return self.voice.frame(now)

    def hear(self, pcm: Pcm) -> None:
        """Send one frame to the speaker's ears; a line that fails is nobody else's trouble."""
        try:
            if self.line is not None and self.line.connected:
                self.line.send(self._encoder.encode(pcm), self._timestamp)
        except Exception:
            if self._faults % _FAULTS_PER_LINE == 0:
                _telemetry.exception("a frame could not be sent to a speaker")
            self._faults += 1
        self._timestamp += FRAME_SAMPLES


class Programme:
    """The sound of one Space.

    Attributes:
        media_time: samples since the programme's first; 0 before the start.
        live: whether what is mixed is recorded.
        microphones: by speaker; whoever publishes now.
        muted: speakers whose voice is in nobody's mix.
    """

    def __init__(self, clock: Clock, recorder: Parts) -> None:
        self.media_time = 0
        self.live = False
        self.microphones: dict[str, Microphone] = {}
        self.muted: frozenset[str] = frozenset()
        self._clock = clock
        self._recorder = recorder
        self._mixer = Mixer()
        self._encoders: dict[Rendition, RenditionEncoder] = {}
        self._encoded: dict[Rendition, int] = {}
        self._handed: dict[Rendition, tuple[int, int]] = {}
        self._hole = False
        self._filling: asyncio.Future[None] | None = None

    def frame(self, now: float) -> None:
        """Make one frame of everything."""
        if not self.live and not self.microphones:
            return
        frames = {speaker: each.frame(now) for speaker, each in self.microphones.items()}
        whole, minus = self._mixer.mix(frames, frames.keys() - self.muted)
        if self.live:
            self.media_time += FRAME_SAMPLES
            if not self._hole:
                self._encode(whole)
        for speaker, microphone in self.microphones.items():
            microphone.hear(minus[speaker])

    def start(self) -> dict[Rendition, bytes]:
        """Begin the programme at media_time 0.

        Returns:
            The init of each rendition, to be recorded before the first part.
        """
        self._handed = dict.fromkeys(RENDITIONS, (0, 0))
        self._begin_encoders()
        self.media_time = 0
        self.live = True
        return {each: encoder.init() for each, encoder in self._encoders.items()}

    def go_on(
        self, tails: Mapping[Rendition, tuple[int, int]], media_time: int
    ) -> dict[Rendition, bytes]:
        """Go on with a programme that was interrupted, at `media_time` by the clock.

        The hole from each rendition's own tail is still to be filled: see `fill`.

        Args:
            tails: for each rendition, the media_time after its last part, and its parts so far.

        Returns:
            The init of each rendition.
        """
        self._handed = {each: tails.get(each, (0, 0)) for each in RENDITIONS}
        self._begin_encoders()
        self.media_time = media_time
        self._hole = True
        self.live = True
        return {each: encoder.init() for each, encoder in self._encoders.items()}

    def skip(self, frames: int) -> None:
        """Let time pass without sound; the hole is still to be filled: see `fill`."""
        self.media_time += frames * FRAME_SAMPLES
        self._hole = True

    async def fill(self) -> None:
        """Put silence, flagged as a gap, where nothing was encoded, up to the present.

        Long silence is encoded in a thread, so that no beat is late; what the beat mixes meanwhile
        is part of the gap. When the programme ends meanwhile, the rest of the hole stays one.

        Raises:
            Exception: what the encoders raise, again and again although they were made anew.
        """
        if self._filling is not None:
            await asyncio.shield(self._filling)
            return
        self._filling = asyncio.get_running_loop().create_future()
        try:
            for tries in range(1, _FILL_TRIES + 1):
                try:
                    await self._fill()
                    break
                except Exception:
                    if tries == _FILL_TRIES:
                        raise
                    _telemetry.exception("silence could not be encoded; the encoders begin anew")
                await asyncio.sleep(tries * _FILL_RETRY_S)
                self._begin_encoders()
        finally:
            self._filling.set_result(None)
            self._filling = None

    def finish(self) -> None:
        """End the programme: what the encoders still hold becomes the last parts."""
        if self.live and self._filling is None:
            for each, encoder in self._encoders.items():
                self._hand_over([(each, part) for part in encoder.flush()], Flag.NONE)
        self.live = False

    async def _fill(self) -> None:
        while self.live and max(self._missing().values()) > _INLINE_SAMPLES:
            parts = await asyncio.to_thread(self._silence, self._missing())
            if self.live:  # else the end has been told, and nothing may follow it
                self._hand_over(parts, Flag.GAP)
                await self._recorder_keeps_up()
        if self.live:
            self._hand_over(self._silence(self._missing()), Flag.GAP)
            self._hole = False

    def _begin_encoders(self) -> None:
        """Make all encoders anew, each behind the last part that was handed over."""
        self._encoders = {each: RenditionEncoder(each, *self._handed[each]) for each in RENDITIONS}
        self._encoded = {each: self._handed[each][0] for each in RENDITIONS}

    async def _recorder_keeps_up(self) -> None:
        while self.live and self._recorder.waiting > _FILL_WAITING_MAX:
            await asyncio.sleep(0.005)

    def _missing(self) -> dict[Rendition, int]:
        return {each: self.media_time - at for each, at in self._encoded.items()}

    def _silence(self, missing: Mapping[Rendition, int]) -> list[tuple[Rendition, EncodedPart]]:
        parts = []
        for each, samples in missing.items():
            samples = min(samples, _FILL_SAMPLES)
            if samples > 0:
                self._encoded[each] += samples
                parts += [(each, part) for part in self._encoders[each].silence(samples)]
        return parts

    def _encode(self, pcm: Pcm) -> None:
        for each, encoder in self._encoders.items():
            self._encoded[each] += len(pcm)
            self._hand_over([(each, part) for part in encoder.feed(pcm)], Flag.NONE)

    def _hand_over(self, parts: Iterable[tuple[Rendition, EncodedPart]], flag: Flag) -> None:
        for each, part in parts:
            flags = Flag.INDEPENDENT | flag
            self._recorder.part(each, part.payload, part.media_time, part.duration, flags)
            self._handed[each] = part.media_time + part.duration, self._handed[each][1] + 1


def resumed_at(
    started_at_ms: int, tail: int, tail_wall_time: int, wall_time: int, doubt_s: float = 2.0
) -> int:
    """The media_time at which an interrupted programme goes on, by the clock.

    The programme's clock is its start's wall time; where the log's last record disagrees with that
    (the clock was set meanwhile), the distance from that record counts.

    Args:
        started_at_ms: wall time of media_time 0, UTC ms.
        tail: media_time after the last part.
        tail_wall_time: when that part was written, UTC ns.
        wall_time: now, UTC ns.

    Returns:
        A multiple of a frame, at or after the tail.
    """
    by_start = round((wall_time - started_at_ms * 1_000_000) * SAMPLE_RATE / 1e9)
    by_tail = tail + max(0, round((wall_time - tail_wall_time) * SAMPLE_RATE / 1e9))
    at = by_start if abs(by_start - by_tail) <= doubt_s * SAMPLE_RATE else by_tail
    return -(-max(at, tail) // FRAME_SAMPLES) * FRAME_SAMPLES
