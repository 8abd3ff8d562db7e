"""The newest frames of one rendition of one Space, shared by everybody who listens to it. Pure."""

import enum

from stentor.limits import RING_PARTS


class Content(enum.IntEnum):
    """What a frame carries, as far as sending has to know."""

    PART = 1
    """A part no player can start at."""
    START = 2
    """A part a player can start at."""
    NOTE = 3
    """A card, a cadence or a heartbeat: no record, so nobody has a claim to an old one."""
    OTHER = 4
    """An init, an event or a seal."""


class Ring:
    """Frames by position; a position counts all frames there ever were. The oldest are forgotten.

    Attributes:
        head: the position the next frame will have.
        since: the offset from which on every record of the rendition is here.
    """

    __slots__ = ("_contents", "_frames", "_offsets", "_size", "head", "since")

    def __init__(self, since: int, size: int = RING_PARTS) -> None:
        self._size = size
        self._frames: list[bytes] = [b""] * size
        self._offsets = [0] * size
        self._contents = [Content.OTHER] * size
        self.head = 0
        self.since = since

    @property
    def base(self) -> int:
        """The oldest position that is still here."""
        return max(0, self.head - self._size)

    def append(self, frame: bytes, offset: int, content: Content) -> None:
        """Take the next frame.

        Args:
            offset: of the frame's record; of a note: of the next record.
        """
        slot = self.head % self._size
        if self.head >= self._size:
            old = self._offsets[slot]
            self.since = old if self._contents[slot] is Content.NOTE else old + 1
        self._frames[slot] = frame
        self._offsets[slot] = offset
        self._contents[slot] = content
        self.head += 1

    def frame(self, position: int) -> bytes:
        """The frame at a position from `base` to before `head`."""
        return self._frames[position % self._size]

    def is_note(self, position: int) -> bool:
        """Whether the frame at a position is no record."""
        return self._contents[position % self._size] is Content.NOTE

    def position_of(self, offset: int) -> int:
        """The first position whose record has `offset` or a later one; `head` when none has."""
        low, high = self.base, self.head
        while low < high:
            middle = (low + high) // 2
            if self._offsets[middle % self._size] < offset:
                low = middle + 1
            else:
                high = middle
        return low

    def join_position(self, wanted: int, end: int) -> int:
        """Where a new listener begins: the newest part it can start at with `wanted` in hand.

        Args:
            wanted: parts it is to have before `end`; with fewer in the ring, all there are.
            end: the position after the last one it is given at once.

        Returns:
            The position; `end` while there is no part a player can start at.
        """
        parts = 0
        start = end
        for position in range(end - 1, self.base - 1, -1):
            content = self._contents[position % self._size]
            if content is Content.START:
                start = position
            parts += content in (Content.PART, Content.START)
            if parts >= wanted and start < end:
                break
        return start
