"""What the usher wants of an edge: by the last notice of each Space, for as long as that counts."""

from collections.abc import Iterable

from stentor.gate.notice import Notice
from stentor.limits import CADENCES_MS, NOTICE_STALE_S, SPACES_FOLLOWED_MAX


class Directions:
    """The notices an edge goes by. Without any it does what it did before there was an usher.

    Attributes:
        heard: whether there ever was one: then those without a ticket have a share, and no more.
    """

    def __init__(self) -> None:
        self.heard = False
        self._notices: dict[str, tuple[Notice, float]] = {}

    def hear(self, notices: Iterable[Notice], now: float) -> None:
        """The usher has said something."""
        for notice in notices:
            self.heard = True
            self._notices.pop(notice.space, None)
            self._notices[notice.space] = notice, now
        while len(self._notices) > SPACES_FOLLOWED_MAX:
            del self._notices[next(iter(self._notices))]

    def of(self, space: str, now: float) -> Notice | None:
        """What counts for a Space; None when nothing was said lately."""
        notice, heard_at = self._notices.get(space, (None, 0.0))
        return notice if now - heard_at < NOTICE_STALE_S else None

    def cadence_min_ms(self, now: float) -> int:
        """The shortest cadence anybody is to be sent to at: the longest of all Spaces."""
        counts = (one for one, at in self._notices.values() if now - at < NOTICE_STALE_S)
        return max((one.cadence_min_ms for one in counts), default=CADENCES_MS[0])

    def is_low(self, space: str, now: float) -> bool:
        """Whether everybody is to hear the low rendition."""
        notice = self.of(space, now)
        return notice is not None and notice.low
