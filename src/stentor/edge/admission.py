"""What is handed over with a listener's socket: where it wants to listen, and from when. Pure."""

import msgspec

from stentor import problem
from stentor.edge.answer import (
    SAFE_HEADERS,
    Answer,
    head_of,
    http_date,
    in_one_piece,
    of_error,
    shared,
)
from stentor.edge.icy import format_of
from stentor.edge.records import Keys
from stentor.errors import Refused, Unavailable
from stentor.limits import FULL_RETRY_S, MOVES_S
from stentor.record import Cursor

LIVE_HEADERS = [
    ("Content-Type", "audio/mp4"),
    ("Cache-Control", "no-store"),
    ("X-Accel-Buffering", "no"),  # proxies that gather answers would spoil this one
    *SAFE_HEADERS,
]
_UNHEARD = frozenset({"withdrawn", "deleted", "cancelled"})


class Admission(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a listener was let in for.

    Attributes:
        space: the Space's identifier.
        stream: the name of what it hears: a rendition, or a radio stream (`icy.py`).
        chunked: whether it understands chunks (HTTP/1.1).
        client: who is counted for it (`clients.py`); empty: nobody.
        cursor: where it goes on, as epoch and offset; None: see `since`.
        since: media_time it wants to begin with; None: the newest parts.
        number: of the ticket it has shown; 0: none.
        rank: the ticket's.
        stamp: when it was admitted, exactly (`leases.py`); 0 without a ticket.
        lease_until_s: when the ticket's lease ends, UTC seconds; 0 without a ticket.
        prefix: a keyed hash of the network it comes from; 0: not told.
        keys: what its connection's records are sealed with; None without TLS.
    """

    space: str
    stream: str
    chunked: bool = True
    client: str = ""
    cursor: tuple[int, int] | None = None
    since: int | None = None
    number: int = 0
    rank: int = 0
    stamp: int = 0
    lease_until_s: int = 0
    prefix: int = 0
    keys: Keys | None = None

    @property
    def resumes_at(self) -> Cursor | None:
        """The cursor as one."""
        return Cursor(*self.cursor) if self.cursor is not None else None


class Claim(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What all edges are told of a ticket's number: it listens elsewhere now, or for longer.

    Attributes:
        stamp: of its newest admission; 0: there is none, its lease was renewed.
        until_s: when its lease ends, UTC seconds.
        prefix: as in the admission.
    """

    number: int
    stamp: int
    until_s: int
    prefix: int = 0


def begins() -> Answer:
    """The head of a live response; its body is sent by the fan-out."""
    return Answer(200, LIVE_HEADERS, None)


def ended(admission: Admission, phase: str) -> Answer:
    """There is nothing live any more; where the replay is, unless the host took it back.

    Args:
        phase: of the Space, as its card says.
    """
    refused = Refused("space.ended", "This Space has ended.")
    document = problem.document_of(refused)
    if phase not in _UNHEARD:
        rendition = "aac" if format_of(admission.stream) else admission.stream
        document["replay"] = f"/s/{admission.space}/replay/{rendition}.mp4"
    given = of_error(refused)
    given.body = msgspec.json.encode(document)
    return given


def not_followed() -> Answer:
    """The Space's log cannot be read."""
    sentence = "This Space cannot be heard here at the moment; try again in a second."
    return of_error(Unavailable("space.unreadable", sentence))


def full() -> Answer:
    """Every place is taken."""
    return _FULL


_FULL = shared(
    of_error(
        Unavailable(
            "door.full",
            "Every place at this door is taken; try again in a few seconds.",
            FULL_RETRY_S,
        )
    )
)


def unheard(why: str) -> Answer:
    """A ticket does not let this connection listen.

    Args:
        why: `elsewhere`: a newer one has shown it; `moving`: it came from one network after the
            other; `expired`: its time was over before it had begun.
    """
    match why:
        case "elsewhere":
            sentence = "A newer connection listens with this ticket; only the newest is heard."
            return of_error(Refused("ticket.elsewhere", sentence))
        case "moving":
            sentence = "This ticket goes from network to network too fast; try again in a minute."
            retry = ("Retry-After", str(round(MOVES_S)))
            return of_error(Refused("ticket.moving", sentence), retry)
        case _:
            sentence = "This ticket has expired; load the Space's page again."
            return of_error(Refused("ticket.expired", sentence))


def ticketless_full() -> Answer:
    """Those who listen without a ticket have all places that are for them."""
    sentence = "Every place without a ticket is taken; the Space's page gives tickets."
    return of_error(Unavailable("ticketless.full", sentence, FULL_RETRY_S))


def radio_away() -> Answer:
    """The radio process has not said anything for too long."""
    return of_error(Unavailable("radio.away", "Radio is being restarted; try again in a second."))


def whole(given: Answer, *, chunked: bool, wall_time_s: float) -> bytes:
    """An answer as bytes, its connection closed after it.

    Args:
        chunked: whether the client speaks HTTP/1.1.
    """
    if isinstance(given.body, bytes):
        return in_one_piece(given, int(chunked), wall_time_s, keep=False)
    return head_of(given, version=int(chunked), keep=False, date=http_date(wall_time_s))
