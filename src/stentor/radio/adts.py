"""AAC frames to an endless ADTS stream (ISO/IEC 14496-3 section 1.A.2.2): 7 bytes each. Pure."""

from collections.abc import Sequence

from stentor.record import Rendition

FRAME_SAMPLES = 1_024
_FILLING = 150


def _silent_frame() -> bytes:
    """A frame of silence, filled up to the length that speech has.

    What FFmpeg's encoder makes of silence is 29 bits and the end (ID_END, 3 bits). Between them
    stands a fill element (ISO/IEC 14496-3 section 4.4.2.7): ID_FIL, 15, how many more, zeros. Some
    players count bytes before they begin.
    """
    bits = f"{0x01182007 >> 3:029b}" + "110" + "1111" + f"{_FILLING - 14:08b}" + "0" * 8 * _FILLING
    bits += "111"
    return int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")


SILENT_FRAME = _silent_frame()
_FIXED = 0xFFF1 << 40 | 1 << 38 | 3 << 34 | 1 << 30
"""Sync word, MPEG-4, no checksum; AAC-LC, 48 kHz, mono: what the rendition is."""
_FULLNESS = 0x7FF << 2
"""The rate varies; one block a frame."""


def adts(frame: bytes) -> bytes:
    """A frame with its header."""
    return (_FIXED | (len(frame) + 7) << 13 | _FULLNESS).to_bytes(7, "big") + frame


class Adts:
    """The stream of one Space.

    Attributes:
        position: samples so far.
    """

    rendition = Rendition.AAC
    frame_samples = FRAME_SAMPLES

    def __init__(self, position: int) -> None:
        self.position = position

    def header(self, title: str) -> bytes:
        """Nothing: a player can begin with any frame."""
        return b""

    def part(self, frames: Sequence[bytes]) -> bytes:
        """A part's frames."""
        self.position += len(frames) * FRAME_SAMPLES
        return b"".join(map(adts, frames))

    def silence(self, frames: int) -> bytes:
        """So many silent frames."""
        return self.part([SILENT_FRAME] * frames)

    def end(self) -> bytes:
        """Nothing is held back."""
        return b""
