"""A recording as one file: the init, an index, and all parts byte for byte as they were live.

Nothing is copied or converted: a byte range is found by bisecting the parts' cumulative sizes and
read from the log.
"""

import struct
from bisect import bisect_left, bisect_right
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from stentor.boxes import full_box
from stentor.edge.shelf import OpenLog
from stentor.errors import Refused
from stentor.limits import REPLAY_BLOCK_BYTES, SAMPLE_RATE, SIDX_RUN_S
from stentor.log import PartIndex
from stentor.record import Rendition

SIDX_REFERENCES_MAX = 65_535
"""References in one `sidx`: its counter has 16 bits."""
_TRACK = 1


@dataclass(frozen=True, slots=True)
class Replay:
    """One rendition of a finished Space as a file.

    Attributes:
        prefix: init and index.
        size: bytes of the whole file.
        etag: its entity tag: the log's head.
    """

    rendition: Rendition
    prefix: bytes
    size: int
    etag: str


def runs(parts: PartIndex, run_samples: int) -> list[tuple[int, int]]:
    """The parts in runs of at least `run_samples`: number of the first, number after the last."""
    found: list[tuple[int, int]] = []
    first = 0
    while first < len(parts):
        end = bisect_left(parts.media_time, parts.media_time[first] + run_samples, first + 1)
        found.append((first, end))
        first = end
    return found


def sidx(parts: PartIndex) -> bytes:
    """The index (ISO/IEC 14496-12 section 8.16.3): runs of about 10 s, longer in very long ones."""
    run_samples = SIDX_RUN_S * SAMPLE_RATE
    if len(parts):
        whole = parts.media_time_end - parts.media_time[0]
        run_samples = max(run_samples, -(-whole // SIDX_REFERENCES_MAX) + SAMPLE_RATE)
    references = []
    for first, end in runs(parts, run_samples):
        last = end == len(parts)
        size = (parts.bytes_total if last else parts.cumulative[end]) - parts.cumulative[first]
        until = parts.media_time_end if last else parts.media_time[end]
        duration = until - parts.media_time[first]
        # Type 0: media; every run starts with an access point of type 1.
        references.append(struct.pack(">III", size, duration, 1 << 31 | 1 << 28))
    start = parts.media_time[0] if len(parts) else 0
    head = struct.pack(">IIQQHH", _TRACK, SAMPLE_RATE, start, 0, 0, len(references))
    return full_box(b"sidx", 1, 0, head, *references)


async def replay_of(log: OpenLog, rendition: Rendition) -> Replay:
    """The file a sealed log makes.

    Raises:
        Refused: `space.not_ended` while there is no seal.
        Corrupt: the init was erased or damaged.
    """
    if not log.reader.sealed:
        raise Refused("space.not_ended", "The replay will be here when the Space has ended.")
    init = await log.init(rendition)
    parts = log.reader.parts(rendition)
    prefix = log.prefixes.get(rendition)
    if prefix is None:  # after the seal there are no more parts
        prefix = log.prefixes[rendition] = init + sidx(parts)
    etag = f'"{log.reader.head.hex()}"'
    return Replay(rendition, prefix, len(prefix) + parts.bytes_total, etag)


async def read_replay(
    log: OpenLog, replay: Replay, start: int, stop: int
) -> AsyncGenerator[bytes, None]:
    """The bytes of the file from `start` to before `stop`, some parts at a time.

    Raises:
        Corrupt: a part was erased or damaged.
    """
    if start < len(replay.prefix):
        yield replay.prefix[start:stop]
        start = len(replay.prefix)
    parts = log.reader.parts(replay.rendition)
    while start < stop:
        at = start - len(replay.prefix)
        first = bisect_right(parts.cumulative, at) - 1
        until = min(at + REPLAY_BLOCK_BYTES, stop - len(replay.prefix))
        end = bisect_left(parts.cumulative, until, first + 1)
        block = await log.payloads(replay.rendition, first, end)
        skip = at - parts.cumulative[first]
        piece = block[skip : skip + stop - start]
        yield piece
        start += len(piece)
