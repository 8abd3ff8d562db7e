"""The gate's side of the hatch: hands admitted connections to an edge that has room for them."""

import asyncio
import contextlib
import itertools
import os
import socket
from collections import deque
from pathlib import Path

from stentor.clock import Clock
from stentor.edge.admission import Admission, Claim, full, whole
from stentor.edge.links import Link, Links
from stentor.edge.records import Seal
from stentor.edge.status import Status
from stentor.limits import (
    CLAIMS_AT_ONCE,
    EDGE_LOOK_S,
    HANDED_AT_ONCE,
    JOINS_HELD_MAX,
    JOINS_HELD_S,
    RENEWED_S,
)


class Edges(Links):
    """All edges of a node, as one of its gates sees them."""

    def __init__(self, sockets: list[Path], home: int, clock: Clock) -> None:
        """Args: home: the edge that is chosen while it has room: the gate's own pair."""
        super().__init__([Link(path, index) for index, path in enumerate(sockets)], clock)
        self._home = self._links[home]
        self._waiting: deque[tuple[int, Admission, float]] = deque()
        self._spare = 0
        self._renewed: dict[int, Claim] = {}
        self._flushing: asyncio.Handle | None = None
        self._telling: asyncio.Handle | None = None

    def close(self) -> None:
        """Let go of the edges, and of those who still wait for one."""
        self._tell_renewed()
        super().close()
        for handle in filter(None, (self._flushing, self._telling)):
            handle.cancel()
        for descriptor, _, _ in self._waiting:
            os.close(descriptor)
        self._waiting.clear()

    async def heard_of(self, patience_s: float) -> None:
        """Wait until this gate's own edge has said how it stands, but no longer than so.

        Who comes before that would be told to wait for a place, though places are free.
        """
        until = self._clock.now() + patience_s
        while not self._home.heard_at and self._clock.now() < until:
            await asyncio.sleep(EDGE_LOOK_S / 4)

    @property
    def listeners_count(self) -> int:
        """Connections that wait for an edge; those of the edges are not this process's."""
        return len(self._waiting)

    @property
    def is_full(self) -> bool:
        """Whether there is no room anywhere, though edges are there."""
        if self._spare <= 0:
            now = self._clock.now()
            alive = [link for link in self._links if link.socket is not None]
            self._spare = JOINS_HELD_MAX - len(self._waiting)
            if alive:
                rooms = sum(max(0, link.room(now)) for link in alive)
                self._spare = min(self._spare, rooms - len(self._waiting))
        return self._spare <= 0

    @property
    def chairs_free(self) -> int:
        """This gate's part of the listeners that the edges could still take."""
        return (self.chairs - len(self._waiting)) // len(self._links)

    def status(self) -> Status:
        """How the gate's own edge stands, as it said last."""
        return self._home.status

    def admit(self, descriptor: int, admission: Admission) -> None:
        """Hand a connection over, with all others that come in the same moment."""
        self._waiting.append((descriptor, admission, self._clock.now()))
        self._spare -= 1
        self._flush_soon()

    def renew(self, number: int, until_s: int) -> None:
        """A ticket's lease goes on until then, UTC seconds."""
        self._renewed[number] = Claim(number, 0, until_s)
        if len(self._renewed) >= CLAIMS_AT_ONCE:
            self._tell_renewed()
        elif self._telling is None:  # no lease ends so exactly: edges hear of many at a time
            self._telling = asyncio.get_running_loop().call_later(RENEWED_S, self._tell_renewed)

    def heard(self, link: Link) -> None:
        """An edge has said something: it may have room."""
        if self._waiting:
            self._flush_soon()

    def _flush_soon(self) -> None:
        if self._flushing is None:
            self._flushing = asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = None
        self._spare = 0  # from here on it is counted anew
        now = self._clock.now()
        while self._waiting and self._waiting[0][2] < now - JOINS_HELD_S:
            descriptor, admission, _ = self._waiting.popleft()
            _turn_away(descriptor, admission, self._clock.wall_time() / 1e9)
        while self._waiting:
            some = list(itertools.islice(self._waiting, HANDED_AT_ONCE))
            descriptors, admissions, _ = zip(*some, strict=True)
            choices = self._choices(now)
            taker = next((link for link in choices if link.give(descriptors, admissions)), None)
            if taker is None:
                self._flushing = asyncio.get_running_loop().call_later(EDGE_LOOK_S, self._flush)
                return
            for _ in some:
                self._waiting.popleft()
            if claims := [claim_of(admission) for admission in admissions if admission.number]:
                self.tell(claims, taker)

    def _tell_renewed(self) -> None:
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None
        renewed, self._renewed = self._renewed, {}
        self.tell(list(renewed.values()))

    def _choices(self, now: float) -> list[Link]:
        """Edges with room: the own one first, then the emptiest."""
        roomy = [link for link in self._links if link.room(now) > 0]
        roomy.sort(key=lambda link: (link is not self._home, -link.room(now)))
        return roomy


def claim_of(admission: Admission) -> Claim:
    """What the other edges are told of an admission."""
    return Claim(admission.number, admission.stamp, admission.lease_until_s, admission.prefix)


def _turn_away(descriptor: int, admission: Admission, wall_time_s: float) -> None:
    word = whole(full(), chunked=admission.chunked, wall_time_s=wall_time_s)
    with contextlib.suppress(OSError), socket.socket(fileno=descriptor) as connection:
        if admission.keys is not None:
            seal = Seal.alone(admission.keys)
            word = seal.seal(word) + seal.end()
        connection.send(word)
        connection.shutdown(socket.SHUT_WR)
