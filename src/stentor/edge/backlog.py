"""What listeners who are behind have still to get: out of the ring, or out of the log before it."""

from stentor.edge.frames import unframed
from stentor.edge.listener import Behind, Listener
from stentor.limits import LOG_READS_PER_TURN, RESUME_BYTES_MAX, RING_PARTS


class Backlog:
    """Reads for those who are behind, a bounded number between two looks for new parts.

    Attributes:
        reads_left: of the log, in this turn.
    """

    def __init__(self) -> None:
        self.reads_left = LOG_READS_PER_TURN

    def begin_turn(self) -> None:
        """New parts have been looked for: some more may be read."""
        self.reads_left = LOG_READS_PER_TURN

    def following(self, listener: Listener, behind: Behind) -> bytes | None:
        """What comes next for a listener that is behind; empty at its place, None: not now."""
        lane, slot, gathering = listener.lane, listener.slot, listener.gathering
        assert lane is not None and slot is not None, "a listener that has begun has a slot"
        stream = lane.stream
        assert stream is not None and gathering is not None, "and hears something"
        ring = stream.ring
        while 0 <= behind.offset < ring.since:
            if not self.reads_left:
                return None
            self.reads_left -= 1
            frames, behind.offset = gathering.space.frames_from_log(
                behind.offset, stream.rendition, RESUME_BYTES_MAX
            )
            if frames:
                return b"".join(frames if lane.chunked else map(unframed, frames))
        if behind.offset >= 0:
            behind.position, behind.offset = ring.position_of(behind.offset), -1
        while behind.position < slot.position:
            position = behind.position
            behind.position += 1
            if position >= behind.joined or not ring.is_note(position):
                frame = ring.frame(position)
                return frame if lane.chunked else unframed(frame)
        return b""

    @staticmethod
    def is_lost_to(listener: Listener, behind: Behind) -> bool:
        """Whether the next frame a listener needs is kept no more, in the ring or for it."""
        stream = listener.lane.stream if listener.lane is not None else None
        if stream is None or listener.gathering is None:
            return False
        if behind.offset < 0:
            return behind.position < stream.ring.base
        # Somebody who begins with the oldest there is has as long to get away from there.
        return behind.offset < listener.gathering.space.oldest(stream, spare_parts=RING_PARTS)
