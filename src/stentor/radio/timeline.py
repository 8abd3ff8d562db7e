"""When a radio stream is to be silent: before the start, in holes, while the stage is away. Pure.

Radio players give up, or wait for seconds, when nothing comes; so something always does. Silence
that was put in while nothing came is taken back from the silence that the stage writes in its place
when it is back. Sound is never left out for it.
"""

from stentor.limits import RADIO_PATIENCE_S, SAMPLE_RATE

_PATIENCE_SAMPLES = round(RADIO_PATIENCE_S * SAMPLE_RATE)


class Timeline:
    """The time of one radio stream.

    Attributes:
        media_time: of the sample after the last one that was taken; -1 before the first.
    """

    def __init__(self, now: float, media_time: int = -1) -> None:
        """Begin.

        Args:
            media_time: what those who listen have heard already; -1 for nothing.
        """
        self.media_time = media_time
        self._quiet_since = now
        self._put_in = 0
        self._owing = 0

    @property
    def begun(self) -> bool:
        """Whether anything of the programme has been taken."""
        return self.media_time >= 0

    def take(self, media_time: int, duration: int, *, is_gap: bool, now: float) -> int | None:
        """A part has come.

        Args:
            is_gap: whether it is silence that the stage put in its own place.

        Returns:
            Samples of silence to put before it; None when it is to be left out.
        """
        hole = media_time - self.media_time if self.begun else 0
        if hole < 0:
            return None  # a writer that distrusts its disk writes what we have once more
        self._quiet_since, self._put_in = now, 0
        self.media_time = media_time + duration
        before = min(max(0, hole - self._owing), _PATIENCE_SAMPLES)
        self._owing = max(0, self._owing - hole)
        if is_gap and self._owing >= duration:
            self._owing -= duration
            return None
        return before

    def due(self, now: float) -> int:
        """Samples of silence that nothing has come for."""
        patience_s = RADIO_PATIENCE_S if self.begun else 0.0
        quiet_s = now - self._quiet_since - patience_s
        return max(0, round(quiet_s * SAMPLE_RATE) - self._put_in)

    def put_in(self, samples: int) -> None:
        """So much silence was put in."""
        self._put_in += samples
        if self.begun:
            self._owing += samples
