"""A followed Space with those who listen to it. Belongs to the thread that sends."""

from collections.abc import Iterator

from stentor.edge.follow import FollowedSpace, Stream
from stentor.edge.lane import Lane
from stentor.edge.listener import Listener


class Gathering:
    """One Space's listeners.

    Attributes:
        waiting: admitted before the log was read, at all or as far as their cursors.
        count: all of them.
        idle_since: when somebody last left.
        changed: whether the log or the card has to be looked at.
        measured: wall_time of the newest part whose delay was looked at.
    """

    __slots__ = ("_lanes", "changed", "count", "idle_since", "measured", "space", "waiting")

    def __init__(self, space: FollowedSpace, now: float) -> None:
        self.space = space
        self.waiting: dict[int, Listener] = {}
        self.count = 0
        self.idle_since = now
        self.changed = True
        self.measured = 0
        self._lanes: dict[tuple[str, bool], Lane] = {}

    @property
    def phase(self) -> str:
        """The Space's, as its card says; empty while it has none."""
        card = self.space.card
        return card.card.phase if card is not None else ""

    def lane(self, stream: str, *, chunked: bool) -> Lane:
        """The lane of a stream and a framing."""
        lane = self._lanes.get((stream, chunked))
        if lane is None:
            lane = self._lanes[stream, chunked] = Lane(chunked=chunked)
        return lane

    def lanes_of(self, stream: Stream) -> Iterator[Lane]:
        """Those lanes of a stream that somebody is in."""
        for lane in self._lanes.values():
            if lane.stream is stream and lane.count:
                yield lane

    def leave(self, listener: Listener, now: float) -> None:
        """One less."""
        self.count -= 1
        self.idle_since = now
        self.waiting.pop(listener.descriptor, None)
        slot = listener.slot
        if slot is not None and listener.lane is not None:
            slot.members.pop(listener.descriptor, None)
            slot.early.pop(listener.descriptor, None)
            listener.lane.leave(slot)
            listener.slot = None
