"""Who hears by HLS: no connection of theirs lasts, so they are counted by what they ask for.

A player is admitted once and stays so for as long as it keeps asking; which gate its next
connection comes to is chance, so gates tell each other whom they count (`neighbours.py`). What a
player is given depends on nothing but the address it asks for: caches may keep it, and hand it on.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable

from stentor.clock import Clock
from stentor.edge.clients import client_of
from stentor.edge.joining import Joining
from stentor.edge.leases import Lease
from stentor.edge.proxy import Visitor
from stentor.edge.request import Request
from stentor.errors import Refused, Unavailable
from stentor.gate.shares import prefix_key, prefix_of
from stentor.gate.tickets import Ticket
from stentor.limits import (
    FULL_RETRY_S,
    HLS_CLIENT_S,
    HLS_PLAYERS_MAX,
    HLS_TELL_S,
)


class Players:
    """The HLS players of all Spaces, as one gate knows them."""

    def __init__(
        self,
        joining: Joining,
        secret: bytes,
        clock: Clock,
        capacity: Callable[[], int],
        share: float,
        tell: Callable[[int], None],
    ) -> None:
        """Begin with nobody.

        Args:
            secret: makes keys of addresses.
            capacity: listeners all edges can hold; 0: unknown.
            share: of these, those who may be without a ticket.
            tell: has the other gates hear of a player.
        """
        self._joining = joining
        self._secret = secret
        self._clock = clock
        self._capacity = capacity
        self._share = share
        self._tell = tell
        self._seen: OrderedDict[int, list[float]] = OrderedDict()  # seen at, told at
        self._tickets: OrderedDict[int, Lease] = OrderedDict()

    def __len__(self) -> int:
        """How many there are without a ticket."""
        return len(self._seen)

    def let_in(self, request: Request, visitor: Visitor, space: str) -> None:
        """Let somebody have what is asked for of a live Space.

        Raises:
            Refused: `ticket.*`.
            Unavailable: `door.places`, `door.closed`, `ticketless.full`.
        """
        ticket = self._joining.ticket_of(request, space, visitor)
        now = self._clock.now()
        if ticket is not None:
            self._follow(ticket, visitor, now)
            return
        key = prefix_key(f"{space} {client_of(visitor.address)}", self._secret)
        known = self._seen.get(key)
        if known is None or now - known[0] >= HLS_CLIENT_S:
            self._joining.may_listen(space, None, "hls")
            self._count(key, now)
            return
        known[0] = now
        self._seen.move_to_end(key)
        if now - known[1] >= HLS_TELL_S:
            known[1] = now
            self._tell(key)

    def hear(self, keys: Iterable[int]) -> None:
        """Another gate counts these players."""
        now = self._clock.now()
        for key in keys:
            known = self._seen.pop(key, None) or [now, now]
            known[0] = now
            self._seen[key] = known
        while len(self._seen) > HLS_PLAYERS_MAX:
            self._seen.popitem(last=False)

    def _count(self, key: int, now: float) -> None:
        self._seen.pop(key, None)
        while self._seen and now - next(iter(self._seen.values()))[0] >= HLS_CLIENT_S:
            self._seen.popitem(last=False)
        capacity = self._capacity()
        most = max(1, int(self._share * capacity)) if capacity else HLS_PLAYERS_MAX
        if len(self._seen) >= min(most, HLS_PLAYERS_MAX):
            sentence = "Every place without a ticket is taken; the Space's page gives tickets."
            raise Unavailable("ticketless.full", sentence, FULL_RETRY_S)
        self._seen[key] = [now, now]
        self._tell(key)

    def _follow(self, ticket: Ticket, visitor: Visitor, now: float) -> None:
        """A ticket serves one player: many who share one come from here and there in turn."""
        prefix = prefix_key(prefix_of(visitor.address), self._secret)
        lease = Lease(ticket.number, 0, prefix, now, now)
        before = self._tickets.pop(ticket.number, None)
        if before is not None:
            lease.follow(before, now)
        self._tickets[ticket.number] = lease
        if len(self._tickets) > HLS_PLAYERS_MAX:
            self._tickets.popitem(last=False)
        if lease.moves_too_fast:
            sentence = "This ticket goes from network to network too fast; try again in a minute."
            raise Refused("ticket.moving", sentence)
