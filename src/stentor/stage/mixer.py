"""Frames of all speakers to the programme, and to each speaker everybody but themselves.

    heard   ann 1   ben 2   cyd 3   ->   programme 6,   ann 5   ben 4   cyd 3
    cyd is muted                    ->   programme 3,   ann 2   ben 1   cyd 3

Who is muted, unmuted or gone between two frames fades within 5 ms. Every output has a limiter of
its own, which a new speaker gets unused.
"""

from collections.abc import Mapping, Set

import numpy as np
from numpy.typing import NDArray

from stentor.limits import FRAME_SAMPLES
from stentor.stage.limiter import Limiter

Pcm = NDArray[np.float32]

FADE_SAMPLES = 240
_RISE = np.linspace(0.0, 1.0, FADE_SAMPLES, endpoint=False, dtype=np.float32)
_FALL = np.float32(1.0) - _RISE


class Mixer:
    """The mix of one stage. Row 0 of its limiters is the programme; speakers have the others."""

    def __init__(self) -> None:
        self._rows: dict[str, int] = {}
        self._heard: frozenset[str] = frozenset()
        self._frames = np.zeros((1, FRAME_SAMPLES), np.float32)
        self._limiter = Limiter(1)

    def mix(
        self, frames: Mapping[str, Pcm], heard: Set[str] | None = None
    ) -> tuple[Pcm, dict[str, Pcm]]:
        """The programme (960,), and for every key of `frames` the mix without itself.

        Args:
            frames: a frame of each speaker who is connected, heard or not.
            heard: who is not muted; None means everybody.
        """
        unmuted = frozenset(frames) if heard is None else frozenset(frames) & heard
        gone = self._seat(frames)
        rows = np.zeros_like(self._frames)
        for speaker, frame in frames.items():
            rows[self._rows[speaker]] = frame
        last, self._frames = self._frames, rows.copy()
        for speaker in frames:
            was, now = speaker in self._heard, speaker in unmuted
            row = rows[self._rows[speaker]]
            if not was and not now:
                row[:] = 0.0
            elif not was:
                row[:FADE_SAMPLES] *= _RISE
            elif not now:
                row[:FADE_SAMPLES] *= _FALL
                row[FADE_SAMPLES:] = 0.0
        programme = rows.sum(axis=0)
        for row_gone in gone:
            # Nothing more comes from there: its last 5 ms backwards go on without a step.
            programme[:FADE_SAMPLES] += last[row_gone, : -FADE_SAMPLES - 1 : -1] * _FALL
        self._heard = unmuted
        np.subtract(programme, rows, out=rows)
        rows[0] = programme
        limited = self._limiter.limit(rows)
        return limited[0], {speaker: limited[self._rows[speaker]] for speaker in frames}

    def _seat(self, frames: Mapping[str, Pcm]) -> list[int]:
        """Give every speaker a row; the rows of those who left while they were heard."""
        if frames.keys() == self._rows.keys():
            return []
        left = [speaker for speaker in self._rows if speaker not in frames]
        rows = {speaker: self._rows.pop(speaker) for speaker in left}
        for speaker in frames:
            if speaker not in self._rows:
                taken = set(self._rows.values())
                row = next(row for row in range(1, len(taken) + 2) if row not in taken)
                if row >= self._limiter.rows:
                    self._limiter.grow()
                    empty = np.zeros((1, FRAME_SAMPLES), np.float32)
                    self._frames = np.concatenate((self._frames, empty))
                self._limiter.clear(row)
                self._rows[speaker] = row
        return [row for speaker, row in rows.items() if speaker in self._heard]
