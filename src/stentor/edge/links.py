"""Connections to the hatches of a node's edges, and the claims that all of them are told."""

import array
import asyncio
import contextlib
import itertools
import logging
import socket
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from stentor.clock import Clock
from stentor.edge.admission import Admission, Claim
from stentor.edge.descriptors import close_all
from stentor.edge.status import Status
from stentor.limits import (
    CLAIMS_AT_ONCE,
    CLAIMS_WAITING_MAX,
    EDGE_LOOK_S,
    EDGE_SILENT_S,
    HATCH_MESSAGE_BYTES,
    STAMP_S,
)

_telemetry = logging.getLogger(__name__)
_statuses = msgspec.msgpack.Decoder(Status)
_encoder = msgspec.msgpack.Encoder()


class Link:
    """The connection to one edge; there is none while the edge is away.

    Attributes:
        status: what the edge said last.
        heard_at: when it said that.
    """

    def __init__(self, path: Path, index: int) -> None:
        self._path = path
        self.status = Status(edge=index)
        self.heard_at = 0.0
        self._given = 0
        self.socket: socket.socket | None = None
        self._claims: dict[int, Claim] = {}

    @property
    def handed(self) -> int:
        """Connections on their way: the edge had not taken them when it spoke last."""
        return self._given - self.status.taken

    def room(self, now: float) -> int:
        """How many more it can take; none when it is away or says nothing."""
        if self.socket is None or now - self.heard_at > EDGE_SILENT_S:
            return 0
        return self.status.listeners_max - self.status.listeners - self.handed

    def chairs(self, now: float) -> int:
        """The same by what it measures; less than none when it holds more than it should."""
        if self.socket is None or now - self.heard_at > EDGE_SILENT_S:
            return 0
        return self.status.capacity - self.status.listeners - self.handed

    def open(self) -> bool:
        """Connect to the edge, if it is there."""
        link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        link.setblocking(False)
        try:
            link.connect(str(self._path))
        except OSError:
            link.close()
            return False
        self.socket = link
        self._given = 0
        self.status = msgspec.structs.replace(self.status, taken=0)
        return True

    def close(self) -> None:
        """The edge has gone, and with it everybody a claim could concern."""
        if self.socket is not None:
            self.socket.close()
        self.socket = None
        self._claims.clear()

    def hear(self, now: float) -> bool:
        """Read what the edge says; False when it has gone."""
        assert self.socket is not None, "only links that are open are heard"
        with contextlib.suppress(BlockingIOError):
            while True:
                try:
                    data = self.socket.recv(HATCH_MESSAGE_BYTES)
                except ConnectionError:
                    return False
                if not data:
                    return False
                self.status, self.heard_at = _statuses.decode(data), now
        return True

    def give(self, descriptors: Sequence[int], admissions: Sequence[Admission]) -> bool:
        """Hand some connections over, all or none; what was handed over is closed here."""
        if self.socket is None:
            return False
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))
        try:
            self.socket.sendmsg((_encoder.encode(admissions),), (rights,))
        except OSError:  # full for the moment; that it has gone is noticed by its end
            return False
        self._given += len(descriptors)
        close_all(descriptors)
        return True

    def tell(self, claims: Iterable[Claim]) -> None:
        """Tell the edge of numbers; what it cannot take at once waits for `push`."""
        if self.socket is None:
            return
        for claim in claims:
            before = self._claims.pop(claim.number, None)
            self._claims[claim.number] = claim if before is None else both(before, claim)
            if len(self._claims) > CLAIMS_WAITING_MAX:
                del self._claims[next(iter(self._claims))]
        self.push()

    def push(self) -> None:
        """Tell what waits to be told."""
        while self._claims and self.socket is not None:
            some = list(itertools.islice(self._claims.values(), CLAIMS_AT_ONCE))
            try:
                self.socket.send(_encoder.encode(some))
            except OSError:
                return
            for claim in some:
                del self._claims[claim.number]


def both(before: Claim, after: Claim) -> Claim:
    """Two claims of one number as one."""
    newer = max(before, after, key=lambda claim: claim.stamp)
    until_s = max(before.until_s, after.until_s)
    return Claim(newer.number, newer.stamp, until_s, newer.prefix)


class Links:
    """Links to some edges, opened again and again, each told every claim."""

    def __init__(self, links: Sequence[Link], clock: Clock) -> None:
        self._links = links
        self._clock = clock
        self._recent: deque[tuple[float, Sequence[Claim]]] = deque()
        self._recent_count = 0
        self._looking: asyncio.Handle | None = None

    def open(self) -> None:
        """Begin to look for edges."""
        self._look()

    def close(self) -> None:
        """Let go of the edges."""
        if self._looking is not None:
            self._looking.cancel()
        for link in self._links:
            self._lose(link)

    @property
    def chairs(self) -> int:
        """Listeners that all these edges could still take, by what they measure and may."""
        now = self._clock.now()
        return sum(link.chairs(now) for link in self._links)

    def tell(self, claims: Sequence[Claim], but: Link | None = None) -> None:
        """Tell edges of numbers.

        Args:
            but: it knows by itself.
        """
        now, recent = self._clock.now(), self._recent
        while recent and (recent[0][0] < now - STAMP_S or self._recent_count > CLAIMS_WAITING_MAX):
            self._recent_count -= len(recent.popleft()[1])
        recent.append((now, claims))
        self._recent_count += len(claims)
        for link in self._links:
            if link is not but:
                link.tell(claims)

    @property
    def capacity(self) -> int:
        """Listeners that these edges can hold, as they said last."""
        told = (link.status for link in self._links if link.socket is not None)
        return sum(min(status.capacity, status.listeners_max) for status in told)

    def heard(self, link: Link) -> None:
        """An edge has said something."""

    def _look(self) -> None:
        """Connect to edges that are away, now and then."""
        loop = asyncio.get_running_loop()
        for link in self._links:
            if link.socket is None and link.open():
                assert link.socket is not None, "it was opened"
                loop.add_reader(link.socket.fileno(), self._hear, link)
                # Somebody whom another gate still holds is not to come in there after all.
                for _, claims in self._recent:
                    link.tell([claim for claim in claims if claim.stamp])
            link.push()
        self._looking = loop.call_later(EDGE_LOOK_S, self._look)

    def _hear(self, link: Link) -> None:
        if not link.hear(self._clock.now()):
            _telemetry.warning("edge %d has gone", link.status.edge)
            self._lose(link)
        else:
            self.heard(link)

    @staticmethod
    def _lose(link: Link) -> None:
        if link.socket is not None:
            asyncio.get_running_loop().remove_reader(link.socket.fileno())
            link.close()
