"""Joining a Space at a gate: tickets, places, challenges, and the door's other addresses."""

import os
from collections.abc import Callable
from functools import partial

import msgspec

from stentor import tokens
from stentor.clock import Clock
from stentor.edge import join_answers
from stentor.edge.answer import Answer
from stentor.edge.cards import KnownCard
from stentor.edge.conversation import too_many
from stentor.edge.doors import Doors
from stentor.edge.join_answers import PLACE_COOKIE, TICKET_COOKIE, closed
from stentor.edge.proxy import Visitor
from stentor.edge.request import Request
from stentor.edge.witness import BAD, Witness
from stentor.errors import Refused, Unavailable
from stentor.gate import places, sessions, shares, signing, tickets
from stentor.gate.asking import ADMITTED, CHALLENGED, PLACED, REFUSED, Asked, Decision
from stentor.gate.notice import CLOSED, OPEN, PLACES, Force, Notice
from stentor.gate.tickets import ACCOUNT, ANYBODY, ON_STAGE, Ticket
from stentor.limits import CLOSED_RETRY_S, JOIN_BYTES_MAX, LADDER_STEP_MAX, MEANWHILE_SHARE
from stentor.shield import Shield, Verb
from stentor.tokens import Keyring

_HOSTS = frozenset({"host", "cohost"})
_SHOWN = frozenset({"lease", "again", "claim"})
"""Causes that are only given to whoever has shown a ticket or place of ours."""
_SCARCE = 4
"""From this step of the ladder on nothing is given that is not owed."""
_FORGED = frozenset({tickets.INVALID, tickets.WRONG_SPACE})


class _Join(msgspec.Struct, frozen=True):
    """The body of a join."""

    challenge: str = ""
    solution: int = -1
    patience: bool = False


class _Step(msgspec.Struct, frozen=True):
    """The body of an order for the ladder."""

    step: int | None


_joins = msgspec.json.Decoder(_Join)
_steps = msgspec.json.Decoder(_Step)
_NO_JOIN, _NOTHING = _Join(), b"{}"


