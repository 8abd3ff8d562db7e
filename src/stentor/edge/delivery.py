"""Sends frames to listeners: one `send` each at their turn, as much as fits to those behind."""

import contextlib
import logging
import select
from collections import deque
from collections.abc import Iterable

from stentor.clock import Clock
from stentor.edge.admission import Admission, ended, unheard, whole
from stentor.edge.answer import LAST_CHUNK, Answer
from stentor.edge.backlog import Backlog
from stentor.edge.cadence import Cadence
from stentor.edge.clients import Shares
from stentor.edge.follow import Stream
from stentor.edge.frames import last_word
from stentor.edge.gathering import Gathering
from stentor.edge.greeting import Greetings
from stentor.edge.lane import Lane, Slot, carry
from stentor.edge.leases import Leases
from stentor.edge.listener import Behind, Listener, unacknowledged
from stentor.edge.records import Seals
from stentor.edge.sender import Sender
from stentor.errors import Corrupt
from stentor.limits import (
    BEHIND_FRAMES_MAX,
    SEND_COST_START_S,
    SENDS_PER_TURN,
    TICK_GAP_S,
)
from stentor.record import Rendition

_telemetry = logging.getLogger(__name__)
_STALLED = frozenset({"stuck", "slow"})
_GONE = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
_GONE_ONCE = _GONE | select.EPOLLONESHOT  # after which closing is all that is left


