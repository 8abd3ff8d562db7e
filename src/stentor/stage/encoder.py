"""The programme's samples to the parts of one rendition.

A part holds the codec frames that begin within one cell of 200 ms of media_time, so that the parts
of all renditions keep together whatever their frames' lengths: ten Opus frames of 20 ms, five of
40 ms, nine or ten AAC frames of 1,024 samples.

Codecs are late: what a decoder gives for the first sample it is fed is older. Opus is 312 samples
late, which `dOps` says (pre-skip). Players drop as many at the beginning; browsers then play the
rest from the part's own time, which is exact, and FFmpeg 312 samples after it. An AAC-LC decoder is
one frame late and the file has no word for it; so the encoder's first packet, which holds only
that lateness, is left out and the second stands at the first one's time. The renditions therefore
agree to within 312 samples, a third of an AAC frame.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import av
import numpy as np
from numpy.typing import NDArray

from stentor.limits import PART_SAMPLES, SAMPLE_RATE
from stentor.record import Rendition
from stentor.stage import muxer
from stentor.stage.opus import Encoder

Pcm = NDArray[np.float32]

AAC_FRAME_SAMPLES = 1_024
AAC_BITRATE = 64_000
SETTLING_SAMPLES = 24_000
"""Silence after which what was said before has died away in every codec: half a second."""


@dataclass(frozen=True, slots=True)
class EncodedPart:
    """One part: its place and length in samples at 48 kHz, and its bytes (`moof` + `mdat`)."""

    media_time: int
    duration: int
    payload: bytes


class _Codec(Protocol):
    """Frames of PCM to encoded frames, one for one, possibly some frames later."""

    frame_samples: int
    entry: tuple[bytes, bytes]

    def encode(self, frame: Pcm) -> list[bytes]:
        """Encode one frame; what is ready comes out."""
        ...

    def drain(self) -> list[bytes]:
        """What has not come out yet, at the end."""
        ...


class RenditionEncoder:
    """One rendition of the programme.

    Args:
        rendition: not NONE.
        media_time: of the first sample that will be fed.
        parts: how many parts of this rendition there are already; sequence numbers go on, and
            not back behind those of parts that were made and never written.
    """

    def __init__(self, rendition: Rendition, media_time: int, parts: int = 0) -> None:
        self._codec = _codec(rendition)
        self._number = max(parts, media_time // PART_SAMPLES)
        self._time = media_time
        self._begins = media_time
        self._frames: list[bytes] = []
        self._rest = np.zeros(0, np.float32)

    def init(self) -> bytes:
        """The init segment, the same bytes for every encoder of the rendition."""
        return muxer.init_segment(self._codec.entry)

    def feed(self, pcm: Pcm) -> list[EncodedPart]:
        """Encode samples, any number of them; the parts that became complete."""
        size = self._codec.frame_samples
        samples = np.concatenate((self._rest, pcm)) if len(self._rest) else pcm
        whole = len(samples) // size * size
        self._rest = samples[whole:].copy()
        parts: list[EncodedPart] = []
        for at in range(0, whole, size):
            for frame in self._codec.encode(samples[at : at + size]):
                parts += self._append(frame)
        return parts

    def silence(self, samples: int) -> list[EncodedPart]:
        """As `feed` of so many zeros, but quick: a settled codec's silent frame is repeated."""
        settling = min(samples, SETTLING_SAMPLES)
        parts = self.feed(np.zeros(settling, np.float32))
        size = self._codec.frame_samples
        whole, rest = divmod(len(self._rest) + samples - settling, size)
        if whole:
            for frame in self._codec.encode(np.zeros(size, np.float32))[-1:] * whole:
                parts += self._append(frame)
            self._rest = np.zeros(rest, np.float32)
        return parts

    def flush(self) -> list[EncodedPart]:
        """The rest, filled up with silence to a whole codec frame. The encoder ends here."""
        parts: list[EncodedPart] = []
        if len(self._rest):
            parts += self.feed(np.zeros(self._codec.frame_samples - len(self._rest), np.float32))
        for frame in self._codec.drain():
            parts += self._append(frame)
        if self._frames:
            parts.append(self._part())
        return parts

    def _append(self, frame: bytes) -> list[EncodedPart]:
        self._frames.append(frame)
        cell = self._time // PART_SAMPLES
        self._time += self._codec.frame_samples
        return [self._part()] if self._time // PART_SAMPLES != cell else []

    def _part(self) -> EncodedPart:
        self._number += 1
        size = self._codec.frame_samples
        payload = muxer.part(self._number, self._begins, size, self._frames)
        made = EncodedPart(self._begins, len(self._frames) * size, payload)
        self._frames = []
        self._begins = self._time
        return made


def _codec(rendition: Rendition) -> _Codec:
    match rendition:
        case Rendition.OPUS:
            return _Opus(32_000, 960)
        case Rendition.OPUS_LOW:
            return _Opus(16_000, 1_920)
        case Rendition.AAC:
            return _Aac()
        case Rendition.NONE:
            raise ValueError("a programme is encoded as a rendition")


class _Opus:
    """Opus for listeners: no FEC, since parts travel over TCP."""

    def __init__(self, bitrate: int, frame_samples: int) -> None:
        self.frame_samples = frame_samples
        self._encoder = Encoder(bitrate, frame_samples, complexity=8, application="audio")
        self.entry = muxer.opus_entry(self._encoder.lookahead_samples, frame_samples)

    def encode(self, frame: Pcm) -> list[bytes]:
        return [self._encoder.encode(frame)]

    def drain(self) -> list[bytes]:
        return []


class _Aac:
    """AAC-LC by FFmpeg's own encoder."""

    frame_samples = AAC_FRAME_SAMPLES

    def __init__(self) -> None:
        codec = av.CodecContext.create("aac", "w")
        assert isinstance(codec, av.AudioCodecContext)
        codec.sample_rate = SAMPLE_RATE
        codec.layout = "mono"
        codec.format = "fltp"
        codec.bit_rate = AAC_BITRATE
        codec.time_base = Fraction(1, SAMPLE_RATE)
        codec.open()
        self._context = codec
        self._fed = 0
        self.entry = muxer.aac_entry(bytes(codec.extradata or b""), AAC_BITRATE)

    def encode(self, frame: Pcm) -> list[bytes]:
        samples = np.ascontiguousarray(frame, np.float32).reshape(1, -1)
        block = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        block.sample_rate = SAMPLE_RATE
        block.time_base = Fraction(1, SAMPLE_RATE)
        block.pts = self._fed
        self._fed += self.frame_samples
        return self._ready(block)

    def drain(self) -> list[bytes]:
        return self._ready(None)

    def _ready(self, block: av.AudioFrame | None) -> list[bytes]:
        # Packets before time 0 hold the encoder's lateness only.
        return [
            bytes(packet)
            for packet in self._context.encode(block)
            if packet.pts is None or packet.pts >= 0
        ]
