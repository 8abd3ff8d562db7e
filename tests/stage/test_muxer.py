"""The boxes of a part and an init, read back field by field."""

import struct

from stentor.stage import muxer


def boxes(data: bytes) -> dict[str, bytes]:
    """The boxes at one level: kind to payload."""
    found, at = {}, 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        assert 8 <= size <= len(data) - at
        found[kind.decode()] = data[at + 8 : at + size]
        at += size
    return found


def test_a_part_is_what_the_protocol_says() -> None:
    frames = [b"one", b"three", b"seven77"]
    data = muxer.part(4_711, 2**33 + 960, 960, frames)
    top = boxes(data)
    assert list(top) == ["moof", "mdat"]
    assert top["mdat"] == b"".join(frames)
    moof = boxes(top["moof"])
    assert struct.unpack(">II", moof["mfhd"]) == (0, 4_711)
    traf = boxes(moof["traf"])
    assert list(traf) == ["tfhd", "tfdt", "trun"]
    assert struct.unpack(">IIII", traf["tfhd"]) == (0x020028, 1, 960, 0x02000000)
    assert struct.unpack(">IQ", traf["tfdt"]) == (0x01000000, 2**33 + 960)
    flags, count, offset, *sizes = struct.unpack(">IIi3I", traf["trun"])
    assert (flags, count, sizes) == (0x201, 3, [3, 5, 7])
    assert data[offset:] == top["mdat"], "the offset counts from the moof to the first frame"


def test_an_init_describes_one_mono_track() -> None:
    data = muxer.init_segment(muxer.opus_entry(312, 960))
    top = boxes(data)
    assert list(top) == ["ftyp", "moov"]
    moov = boxes(top["moov"])
    assert list(moov) == ["mvhd", "trak", "mvex"]
    assert len(moov["mvhd"]) == 100
    trak = boxes(moov["trak"])
    assert len(trak["tkhd"]) == 84
    stbl = boxes(boxes(boxes(trak["mdia"])["minf"])["stbl"])
    entry = stbl["stsd"][8:]
    assert entry[4:8] == b"Opus"
    assert struct.unpack_from(">HH", entry, 8 + 16) == (1, 16), "one channel of 16 bits"
    assert boxes(entry[8 + 28 :])["dOps"] == struct.pack(">BBHIhB", 0, 1, 312, 48_000, 0, 0)
    assert stbl["sgpd"][-2:] == struct.pack(">h", -4)
    assert muxer.opus_entry(312, 1_920)[1][-2:] == struct.pack(">h", -2)


def test_aac_carries_its_configuration() -> None:
    data = muxer.init_segment(muxer.aac_entry(b"\x11\x88", 64_000))
    assert b"mp4a" in data
    assert b"\x05\x02\x11\x88" in data, "DecoderSpecificInfo with the two bytes"
    assert b"sgpd" not in data
