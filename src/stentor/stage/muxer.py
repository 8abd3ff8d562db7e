"""Encoded frames to fragmented MP4: an init for each rendition, one `moof` + `mdat` for each part.

ISO/IEC 14496-12 (boxes), ISO/IEC 23000-19 (CMAF), "Encapsulation of Opus in ISO Base Media File
Format" 0.6.8 (`Opus`, `dOps`), ISO/IEC 14496-14 (`mp4a`, `esds`). One mono track, timescale
48,000. There is no edit list: decode times are media_time, in every part, whoever starts where.
"""

import struct
from collections.abc import Sequence

from stentor.boxes import box, full_box
from stentor.limits import SAMPLE_RATE

_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_UNDETERMINED = 0x55C4  # "und", three letters of five bits (ISO 639-2/T)
_TRACK = 1
_OPUS_ROLL_SAMPLES = 3_840
"""A decoder that starts anywhere is in tune after 80 ms (RFC 7845 section 4.6)."""


def opus_entry(pre_skip: int, frame_samples: int) -> tuple[bytes, bytes]:
    """Sample entry and sample group description of an Opus track.

    Args:
        pre_skip: samples at 48 kHz by which decoded audio is late.
    """
    config = struct.pack(">BBHIhB", 0, 1, pre_skip, SAMPLE_RATE, 0, 0)
    roll = struct.pack(">IIh", 2, 1, -(_OPUS_ROLL_SAMPLES // frame_samples))
    return _audio_entry(b"Opus", box(b"dOps", config)), full_box(b"sgpd", 1, 0, b"roll", roll)


def aac_entry(config: bytes, bitrate: int) -> tuple[bytes, bytes]:
    """Sample entry of an AAC track and no group description.

    Args:
        config: AudioSpecificConfig (ISO/IEC 14496-3 section 1.6.2.1).
    """
    decoder = struct.pack(">BBBHII", 0x40, 0x15, 0, 0, bitrate, bitrate) + _descriptor(5, config)
    stream = struct.pack(">HB", _TRACK, 0) + _descriptor(4, decoder) + _descriptor(6, b"\x02")
    return _audio_entry(b"mp4a", full_box(b"esds", 0, 0, _descriptor(3, stream))), b""


def init_segment(entry: tuple[bytes, bytes]) -> bytes:
    """`ftyp` and `moov` of a track with this sample entry."""
    sample_entry, groups = entry
    zeros = struct.pack(">I", 0)
    samples = box(
        b"stbl",
        full_box(b"stsd", 0, 0, struct.pack(">I", 1), sample_entry),
        full_box(b"stts", 0, 0, zeros),
        full_box(b"stsc", 0, 0, zeros),
        full_box(b"stsz", 0, 0, zeros, zeros),
        full_box(b"stco", 0, 0, zeros),
        groups,
    )
    here = full_box(b"dref", 0, 0, struct.pack(">I", 1), full_box(b"url ", 0, 1))
    media = box(
        b"mdia",
        full_box(b"mdhd", 0, 0, struct.pack(">IIIIHH", 0, 0, SAMPLE_RATE, 0, _UNDETERMINED, 0)),
        full_box(b"hdlr", 0, 0, struct.pack(">I4s12x", 0, b"soun"), b"Stentor\0"),
        box(b"minf", full_box(b"smhd", 0, 0, zeros), box(b"dinf", here), samples),
    )
    # Flags 7: the track is enabled, in the movie and in the preview.
    header = struct.pack(">IIIII8xhhhH", 0, 0, _TRACK, 0, 0, 0, 0, 0x0100, 0)
    track = box(b"trak", full_box(b"tkhd", 0, 7, header, _MATRIX, bytes(8)), media)
    movie = struct.pack(">IIIIIH10x", 0, 0, SAMPLE_RATE, 0, 0x10000, 0x0100)
    return box(b"ftyp", b"iso6", zeros, b"iso6cmfc") + box(
        b"moov",
        full_box(b"mvhd", 0, 0, movie, _MATRIX, bytes(24), struct.pack(">I", _TRACK + 1)),
        track,
        box(b"mvex", full_box(b"trex", 0, 0, struct.pack(">IIIII", _TRACK, 1, 0, 0, 0))),
    )


def part(number: int, media_time: int, frame_samples: int, frames: Sequence[bytes]) -> bytes:
    """One CMAF chunk.

    Args:
        number: counts the rendition's parts from 1.
        media_time: decode time of the first frame, in samples.
        frame_samples: duration of every frame.
    """
    # 0x020000: data offsets count from this moof; 8 and 32: default duration and flags follow.
    # Each frame can be decoded by itself (sample_depends_on 2).
    header = full_box(b"tfhd", 0, 0x020028, struct.pack(">III", _TRACK, frame_samples, 0x02000000))
    time = full_box(b"tfdt", 1, 0, struct.pack(">Q", media_time))
    sequence = full_box(b"mfhd", 0, 0, struct.pack(">I", number & 0xFFFFFFFF))
    sizes = struct.pack(f">{len(frames)}I", *map(len, frames))
    # moof and traf headers, what is in them, trun with its count and offset; then mdat's header.
    run_bytes = 12 + 4 + 4 + len(sizes)
    offset = 8 + len(sequence) + 8 + len(header) + len(time) + run_bytes + 8
    run = full_box(b"trun", 0, 0x000201, struct.pack(">Ii", len(frames), offset), sizes)
    return box(b"moof", sequence, box(b"traf", header, time, run)) + box(b"mdat", *frames)


def _audio_entry(kind: bytes, config: bytes) -> bytes:
    """An AudioSampleEntry: data reference 1, one channel of 16 bits at 48 kHz."""
    fields = struct.pack(">6xH8xHHHHI", 1, 1, 16, 0, 0, SAMPLE_RATE << 16)
    return box(kind, fields, config)


def _descriptor(tag: int, body: bytes) -> bytes:
    """An MPEG-4 descriptor (ISO/IEC 14496-1 section 7.2.2) shorter than 128 bytes."""
    return bytes((tag, len(body))) + body
