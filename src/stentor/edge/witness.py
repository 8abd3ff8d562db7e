"""What a gate sees of those who join, for the ledger: counts and marks, and nobody's address."""

import os

from stentor.audience.marks import Mark, head_of, of_browser
from stentor.audience.sketches import keyed
from stentor.audience.tally import Attempt
from stentor.clock import Clock
from stentor.edge.doors import Doors
from stentor.edge.known_prefixes import KnownPrefixes
from stentor.edge.proxy import Visitor
from stentor.edge.request import Request
from stentor.gate import tickets
from stentor.gate.asking import ADMITTED, CHALLENGED, PLACED, RENEWED_LEASE, Asked, Decision
from stentor.gate.shares import prefix_of
from stentor.gate.tickets import ANYBODY
from stentor.limits import EXAMINED_PER_S, SHUFFLE_US

BAD = frozenset({tickets.INVALID, tickets.WRONG_SPACE, tickets.EXPIRED})
_SALT_BYTES = 32


class Witness:
    """Counts each attempt once; in a flood there is no time to look at every one.

    Attributes:
        salt: what hashes of the day are keyed with: made by the usher, the same at all gates, and
            on no disk. Until it has said it, one's own.
        known: prefixes of earlier Spaces.
    """

    def __init__(self, doors: Doors, clock: Clock, known: KnownPrefixes) -> None:
        self.known = known
        self.salt = os.urandom(_SALT_BYTES)
        self._doors = doors
        self._clock = clock
        self._second = 0
        self._examined = 0

    def page(self, request: Request, visitor: Visitor, space: str) -> None:
        """Somebody was given the Space's page."""
        self._doors.of(space).rules.tally.funnel("page")
        tally = self._doors.tally(space)
        now_s = self._clock.wall_time() / 1e9
        if self._has_time(now_s):
            tally.page(self._client(visitor, request), now_s)
        else:
            tally.count("pages")

    def ended(self, space: str, outcome: str, cause: str) -> None:
        """An attempt has ended without a decision."""
        self._doors.of(space).rules.tally.end(outcome, cause)
        tally = self._doors.tally(space)
        tally.uncounted(f"{outcome}:{cause}")
        if cause in BAD:
            tally.count_in("bad", "ticket")
        elif outcome == "failed":
            tally.count_in("errors", cause)

    def decided(
        self, request: Request, visitor: Visitor, space: str, asked: Asked, decision: Decision
    ) -> None:
        """A join was decided."""
        if decision.outcome == RENEWED_LEASE:
            self.renewed(space, asked.prefix, decision.cause)
            return
        tally = self._doors.tally(space)
        self._count(asked, decision, space)
        if _shows_place(asked, decision):  # it was an attempt when that was given
            return
        outcome = f"{decision.outcome}:{decision.cause}"
        now_s = self._clock.wall_time() / 1e9
        if not self._has_time(now_s):
            tally.uncounted(outcome)
            return
        head = _head(request)
        attempt = Attempt(
            outcome=outcome,
            client=self._client(visitor, request),
            prefix=self._hash(prefix_of(visitor.address).encode()),
            head=self._hash(head),
            known=asked.prefix in self.known,
            marks=_marks(request, asked, decision),
            told_s=decision.poll_after_s,
        )
        tally.attempt(attempt, now_s)

    def renewed(self, space: str, prefix: int, cause: str) -> None:
        """A ticket was given to whoever had one, or had shown the same place before."""
        self._doors.tally(space).count("renewals")
        if cause == "lease":
            self.known.stays(space, prefix)

    def _count(self, asked: Asked, decision: Decision, space: str) -> None:
        tally = self._doors.tally(space)
        if decision.outcome == ADMITTED:
            tally.count("tickets")
            if decision.cause == "claim" and decision.place is not None:
                tally.count("claimed")
                waited_us = self._doors.now_us - decision.place.turn_us + SHUFFLE_US
                tally.waited(max(0.0, waited_us / 1e3))
        elif decision.cause == "lapsed":
            tally.count("lapsed")
        elif decision.place_text and not decision.called_at_s:
            tally.count("issued")
        elif decision.cause in BAD:
            tally.count_in("bad", "ticket")
        if decision.outcome == CHALLENGED:
            tally.count_in("challenges", "failed" if asked.challenge else "asked")
        elif asked.challenge:
            tally.count_in("challenges", "solved")
        elif decision.cause == "patience":
            tally.count_in("challenges", "patient")

    def _has_time(self, now_s: float) -> bool:
        if int(now_s) != self._second:
            self._second, self._examined = int(now_s), 0
        self._examined += 1
        return self._examined <= EXAMINED_PER_S

    def _client(self, visitor: Visitor, request: Request) -> int:
        # A browser's head differs between a page and what the page's script asks for.
        agent = request.header("user-agent")
        return self._hash(f"{visitor.address}\n{agent}".encode("utf-8", "replace"))

    def _hash(self, what: bytes) -> int:
        return keyed(self.salt, what)


def _shows_place(asked: Asked, decision: Decision) -> bool:
    """Whether a genuine place was shown: it was claimed, or its turn has not come."""
    if not asked.place or decision.outcome not in {ADMITTED, PLACED}:
        return False
    return bool(decision.called_at_s) or decision.cause == "lapsed" or not decision.place_text


def _head(request: Request) -> bytes:
    return head_of([name for name, _ in request.headers], request.header("user-agent"))


def _marks(request: Request, asked: Asked, decision: Decision) -> int:
    names = {name for name, _ in request.headers}
    marks = 0 if of_browser(names, request.header("user-agent")) else Mark.STRANGE
    if asked.rank != ANYBODY:
        marks |= Mark.VOUCHED
    if decision.cause in BAD:
        marks |= Mark.BAD
    if decision.outcome == CHALLENGED:
        marks |= Mark.UNSOLVED
    elif asked.challenge:
        marks |= Mark.SOLVED
    return marks