class Joining:
    """What a gate answers to those who want to come in; never waits for anything."""

    def __init__(
        self,
        doors: Doors,
        witness: Witness,
        keyring: Keyring,
        clock: Clock,
        *,
        force: Callable[[Force], None],
        renew: Callable[[int, int], None],
        shield: Shield,
        challenges: bool,
    ) -> None:
        """Begin.

        Args:
            force: has the usher hear that a step of the ladder is wanted.
            renew: has the edges hear that a number's lease goes on until then, UTC seconds.
            shield: what says how much anybody may do.
            challenges: whether computing may be asked for.
        """
        self.witness = witness
        self._doors = doors
        self._keyring = keyring
        self._clock = clock
        self._force = force
        self._renew = renew
        self._shield = shield
        self._challenges = challenges
        self._prefix_secret = signing.prefix_secret(keyring)

    def join(
        self, request: Request, body: bytes, visitor: Visitor, known: KnownCard
    ) -> Answer | bytes:
        """`POST /s/SPACE/join`: in, a place, a challenge, or not now.

        Returns:
            Bytes are a whole answer, with which the connection ends.

        Raises:
            Refused: `request.malformed`, `request.too_large`, `token.*`, `shield.*`.
        """
        space = known.card.space
        if len(body) <= len(_NOTHING) and (shown := _ticket_in(request)):
            renewed = self._renewed(request, visitor, space, shown)
            if renewed is not None:
                return renewed
        rules = self._doors.of(space).rules
        try:
            asked = self._asked(request, body, visitor, space)
            decision = rules.decide(asked, self._doors.now_us)
        except Refused as refused:
            ours = refused.code.startswith("shield.")
            self.witness.ended(space, REFUSED if ours else "client", refused.code)
            raise
        self.witness.decided(request, visitor, space, asked, decision)
        self._weigh(visitor, decision)
        client = join_answers.Client.of(request, visitor, space, self._clock.wall_time() / 1e9)
        if decision.ticket is not None:
            if decision.outcome != ADMITTED:
                self._renew(decision.ticket.number, decision.ticket.expires_at_s)
            return join_answers.admitted(client, decision.ticket, decision.ticket_text)
        is_live = known.card.phase == "live"  # before that there is nothing to be heard
        if decision.outcome == PLACED:
            return join_answers.placed(
                client, decision, meanwhile=is_live and _spares(rules.notice)
            )
        if decision.outcome == CHALLENGED:
            return join_answers.challenged(decision)
        if decision.cause in BAD:
            return join_answers.forgotten(client, tickets.refused(decision.cause))
        return join_answers.shut(rules.notice)

    def _renewed(
        self, request: Request, visitor: Visitor, space: str, shown: str
    ) -> Answer | bytes | None:
        """The next ticket, for one that is good; None: it takes a decision."""
        door, prefix, now_us = self._doors.of(space), self._prefix_key(visitor), self._doors.now_us
        renewed = door.rules.renew(shown, prefix, now_us)
        if renewed is None:
            return None
        ticket, text = renewed
        self.witness.renewed(space, prefix, "lease")
        self._shield.vouched(visitor.address, ticket.number, self._clock.now())
        self._renew(ticket.number, ticket.expires_at_s)
        client = join_answers.Client.of(request, visitor, space, now_us / 1e6)
        if visitor.behind:  # the connection is a proxy's, for many
            return join_answers.admitted(client, ticket, text)
        return door.renewals.whole(client, ticket, text)

    def _weigh(self, visitor: Visitor, decision: Decision) -> None:
        """What a join tells of where it comes from.

        Raises:
            Refused: `shield.tickets`.
        """
        if decision.ticket is not None and decision.cause in _SHOWN:
            self._shield.vouched(visitor.address, decision.ticket.number, self._clock.now())
        elif decision.cause in _FORGED:
            self._forged(visitor)

    def _forged(self, visitor: Visitor) -> None:
        now, behind = self._clock.now(), visitor.behind
        if not self._shield.asked(visitor.address, Verb.BAD_TICKET, now, behind=behind):
            sentence = "Too many tickets from your address or its neighbours are not ours."
            raise Refused("shield.tickets", sentence)

    def _strained(self, visitor: Visitor) -> bool:
        """Whether more newcomers come from there than may without a price.

        Raises:
            Refused: `shield.requests`: and none is asked here.
        """
        now, behind = self._clock.now(), visitor.behind
        if self._shield.asked(visitor.address, Verb.JOIN, now, behind=behind):
            return False
        if not self._challenges:
            if self._shield.is_many(visitor.address):
                return False
            raise too_many()
        return True

    def failed(self, space: str) -> None:
        """A join could not be decided by a fault of ours."""
        self.witness.ended(space, "failed", "edge.fault")

    def health(self) -> dict[str, object]:
        """How the doors stand, for `/healthz`."""
        return self._doors.health()

    def admitting(self, known: KnownCard) -> Answer:
        """`GET /s/SPACE/admitting`: how far the door is; the same bytes for everybody."""
        door = self._doors.of(known.card.space)
        door.rules.tally.funnel("admitting")
        return door.admitting

    def ladder(self, request: Request, body: bytes, known: KnownCard) -> Answer:
        """`POST /s/SPACE/ladder`: the host or a co-host forces a step, or lets it go.

        Raises:
            Refused: `token.*`, `request.malformed`.
        """
        space = known.card.space
        claims = tokens.check(request.bearer, self._keyring, self._clock.wall_time() / 1e9)
        if claims.kind != "seat" or claims.role not in _HOSTS:
            raise Refused("token.wrong_role", "Only the host and co-hosts may do this.")
        if claims.space != space:
            raise Refused("token.wrong_space", "This link belongs to another Space.")
        try:
            step = _steps.decode(body).step
        except msgspec.MsgspecError as wrong:
            sentence = 'Send {"step": 0 to 5}, or {"step": null} to let load decide.'
            raise Refused("request.malformed", sentence) from wrong
        if step is not None and not 0 <= step <= LADDER_STEP_MAX:
            raise Refused("request.malformed", f"The ladder has steps 0 to {LADDER_STEP_MAX}.")
        self._force(Force(space, step, "host"))
        return join_answers.ordered(step)

    def ticket_of(self, request: Request, space: str, visitor: Visitor) -> Ticket | None:
        """The ticket that is shown; None without one. One that is shown must be good.

        Raises:
            Refused: `ticket.invalid`, `ticket.wrong_space`, `ticket.expired`, `shield.tickets`.
        """
        shown = _ticket_in(request)
        if not shown:
            return None
        now_s = self._clock.wall_time() / 1e9
        found = tickets.read(shown, space, self._doors.keys.at(now_s).valid, now_s)
        if isinstance(found, Ticket):
            self._shield.vouched(visitor.address, found.number, self._clock.now())
            return found
        self.witness.ended(space, REFUSED, found)
        if found in _FORGED:
            self._forged(visitor)
        raise tickets.refused(found)

    def may_hear_radio(self, request: Request, space: str, ticket: Ticket | None) -> None:
        """As `may_listen`; who has a place may hear the radio stream while there is room to spare.

        Raises:
            Unavailable: `door.places` or `door.closed`.
        """
        rules = self._doors.of(space).rules
        shown = request.header("stentor-place") or request.cookie(PLACE_COOKIE)
        if ticket is None and shown and _spares(rules.notice):
            valid = self._doors.keys.at(self._clock.wall_time() / 1e9).valid
            place = places.read(shown, space, valid)
            if place is not None and place.turn_us > rules.notice.lapsed_us:
                rules.tally.funnel("radio")
                return
        self.may_listen(space, ticket, "radio")

    def may_listen(self, space: str, ticket: Ticket | None, what: str) -> None:
        """Whether sound may be given: with a ticket; without one only while nobody has to wait.

        Args:
            what: `live`, `radio` or `hls`.

        Raises:
            Unavailable: `door.places` or `door.closed`.
        """
        rules = self._doors.of(space).rules
        rules.tally.funnel(what)
        if ticket is not None or rules.notice.mode == OPEN or rules.is_stale(self._doors.now_us):
            return
        if rules.notice.mode == CLOSED:
            self.witness.ended(space, REFUSED, "closed")
            raise closed()
        self.witness.ended(space, REFUSED, "ticketless")
        sentence = "Listeners wait for their turn just now: join on the Space's page."
        raise Unavailable("door.places", sentence, CLOSED_RETRY_S)

    def _prefix_key(self, visitor: Visitor) -> int:
        return shares.prefix_key(shares.prefix_of(visitor.address), self._prefix_secret)

    def _asked(self, request: Request, body: bytes, visitor: Visitor, space: str) -> Asked:
        if len(body) > JOIN_BYTES_MAX:
            raise Refused("request.too_large", f"A join has at most {JOIN_BYTES_MAX} bytes.")
        join = _NO_JOIN
        if len(body) > len(_NOTHING):
            try:
                join = _joins.decode(body)
            except msgspec.MsgspecError as wrong:
                sentence = "A join is {}, or has challenge and solution, or patience."
                raise Refused("request.malformed", sentence) from wrong
        rank, number = self._rank(request, visitor, space)
        return Asked(
            prefix=self._prefix_key(visitor),
            entropy=number or int.from_bytes(os.urandom(8), "big") or 1,
            rank=rank,
            ticket=_ticket_in(request),
            place=request.header("stentor-place") or request.cookie(PLACE_COOKIE),
            challenge=join.challenge,
            solution=join.solution,
            patience=join.patience,
            strained=partial(self._strained, visitor),
        )

    def _rank(self, request: Request, visitor: Visitor, space: str) -> tuple[int, int]:
        """What somebody is here, and the number they have for that: one seat is one stream."""
        now_s = self._clock.wall_time() / 1e9
        if token := request.bearer:
            claims = tokens.check(token, self._keyring, now_s)
            if claims.kind == "seat" and claims.space == space:
                return ON_STAGE, shares.prefix_key(claims.seat, self._prefix_secret)
        name = "__Host-stentor" if visitor.scheme == "https" else "stentor"
        if session := request.cookie(name):
            number = sessions.number_of(session, self._keyring, now_s)
            return (ACCOUNT, number) if number else (ANYBODY, 0)
        return ANYBODY, 0


def _ticket_in(request: Request) -> str:
    return request.header("stentor-ticket") or request.cookie(TICKET_COOKIE)


def _spares(notice: Notice) -> bool:
    """Whether chairs are free although people wait: those who wait may be given something of it."""
    room = notice.listeners < MEANWHILE_SHARE * notice.capacity
    return notice.mode == PLACES and notice.step < _SCARCE and room
