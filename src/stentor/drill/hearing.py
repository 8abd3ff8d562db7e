"""What a listener makes of a live response: its parts, its cadence, its stalls. Pure.

Parts are found by their boxes' names; nothing is decoded and nothing is kept, so that one process
can hear thousands of streams. Each record comes whole in one chunk, so no name is torn but at the
end of a read.
"""

import re
from dataclasses import dataclass, field

from stentor.boxes import CADENCE_SCHEME, CURSOR_TAG
from stentor.demo.playhead import Playhead
from stentor.limits import PART_SAMPLES

_HEADER = b"mfhd"
_HEADER_BYTES = 12
"""`mfhd`, version and flags, sequence number (ISO/IEC 14496-12 section 8.8.5)."""
_CURSOR_BYTES = 16
_SCHEME = CADENCE_SCHEME.encode()
_CADENCE = re.compile(rb'"cadence_ms":\s*(\d+)')
_TAIL_BYTES = 160


@dataclass(slots=True)
class Hearing:
    """One live response after another, of one listener.

    Attributes:
        cursor: where it goes on after a loss, as it is written in a query; empty: nowhere.
        first_at, last_at: when the first and the newest part came; 0: none came.
    """

    playhead: Playhead = field(default_factory=Playhead)
    parts: int = 0
    lost: int = 0
    first_at: float = 0.0
    last_at: float = 0.0
    cursor: str = ""
    _last_number: int = 0
    _tail: bytes = b""

    def begin(self) -> None:
        """A new response begins."""
        self._tail = b""

    def take(self, now: float, data: bytes) -> None:
        """Bytes of the response, framing and all."""
        text = self._tail + data
        at = text.find(_HEADER)
        while at >= 0 and at + _HEADER_BYTES <= len(text):
            # What was whole in the read before comes again, and its number with it.
            self._part(now, int.from_bytes(text[at + 8 : at + _HEADER_BYTES], "big"))
            at = text.find(_HEADER, at + _HEADER_BYTES)
        at = text.rfind(CURSOR_TAG)
        if 0 <= at <= len(text) - _CURSOR_BYTES:
            epoch = int.from_bytes(text[at + 4 : at + 8], "big")
            self.cursor = f"{epoch}.{int.from_bytes(text[at + 8 : at + _CURSOR_BYTES], 'big')}"
        if _SCHEME in text:
            found = _CADENCE.search(text, text.rfind(_SCHEME))
            if found:
                self.playhead.expect(int(found[1]))
        self._tail = text[-_TAIL_BYTES:]

    def _part(self, now: float, number: int) -> None:
        if number <= self._last_number:
            return
        if self._last_number:
            self.lost += number - self._last_number - 1
        self._last_number = number
        self.parts += 1
        self.first_at = self.first_at or now
        self.last_at = now
        self.playhead.arrive(now, PART_SAMPLES)
