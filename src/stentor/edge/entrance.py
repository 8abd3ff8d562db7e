"""What a connection is admitted with: who it is counted for, and the lease its ticket gives it."""

import functools

from stentor.clock import Clock
from stentor.edge.admission import Admission
from stentor.edge.clients import CLIENTS_REMEMBERED, Addresses, client_of
from stentor.edge.leases import Stamps
from stentor.gate.shares import prefix_key, prefix_of
from stentor.gate.tickets import Ticket


class Entrance:
    """Where those who are let in get what edges know them by."""

    def __init__(self, uncounted: Addresses, secret: bytes, clock: Clock, index: int) -> None:
        """Begin.

        Args:
            uncounted: addresses nobody is counted for: proxies are many people.
            secret: turns prefixes of addresses into keys that tell nobody which they are.
            index: of this process among those that admit.
        """
        self._uncounted = uncounted
        self._secret = secret
        self._clock = clock
        self._stamps = Stamps(index)
        self._known = functools.lru_cache(CLIENTS_REMEMBERED)(self._read)

    def let_in(
        self,
        address: str,
        ticket: Ticket | None,
        space: str,
        stream: str,
        *,
        chunked: bool,
        cursor: tuple[int, int] | None = None,
        since: int | None = None,
    ) -> Admission:
        """An admission to what is wanted, with what is known of who comes.

        Args:
            address: of the client.
        """
        client, prefix = self._known(address)
        if ticket is None:
            return Admission(space, stream, chunked, client, cursor, since)
        return Admission(
            space,
            stream,
            chunked,
            client,
            cursor,
            since,
            ticket.number,
            ticket.rank,
            self._stamps.at(self._clock.now()),
            ticket.expires_at_s,
            prefix,
        )

    def _read(self, address: str) -> tuple[str, int]:
        """Who is counted for an address, and the key of its prefix."""
        client = client_of(address) if address not in self._uncounted else ""
        return client, prefix_key(prefix_of(address), self._secret)