class Delivery:
    """Every listener of one edge, by descriptor. Belongs to the thread that sends.

    Attributes:
        listeners: all there are.
        behind: those whose socket is full or who are catching up.
        dropped: how many were let go, by reason: `left` by themselves, `stuck` (took nothing),
            `slow` (fell out of the ring), `fault` (the log could not be read), `elsewhere` (its
            ticket listens elsewhere), `expired` (its lease was not renewed).
        gone: descriptors of those who have left in this turn, to be closed at its end.
        now: monotonic seconds at the beginning of this turn.
        late_s: how late the latest turn of a slot was since this was last set to 0.
        sent_bytes: to listeners at their turn.
    """

    def __init__(
        self,
        epoll: select.epoll,
        clock: Clock,
        cadence: Cadence,
        clients: Shares,
        leases: Leases[Listener],
        url: str = "",
        seals: Seals | None = None,
    ) -> None:
        """Begin with nobody.

        Args:
            clients, leases: whose share each listener gives back, and by which they listen.
            url: the node's public address.
            seals: the keys of those who listen through TLS; None: nobody does.
        """
        self._epoll = epoll
        self._clients, self._leases = clients, leases
        self._clock, self._cadence = clock, cadence
        self.listeners: dict[int, Listener] = {}
        self.behind: dict[int, Listener] = {}
        reasons = ("left", "stuck", "slow", "fault", "elsewhere", "expired")
        self.dropped = dict.fromkeys(reasons, 0)
        self.now, self.late_s, self.sent_bytes = clock.now(), 0.0, 0
        self.gone: list[int] = []
        self._send_cost_s = SEND_COST_START_S
        self._backlog = Backlog()
        self._greetings = Greetings(self._backlog, cadence, clock, url)
        self._called: deque[tuple[Gathering, Lane, Slot, float]] = deque()
        self._sender = Sender(seals)

    def open(self) -> None:
        """Get ready to send. To be called by the thread that sends."""
        self._sender.open()

    def close(self) -> None:
        """Let go of everybody and of the ring."""
        for listener in self.listeners.values():
            listener.close()
        self._sender.close()

    def begin_turn(self, now: float) -> None:
        """New parts have been looked for: those behind may take some time again."""
        self.now = now
        self._backlog.begin_turn()

    def add(self, listener: Listener) -> bool:
        """Take a listener's connection; False when it had gone already."""
        try:
            self._epoll.register(listener.descriptor, _GONE_ONCE)
        except OSError:
            listener.close()
            return False
        self.listeners[listener.descriptor] = listener
        return True

    def happened(self, listener: Listener, event: int) -> None:
        """What epoll said of a listener's connection."""
        if self.listeners.get(listener.descriptor) is not listener:
            return  # dropped in this turn; its descriptor may be somebody else's by now
        if event & _GONE:
            self.drop(listener, "left", heard=listener.descriptor in self.behind)
        elif listener.behind is not None:
            self._catch_up(listener, listener.behind)

    def begin(self, gathering: Gathering, listener: Listener) -> None:
        """Send the beginning of a live response: head, card, init and parts in the ring at once."""
        space, lane, behind = gathering.space, listener.lane, listener.behind
        assert lane is not None and behind is not None, "nobody begins twice"
        admission = behind.admission
        assert admission is not None, "nobody begins twice"
        stream = gathering.stream(lane.name)
        if stream.over:
            self.refuse(listener, ended(admission, gathering.phase))
            return
        lane.stream = stream
        ring = stream.ring
        slot = listener.slot = lane.enter(stream.wheel.tick, self._cadence.stride)
        behind.joined = ring.head
        offset = space.offset_for(stream, admission.resumes_at, admission.since)
        if offset is None:
            behind.position = self._greetings.begins_at(stream, slot)
        elif offset < ring.since:
            behind.offset = offset
        else:
            behind.position = ring.position_of(offset)
        key = (ring.head, behind.position, slot.position, int(self.now))
        if offset is None and lane.greeting[0] == key:
            data, behind.position = lane.greeting[1], slot.position
        else:
            data = self._greetings.of(gathering, listener, behind)
            if offset is None and behind.position == slot.position:
                lane.greeting = (key, data)  # a crowd that comes at once shares it
        behind.pending = listener.sealed(data)
        behind.admission = None
        behind.stuck_since = self.now
        self._catch_up(listener, behind)

    def begin_together(self, gathering: Gathering, lane: Lane, listeners: list[Listener]) -> None:
        """As `begin`, for some of one lane who want the newest of a stream and no more."""
        members = {
            one.descriptor: one
            for one in listeners  # without those who have had to leave again meanwhile
            if one.behind is None and self.listeners.get(one.descriptor) is one
        }
        first, stream = next(iter(members.values()), None), gathering.stream(lane.name)
        if first is None:
            return
        if stream.over:
            word = ended(Admission(gathering.space.space, lane.name), gathering.phase)
            for listener in members.values():
                self.refuse(listener, word)
            return
        lane.stream, behind = stream, Behind()
        slot = lane.enter(stream.wheel.tick, self._cadence.stride, len(members))
        for listener in members.values():
            listener.slot = slot
        behind.joined = stream.ring.head
        behind.position = self._greetings.begins_at(stream, slot)
        key = (stream.ring.head, behind.position, slot.position, int(self.now))
        data = lane.greeting[1]
        if lane.greeting[0] != key:
            data = self._greetings.of(gathering, first, behind)
            if behind.position != slot.position:  # one greeting does not reach so far
                for listener in members.values():
                    listener.behind = behind.twin(listener.sealed(data))
                    self._catch_up(listener, listener.behind)
                return
            lane.greeting = (key, data)
        slot.members.update(members)
        self._send(members, data, slot)

    def gap_s(self) -> float:
        """Between two ticks: no longer than everybody's sends take, so that few wait for nobody."""
        if self._cadence.stride != self._cadence.STRIDE_MIN:
            return TICK_GAP_S  # an even distance is what longer cadences promise
        return 2 * self._send_cost_s * len(self.listeners) / self._cadence.stride

    def call(self, gathering: Gathering, stream: Stream) -> None:
        """A tick of a stream has come: those whose turn it is are sent to next."""
        due_at = stream.wheel.due_at()
        numbers = stream.wheel.turn(self._cadence.stride)
        for lane in gathering.lanes_of(stream):
            for number in numbers:
                slot = lane.slots.get(number)
                if slot is not None and not slot.called:
                    slot.called = True
                    self._called.append((gathering, lane, slot, due_at))

    @property
    def is_busy(self) -> bool:
        """Whether somebody was called and has not been sent to."""
        return bool(self._called)

    def work(self) -> None:
        """Send to those who were called, as many as are sent to between two looks around."""
        if not self._called:
            return
        began, count, due_at = self._clock.now(), 0, self._called[0][3]
        while self._called and count < SENDS_PER_TURN:
            gathering, lane, slot, _ = self._called.popleft()
            slot.called = False
            count += len(slot.members)
            self._serve(gathering, lane, slot)
        if count:
            now = self._clock.now()
            self.late_s = max(self.late_s, began - due_at)
            cost_s = (now - began) / count
            self._send_cost_s += 0.05 * (min(cost_s, 10 * self._send_cost_s) - self._send_cost_s)

    def _serve(self, gathering: Gathering, lane: Lane, slot: Slot) -> None:
        assert lane.stream is not None, "whoever is in a slot hears something"
        ring = lane.stream.ring
        if slot.position < ring.base:
            for listener in list(slot.members.values()):
                self.drop(listener, "slow")
        elif slot.position < ring.head:
            data = lane.frames_from(slot.position)
            slot.position = ring.head
            self.sent_bytes += len(data) * len(slot.members)
            self._send(slot.members, data, slot)
        early, slot.early = slot.early, {}
        for listener in early.values():
            if listener.behind is not None:
                self._catch_up(listener, listener.behind)
        if gathering.space.sealed:
            self.finish(slot.members.values())
        elif lane.low != gathering.low and slot.members:
            target = gathering.crossing(lane)
            if target is None:
                return
            number = target.beside(slot.number, self._cadence.stride)
            if number in target.slots:
                self._serve(gathering, target, target.slots[number])
            apart = carry(slot, lane, target, number)
            self._send(apart.members, gathering.turnover(target), apart)

    def _send(self, members: dict[int, Listener], data: bytes, slot: Slot) -> None:
        """One `send` for each of some in a slot; whoever cannot take all of it waits for room."""
        short, gone = self._sender.send(members, data)
        for descriptor, pending, sent in short:
            listener = members[descriptor]
            behind = listener.behind = Behind()
            behind.pending, behind.sent, behind.position = pending, sent, slot.position
            self._fall_behind(listener, behind)
        for descriptor in gone:
            self.drop(members[descriptor], "left")

    def finish(self, listeners: Iterable[Listener]) -> None:
        """The programme is over: the last chunk, for those who have everything before it."""
        for listener in list(listeners):
            last = LAST_CHUNK if listener.lane is not None and listener.lane.chunked else b""
            self._end(listener, last)

    def refuse(self, listener: Listener, given: Answer) -> None:
        """Send a whole answer and close."""
        chunked = listener.lane is None or listener.lane.chunked
        now_s = self._clock.wall_time() / 1e9
        self._end(listener, whole(given, chunked=chunked, wall_time_s=now_s))

    def dismiss(self, listener: Listener, why: str) -> None:
        """Let go of whom no ticket lets listen (`elsewhere`, `expired`), with a last word."""
        behind, lane = listener.behind, listener.lane
        if self.listeners.get(listener.descriptor) is not listener or (behind and behind.ends):
            return  # it has its last word already
        self.dropped[why] += 1
        if lane is None or lane.stream is None or listener.slot is None:
            self.refuse(listener, unheard(why))
        elif lane.stream.rendition is Rendition.NONE:
            self._end(listener, b"")  # radio players understand nothing but sound
        else:
            self._end(listener, last_word(why, lane.stream.media_time, chunked=lane.chunked))

    def _end(self, listener: Listener, last: bytes) -> None:
        behind = listener.behind = listener.behind or Behind()
        behind.ends = True
        try:
            last = listener.sealed(last, ends=True)
            # Whoever is behind first gets the rest of the frame that it has begun with.
            behind.pending, behind.sent = behind.pending[behind.sent :] + last, 0
            if listener.push(behind):
                self.drop(listener, "")
            else:
                self._fall_behind(listener, behind)
        except OSError:
            self.drop(listener, "left")

    def drop(self, listener: Listener, reason: str, *, heard: bool = True) -> None:
        """Let go of a listener; a reason is counted. Args: heard: whether epoll may say more."""
        descriptor, gathering = listener.descriptor, listener.gathering
        if self.listeners.get(descriptor) is not listener:
            return
        del self.listeners[descriptor]
        self.behind.pop(descriptor, None)
        if reason:
            self.dropped[reason] += 1
        if listener.lease is not None:
            self._leases.leave(listener)
        if listener.client:
            self._clients.give_back(listener.client)
        if gathering is not None:
            gathering.leave(listener, self.now)
            gathering.attendance.stalls += reason in _STALLED
        if heard:
            # It may until the gate has closed its own as well: then this may be another's number.
            with contextlib.suppress(OSError):
                self._epoll.unregister(descriptor)
            listener.close()
        else:
            listener.forget()
            self.gone.append(descriptor)

    def drop_stuck(self, stuck_s: float) -> None:
        """Let go of those whose sockets have taken nothing for too long."""
        for listener in list(self.behind.values()):
            behind = listener.behind
            if behind is None:
                continue
            # A slow network makes room in steps of many seconds, and takes bytes all the time.
            queued = unacknowledged(listener.descriptor)
            if queued < behind.queued:
                behind.stuck_since = self.now
            behind.queued = queued
            if self.now - behind.stuck_since >= stuck_s:
                self.drop(listener, "stuck")

    def _catch_up(self, listener: Listener, behind: Behind) -> None:
        """Send to a listener that is behind until its socket is full or it is at its place."""
        reads = self._backlog.reads_left
        try:
            for _ in range(BEHIND_FRAMES_MAX):
                before = behind.sent
                all_taken = listener.push(behind)
                if all_taken or behind.sent > before:
                    behind.stuck_since = self.now
                if not all_taken:
                    break
                if behind.ends:
                    self.drop(listener, "")
                    return
                if self._backlog.is_lost_to(listener, behind):
                    self.drop(listener, "slow")
                    return
                if self._backlog.reads_left < reads:
                    break  # one read of the log each: then it is the others' turn
                following = self._backlog.following(listener, behind)
                if following is None:
                    break
                behind.pending = listener.sealed(following)
                if not following:
                    self._reach_place(listener, behind)
                    return
        except (Corrupt, IndexError):
            _telemetry.exception("the log of a Space cannot be read")
            self.drop(listener, "fault")
        except OSError:
            self.drop(listener, "left")
        else:
            self._fall_behind(listener, behind)

    def _reach_place(self, listener: Listener, behind: Behind) -> None:
        """It has what its slot has, or more: it waits for its turn."""
        slot, stream = listener.slot, listener.lane.stream if listener.lane is not None else None
        assert slot is not None and stream is not None, "a listener that has begun has a slot"
        self.behind.pop(listener.descriptor, None)
        if behind.waits:
            behind.waits = False
            self._epoll.modify(listener.descriptor, _GONE_ONCE)
        if stream.over and behind.position >= slot.position:
            self.finish([listener])
        elif behind.position > slot.position:
            slot.early[listener.descriptor] = listener
        else:
            slot.members[listener.descriptor] = listener
            listener.behind = None

    def _fall_behind(self, listener: Listener, behind: Behind) -> None:
        """Wait for room in a listener's socket."""
        if behind.waits:
            return
        if listener.slot is not None:
            listener.slot.members.pop(listener.descriptor, None)
        behind.stuck_since = self.now
        behind.waits = True
        self.behind[listener.descriptor] = listener
        self._epoll.modify(listener.descriptor, _GONE | select.EPOLLOUT)
