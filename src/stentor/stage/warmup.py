"""What the first speaker and the first start would make the beat wait for, done before it begins.

Loading libopus and FFmpeg's encoder, making a key, and the first call of everything that makes a
frame take tens of milliseconds each; later they take none.
"""

import numpy as np

from stentor.clock import Clock
from stentor.limits import FRAME_SAMPLES, PART_SAMPLES
from stentor.record import Flag, Rendition
from stentor.stage.opus import Encoder
from stentor.stage.programme import Microphone, Programme
from stentor.stage.publisher import own_certificate

_FRAMES = 2 * PART_SAMPLES // FRAME_SAMPLES


class _Nowhere:
    """Takes parts and packets that nobody will hear."""

    waiting = 0
    connected = True

    def part(
        self, rendition: Rendition, payload: bytes, media_time: int, duration: int, flags: Flag
    ) -> None:
        """Take a part."""

    def send(self, payload: bytes, timestamp: int) -> None:
        """Take a packet."""


def warm_up(clock: Clock) -> None:
    """Do once whatever is slow the first time. Blocks for some 50 ms: in a thread.

    Raises:
        Unavailable: `opus.library`.
    """
    own_certificate(clock)
    nowhere = _Nowhere()
    programme = Programme(clock, nowhere)
    for speaker in ("one", "two"):
        microphone = Microphone(speaker, clock)
        microphone.line = nowhere
        programme.microphones[speaker] = microphone
    sound = Encoder(32_000).encode(np.zeros(FRAME_SAMPLES, np.float32))
    programme.start()
    for number in range(_FRAMES):
        now = number * FRAME_SAMPLES / 48_000
        for microphone in programme.microphones.values():
            microphone.packet(number, number * FRAME_SAMPLES, sound, now)
        programme.frame(now)
    programme.finish()
