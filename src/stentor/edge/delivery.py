"""Sends frames to listeners: one `send` each at the tail, as much as fits to those behind it."""

import contextlib
import logging
import select
from collections.abc import Callable, Iterable

from stentor.edge.answer import LAST_CHUNK
from stentor.edge.follow import FollowedSpace, Stream
from stentor.edge.frames import heartbeat, preface, unframed
from stentor.edge.listener import WOULD_BLOCK, Listener, bound
from stentor.errors import Corrupt
from stentor.limits import (
    BEHIND_FRAMES_MAX,
    LISTENERS_PER_SLICE,
    LOG_READS_PER_TURN,
    RESUME_BYTES_MAX,
)

_telemetry = logging.getLogger(__name__)
_GONE = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR


class Gathering:
    """A followed Space with those who listen to it.

    Attributes:
        at_tail: by rendition and whether they understand chunks: those who wait for the next frame.
        waiting: admitted before the log was read, at all or as far as their cursors.
        count: all of them.
        idle_since: when somebody last left.
        sent_at: when each rendition last said something.
        changed: whether the log or the card has to be looked at.
    """

    __slots__ = (
        "at_tail",
        "changed",
        "count",
        "idle_since",
        "measured",
        "sent_at",
        "space",
        "waiting",
    )

    def __init__(self, space: FollowedSpace, now: float) -> None:
        self.space = space
        self.at_tail: dict[tuple[int, bool], dict[int, Listener]] = {}
        self.waiting: dict[int, Listener] = {}
        self.count = 0
        self.idle_since = now
        self.sent_at: dict[int, float] = {}
        self.changed = True
        self.measured = 0

    def place_of(self, listener: Listener) -> dict[int, Listener]:
        """Those at the tail who get the same bytes as this listener."""
        admission = listener.admission
        return self.at_tail.setdefault((admission.rendition, admission.chunked), {})


