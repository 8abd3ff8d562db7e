"""What somebody who joins is answered: documents, cookies, and when to ask again. Pure."""

from typing import Any

import msgspec

from stentor import problem
from stentor.edge.answer import SAFE_HEADERS, Answer, in_one_piece, of_error
from stentor.edge.proxy import Visitor
from stentor.edge.request import Request
from stentor.errors import Refused, StentorError, Unavailable
from stentor.gate.asking import Decision
from stentor.gate.notice import Notice
from stentor.gate.tickets import Ticket
from stentor.limits import CLOSED_RETRY_S, GONE_S, TURN_AHEAD_MAX_S

TICKET_COOKIE = "stentor-ticket"
PLACE_COOKIE = "stentor-place"
_FRESH = (("Content-Type", "application/json"), ("Cache-Control", "no-store"), *SAFE_HEADERS)


class Client(msgspec.Struct, frozen=True, gc=False):
    """How whoever asks is given what they carry.

    Attributes:
        headers: it keeps tickets and places itself and shows them in headers; else in cookies.
        secure: whether it speaks HTTPS with the door.
    """

    space: str
    headers: bool
    secure: bool
    now_s: float

    @classmethod
    def of(cls, request: Request, visitor: Visitor, space: str, now_s: float) -> "Client":
        """The client of a request, at this wall time."""
        headers = request.header("stentor-client") == "headers"
        return cls(space, headers, visitor.scheme == "https", now_s)

    def given(
        self, status: int, told: dict[str, Any], name: str, text: str, age_s: float
    ) -> Answer:
        """An answer with something to carry.

        Args:
            name: `ticket` or `place`; `text`: it; empty: nothing new.
            age_s: how long it is worth anything.
        """
        headers = [*_FRESH]
        if text and self.headers:
            told[name] = text
        elif text:
            cookie = f"stentor-{name}={text}; Path=/s/{self.space}; Max-Age={round(age_s)}"
            end = "; HttpOnly; SameSite=Lax" + ("; Secure" if self.secure else "")
            headers.append(("Set-Cookie", cookie + end))
        return Answer(status, headers, msgspec.json.encode(told))


class Renewals:
    """Whole answers to those who renew their tickets: in one second the ticket alone differs.

    Nobody asks anything more within a minute of renewing: their connections end.
    """

    __slots__ = ("_forms",)

    def __init__(self) -> None:
        self._forms: dict[tuple[bool, bool], tuple[tuple[int, int, int], bytes, bytes]] = {}

    def whole(self, client: Client, ticket: Ticket, text: str) -> bytes:
        """Head and body for a client, with a ticket and its text."""
        second = int(client.now_s)
        same = second, ticket.expires_at_s, len(text)
        form = self._forms.get((client.headers, client.secure))
        if form is None or form[0] != same:
            blank = "@" * len(text)
            now = msgspec.structs.replace(client, now_s=second)
            given = in_one_piece(admitted(now, ticket, blank), 1, second, keep=False)
            before, _, after = given.partition(blank.encode())
            form = self._forms[client.headers, client.secure] = same, before, after
        return form[1] + text.encode() + form[2]


def admitted(client: Client, ticket: Ticket, text: str) -> Answer:
    """A ticket, new or renewed, and its text."""
    lease_s = max(0, round(ticket.expires_at_s - client.now_s))
    told = {
        "ticket_until_ms": ticket.expires_at_s * 1_000,
        "lease_s": lease_s,
        "renew_after_s": lease_s // 2,
    }
    # It is kept beyond its lease: who slept through that is known again.
    return client.given(200, told, "ticket", text, lease_s + GONE_S)


def placed(client: Client, decision: Decision, *, meanwhile: bool) -> Answer:
    """A place, how many are before it, and how long that will probably take.

    Args:
        meanwhile: the radio stream may be heard until then.
    """
    place, wait = decision.place, decision.wait
    assert place is not None, "who is placed has a place"
    assert wait is not None, "and is told how long it will be"
    low, likely, high = round(wait.low), round(wait.likely), round(wait.high)
    told = {
        "turn_us": place.turn_us,
        "ahead": wait.ahead,
        "wait_s": {"low": low, "likely": likely, "high": high},
        "poll_after_s": decision.poll_after_s,
        "why": decision.cause,
    }
    if meanwhile:
        told["meanwhile"] = f"/s/{client.space}/radio.mp3"
    age_s = max(0.0, place.turn_us / 1e6 - client.now_s) + GONE_S + TURN_AHEAD_MAX_S
    return client.given(202, told, "place", decision.place_text, age_s)


def challenged(decision: Decision) -> Answer:
    """Something to compute, or to wait longer for."""
    sentence = "So many come just now that a place has a price: compute it, or wait longer."
    return _with(
        Refused("challenge.required", sentence),
        challenge=decision.challenge,
        patience_s=decision.patience_s,
    )


def closed() -> Unavailable:
    """Nobody new is let in."""
    sentence = "No new listeners are let in just now; the recording will be at this address."
    return Unavailable("door.closed", sentence, CLOSED_RETRY_S)


def shut(notice: Notice) -> Answer:
    """Nobody new is let in: why, and when the recording will probably be here."""
    return _with(closed(), recording_at_ms=notice.recording_at_ms, why=notice.why)


def forgotten(client: Client, refused: Refused) -> Answer:
    """A ticket that is not good: the browser lets go of it, and the next join begins anew."""
    if client.headers:
        return of_error(refused)
    gone = f"{TICKET_COOKIE}=; Path=/s/{client.space}; Max-Age=0"
    return of_error(refused, ("Set-Cookie", gone))


def ordered(step: int | None) -> Answer:
    """A step of the ladder has been ordered; it is taken when the usher hears of it."""
    return Answer(202, [*_FRESH], msgspec.json.encode({"step": step}))


def _with(error: StentorError, **more: object) -> Answer:
    given = of_error(error)
    given.body = msgspec.json.encode(problem.document_of(error) | more)
    return given
