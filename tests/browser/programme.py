"""A programme to play: real Opus and AAC in fragmented MP4, part by part, encoded once."""

import fractions
import functools
import struct
from collections.abc import Container
from dataclasses import dataclass

import av
import numpy as np

RATE = 48_000
PART_SAMPLES = 9_600
_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)


def box(kind: bytes, *content: bytes) -> bytes:
    """A box (ISO/IEC 14496-12 section 4.2)."""
    body = b"".join(content)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def full(kind: bytes, version: int, flags: int, *content: bytes) -> bytes:
    """A box with version and flags."""
    return box(kind, struct.pack(">I", version << 24 | flags), *content)


@dataclass(frozen=True)
class Sound:
    """A tone that swells once a second, as packets of one codec."""

    codec: str
    frame_samples: int
    init: bytes
    packets: list[bytes]

    def part(self, number: int) -> bytes:
        """The part `number` (from 0) of an endless programme: `moof` and `mdat`."""
        first = -(-number * PART_SAMPLES // self.frame_samples)
        end = -(-(number + 1) * PART_SAMPLES // self.frame_samples)
        packets = [self.packets[k % len(self.packets)] for k in range(first, end)]
        return fragment(number + 1, first * self.frame_samples, packets, self.frame_samples)


@functools.cache
def sound(rendition: str) -> Sound:
    """Ten seconds of a rendition, to be repeated."""
    frame_ms, bit_rate = {
        "opus": ("20", 32_000),
        "opus-low": ("40", 16_000),
        "aac": ("", 64_000),
    }[rendition]
    codec = av.CodecContext.create("libopus" if frame_ms else "aac", "w")
    codec.sample_rate, codec.layout, codec.bit_rate = RATE, "mono", bit_rate
    codec.format = "s16" if frame_ms else "fltp"
    if frame_ms:
        codec.options = {"frame_duration": frame_ms}
    codec.open()
    size = codec.frame_size
    resampler = av.AudioResampler(format=codec.format.name, layout="mono", rate=RATE)
    packets: list[bytes] = []
    for n in range(0, 12 * RATE, size):
        t = (n + np.arange(size)) / RATE
        wave = np.sin(2 * np.pi * 330 * t) * (0.6 - 0.4 * np.cos(2 * np.pi * t)) * 9_000
        frame = av.AudioFrame.from_ndarray(
            wave.astype(np.int16).reshape(1, -1), format="s16", layout="mono"
        )
        frame.sample_rate, frame.pts, frame.time_base = RATE, n, fractions.Fraction(1, RATE)
        for ready in resampler.resample(frame):
            packets += [bytes(packet) for packet in codec.encode(ready)]
    name = "opus" if frame_ms else "aac"
    init = init_of(name, bytes(codec.extradata or b""))
    return Sound(name, size, init, packets[: 10 * RATE // size])


def _descriptor(tag: int, body: bytes) -> bytes:
    return bytes([tag, 0x80, 0x80, 0x80, len(body)]) + body


def init_of(codec: str, extradata: bytes) -> bytes:
    """`ftyp` and `moov` of a mono track (CMAF, ISO/IEC 23000-19)."""
    if codec == "opus":
        kind, sub = b"Opus", box(b"dOps", struct.pack(">BBHIhB", 0, 1, 312, RATE, 0, 0))
    else:
        config = struct.pack(">BBBHII", 0x40, 0x15, 0, 0, 64_000, 64_000)
        stream = _descriptor(4, config + _descriptor(5, extradata)) + _descriptor(6, b"\2")
        kind = b"mp4a"
        sub = full(b"esds", 0, 0, _descriptor(3, struct.pack(">HB", 1, 0) + stream))
    entry = bytes(6) + struct.pack(">H8xHHHHI", 1, 1, 16, 0, 0, RATE << 16)
    tables = [
        full(b"stsd", 0, 0, struct.pack(">I", 1), box(kind, entry, sub)),
        *(full(name, 0, 0, bytes(4)) for name in (b"stts", b"stsc")),
        full(b"stsz", 0, 0, bytes(8)),
        full(b"stco", 0, 0, bytes(4)),
    ]
    where = box(b"dinf", full(b"dref", 0, 0, struct.pack(">I", 1), full(b"url ", 0, 1)))
    media = box(
        b"mdia",
        full(b"mdhd", 0, 0, struct.pack(">IIIIHH", 0, 0, RATE, 0, 0x55C4, 0)),
        full(b"hdlr", 0, 0, bytes(4), b"soun", bytes(12), b"sound\0"),
        box(b"minf", full(b"smhd", 0, 0, bytes(4)), where, box(b"stbl", *tables)),
    )
    header = struct.pack(">IIIII8xHHHH", 0, 0, 1, 0, 0, 0, 1, 0x100, 0) + _MATRIX + bytes(8)
    track = box(b"trak", full(b"tkhd", 0, 7, header), media)
    movie = struct.pack(">IIIIIH10x", 0, 0, RATE, 0, 0x10000, 0x100) + _MATRIX + bytes(24)
    return box(b"ftyp", b"cmf2", bytes(4), b"iso6cmf2cmfc") + box(
        b"moov",
        full(b"mvhd", 0, 0, movie, struct.pack(">I", 2)),
        track,
        box(b"mvex", full(b"trex", 0, 0, struct.pack(">IIIII", 1, 1, 0, 0, 0))),
    )


def fragment(number: int, decode_time: int, packets: list[bytes], samples: int) -> bytes:
    """One part."""
    sizes = b"".join(struct.pack(">I", len(packet)) for packet in packets)
    before = [
        full(b"tfhd", 0, 0x020028, struct.pack(">III", 1, samples, 0x02000000)),
        full(b"tfdt", 1, 0, struct.pack(">Q", decode_time)),
    ]
    sequence = full(b"mfhd", 0, 0, struct.pack(">I", number))
    length = 8 + len(sequence) + 8 + sum(map(len, before)) + 20 + len(sizes)
    run = full(b"trun", 0, 0x201, struct.pack(">Ii", len(packets), length + 8), sizes)
    return box(b"moof", sequence, box(b"traf", *before, run)) + box(b"mdat", *packets)


def recording(rendition: str, parts: int, run_parts: int = 50, lost: Container[int] = ()) -> bytes:
    """A replay: init, `sidx`, parts; those in `lost` are holes in it."""
    chosen = sound(rendition)
    media = [b"" if k in lost else chosen.part(k) for k in range(parts)]
    runs = [media[k : k + run_parts] for k in range(0, parts, run_parts)]
    table = b"".join(
        struct.pack(">III", len(b"".join(run)), len(run) * PART_SAMPLES, 1 << 31) for run in runs
    )
    head = struct.pack(">IIQQHH", 1, RATE, 0, 0, 0, len(runs))
    return chosen.init + full(b"sidx", 1, 0, head, table) + b"".join(media)


def emsg(scheme: str, message: bytes, media_time: int = 0) -> bytes:
    """An event message (ISO/IEC 23009-1 section 5.10.3.3)."""
    times = struct.pack(">IQII", RATE, media_time, 0, 0)
    return full(b"emsg", 1, 0, times, scheme.encode() + b"\0\0", message)


def cursor_box(epoch: int, offset: int) -> bytes:
    """You have everything before this cursor."""
    return struct.pack(">I4s4sIQ", 24, b"skip", b"stcu", epoch, offset)
