"""The beginning of a live response: head, card, init, and the frames that follow it at once."""

from stentor.clock import Clock
from stentor.edge.admission import whole
from stentor.edge.backlog import Backlog
from stentor.edge.cadence import Cadence
from stentor.edge.follow import Stream
from stentor.edge.frames import unframed
from stentor.edge.gathering import Gathering
from stentor.edge.lane import Slot
from stentor.edge.listener import Behind, Listener
from stentor.limits import BEHIND_FRAMES_MAX


class Greetings:
    """Makes them."""

    def __init__(self, backlog: Backlog, cadence: Cadence, clock: Clock, url: str) -> None:
        """Args: url: the node's public address."""
        self._backlog = backlog
        self._cadence = cadence
        self._clock = clock
        self._url = url

    def begins_at(self, stream: Stream, slot: Slot) -> int:
        """The position in the ring at which a newcomer in a slot begins."""
        wanted = max(self._cadence.join_parts, stream.join_parts)
        return stream.ring.join_position(wanted, slot.position)

    def of(self, gathering: Gathering, listener: Listener, behind: Behind) -> bytes:
        """What somebody is sent first.

        Args:
            listener: one that has a slot.
            behind: where it begins; it is there afterwards where this ends.
        """
        lane = listener.lane
        assert lane is not None and lane.stream is not None, "whoever begins hears something"
        # What its slot has still to send is nothing it has: then no cursor may say so.
        waits = behind.offset < 0 and behind.position >= lane.stream.ring.head
        given, first = gathering.opening(lane, self._cadence, self._url, waits=waits)
        frames = [first if lane.chunked else unframed(first)]
        while len(frames) < BEHIND_FRAMES_MAX and behind.offset < 0:
            frame = self._backlog.following(listener, behind)
            if not frame:
                break
            frames.append(frame)
        head = whole(given, chunked=lane.chunked, wall_time_s=self._clock.wall_time() / 1e9)
        return head + b"".join(frames)
