"""What a page has given to the browser's decoder, in order: which samples, and how they sound."""

import base64
import io
import json

import av
import numpy as np

from tests.browser.conftest import Visit
from tests.browser.programme import RATE

RECORDER = """
window.tape = [];
const append = SourceBuffer.prototype.appendBuffer;
SourceBuffer.prototype.appendBuffer = function (bytes) {
  const piece = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  tape.push(btoa(String.fromCharCode(...piece)));
  return append.call(this, bytes);
};
"""
"""To be run in a page before its own scripts."""


class Tape:
    """Everything that was appended.

    Attributes:
        files: an init and what followed it, for each init.
    """

    def __init__(self, appended: list[bytes]) -> None:
        self.files: list[bytes] = []
        for piece in appended:
            if piece[4:8] == b"ftyp":
                self.files.append(piece)
            else:
                self.files[-1] += piece

    @classmethod
    async def of(cls, visit: Visit) -> "Tape":
        told = await visit.ask("JSON.stringify(tape)")
        return cls([base64.b64decode(piece) for piece in json.loads(told)])

    def packets(self) -> list[av.Packet]:
        """All packets of all files, in order."""
        found = []
        for file in self.files:
            with av.open(io.BytesIO(file)) as container:
                found += [packet for packet in container.demux() if packet.size]
        return found

    def seams(self) -> list[tuple[int, int]]:
        """Where a packet does not begin at the sample at which the one before ended."""
        packets = self.packets()
        ends = [int(packet.pts or 0) + int(packet.duration or 0) for packet in packets]
        starts = [int(packet.pts or 0) for packet in packets]
        return [(e, s) for e, s in zip(ends, starts[1:], strict=False) if e != s]

    def sound(self) -> np.ndarray:
        """All of it, as one decoder makes it."""
        with av.open(io.BytesIO(self.files[0])) as container:
            decoder = container.streams.audio[0].codec_context
            frames = [frame for packet in self.packets() for frame in decoder.decode(packet)]
        return np.concatenate([frame.to_ndarray()[0] for frame in frames]).astype(float)


def phases(sound: np.ndarray, hertz: float) -> np.ndarray:
    """The phase of a tone every 100 ms, in samples, against one that never halts."""
    window = RATE // 10
    whole = sound[: len(sound) // window * window]
    turning = np.exp(-2j * np.pi * hertz * np.arange(len(whole)) / RATE)
    angles = np.unwrap(np.angle((whole * turning).reshape(-1, window).sum(axis=1)))
    return angles / (2 * np.pi) * RATE / hertz
