"""A segment's name and beginning keep their form."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stentor.errors import Corrupt
from stentor.log.segment import (
    SEGMENT_HEADER_BYTES,
    SegmentHeader,
    SegmentName,
    decode_segment,
    parse_name,
)

VECTOR = Path(__file__).parent.parent / "vectors" / "segment.bin"
KNOWN = SegmentHeader(7, 4_711, 1_700_000_000_123_456_789, bytes(range(32)), "0123456789ab")
epochs, offsets = st.integers(0, 2**32 - 1), st.integers(0, 2**63 - 1)


def test_the_bytes_on_disk_have_not_changed() -> None:
    assert KNOWN.encode() == VECTOR.read_bytes()
    assert decode_segment(VECTOR.read_bytes()) == KNOWN


@given(st.integers(0, SEGMENT_HEADER_BYTES * 8 - 1))
def test_a_flipped_bit_is_seen(bit: int) -> None:
    data = bytearray(KNOWN.encode())
    data[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Corrupt):
        decode_segment(bytes(data))


@pytest.mark.parametrize("size", [0, 1, 127])
def test_a_beginning_that_is_short_is_seen(size: int) -> None:
    with pytest.raises(Corrupt, match="within its own header"):
        decode_segment(KNOWN.encode()[:size])


@given(epochs, offsets)
def test_a_name_comes_back_as_it_was(epoch: int, base: int) -> None:
    assert parse_name(str(SegmentName(epoch, base))) == SegmentName(epoch, base)


@given(epochs, offsets, epochs, offsets)
def test_names_sort_like_what_they_name(e1: int, b1: int, e2: int, b2: int) -> None:
    one, two = SegmentName(e1, b1), SegmentName(e2, b2)
    assert (str(one) < str(two)) == (one < two)


@pytest.mark.parametrize(
    "name",
    [
        "writer.lock",
        "durable.json",
        ".rescued",
        "1-2.seg",
        "x.seg",
        "0000000001-00000000000000000000.seg\n",
    ],
)
def test_other_files_are_no_segments(name: str) -> None:
    assert parse_name(name) is None
