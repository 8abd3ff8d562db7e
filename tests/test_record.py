"""Records keep their bytes: those written down years ago, and any that can be made."""

import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stentor.errors import Corrupt, Refused
from stentor.record import (
    HEADER_BYTES,
    Cursor,
    Flag,
    Header,
    Kind,
    Record,
    Rendition,
    decode_header,
    genesis,
    payload_is_whole,
)

VECTOR = Path(__file__).parent / "vectors" / "records.bin"
PAYLOADS = [b'{"type":"doors.opened","at_ms":1700000000000}', bytes(range(200))]

unsigned32 = st.integers(0, 2**32 - 1)
signed64 = st.integers(-(2**63), 2**63 - 1)
digests = st.binary(min_size=32, max_size=32)
headers = st.builds(
    Header,
    kind=st.sampled_from(Kind),
    rendition=st.sampled_from(Rendition),
    flags=st.sampled_from([Flag.NONE, Flag.INDEPENDENT, Flag.GAP, Flag.INDEPENDENT | Flag.GAP]),
    epoch=unsigned32,
    offset=st.integers(0, 2**64 - 1),
    media_time=signed64,
    duration=unsigned32,
    wall_time=signed64,
    payload_bytes=unsigned32,
    payload_sha256=digests,
    prev=digests,
)
numbers = st.integers(0, 2**32 - 1)


def known() -> list[Header]:
    """The headers that the vector was made from, field by field."""
    first = Header(
        kind=Kind.EVENT,
        rendition=Rendition.NONE,
        flags=Flag.NONE,
        epoch=1,
        offset=0,
        media_time=0,
        duration=0,
        wall_time=1_700_000_000_123_456_789,
        payload_bytes=45,
        payload_sha256=bytes.fromhex(
            "81d71894986668828763ace6f072a4d5339d2586dce204ded0579044dac8158a"
        ),
        prev=bytes.fromhex("961ae11f545bf36f0cb0cba6c27c286fd3afc3270011802189e5097cd227c131"),
    )
    second = Header(
        kind=Kind.PART,
        rendition=Rendition.AAC,
        flags=Flag.INDEPENDENT | Flag.GAP,
        epoch=2,
        offset=1,
        media_time=-9_600,
        duration=9_600,
        wall_time=1_700_000_000_323_456_789,
        payload_bytes=200,
        payload_sha256=bytes.fromhex(
            "1901da1c9f699b48f6b2636e65cbf73abf99d0441ef67f5c540a42f7051dec6f"
        ),
        prev=bytes.fromhex("1b8d35e7f5b7c6b04e4b5b8c5757eae075664d24c4b961fc8990d80d6a29ef07"),
    )
    return [first, second]


def test_the_bytes_on_disk_have_not_changed() -> None:
    pairs = zip(known(), PAYLOADS, strict=True)
    written = b"".join(header.encode() + payload for header, payload in pairs)
    assert written == VECTOR.read_bytes()


def test_the_bytes_on_disk_are_read_as_they_were_meant() -> None:
    data, found = VECTOR.read_bytes(), []
    while data:
        header = decode_header(data[:HEADER_BYTES])
        end = HEADER_BYTES + header.payload_bytes
        found.append(Record(header, data[HEADER_BYTES:end]))
        data = data[end:]
    assert [record.header for record in found] == known()
    assert [record.payload for record in found] == PAYLOADS
    assert all(payload_is_whole(record.header, record.payload) for record in found)
    assert found[0].header.prev == genesis("0123456789ab")
    assert found[1].header.prev == found[0].header.hash()


@given(headers)
def test_a_header_comes_back_as_it_was(header: Header) -> None:
    data = header.encode()
    assert len(data) == HEADER_BYTES
    assert decode_header(data) == header


@given(headers, st.integers(0, HEADER_BYTES * 8 - 1))
def test_a_flipped_bit_is_seen(header: Header, bit: int) -> None:
    data = bytearray(header.encode())
    data[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Corrupt, match="header"):
        decode_header(bytes(data))


@given(st.binary(max_size=300))
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(Corrupt):
        decode_header(data)


def test_an_unknown_kind_is_corrupt_and_not_a_crash() -> None:
    body = bytearray(known()[0].encode()[:124])
    body[4] = 9
    with pytest.raises(Corrupt, match="9"):
        decode_header(bytes(body) + struct.pack(">I", zlib.crc32(body)))


def test_a_payload_is_whole_or_not() -> None:
    header = known()[0]
    assert payload_is_whole(header, PAYLOADS[0])
    assert not payload_is_whole(header, PAYLOADS[0][:-1])
    assert not payload_is_whole(header, bytes(45))


@given(numbers, st.integers(0, 2**64 - 1))
def test_a_cursor_comes_back_as_it_was(epoch: int, offset: int) -> None:
    assert Cursor.parse(str(Cursor(epoch, offset))) == Cursor(epoch, offset)


@pytest.mark.parametrize(
    "text", ["", "1", ".", "1.", ".1", "-1.2", "1.-2", "1.2.3", "a.b", "1 .2", "²." + "1", "1" * 99]
)
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="cursor looks like"):
        Cursor.parse(text)


@given(st.text() | st.from_regex(r"-?[0-9٣²]{0,22}\.-?[0-9]{0,22}", fullmatch=True))
def test_a_cursor_from_anywhere_is_read_or_refused(text: str) -> None:
    try:
        cursor = Cursor.parse(text)
    except Refused as refused:
        assert refused.code == "cursor.malformed"
    else:
        assert 0 <= cursor.epoch < 1 << 32
        assert 0 <= cursor.offset < 1 << 64


def test_the_cursor_after_a_record_is_the_next_offset() -> None:
    header = known()[1]
    assert (header.cursor, header.next) == (Cursor(2, 1), Cursor(2, 2))


def test_another_space_has_another_beginning() -> None:
    assert genesis("0123456789ab") != genesis("0123456789ac")
