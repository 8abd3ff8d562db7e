"""The replay, held against what listeners were given live, byte for byte."""

import asyncio
import hashlib
import io
from dataclasses import dataclass, field
from typing import Any

import av
import numpy as np

from stentor.clock import Clock
from stentor.demo.calls import Caller
from stentor.demo.fragments import Fragment, boxes, fragment
from stentor.demo.marks import Pcm
from stentor.limits import SAMPLE_RATE

POLL_S = 0.02


@dataclass(slots=True)
class Replay:
    """One rendition's replay: its bytes and its parts by number."""

    name: str
    body: bytes
    parts: dict[int, tuple[Fragment, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        moof = b""
        for kind, box in boxes(self.body):
            if kind == b"moof":
                moof = box
            elif kind == b"mdat" and moof:
                found = fragment(moof)
                digest = hashlib.sha256(moof + box).hexdigest()
                self.parts[found.sequence] = (found, digest)
                moof = b""

    @property
    def is_continuous(self) -> bool:
        """Whether numbers and decode times follow one another from 1 and from 0."""
        expected = 0
        for number, (found, _) in enumerate(self.parts.values(), 1):
            if found.sequence != number or found.media_time != expected:
                return False
            expected += found.duration
        return bool(self.parts)

    @property
    def samples(self) -> int:
        """The length its parts say."""
        return sum(found.duration for found, _ in self.parts.values())

    def unlike(self, given: dict[int, str]) -> int:
        """Parts that listeners were given and that the replay has not, or has differently."""
        return sum(
            1
            for number, digest in given.items()
            if number not in self.parts or self.parts[number][1] != digest
        )


async def wait_ready(
    caller: Caller, space: str, clock: Clock, since: float, timeout_s: float
) -> float:
    """Seconds from `since` until the replay's first bytes are given; -1 when they are not."""
    while clock.now() - since < timeout_s:
        answer = await caller.ask("GET", _path(space, "opus"), headers={"Range": "bytes=0-1023"})
        if answer.status in {200, 206}:
            return clock.now() - since
        await asyncio.sleep(POLL_S)
    return -1.0


async def fetch(caller: Caller, space: str, rendition: str) -> Replay:
    """Fetch a whole rendition.

    Raises:
        Unavailable: `demo.failed`.
        Corrupt: `boxes.torn`.
    """
    answer = await caller.ask("GET", _path(space, rendition), expect=200)
    return Replay(rendition, answer.body)


async def events(caller: Caller, space: str) -> list[tuple[int, dict[str, Any]]]:
    """All events of an ended Space: (media_time of the record, event).

    Raises:
        Unavailable: `demo.failed`.
    """
    answer = await caller.ask("GET", f"/s/{space}/replay/events.json", expect=200)
    return [(entry["media_time"], entry["event"]) for entry in answer.json()["events"]]


def stretches(
    told: list[tuple[int, dict[str, Any]]], speaker: str, end: int
) -> list[tuple[int, int]]:
    """From where to where in the programme this speaker can be heard, as the log says."""
    found: list[tuple[int, int]] = []
    begin, sounds = 0, {"speaker.connected", "speaker.unmuted"}
    for at, event in told:
        if event.get("speaker") != speaker:
            continue
        at = int(event.get("media_time", at))
        if event["type"] in sounds:
            begin = at
        elif event["type"] in {"speaker.dropped", "speaker.muted", "speaker.left"}:
            found.append((begin, at))
    return [*found, (begin, end)]


def decode(body: bytes) -> Pcm:
    """The sound of a replay: mono, 48 kHz, full scale 1."""
    pieces = []
    with av.open(io.BytesIO(body), "r") as container:
        for frame in container.decode(audio=0):
            samples = frame.to_ndarray()
            scale = 32_768 if samples.dtype == np.int16 else 1
            channels = 1 if frame.format.is_planar else frame.layout.nb_channels
            mono = samples.reshape(-1, channels)[:, 0] if channels > 1 else samples[0]
            assert frame.sample_rate == SAMPLE_RATE
            pieces.append(mono.astype(np.float32) / np.float32(scale))
    return np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.float32)


def _path(space: str, rendition: str) -> str:
    return f"/s/{space}/replay/{rendition}.mp4"
