"""Who listens with which ticket: one stream for a number, on whatever edge; the newest wins. Pure.

Every admission with a ticket carries a stamp: the moment its gate saw it, in nanoseconds of the
monotonic clock that all processes of a machine share, with the gate's own number in the lowest
bits, so that no two are equal. The gate hands the connection to one edge and tells all others of it
by a claim. In whatever order these arrive: an edge keeps the newest stamp it has heard for a
number, ends what it holds with an older one, and takes nobody in with an older one. An admission
that has been on its way for longer than stamps are remembered is too late, and is not taken at all.
"""

from collections import OrderedDict
from typing import Generic, Protocol, TypeVar

import msgspec

from stentor.edge.admission import Admission, Claim
from stentor.gate.tickets import ON_STAGE
from stentor.limits import (
    GATES_MAX,
    LEASE_ENDS_PER_TICK,
    LEASE_GRACE_S,
    LEASES_KEPT_MAX,
    MOVES_PER_MINUTE,
    MOVES_S,
    STAMP_S,
)

_TICKS_PER_S = 1e9 / GATES_MAX
"""A stamp is in nanoseconds, but for its lowest bits."""


class Stamps:
    """Gives stamps: each later than the one before, and none that another process gives."""

    def __init__(self, index: int) -> None:
        """Args: index: of the process among those that admit."""
        self._index = index % GATES_MAX
        self._last = 0

    def at(self, now: float) -> int:
        """The stamp of what is admitted now."""
        ticks = int(now * _TICKS_PER_S)
        if ticks <= self._last:
            ticks = self._last + 1
        self._last = ticks
        return ticks * GATES_MAX + self._index


class Lease(msgspec.Struct, eq=False, gc=False):
    """What is known of a number.

    Attributes:
        stamp: of its newest admission.
        until: when its lease ends, monotonic seconds.
        moves: how often it has come from another network since `moving_since`.
        foreign: whether it listens at another edge.
        moved: whether it was listening when it came here.
        displaced: whether a newer connection has taken its place.
    """

    number: int
    stamp: int
    prefix: int
    until: float
    moving_since: float
    rank: int = 0
    moves: int = 0
    foreign: bool = False
    moved: bool = False
    displaced: bool = False

    def follow(self, before: "Lease", now: float) -> None:
        """Take over what is known of earlier admissions."""
        self.moves, self.moving_since = before.moves, before.moving_since
        if now - self.moving_since >= MOVES_S:
            self.moves, self.moving_since = 0, now
        if self.prefix == before.prefix:
            self.prefix = before.prefix  # one object for all their admissions
        else:
            self.moves += 1

    @property
    def moves_too_fast(self) -> bool:
        """Whether it has come from too many places."""
        return self.moves > MOVES_PER_MINUTE


class Holder(Protocol):
    """Whoever listens with a ticket."""

    lease: Lease | None


_H = TypeVar("_H", bound=Holder)


