"""Door and edge in one process, beside others of its kind: each tells the others of its tickets.

What TLS needs: its connections cannot be handed over, but a ticket's newest connection may come to
any process of the node.
"""

import asyncio
from pathlib import Path

from stentor.clock import Clock
from stentor.edge.admission import Admission, Claim
from stentor.edge.fanout import Fanout
from stentor.edge.handover import claim_of
from stentor.edge.links import Link, Links, both
from stentor.edge.status import Status


class Siblings(Links):
    """The fan-out of this process, and the hatches of the others."""

    def __init__(self, fanout: Fanout, sockets: dict[int, Path], clock: Clock) -> None:
        """Args: sockets: of the other processes' hatches, by their number."""
        super().__init__([Link(path, index) for index, path in sockets.items()], clock)
        self._fanout = fanout
        self._claims: dict[int, Claim] = {}
        self._telling: asyncio.Handle | None = None

    def close(self) -> None:
        """Let go of the others."""
        super().close()
        if self._telling is not None:
            self._telling.cancel()

    @property
    def listeners_count(self) -> int:
        """Listeners of this process."""
        return self._fanout.listeners_count

    @property
    def is_full(self) -> bool:
        """Whether there is no place in this process: the others accept for themselves."""
        return self._fanout.is_full

    @property
    def capacity(self) -> int:
        """Listeners that all of them can hold."""
        own = self._fanout.status()
        return min(own.capacity, own.listeners_max) + super().capacity

    @property
    def chairs_free(self) -> int:
        """Listeners that this process could still take."""
        status = self._fanout.status()
        return status.capacity - status.listeners

    def status(self) -> Status:
        """How this process stands."""
        return self._fanout.status()

    def admit(self, descriptor: int, admission: Admission) -> None:
        """Take a connection over."""
        self._fanout.admit(descriptor, admission)
        if admission.number:
            self._tell_soon(claim_of(admission))

    def renew(self, number: int, until_s: int) -> None:
        """A ticket's lease goes on until then, UTC seconds."""
        claim = Claim(number, 0, until_s)
        self._fanout.claim([claim])
        self._tell_soon(claim)

    def _tell_soon(self, claim: Claim) -> None:
        if not self._links:
            return
        before = self._claims.get(claim.number)
        self._claims[claim.number] = claim if before is None else both(before, claim)
        if self._telling is None:
            self._telling = asyncio.get_running_loop().call_soon(self._tell_now)

    def _tell_now(self) -> None:
        self._telling = None
        claims, self._claims = self._claims, {}
        self.tell(list(claims.values()))
