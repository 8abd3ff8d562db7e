"""Many speakers in one process of their own: `python -m bench.speakers`, told what to do by a line.

All of them talk all the time. Their packets are encoded beforehand, and each has its marks in a
time slot of its own, so that every speaker can be found again in the programme.
"""

import asyncio
import gc
import json
import os
import sys
from collections.abc import Iterator
from itertools import count

import uvloop

from stentor import node
from stentor.clock import SystemClock
from stentor.demo import marks, speech
from stentor.demo.marks import Mark
from stentor.demo.speaker import WhipSpeaker
from stentor.limits import FRAME_SAMPLES, SAMPLE_RATE, SPEAKERS_MAX

LOOP_SECONDS = 20
FRAMES_A_SECOND = SAMPLE_RATE // FRAME_SAMPLES


BANDS = tuple(Mark(low, low + 800) for low in (4_300, 5_200, 6_100, 7_000))
"""Speakers 0, 4, 8 and 12 have their marks in the first band, and so on."""
SLOT_FRAMES = 12
"""Marks of one band are at least so far apart."""


def slot_of(number: int) -> tuple[int, int]:
    """(band, frame of each second) in which speaker `number` has its mark."""
    row, band = divmod(number, len(BANDS))
    return band, row * SLOT_FRAMES + band * SLOT_FRAMES // len(BANDS)


assert slot_of(SPEAKERS_MAX - 1)[1] + SLOT_FRAMES <= FRAMES_A_SECOND, "a second has room for all"


def talk(number: int, packets: list[bytes], began: float) -> Iterator[bytes]:
    """The packets of speaker `number` from now on; at `began` everybody's clock was 0."""
    now = round((SystemClock().now() - began) * FRAMES_A_SECOND)
    elsewhere = number * 3 * FRAMES_A_SECOND  # not everybody says the same at once
    for frame in count(now):
        yield packets[(frame + elsewhere - slot_of(number)[1]) % len(packets)]


def packets_of_voice(mark: Mark) -> list[bytes]:
    """A loop of speech with a mark at the beginning of each second."""
    pcm = speech.voice(0, LOOP_SECONDS)[: LOOP_SECONDS * SAMPLE_RATE]
    packets = speech.packets_of(marks.stamp(pcm * 0.4, mark, 0))
    return packets[: LOOP_SECONDS * FRAMES_A_SECOND]  # the encoder's own delay makes one more


async def main() -> None:
    """Publish with the tokens that standard input names, until it says to stop."""
    loop = asyncio.get_running_loop()
    order = json.loads(await loop.run_in_executor(None, sys.stdin.readline))
    loops = [packets_of_voice(mark) for mark in BANDS]
    began = SystemClock().now()
    url = f"http://127.0.0.1:{order['port']}/stage/{order['space']}/whip"
    speakers = []
    for number, token in enumerate(order["tokens"]):
        packets = loops[slot_of(number)[0]]
        speaker = WhipSpeaker(
            url, token, lambda number=number, packets=packets: talk(number, packets, began)
        )
        await speaker.publish()
        speakers.append(speaker)
    gc.collect()
    gc.freeze()
    print(json.dumps({"connected": len(speakers)}), flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)
    sent = [speaker.source.sent if speaker.source else 0 for speaker in speakers]
    heard = [speaker.frames_heard for speaker in speakers]
    print(json.dumps({"sent": sent, "heard": heard}), flush=True)
    await asyncio.gather(*(speaker.vanish() for speaker in speakers))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        os.sched_setaffinity(0, {int(sys.argv[1])})
    node.set_niceness(-10)  # a client that is late would look like a network that is
    uvloop.run(main())
