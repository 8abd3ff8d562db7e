"""A stage's part in the benchmark: a process that fills a real log, every part stamped when made.

    python -m bench.edge.programme DATA

Writes `ready`, then a part of each rendition every 200 ms until it is ended. A part is a real CMAF
chunk of ten frames at 32 kbit/s; the frames are zeros but for the stamp that the load client looks
for (hear.c). Nobody decodes them.
"""

import sys
import time

from stentor.clock import SystemClock
from stentor.limits import FRAME_SAMPLES, PART_FRAMES, PART_SAMPLES, SAMPLE_RATE
from stentor.log import Writer
from stentor.paths import Paths, write_whole
from stentor.record import RENDITION_NAMES, Flag, Kind
from stentor.space import card, events
from stentor.stage import muxer

SPACE = "benchmark001"
BITRATE = 32_000
PART_S = PART_SAMPLES / SAMPLE_RATE
FRAME_BYTES = int(BITRATE * PART_S / 8 / PART_FRAMES)
FIRST_PARTS = 5
"""A second of sound for those who come first."""


def stamp() -> bytes:
    """The moment, as the load client reads it."""
    return b"STMP%016x" % time.monotonic_ns()


def part(number: int) -> bytes:
    """The part that is made now."""
    frames = [bytes(FRAME_BYTES)] * PART_FRAMES
    frames[0] = stamp().ljust(FRAME_BYTES, b"\0")
    return muxer.part(number + 1, number * PART_SAMPLES, FRAME_SAMPLES, frames)


class Programme:
    """A live Space of endless synthetic sound."""

    def __init__(self, data: str) -> None:
        clock, paths = SystemClock(), Paths(data)
        paths.create()
        self.writer = Writer.open(paths.log(SPACE), SPACE, clock)
        self.played = 0
        started_at_ms = clock.wall_time() // 1_000_000
        scheduled = events.SpaceScheduled(
            space=SPACE, title="Benchmark", host_id="a", host_name="Ada", host_speaker="h"
        )
        for event in (scheduled, events.SpaceStarted(at_ms=started_at_ms)):
            self.writer.append(Kind.EVENT, events.encode(event))
        entry = muxer.opus_entry(312, FRAME_SAMPLES)
        for rendition in RENDITION_NAMES.values():
            self.writer.append(Kind.INIT, muxer.init_segment(entry), rendition=rendition)
        shown = card.Card(
            space=SPACE,
            phase="live",
            title="Benchmark",
            host_name="Ada",
            started_at_ms=started_at_ms,
        )
        write_whole(paths.card(SPACE), card.encode(shown))

    def play(self) -> None:
        """One part of each rendition."""
        payload = part(self.played)
        for rendition in RENDITION_NAMES.values():
            self.writer.append(
                Kind.PART,
                payload,
                rendition=rendition,
                flags=Flag.INDEPENDENT,
                media_time=self.played * PART_SAMPLES,
                duration=PART_SAMPLES,
            )
        self.played += 1


def main() -> None:
    """Play until ended."""
    programme = Programme(sys.argv[1])
    began = time.monotonic()
    for _ in range(FIRST_PARTS):
        programme.play()
    print("ready", flush=True)
    while True:
        due = began + (programme.played - FIRST_PARTS) * PART_S
        time.sleep(max(0.0, due - time.monotonic()))
        programme.play()


if __name__ == "__main__":
    main()
