"""The studios' stream: one ring of JSON lines a Space, and a cursor for each studio that follows.

Nothing is queued for anybody: a studio that reads slowly is further back in the ring, and when it
has fallen out of it, it is dropped.
"""

import asyncio
import collections
from collections.abc import AsyncIterator, Callable
from typing import Final

import msgspec

from stentor.errors import Refused
from stentor.limits import (
    HEARTBEAT_S,
    STREAM_LINES_MAX,
    STREAMS_PER_SEAT_MAX,
    STUDIO_FOLLOWERS_MAX,
)

_STILL = b'{"type":"still"}\n'
_STATE: Final = None
"""Stands in the ring for "the state has changed": each follower is told the newest, in its form."""


class _Follower:
    """One stream of a studio; `replaced` once a newer one of the same seat took its place."""

    replaced = False


class Stream:
    """The lines of one Space and those who follow them."""

    def __init__(self) -> None:
        self._lines: collections.deque[bytes | None] = collections.deque(maxlen=STREAM_LINES_MAX)
        self._tail = 0
        self._closed = False
        self._changed = asyncio.Event()
        self._following: dict[str, list[_Follower]] = {}
        self.dropped = 0

    def say(self, line: bytes) -> None:
        """Put one line of JSON (without its end) before everybody."""
        self._append(line + b"\n")

    def state_changed(self) -> None:
        """Have everybody told the state."""
        self._append(_STATE)

    def close(self) -> None:
        """Let followers read to the end and then go."""
        self._closed = True
        self._wake()

    def is_followed_by(self, speaker: str) -> bool:
        """Whether a studio of this seat follows now."""
        return speaker in self._following

    @property
    def followers(self) -> int:
        """Studios that follow now."""
        return sum(map(len, self._following.values()))

    def follow(
        self, speaker: str, state: Callable[[], bytes], removed: Callable[[], bool]
    ) -> AsyncIterator[bytes]:
        """The lines from now on, as they come; the state first.

        A seat that follows several times already loses the oldest of its streams: its studio has
        been cut off without a word, and is back.

        Args:
            speaker: the seat that follows.
            state: makes the state's line (without its end) in this follower's form.
            removed: whether this follower has lost its right; it is told what happened, and goes.

        Raises:
            Refused: `stage.full` when too many follow.
        """
        takes_over = len(self._following.get(speaker, ())) >= STREAMS_PER_SEAT_MAX
        if self.followers >= STUDIO_FOLLOWERS_MAX and not takes_over:
            raise Refused("stage.full", "Too many studios follow this Space; close some of them.")
        return self._follow(speaker, state, removed)

    async def _follow(
        self, speaker: str, state: Callable[[], bytes], removed: Callable[[], bool]
    ) -> AsyncIterator[bytes]:
        me = self._join(speaker)
        try:
            at = self._tail
            yield state() + b"\n"
            while True:
                oldest = self._tail - len(self._lines)
                if at < oldest:
                    self.dropped += 1
                    return
                if at < self._tail:
                    lines = [self._lines[number - oldest] for number in range(at, self._tail)]
                    at = self._tail
                    yield b"".join(_rendered(lines, state))
                elif self._closed or me.replaced or removed():
                    return
                elif not await self._wait():
                    yield _STILL
        finally:
            self._leave(speaker, me)

    def _join(self, speaker: str) -> _Follower:
        me = _Follower()
        streams = self._following.setdefault(speaker, [])
        streams.append(me)
        if len(streams) > STREAMS_PER_SEAT_MAX:
            streams.pop(0).replaced = True
            self._wake()
        return me

    def _leave(self, speaker: str, me: _Follower) -> None:
        if me.replaced:
            return
        streams = self._following[speaker]
        streams.remove(me)
        if not streams:
            del self._following[speaker]

    async def _wait(self) -> bool:
        changed = self._changed
        try:
            async with asyncio.timeout(HEARTBEAT_S):
                await changed.wait()
        except TimeoutError:
            return False
        return True

    def _append(self, line: bytes | None) -> None:
        self._lines.append(line)
        self._tail += 1
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _rendered(lines: list[bytes | None], state: Callable[[], bytes]) -> list[bytes]:
    """The lines as bytes; of several states in a row of lines only the last is worth telling."""
    out: list[bytes] = []
    told = False
    for line in reversed(lines):
        if line is not _STATE:
            out.append(line)
        elif not told:
            told = True
            out.append(state() + b"\n")
    out.reverse()
    return out


def levels_line(
    media_time: int,
    levels: dict[str, float],
    delay_ms: dict[str, float],
    loss: dict[str, float],
) -> bytes:
    """The line with how loud, how late and how lossy each microphone is."""
    return msgspec.json.encode(
        {
            "type": "levels",
            "media_time": media_time,
            "levels": levels,
            "delay_ms": delay_ms,
            "loss": loss,
        }
    )