class Leases(Generic[_H]):
    """The numbers one edge knows: those that listen here, and those it was lately told of.

    A number stands in one bucket, the second in which it is looked at next: renewals move nothing.
    """

    def __init__(self, now: float, grace_s: float = LEASE_GRACE_S) -> None:
        """Begin with nobody. Args: grace_s: a lease ends so much later than it says."""
        self._grace_s = grace_s
        self._held: dict[int, _H] = {}
        self._absent: OrderedDict[int, Lease] = OrderedDict()
        self._buckets: dict[int, list[int]] = {}
        self._swept_s = int(now)

    def __len__(self) -> int:
        """Numbers that listen here."""
        return len(self._held)

    @property
    def known(self) -> int:
        """Numbers in the table."""
        return len(self._held) + len(self._absent)

    def take(
        self, holder: _H, admission: Admission, now: float, wall_s: float
    ) -> tuple[str, _H | None]:
        """Let somebody listen, if no newer connection has come.

        Returns:
            Why not: `elsewhere`, `moving`; empty: it listens. And who had to give way here.
        """
        number, stamp = admission.number, admission.stamp
        displaced = self._held.get(number)
        before = self._absent.get(number) if displaced is None else displaced.lease
        if stamp / 1e9 < now - STAMP_S or (before is not None and stamp <= before.stamp):
            return "elsewhere", None
        until = now + admission.lease_until_s - wall_s
        lease = Lease(number, stamp, admission.prefix, until, now, min(admission.rank, ON_STAGE))
        if before is not None:
            before.displaced |= displaced is not None
            lease.follow(before, now)
            lease.moved = before.foreign or before.displaced
            self._absent.pop(number, None)
            if lease.moves_too_fast:
                self._held.pop(number, None)
                self._remember(lease)
                return "moving", displaced
        self._held[number] = holder
        holder.lease = lease
        if before is None:
            self._look_again(lease, now)
        return "", displaced

    def hear(self, claim: Claim, now: float, wall_s: float) -> _H | None:
        """A gate tells of a number; who has to give way here, if anybody."""
        before = self._known(claim.number)
        until = now + claim.until_s - wall_s
        if not claim.stamp:
            if before is not None:
                before.until = max(before.until, until)
            return None
        if claim.stamp / 1e9 < now - STAMP_S or (
            before is not None and claim.stamp <= before.stamp
        ):
            return None
        lease = Lease(claim.number, claim.stamp, claim.prefix, until, now)
        lease.foreign = True
        if before is not None:
            lease.follow(before, now)
        displaced = self._displace(claim.number)
        self._remember(lease)
        if before is None:
            self._look_again(lease, now)
        return displaced

    def leave(self, holder: _H) -> None:
        """Somebody listens no more; what is known of the number stays for a while."""
        lease = holder.lease
        if lease is not None and self._held.get(lease.number) is holder:
            del self._held[lease.number]
            self._remember(lease)

    def sweep(self, now: float, *, ends: bool = True) -> list[_H]:
        """Forget what is old, and find those whose lease has ended, some at a time.

        Args:
            ends: whether leases end at all: nobody can renew one while no gate is there.
        """
        over: list[_H] = []
        while self._swept_s < int(now):
            bucket = self._buckets.get(self._swept_s, [])
            while bucket:
                if len(over) >= LEASE_ENDS_PER_TICK:
                    return over
                self._look_at(bucket.pop(), now, over, ends=ends)
            self._buckets.pop(self._swept_s, None)
            self._swept_s += 1
        return over

    def _look_at(self, number: int, now: float, over: list[_H], *, ends: bool) -> None:
        holder = self._held.get(number)
        lease = self._known(number)
        if lease is None:
            return
        if holder is None:
            if now - lease.moving_since >= MOVES_S and lease.stamp / 1e9 < now - STAMP_S:
                del self._absent[number]
            else:
                self._look_again(lease, now)
        elif not ends and now >= lease.until:
            lease.until = now  # once gates are back there is the grace in which to renew
            self._buckets.setdefault(self._swept_s + 1, []).append(number)
        elif now < lease.until + self._grace_s:
            self._look_again(lease, now)
        else:
            del self._held[number]  # its stamp is too old to be needed any more
            over.append(holder)

    def _displace(self, number: int) -> _H | None:
        holder = self._held.pop(number, None)
        if holder is not None and holder.lease is not None:
            holder.lease.displaced = True
        return holder

    def _known(self, number: int) -> Lease | None:
        holder = self._held.get(number)
        return holder.lease if holder is not None else self._absent.get(number)

    def _remember(self, lease: Lease) -> None:
        absent, number = self._absent, lease.number
        if number in absent:
            absent.move_to_end(number)
        elif len(absent) >= LEASES_KEPT_MAX:
            absent.popitem(last=False)
        absent[number] = lease

    def _look_again(self, lease: Lease, now: float) -> None:
        """Put a number into the bucket of the second in which something may be due."""
        at = lease.until + self._grace_s if lease.number in self._held else now + MOVES_S
        second = max(int(at) + 1, int(now) + 1, self._swept_s + 1)
        self._buckets.setdefault(second, []).append(lease.number)
