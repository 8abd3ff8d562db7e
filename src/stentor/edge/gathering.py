"""A followed Space with those who listen to it. Belongs to the thread that sends."""

from collections.abc import Iterable, Iterator

from stentor.edge.admission import Admission, begins
from stentor.edge.answer import Answer, chunk
from stentor.edge.attendance import Attendance
from stentor.edge.cadence import Cadence
from stentor.edge.follow import FollowedSpace, Stream
from stentor.edge.frames import preface, rendition_box, unframed
from stentor.edge.icy import begins as radio_begins
from stentor.edge.icy import format_of
from stentor.edge.lane import LOWERED, Lane
from stentor.edge.listener import Listener
from stentor.edge.radio import Feed, Line


class Gathering:
    """One Space's listeners.

    Attributes:
        waiting: admitted before the log was read, at all or as far as their cursors.
        count: all of them.
        idle_since: when somebody last left.
        changed: whether the log or the card has to be looked at.
        measured: wall_time of the newest part whose delay was looked at.
        attendance: who they are, for the usher.
        low: whether everybody is to hear the low rendition.
    """

    __slots__ = (
        "_feeds",
        "_lanes",
        "attendance",
        "changed",
        "count",
        "idle_since",
        "low",
        "measured",
        "space",
        "waiting",
    )

    def __init__(self, space: FollowedSpace, now: float) -> None:
        self.space = space
        self.waiting: dict[int, Listener] = {}
        self.count = 0
        self.idle_since = now
        self.changed = True
        self.measured = 0
        self.attendance = Attendance()
        self.low = False
        self._lanes: dict[tuple[str, bool, bool, bool | None], Lane] = {}
        self._feeds: dict[str, Feed] = {}

    @property
    def phase(self) -> str:
        """The Space's, as its card says; empty while it has none."""
        card = self.space.card
        return card.card.phase if card is not None else ""

    @property
    def streams(self) -> Iterable[Stream]:
        """All there is to hear."""
        yield from self.space.streams.values()
        for feed in self._feeds.values():
            yield from feed.streams.values()

    @property
    def radio_count(self) -> int:
        """Those of the listeners who listen by radio."""
        return sum(lane.held for lane in self._lanes.values() if lane.radio)

    def stream(self, name: str) -> Stream:
        """What is heard under a name."""
        feed = self._feeds.get(format_of(name))
        return self.space.streams[name] if feed is None else feed.streams[name]

    def lane(self, stream: str, *, chunked: bool, sealing: bool | None) -> Lane:
        """The lane of a stream and a framing. Args: sealing: as `Lane` has it."""
        low = self.low and stream in LOWERED
        key = stream, chunked, low, sealing
        lane = self._lanes.get(key)
        if lane is None:
            lane = Lane(chunked=chunked, wish=stream, low=low, sealing=sealing)
            self._lanes[key] = lane
        return lane

    def crossing(self, lane: Lane) -> Lane | None:
        """Where those of a lane are to go on, for everybody hears less or may hear more again.

        None: nowhere, or not now: they cross where both renditions have come equally far.
        """
        source = lane.stream
        if lane.low == self.low or lane.wish not in LOWERED or source is None:
            return None
        target = self.lane(lane.wish, chunked=lane.chunked, sealing=lane.sealing)
        stream = self.stream(target.name)
        if (
            source.over
            or source.media_time != stream.media_time
            or bool(source.init) != bool(stream.init)
        ):
            return None
        target.stream = stream
        return target

    def turnover(self, lane: Lane) -> bytes:
        """What those are sent who have just crossed over to a lane."""
        assert lane.stream is not None, "whoever crosses hears something"
        box = rendition_box(lane.name, lane.wish, lane.stream.media_time)
        frame = preface(box, lane.stream.init, self.space.next)
        return frame if lane.chunked else unframed(frame)

    def enter(self, listener: Listener, admission: Admission, line: Line, now: float) -> Lane:
        """One more, in which lane. Args: line: to the radio process."""
        sealing = listener.seal.together if listener.seal is not None else None
        lane = self.lane(admission.stream, chunked=admission.chunked, sealing=sealing)
        if lane.radio and lane.radio not in self._feeds:
            self._feeds[lane.radio] = Feed(self.space.space, lane.radio, line, self._change, now)
        listener.lane, listener.gathering = lane, self
        lane.held += 1
        self.count += 1
        self.attendance.enter(listener.lease)
        return lane

    def may_begin(self, lane: Lane) -> bool:
        """Whether those of a lane have something to begin with."""
        feed = self._feeds.get(lane.radio) if lane.radio else None
        return self.space.ready and (feed is None or feed.begun)

    def opening(
        self, lane: Lane, cadence: Cadence, url: str, *, waits: bool
    ) -> tuple[Answer, bytes]:
        """The head of what a listener gets, and the first chunk of it.

        Args:
            url: the node's public address.
            waits: whether nothing follows yet.
        """
        stream = lane.stream
        assert stream is not None, "whoever begins hears something"
        if format_of(lane.name):
            card = self.space.card
            assert card is not None, "a Space has a card before anybody finds it"
            return radio_begins(card.card, lane.name, url), chunk(stream.init)
        notes = self.space.card_now(stream) + cadence.notice(stream.media_time)
        if lane.low:
            notes += rendition_box(lane.name, lane.wish, stream.media_time)
        return begins(), preface(notes, stream.init, self.space.next if waits else None)

    def look_at_radio(self, now: float) -> list[Listener]:
        """Keep up what somebody listens to; who has waited too long for the first sound of it."""
        late = []
        for name, feed in list(self._feeds.items()):
            lanes = {key: lane for key, lane in self._lanes.items() if key[0] in feed.streams}
            if not feed.look(now, needed=any(lane.held for lane in lanes.values())):
                feed.close()
                del self._feeds[name]
                for key in lanes:
                    del self._lanes[key]
            elif feed.is_away(now):
                late += [one for one in self.waiting.values() if _waits_for(one, feed)]
        return late

    def close(self) -> None:
        """Let go of the files and of the radio process."""
        self.space.close()
        for feed in self._feeds.values():
            feed.close()
        self._feeds.clear()

    def _change(self) -> None:
        self.changed = True

    def lanes_of(self, stream: Stream) -> Iterator[Lane]:
        """Those lanes of a stream that somebody is in."""
        for lane in self._lanes.values():
            if lane.stream is stream and lane.count:
                yield lane

    def leave(self, listener: Listener, now: float) -> None:
        """One less."""
        self.count -= 1
        self.attendance.leave(listener.lease)
        self.idle_since = now
        lane, slot, descriptor = listener.lane, listener.slot, listener.descriptor
        if lane is not None:
            lane.held -= 1
        if slot is None or lane is None:
            self.waiting.pop(descriptor, None)
        else:
            if slot.members.pop(descriptor, None) is None:
                slot.early.pop(descriptor, None)
            lane.leave(slot)
            listener.slot = None


def _waits_for(listener: Listener, feed: Feed) -> bool:
    admission = listener.behind.admission if listener.behind is not None else None
    return admission is not None and admission.stream in feed.streams
