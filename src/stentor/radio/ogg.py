"""Opus packets to an endless Ogg stream (RFC 3533, RFC 7845): one page for each part. Pure.

The numbers of stream and pages follow from the Space and the position alone, so that a process that
takes over goes on with the very stream its listeners are in.
"""

import struct
import zlib
from collections.abc import Sequence

from stentor.limits import FRAME_SAMPLES, PART_FRAMES, PART_SAMPLES, SAMPLE_RATE
from stentor.record import Rendition

PRE_SKIP = 312
"""Samples by which what libopus decodes is late; as in the rendition's `dOps`."""
_PADDING = 75
SILENT_PACKET = bytes((0xFB, 0x41, _PADDING, 0xFF, 0xFE)) + bytes(_PADDING)
"""20 ms of silence at full band, mono (RFC 6716 section 3.1, configuration 31), padded to the 80
bytes that speech has (section 3.2.5): some players count bytes before they begin."""
_BEGIN, _END = 2, 4
_HEADER_PAGES = 2


_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def crc(data: bytes) -> int:
    """The checksum of a page (RFC 3533 section 6): a CRC-32 from zero, highest bit first.

    zlib has the same polynomial, lowest bit first and inverted: in a mirror it is this one.
    """
    mirrored = zlib.crc32(data.translate(_MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(mirrored.to_bytes(4, "little").translate(_MIRRORED), "big")


def page(
    packets: Sequence[bytes], *, serial: int, number: int, position: int, flags: int = 0
) -> bytes:
    """One page of whole packets.

    Args:
        number: of the page in its stream.
        position: samples of the stream after the last packet.
    """
    lacing = b"".join(b"\xff" * (len(one) // 255) + bytes((len(one) % 255,)) for one in packets)
    assert len(lacing) <= 255, "packets of one part fit into one page"
    head = struct.pack("<4sBBQII", b"OggS", 0, flags, position, serial, number & 0xFFFFFFFF)
    rest = bytes((len(lacing),)) + lacing + b"".join(packets)
    return head + struct.pack("<I", crc(head + bytes(4) + rest)) + rest


class OggOpus:
    """The stream of one Space.

    Attributes:
        position: samples so far.
    """

    rendition = Rendition.OPUS
    frame_samples = FRAME_SAMPLES

    def __init__(self, space: str, position: int) -> None:
        self.position = position
        self._serial = zlib.crc32(space.encode())

    def header(self, title: str) -> bytes:
        """OpusHead and OpusTags, a page each."""
        head = struct.pack("<8sBBHIhB", b"OpusHead", 1, 1, PRE_SKIP, SAMPLE_RATE, 0, 0)
        comments = [f"TITLE={title}".encode()] if title else []
        tags = b"OpusTags" + _counted(b"Stentor") + struct.pack("<I", len(comments))
        tags += b"".join(map(_counted, comments))
        return page([head], serial=self._serial, number=0, position=0, flags=_BEGIN) + page(
            [tags], serial=self._serial, number=1, position=0
        )

    def part(self, frames: Sequence[bytes]) -> bytes:
        """A part's packets as a page."""
        self.position += len(frames) * FRAME_SAMPLES
        return self._page(frames)

    def silence(self, frames: int) -> bytes:
        """So many silent packets, as pages of at most a part."""
        pages = []
        while frames > 0:
            count = min(frames, PART_FRAMES)
            pages.append(self.part([SILENT_PACKET] * count))
            frames -= count
        return b"".join(pages)

    def end(self) -> bytes:
        """An empty page that says it is the last."""
        return self._page([], _END)

    def _page(self, packets: Sequence[bytes], flags: int = 0) -> bytes:
        number = _HEADER_PAGES - 1 + -(-self.position // PART_SAMPLES) + bool(flags)
        return page(
            packets, serial=self._serial, number=number, position=self.position, flags=flags
        )


def _counted(text: bytes) -> bytes:
    return struct.pack("<I", len(text)) + text
