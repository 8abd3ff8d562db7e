"""Ogg pages as RFC 3533 and RFC 7845 want them."""

import io
import struct
from collections.abc import Iterator

import av
import numpy as np
import pytest

from stentor.radio.ogg import PRE_SKIP, OggOpus, crc, page
from stentor.radio.unpack import frames_of
from stentor.record import Rendition
from tests.radio.melody import heard, melody, place_in, sung

SPACE = "0123456789ab"


def pages(stream: bytes) -> Iterator[tuple[int, int, int, int, bytes]]:
    """Flags, position, serial, number and content of each page, whose checksum is right."""
    at = 0
    while at < len(stream):
        magic, version, flags, position, serial, number, checksum, count = struct.unpack_from(
            "<4sBBQIIIB", stream, at
        )
        assert (magic, version) == (b"OggS", 0)
        lacing = stream[at + 27 : at + 27 + count]
        end = at + 27 + count + sum(lacing)
        whole = bytearray(stream[at:end])
        whole[22:26] = bytes(4)
        assert crc(bytes(whole)) == checksum
        yield flags, position, serial, number, stream[at + 27 + count : end]
        at = end


def test_the_checksum_is_the_one_other_programs_write() -> None:
    """All pages of a file of libogg's rules, as FFmpeg writes it."""
    file = io.BytesIO()
    with av.open(file, "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=48_000, layout="mono")
        for at in range(0, 96_000, 960):
            block = av.AudioFrame.from_ndarray(
                melody()[at : at + 960].reshape(1, -1), format="flt", layout="mono"
            )
            block.sample_rate = 48_000
            container.mux(stream.encode(block))
        container.mux(stream.encode(None))
    assert len(list(pages(file.getvalue()))) > 3


def test_a_part_is_a_page_and_positions_count_samples() -> None:
    ogg = OggOpus(SPACE, 0)
    parts = sung(Rendition.OPUS).parts[:20]
    stream = ogg.header("Ada - A test") + b"".join(
        ogg.part(frames_of(part.payload)) for part in parts
    )
    found = list(pages(stream + ogg.end()))
    assert [flags for flags, *_ in found] == [2, 0, *[0] * 20, 4]
    assert [number for _, _, _, number, _ in found] == list(range(23))
    assert [position for _, position, *_ in found[2:-1]] == [9_600 * k for k in range(1, 21)]
    assert len({serial for _, _, serial, _, _ in found}) == 1
    assert found[0][4].startswith(b"OpusHead\x01\x01" + struct.pack("<H", PRE_SKIP))
    assert b"TITLE=Ada - A test" in found[1][4]
    lag, alike = place_in(melody()[: 20 * 9_600], heard(stream, "ogg"))
    assert lag == 0, "the pre-skip says by how much a decoder is late"
    assert alike > 0.9


def test_the_pre_skip_is_the_renditions() -> None:
    init = sung(Rendition.OPUS).init
    at = init.index(b"dOps") + 4
    assert struct.unpack_from(">BBH", init, at) == (0, 1, PRE_SKIP)


def test_silence_is_silent_and_as_long_as_it_says() -> None:
    ogg = OggOpus(SPACE, 0)
    stream = ogg.header("") + ogg.silence(25)
    assert ogg.position == 25 * 960
    sound = heard(stream, "ogg")
    assert len(sound) == 25 * 960 - PRE_SKIP
    assert np.abs(sound).max() < 1e-4


def test_a_successor_goes_on_with_the_same_stream() -> None:
    first, second = OggOpus(SPACE, 0), OggOpus(SPACE, 48_000)
    before = list(pages(first.silence(50)))
    after = list(pages(second.silence(10)))
    assert after[0][2] == before[0][2], "the same serial number"
    assert after[0][3] == before[-1][3] + 1, "the next page"
    assert after[0][1] == before[-1][1] + 9_600


@pytest.mark.parametrize("size", [1, 254, 255, 256, 510, 1_500])
def test_packets_of_any_length_are_laced(size: int) -> None:
    ((_, _, _, _, content),) = pages(page([bytes(size)] * 3, serial=1, number=0, position=0))
    assert content == bytes(3 * size)
