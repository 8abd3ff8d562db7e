"""The decision about one join: in, a place, a challenge, or not now. Pure, and microseconds.

A gate holds a `Door` for each Space: the last notice, what it may still give away until the next,
and the shares of prefixes. Nothing of one visitor is kept between two requests: what they have,
they show.
"""

import bisect
from dataclasses import dataclass, field

from stentor.gate import challenge, places, tickets
from stentor.gate.asking import (
    ADMITTED,
    CHALLENGED,
    PLACED,
    REFUSED,
    RENEWED_LEASE,
    Asked,
    Decision,
)
from stentor.gate.let_in import LetIn
from stentor.gate.mark import wait_of
from stentor.gate.notice import CLOSED, OPEN, GateSpace, Notice
from stentor.gate.places import HELD, PATIENT, RENEWED, Place
from stentor.gate.shares import Shares, keeps_chair
from stentor.gate.signing import Keys
from stentor.gate.tally import Tally
from stentor.gate.tickets import ACCOUNT, ANYBODY, ON_STAGE, Ticket
from stentor.limits import (
    CHALLENGE_BITS_BASE,
    CHALLENGE_BITS_MAX,
    CLAIM_S,
    LEASE_S,
    NOTICE_STALE_S,
    PATIENCE_S,
    PATIENCE_UNITS,
    POLL_MAX_S,
    POLL_MIN_S,
    SHUFFLE_US,
    TURN_AHEAD_MAX_S,
)


