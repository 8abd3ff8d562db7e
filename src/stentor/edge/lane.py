"""Who hears the same bytes: listeners of one stream in slots, each with a place in the ring."""

from typing import TYPE_CHECKING

from stentor.edge.frames import unframed
from stentor.edge.icy import format_of
from stentor.limits import SLOT_SPARE, SLOTS

if TYPE_CHECKING:
    from stentor.edge.follow import Stream
    from stentor.edge.listener import Listener


LOWERED = {"opus": "opus-low"}
"""What is heard instead of a rendition where everybody has to do with less."""


class Slot:
    """Listeners who are sent the same frames at the same moments.

    Attributes:
        position: of the next frame they are sent; they have everything before it.
        members: by descriptor, those who wait for it.
        early: those who have more already, and wait until the slot has that as well.
        called: whether its turn has come, and it is about to be sent to.
    """

    __slots__ = ("called", "early", "members", "number", "position")

    def __init__(self, number: int, position: int) -> None:
        self.number = number
        self.position = position
        self.members: dict[int, Listener] = {}
        self.early: dict[int, Listener] = {}
        self.called = False


class Lane:
    """All listeners of one stream who understand the same framing, in the same security.

    Attributes:
        sealing: None: they listen in the clear; else whether many can be sealed for at once.
        wish: the name of what they asked for.
        radio: its format if it is a radio stream, else empty.
        low: whether they hear its low rendition instead, for everybody has to.
        stream: what they hear; None until the Space's log has been read.
        slots: those that somebody is in, by number.
        count: listeners in slots, those behind included.
        held: all of them, those who have not begun included.
        greeting: what the last newcomer was given, and what it depends on.
    """

    __slots__ = (
        "_head",
        "_joined",
        "_last",
        "_loads",
        "chunked",
        "count",
        "greeting",
        "held",
        "low",
        "radio",
        "sealing",
        "slots",
        "stream",
        "wish",
    )

    def __init__(
        self, *, chunked: bool, wish: str = "", low: bool = False, sealing: bool | None = None
    ) -> None:
        self.chunked = chunked
        self.sealing = sealing
        self.wish = wish
        self.radio = format_of(wish)
        self.low = low
        self.stream: Stream | None = None
        self.slots: dict[int, Slot] = {}
        self.count = 0
        self.held = 0
        self._loads = [0] * SLOTS
        self._last = 0
        self.greeting: tuple[tuple[int, ...], bytes] = ((), b"")
        self._head = -1
        self._joined: dict[int, bytes] = {}

    def enter(self, tick: int, stride: int, count: int = 1) -> Slot:
        """A slot for one more listener, or for some who have come together.

        The slot served last is the best: it has everything, and its next turn is a whole cadence
        away. Those before it are nearly as good, so nobody is put where it is crowded.

        Args:
            tick: the next to be served.
            stride: the distance between two turns of a slot.
        """
        assert self.stream is not None, "who enters has something to hear"
        classes = min(stride, SLOTS)
        fair = self.count / classes * 1.25 + SLOT_SPARE
        number = tick % SLOTS
        for back in range(1, classes + 1):
            first = (tick - back) % classes
            if sum(self._loads[first::classes]) < fair:
                number = self._among(range(first, SLOTS, classes))
                break
        return self.receive(number, count)

    def receive(self, number: int, count: int) -> Slot:
        """The slot of a number, for so many more."""
        assert self.stream is not None, "who enters has something to hear"
        slot = self.slots.get(number)
        if slot is None:
            slot = self.slots[number] = Slot(number, self.stream.ring.head)
        self._loads[number] += count
        self.count += count
        return slot

    def beside(self, number: int, stride: int) -> int:
        """The slot for those who come from the slot of a number in another lane, just served.

        Wheels of two streams need not have come equally far. This one's slot that was served last
        has its next turn a whole cadence from now, as they had; those that share its tick are
        filled as theirs were.
        """
        assert self.stream is not None, "who enters has something to hear"
        classes = min(stride, SLOTS)
        choices = range((self.stream.wheel.tick - 1) % classes, SLOTS, classes)
        return choices[number // classes % len(choices)]

    @property
    def name(self) -> str:
        """Of what they hear."""
        return LOWERED[self.wish] if self.low else self.wish

    def _among(self, choices: range) -> int:
        """The emptiest of some slots; the last one again while it has not many more.

        Who came one after the other lies side by side in the kernel's memory: sent to in one run,
        each costs less.
        """
        least = min(choices, key=self._loads.__getitem__)
        if self._last in choices and self._loads[self._last] < self._loads[least] + SLOT_SPARE:
            return self._last
        self._last = least
        return least

    def leave(self, slot: Slot) -> None:
        """One listener less in a slot."""
        self._loads[slot.number] -= 1
        self.count -= 1
        if not self._loads[slot.number]:
            del self.slots[slot.number]

    def frames_from(self, position: int) -> bytes:
        """All frames from a position on, joined once for everybody."""
        assert self.stream is not None, "asked for those who hear something"
        ring = self.stream.ring
        if ring.head != self._head:
            self._head = ring.head
            self._joined.clear()
        data = self._joined.get(position)
        if data is None:
            frames = map(ring.frame, range(position, ring.head))
            data = b"".join(frames if self.chunked else map(unframed, frames))
            self._joined[position] = data
        return data


def carry(slot: Slot, lane: Lane, target: Lane, number: int) -> Slot:
    """Have those of a slot go on in another lane, in the slot of a number.

    Returns:
        A slot that is in no lane, with them alone: they are told something the others are not.
    """
    crossing, slot.members = slot.members, {}
    for _ in crossing:
        lane.leave(slot)
    arrived = target.receive(number, len(crossing))
    lane.held -= len(crossing)
    target.held += len(crossing)
    for listener in crossing.values():
        listener.lane, listener.slot = target, arrived
    arrived.members.update(crossing)
    apart = Slot(number, arrived.position)
    apart.members = crossing
    return apart
