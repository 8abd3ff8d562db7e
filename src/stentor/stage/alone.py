"""A live Space with nobody on its stage: what everybody is told, and when it ends. Pure."""

import datetime

from stentor.limits import SPEAKER_SILENT_S
from stentor.space.state import State


class Alone:
    """Watches one Space.

    Attributes:
        notice: what everybody should know; empty while somebody is there.
    """

    def __init__(self, abandoned_after_s: float) -> None:
        self.notice = ""
        self._abandoned_after_s = abandoned_after_s
        self._since: float | None = None
        self._seen = False

    def look(self, state: State, now: float, wall_time_ms: int) -> bool:
        """Whether it has been left alone for so long that it ends."""
        if state.phase != "live" or state.connected:
            self._since, self.notice = None, ""
            self._seen = self._seen or state.phase == "live"
            return False
        if self._since is None:
            self._since = now
            self._seen = self._seen or any(seat.away_since for seat in state.seats.values())
        alone_s = now - self._since
        left_s = self._abandoned_after_s - alone_s
        if left_s > 0 and alone_s > 2 * SPEAKER_SILENT_S and not self.notice:
            at = datetime.datetime.fromtimestamp(wall_time_ms / 1000 + left_s, datetime.UTC)
            self.notice = (
                f"Nobody is on the stage: this Space ends at {at:%H:%M:%S} UTC unless a speaker "
                "returns."
                if self._seen
                else "It has begun, and nobody is on the stage yet: you hear silence, which is "
                f"recorded. It ends at {at:%H:%M:%S} UTC unless a speaker comes."
            )
        return left_s <= 0