@dataclass(slots=True)
class Door:
    """One Space's door at one gate.

    Attributes:
        edge_room: listeners the edges can take, as they said last; asked when notices are stale.
        tally: what happened since the last report.
        challenges: whether computing may be asked for.
        shares: places that prefixes have taken; `bought`: those that were computed for while nobody
            went short: they make the next one dearer, and no turn later.
    """

    space: str
    keys: Keys
    seed: bytes
    notice: Notice
    lease_s: float = LEASE_S
    challenges: bool = True
    edge_room: int = 0
    heard_at_us: int = 0
    tally: Tally = field(default_factory=Tally)
    shares: Shares = field(default_factory=Shares)
    bought: Shares = field(default_factory=Shares)
    let_in: LetIn = field(default_factory=LetIn)
    _left: int = 0
    _reserve_left: int = 0
    _given: int = 0
    _given_before: int = 0
    _told_us: int = 0
    _holders: dict[int, int] = field(default_factory=dict)
    _let_in: dict[int, int] = field(default_factory=dict)
    _let_in_before: dict[int, int] = field(default_factory=dict)
    _marks_us: list[int] = field(default_factory=list)
    _marks_at_s: list[int] = field(default_factory=list)

    def hear(self, notice: Notice, now_us: int) -> None:
        """The usher's next notice; what was not given away of the last one is not kept.

        What it did not know of yet is: chairs given since the last report it can have had.
        """
        unknown = self._given if self._told_us else 0
        if self._told_us > notice.at_ms * 1_000:
            unknown += self._given_before
        self.notice = notice
        self.heard_at_us = now_us
        self._left, self._reserve_left = max(0, notice.grant - unknown), notice.reserve
        self._holders = dict(notice.heavy)
        self._let_in_before, self._let_in = self._let_in, {}
        if not self._marks_us or notice.admitting_us > self._marks_us[-1]:
            self._marks_us.append(notice.admitting_us)
            self._marks_at_s.append(notice.at_ms // 1_000)
            if len(self._marks_us) > 2 * CLAIM_S:
                del self._marks_us[:CLAIM_S], self._marks_at_s[:CLAIM_S]

    def decide(self, asked: Asked, now_us: int) -> Decision:
        """Decide a join, and note it in the tally."""
        decision = self._ticket(asked, now_us) if asked.ticket else None
        if decision is None:
            decision = self._without_ticket(asked, now_us)
        self.tally.note(decision, asked.prefix)
        return decision

    def renew(self, text: str, prefix: int, now_us: int) -> tuple[Ticket, str] | None:
        """What most ask who are in: a good ticket is shown, and the next one given, as text too.

        As `decide`, which is to be asked when this gives None: then nothing is noted.
        """
        now_s = now_us / 1e6
        found = tickets.read(text, self.space, self.keys.at(now_s).valid, now_s)
        if isinstance(found, str) or not self._keeps_chair(found, prefix, now_us):
            return None
        self.tally.renewed("lease")
        return self._issued(found.number, found.rank, now_us)

    def report(self, now_us: int = 0) -> GateSpace:
        """What happened since the last report; 0: it is heard before anything else happens."""
        notice = self.notice
        self._given_before, self._given, self._told_us = self._given, 0, now_us
        mark = (notice.admitting_us, notice.lapsed_us, notice.gone_us, notice.called)
        return self.tally.take(mark)

    def is_stale(self, now_us: int) -> bool:
        """Whether the usher has been silent for so long that edges decide."""
        return now_us - self.heard_at_us > NOTICE_STALE_S * 1_000_000

    # Tickets -------------------------------------------------------------------------------------

    def _ticket(self, asked: Asked, now_us: int) -> Decision | None:
        now_s = now_us / 1e6
        valid = self.keys.at(now_s).valid
        found = tickets.read(asked.ticket, self.space, valid, now_s)
        if isinstance(found, Ticket):
            return self._renew(found, asked, now_us)
        if found != tickets.EXPIRED:
            return Decision(REFUSED, found)
        late = tickets.read_expired(asked.ticket, self.space, valid, now_s, CLAIM_S)
        if late is None:
            return None
        # Asleep for a while: what they had is free by now, but they need not stand behind all.
        rank = max(asked.rank, late.rank)
        turn_us = self.notice.admitting_us or now_us
        place = Place(self.space, late.number, turn_us, RENEWED)
        return self._claim(place, asked, rank, now_us, fresh=True)

    def _renew(self, ticket: Ticket, asked: Asked, now_us: int) -> Decision:
        if self._keeps_chair(ticket, asked.prefix, now_us):
            return self._admit(RENEWED_LEASE, "lease", ticket.number, ticket.rank, now_us)
        self.let_in.drop(ticket.number)
        place = self._new_place(ticket.number, asked.prefix, now_us)
        return self._placed(place, "share", now_us, fresh=True)

    def _keeps_chair(self, ticket: Ticket, prefix: int, now_us: int) -> bool:
        share = self.notice.share
        if not share or ticket.rank != ANYBODY:
            return True
        holders = self._holders.get(prefix, 0)
        now_s = now_us // 1_000_000
        return holders <= share or keeps_chair(ticket.number, self.seed, share, holders, now_s)

    # Places --------------------------------------------------------------------------------------

    def _without_ticket(self, asked: Asked, now_us: int) -> Decision:
        notice = self.notice
        if asked.rank >= ON_STAGE:
            return self._admit(ADMITTED, "rank", asked.entropy, asked.rank, now_us)
        if self.is_stale(now_us):
            return self._by_edges(asked, now_us)
        if notice.mode == CLOSED:
            return Decision(REFUSED, "closed")
        if asked.rank == ACCOUNT and self._reserve_left > 0:
            self._reserve_left -= 1
            return self._admit(ADMITTED, "rank", asked.entropy, asked.rank, now_us)
        if asked.place:
            valid = self.keys.at(now_us / 1e6).valid
            place = places.read(asked.place, self.space, valid)
            if place is not None and place.turn_us > notice.gone_us:
                return self._claim(place, asked, asked.rank, now_us)
        if asked.rank == ANYBODY and (asked.strained() or notice.challenge_bits):
            return self._challenged(asked, now_us)
        if notice.mode == OPEN and self._take_chair(asked.prefix, asked.entropy, now_us):
            return self._admit(ADMITTED, "direct", asked.entropy, asked.rank, now_us)
        return self._place_or_price(asked, "full" if notice.mode == OPEN else "turn", now_us)

    def _place_or_price(self, asked: Asked, cause: str, now_us: int) -> Decision:
        """A place; if it would have a later turn for what others of the prefix took, its price.

        Most who are behind the same address have taken nothing yet. While people go short, and
        where nothing may be computed, turns are later instead.
        """
        if self.challenges and not self.notice.share and asked.rank == ANYBODY:
            at_us = max(now_us, self.notice.opens_us)
            if self.shares.behind(asked.prefix, at_us, self.notice.burst):
                return self._challenged(asked, now_us)
        place = self._new_place(asked.entropy, asked.prefix, now_us)
        return self._placed(place, cause, now_us, fresh=True)

    def _claim(
        self, place: Place, asked: Asked, rank: int, now_us: int, *, fresh: bool = False
    ) -> Decision:
        """Somebody with a place: is it their turn, and is there a chair?"""
        notice = self.notice
        if notice.mode == CLOSED:
            return Decision(REFUSED, "closed")
        if place.turn_us > notice.admitting_us:
            return self._placed(place, "turn", now_us, fresh=fresh)
        if place.turn_us <= notice.lapsed_us:
            if place.flags & RENEWED:  # the second time: they are as late as anybody
                again = self._new_place(place.number, asked.prefix, now_us)
                return self._placed(again, "lapsed", now_us, fresh=True)
            place = Place(self.space, place.number, notice.admitting_us, place.flags | RENEWED)
            fresh = True
        if self.let_in.has(place.number, now_us):  # shown again: it is one chair, and was counted
            return self._admit(RENEWED_LEASE, "again", place.number, rank, now_us)
        called_at_s = self._called_at_s(place.turn_us)
        if self._over_share(asked.prefix) and rank == ANYBODY:
            if not place.flags & HELD:  # said once: the usher does not expect them any more
                place = Place(self.space, place.number, place.turn_us, place.flags | HELD)
                fresh = True
            decision = self._placed(place, "share", now_us, fresh=fresh)
        elif self._take_chair(asked.prefix, place.number, now_us):
            decision = self._admit(ADMITTED, "claim", place.number, rank, now_us)
            decision.place = place
        else:
            decision = self._placed(place, "full", now_us, fresh=fresh)
        decision.called_at_s = called_at_s
        return decision

    def _challenged(self, asked: Asked, now_us: int) -> Decision:
        """A place has its price now: computing, or time."""
        keys, notice = self.keys.at(now_us / 1e6), self.notice
        if asked.challenge:
            salt, solution = asked.challenge, asked.solution
            bought = challenge.paid(salt, solution, self.space, keys.valid, now_us / 1e6)
            if bought is not None:
                self.tally.challenge("solved")
                if self.let_in.has(bought.number, now_us):
                    return self._admit(RENEWED_LEASE, "again", bought.number, asked.rank, now_us)
                if notice.mode == OPEN and self._take_chair(asked.prefix, bought.number, now_us):
                    return self._admit(ADMITTED, "direct", bought.number, asked.rank, now_us)
                place = self._paid_for(bought, asked.prefix, now_us)
                return self._placed(place, "turn", now_us, fresh=True)
            self.tally.challenge("failed")
        if asked.patience:
            self.tally.challenge("patient")
            place = self._new_place(asked.entropy, asked.prefix, now_us, PATIENCE_UNITS)
            later_us = place.turn_us + PATIENCE_S * 1_000_000
            place = Place(self.space, place.number, later_us, place.flags | PATIENT)
            return self._placed(place, "patience", now_us, fresh=True)
        turn_us = places.turn_of(self.seed, asked.entropy, now_us, notice.opens_us)
        place, at_us = Place(self.space, asked.entropy, turn_us), max(now_us, notice.opens_us)
        tables = (self.shares, self.bought)
        behind_us = sum(one.behind(asked.prefix, at_us, notice.burst) for one in tables)
        # Each doubling of what a prefix has taken beyond its share doubles the price.
        bits = notice.challenge_bits or CHALLENGE_BITS_BASE
        bits = min(CHALLENGE_BITS_MAX, bits + (behind_us // 20_000_000).bit_length())
        given = challenge.ask(place, bits, keys, now_us / 1e6)
        return Decision(CHALLENGED, "pressure", challenge=given, patience_s=PATIENCE_S)

    # What they are made of -----------------------------------------------------------------------

    def _take_chair(self, prefix: int, number: int, now_us: int) -> bool:
        if self._left <= 0:
            return False
        self._left -= 1
        self._given += 1
        self.let_in.add(number, now_us + int(self.lease_s * 1e6))
        if self.notice.share:
            self._let_in[prefix] = self._let_in.get(prefix, 0) + 1
        return True

    def _over_share(self, prefix: int) -> bool:
        share = self.notice.share
        if not share:
            return False
        # Other gates let in as many, and edges have not told yet of those of the last second.
        lately = self._let_in.get(prefix, 0) + self._let_in_before.get(prefix, 0)
        return self._holders.get(prefix, 0) + self.notice.gates * lately >= share

    def _by_edges(self, asked: Asked, now_us: int) -> Decision:
        """Nobody counts for us: take people in as long as the edges have room."""
        if self.edge_room > 0:
            self.edge_room -= 1
            return self._admit(ADMITTED, "stale", asked.entropy, asked.rank, now_us)
        if asked.place:
            valid = self.keys.at(now_us / 1e6).valid
            place = places.read(asked.place, self.space, valid)
            if place is not None:
                return self._placed(place, "full", now_us)
        return self._place_or_price(asked, "full", now_us)

    def _new_place(self, number: int, prefix: int, now_us: int, units: int = 1) -> Place:
        opens_us = self.notice.opens_us
        turn_us = places.turn_of(self.seed, number, now_us, opens_us)
        # Before the doors open there is no time in which a share could be refilled.
        at_us = max(now_us, opens_us)
        later_us = self.shares.take(prefix, at_us, self.notice.burst, units)
        if later_us:
            latest_us = now_us + TURN_AHEAD_MAX_S * 1_000_000
            turn_us = min(max(turn_us, at_us + SHUFFLE_US) + later_us, latest_us)
        return Place(self.space, number, turn_us)

    def _paid_for(self, place: Place, prefix: int, now_us: int) -> Place:
        """A place that was computed for.

        What others of the prefix took before was in the price: while nobody goes short it is not
        waited for as well, or one flooder would keep all out who are behind the same address.
        """
        at_us = max(now_us, self.notice.opens_us)
        table = self.shares if self.notice.share else self.bought
        later_us = table.take(prefix, at_us, self.notice.burst)
        if table is self.bought or not later_us:
            return place
        latest_us = now_us + TURN_AHEAD_MAX_S * 1_000_000
        turn_us = max(place.turn_us, min(at_us + SHUFFLE_US + later_us, latest_us))
        return Place(place.space, place.number, turn_us, place.flags)

    def _placed(self, place: Place, cause: str, now_us: int, *, fresh: bool = False) -> Decision:
        text = places.issue(place, self.keys.at(now_us / 1e6)) if fresh else ""
        wait = wait_of(place.turn_us, self.notice)
        # Who is held by the share of a prefix need not look every few seconds: leases end slowly.
        soon_s = 8 * POLL_MAX_S if cause == "share" else wait.likely
        poll_s = poll_after_s(soon_s, (place.number ^ now_us) % 1_024 / 1_024)
        return Decision(PLACED, cause, None, "", place, text, wait, poll_s)

    def _admit(self, outcome: str, cause: str, number: int, rank: int, now_us: int) -> Decision:
        return Decision(outcome, cause, *self._issued(number, rank, now_us))

    def _issued(self, number: int, rank: int, now_us: int) -> tuple[Ticket, str]:
        now_s = now_us // 1_000_000
        ticket = Ticket(self.space, number, int(now_s + self.lease_s), rank)
        return ticket, tickets.issue(ticket, self.keys.at(now_s))

    def _called_at_s(self, turn_us: int) -> int:
        """When the mark passed a turn, as far as this gate has been told."""
        at = bisect.bisect_left(self._marks_us, turn_us)
        return self._marks_at_s[min(at, len(self._marks_at_s) - 1)] if self._marks_at_s else 0


def poll_after_s(wait_s: float, jitter: float) -> float:
    """When a waiting page looks at the mark again: sooner when its turn is near.

    Args:
        jitter: 0 ... 1, so that pages that came together do not ask together.
    """
    return max(POLL_MIN_S, min(POLL_MAX_S, wait_s / 8)) * (0.75 + jitter / 2)
