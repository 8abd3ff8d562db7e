"""Who is heard: a level gate with a hang time, so that pauses between words change nothing."""

from collections.abc import Mapping

from stentor.limits import SPEAKING_GATE_DBFS, SPEAKING_HANG_S, SPEAKING_INTERVAL_S


class Speaking:
    """Turns levels into the list of who speaks, loudest first."""

    def __init__(self) -> None:
        self._loud_at: dict[str, float] = {}
        self._level: dict[str, float] = {}
        self._said: tuple[str, ...] = ()
        self._said_at = float("-inf")

    def hear(self, levels: Mapping[str, float], now: float) -> tuple[str, ...] | None:
        """Take in the levels (dBFS) of those in the mix.

        Returns:
            Who speaks, when that set has changed and the last change is long enough ago.
        """
        for speaker, level in levels.items():
            if level >= SPEAKING_GATE_DBFS:
                self._loud_at[speaker] = now
                self._level[speaker] = max(level, self._level.get(speaker, level) - 0.2)
        for speaker, at in list(self._loud_at.items()):
            if speaker not in levels or now - at > SPEAKING_HANG_S:
                del self._loud_at[speaker]
                self._level.pop(speaker, None)
        if self._loud_at.keys() == set(self._said) or now - self._said_at < SPEAKING_INTERVAL_S:
            return None
        self._said = tuple(sorted(self._loud_at, key=lambda speaker: -self._level[speaker]))
        self._said_at = now
        return self._said