class Delivery:
    """Every listener of one edge, by descriptor. Belongs to the thread that sends.

    Attributes:
        listeners: all there are.
        behind: those whose socket is full or who are catching up.
        dropped: how many were let go, by reason: `left` by themselves, `stuck` (took nothing),
            `slow` (fell out of the ring), `fault` (the log could not be read).
        now: monotonic seconds at the beginning of this turn.
    """

    def __init__(self, epoll: select.epoll, between: Callable[[], None], now: float) -> None:
        """Begin with nobody.

        Args:
            between: called between two slices of a long run of sends.
        """
        self._epoll = epoll
        self._between = between
        self.listeners: dict[int, Listener] = {}
        self.behind: dict[int, Listener] = {}
        self.dropped = {"left": 0, "stuck": 0, "slow": 0, "fault": 0}
        self.now = now
        self._log_reads = LOG_READS_PER_TURN

    def begin_turn(self, now: float) -> None:
        """New parts have been looked for: those behind may take some time again."""
        self.now = now
        self._log_reads = LOG_READS_PER_TURN

    def add(self, listener: Listener) -> bool:
        """Take a listener's socket; False when it had gone already."""
        bound(listener.socket)
        try:
            self._epoll.register(listener.descriptor, _GONE)
        except OSError:
            listener.close()
            return False
        self.listeners[listener.descriptor] = listener
        return True

    def happened(self, listener: Listener, event: int) -> None:
        """What epoll said of a listener's socket."""
        if self.listeners.get(listener.descriptor) is not listener:
            return  # dropped in this turn; its descriptor may be somebody else's by now
        if event & _GONE:
            self.drop(listener, "left")
        else:
            self._catch_up(listener)

    def begin(self, gathering: Gathering, listener: Listener) -> None:
        """Send the beginning of a live response: head, card, init and parts in the ring at once."""
        space, admission = gathering.space, listener.admission
        if space.sealed:
            self.refuse(listener, admission.ended())
            return
        stream = listener.stream = space.streams[admission.rendition]
        ring = stream.ring
        listener.joined = ring.head
        if admission.cursor is None:
            listener.position = ring.join_position()
        else:
            offset = space.resume_offset(admission.cursor, admission.rendition)
            if offset < ring.since:
                listener.offset = offset
            else:
                listener.position = ring.position_of(offset)
        waits = listener.offset < 0 and listener.position >= ring.head
        first = preface(space.card_now(stream), stream.init, space.next if waits else None)
        frames = [first if admission.chunked else unframed(first)]
        while len(frames) < BEHIND_FRAMES_MAX and listener.offset < 0:
            frame = self._next(listener)
            if not frame:
                break
            frames.append(frame)
        listener.pending = admission.head + b"".join(frames)
        listener.stuck_since = self.now
        self._catch_up(listener)

    def send_fresh(self, gathering: Gathering) -> None:
        """Give the new frames of every rendition to everybody at its tail."""
        runs: list[tuple[list[Listener], bytes]] = []
        for stream in gathering.space.streams.values():
            if not stream.fresh:
                continue
            frames, stream.fresh = stream.fresh, []
            gathering.sent_at[stream.rendition] = self.now
            for chunked in (True, False):
                place = gathering.at_tail.get((stream.rendition, chunked))
                if place:
                    data = b"".join(frames if chunked else map(unframed, frames))
                    runs.append((list(place.values()), data))
        # Who joins between two slices has these frames from the ring: the lists are made before.
        for everybody, data in runs:
            self._send(everybody, data)

    def send_heartbeat(self, gathering: Gathering, stream: Stream) -> None:
        """Tell those at a rendition's tail where they are, when nothing else was said."""
        gathering.sent_at[stream.rendition] = self.now
        beat = heartbeat(gathering.space.next)
        for chunked, data in ((True, beat), (False, unframed(beat))):
            place = gathering.at_tail.get((stream.rendition, chunked))
            if place:
                self._send(list(place.values()), data)

    def finish(self, listeners: Iterable[Listener]) -> None:
        """The programme is over: the last chunk, for those who have everything before it."""
        for listener in list(listeners):
            self.refuse(listener, LAST_CHUNK if listener.admission.chunked else b"")

    def refuse(self, listener: Listener, last: bytes) -> None:
        """Send some last bytes and close."""
        listener.pending, listener.sent, listener.ends = last, 0, True
        try:
            if listener.push():
                self.drop(listener, "")
            else:
                self._fall_behind(listener)
        except OSError:
            self.drop(listener, "left")

    def drop(self, listener: Listener, reason: str) -> None:
        """Let go of a listener; counted when it did not end as it should."""
        if self.listeners.get(listener.descriptor) is not listener:
            return
        del self.listeners[listener.descriptor]
        self.behind.pop(listener.descriptor, None)
        if reason:
            self.dropped[reason] += 1
        gathering = listener.gathering
        if gathering is not None:
            gathering.count -= 1
            gathering.idle_since = self.now
            gathering.place_of(listener).pop(listener.descriptor, None)
            gathering.waiting.pop(listener.descriptor, None)
        with contextlib.suppress(OSError):
            self._epoll.unregister(listener.descriptor)
        listener.close()

    def drop_stuck(self, stuck_s: float) -> None:
        """Let go of those whose sockets have taken nothing for too long."""
        for listener in list(self.behind.values()):
            if self.now - listener.stuck_since >= stuck_s:
                self.drop(listener, "stuck")

    def _send(self, everybody: list[Listener], data: bytes) -> None:
        """One `send` for each; whoever cannot take all of it waits for room in its socket."""
        size = len(data)
        gone: list[Listener] = []
        for start in range(0, len(everybody), LISTENERS_PER_SLICE):
            if start:
                self._between()
            for listener in everybody[start : start + LISTENERS_PER_SLICE]:
                try:
                    sent = listener.send(data)
                except WOULD_BLOCK:
                    sent = 0
                except OSError:
                    gone.append(listener)
                    continue
                if sent != size:
                    assert listener.stream is not None, "whoever is at the tail has a stream"
                    listener.pending, listener.sent = data, sent
                    listener.position = listener.stream.ring.head
                    self._fall_behind(listener)
        for listener in gone:
            self.drop(listener, "left")

    def _next(self, listener: Listener) -> bytes | None:
        """What comes next for a listener that is behind; empty at the tail, None: not this turn."""
        stream, gathering = listener.stream, listener.gathering
        assert stream is not None, "a listener that has begun has a stream"
        assert gathering is not None, "and a Space"
        ring, chunked = stream.ring, listener.admission.chunked
        while 0 <= listener.offset < ring.since:
            if not self._log_reads:
                return None
            self._log_reads -= 1
            frames, listener.offset = gathering.space.frames_from_log(
                listener.offset, stream.rendition, RESUME_BYTES_MAX
            )
            if frames:
                return b"".join(frames if chunked else map(unframed, frames))
        if listener.offset >= 0:
            listener.position, listener.offset = ring.position_of(listener.offset), -1
        while listener.position < ring.head:
            position = listener.position
            listener.position += 1
            if position >= listener.joined or not ring.is_card(position):
                frame = ring.frame(position)
                return frame if chunked else unframed(frame)
        return b""

    def _catch_up(self, listener: Listener) -> None:
        """Send to a listener that is behind until its socket is full or it is at the tail."""
        reads = self._log_reads
        try:
            for _ in range(BEHIND_FRAMES_MAX):
                before = listener.sent
                whole = listener.push()
                if whole or listener.sent > before:
                    listener.stuck_since = self.now
                if not whole:
                    break
                if listener.ends:
                    self.drop(listener, "")
                    return
                stream = listener.stream
                if stream and listener.offset < 0 and listener.position < stream.ring.base:
                    self.drop(listener, "slow")
                    return
                if self._log_reads < reads:
                    break  # one read of the log each: then it is the others' turn
                following = self._next(listener)
                if following is None:
                    break
                listener.pending = following
                if not following:
                    self._reach_tail(listener)
                    return
        except (Corrupt, IndexError):
            self._fault(listener)
        except OSError:
            self.drop(listener, "left")
        else:
            self._fall_behind(listener)

    def _reach_tail(self, listener: Listener) -> None:
        gathering = listener.gathering
        assert gathering is not None, "a listener that has begun has a Space"
        self.behind.pop(listener.descriptor, None)
        if listener.waits:
            listener.waits = False
            self._epoll.modify(listener.descriptor, _GONE)
        if gathering.space.sealed:
            self.finish([listener])
        else:
            gathering.place_of(listener)[listener.descriptor] = listener

    def _fall_behind(self, listener: Listener) -> None:
        """Wait for room in a listener's socket."""
        if listener.waits:
            return
        if listener.gathering is not None:
            listener.gathering.place_of(listener).pop(listener.descriptor, None)
        listener.stuck_since = self.now
        listener.waits = True
        self.behind[listener.descriptor] = listener
        self._epoll.modify(listener.descriptor, _GONE | select.EPOLLOUT)

    def _fault(self, listener: Listener) -> None:
        _telemetry.exception("the log of %s cannot be read", listener.admission.space)
        self.drop(listener, "fault")
