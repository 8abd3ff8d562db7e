"""Opus packets to an endless MP3 stream: 64 kbit/s, mono, 48 kHz, 192 bytes for each frame.

There is no bit reservoir: every frame can be decoded without those before it, so that a player can
begin with any. That costs nothing that could be measured (docs/decisions/0007-radio.md).
"""

import functools
import logging
from collections.abc import Iterable, Sequence
from fractions import Fraction

import av

from stentor.limits import FRAME_SAMPLES, SAMPLE_RATE
from stentor.record import Rendition

_telemetry = logging.getLogger(__name__)

FRAME_MP3_SAMPLES = 1_152
FRAME_BYTES = 192
BITRATE = 64_000
EFFORT = "5"
"""LAME's trade of quality for time: 1.6 % of a core, where 3 takes 2 % and 0 takes 9 %."""
_SETTLING_FRAMES = 8


def _encoder() -> av.AudioCodecContext:
    codec = av.CodecContext.create("libmp3lame", "w")
    codec.sample_rate = SAMPLE_RATE
    codec.layout = "mono"
    codec.format = "fltp"
    codec.bit_rate = BITRATE
    codec.time_base = Fraction(1, SAMPLE_RATE)
    codec.options = {"reservoir": "0", "compression_level": EFFORT}
    codec.open()
    return codec


def _decoder() -> av.AudioCodecContext:
    codec = av.CodecContext.create("opus", "r")
    codec.sample_rate = SAMPLE_RATE
    codec.layout = "mono"
    codec.thread_count = 1
    return codec


def _silence(samples: int) -> av.AudioFrame:
    block = av.AudioFrame("fltp", "mono", samples)
    block.planes[0].update(bytes(4 * samples))
    block.sample_rate = SAMPLE_RATE
    block.time_base = Fraction(1, SAMPLE_RATE)
    return block


@functools.cache
def silent_frame() -> bytes:
    """What a settled encoder makes of silence."""
    encoder = _encoder()
    quiet = _silence(FRAME_MP3_SAMPLES)
    return [bytes(one) for _ in range(_SETTLING_FRAMES) for one in encoder.encode(quiet)][-1]


class Mp3:
    """The stream of one Space.

    Attributes:
        position: samples so far.
    """

    rendition = Rendition.OPUS
    frame_samples = FRAME_MP3_SAMPLES

    def __init__(self, position: int) -> None:
        self.position = position
        self._decoder = _decoder()
        self._encoder: av.AudioCodecContext | None = None
        self._waiting = av.AudioFifo()

    def header(self, title: str) -> bytes:
        """Nothing: a player can begin with any frame."""
        return b""

    def part(self, frames: Sequence[bytes]) -> bytes:
        """A part's packets, decoded and encoded anew."""
        return self._encode(sound for packet in frames for sound in self._decode(packet))

    def silence(self, frames: int) -> bytes:
        """So many frames of silence; before anything was heard they are always the same."""
        if self._encoder is None:
            self.position += frames * FRAME_MP3_SAMPLES
            return silent_frame() * frames
        return self._encode(_silence(FRAME_MP3_SAMPLES) for _ in range(frames))

    def end(self) -> bytes:
        """What the encoder holds back."""
        if self._encoder is None:
            return b""
        return self._encode([_silence(FRAME_MP3_SAMPLES)]) + b"".join(
            bytes(one) for one in self._encoder.encode(None)
        )

    def _decode(self, packet: bytes) -> Iterable[av.AudioFrame]:
        try:
            return self._decoder.decode(av.Packet(packet))
        except av.FFmpegError as fault:
            _telemetry.warning("a packet of the programme cannot be decoded: %s", fault)
            return [_silence(FRAME_SAMPLES)]

    def _encode(self, sounds: Iterable[av.AudioFrame]) -> bytes:
        if self._encoder is None:
            self._encoder = _encoder()
        made: list[bytes] = []
        for sound in sounds:
            sound.pts = None  # samples follow each other; nothing here keeps time
            self._waiting.write(sound)
        while (block := self._waiting.read(FRAME_MP3_SAMPLES)) is not None:
            block.pts = None
            self.position += FRAME_MP3_SAMPLES
            made += map(bytes, self._encoder.encode(block))
        return b"".join(made)
