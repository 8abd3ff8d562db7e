"""What a join asks, and what it gets: the two ends of a decision (`policy.py`). Pure."""

from collections.abc import Callable
from typing import Final

import msgspec

from stentor.gate.challenge import Challenge
from stentor.gate.mark import Wait
from stentor.gate.places import Place
from stentor.gate.tickets import ANYBODY, Ticket

ADMITTED: Final = "admitted"
RENEWED_LEASE: Final = "renewed"
PLACED: Final = "placed"
CHALLENGED: Final = "challenged"
REFUSED: Final = "refused"


def _never() -> bool:
    return False


class Asked(msgspec.Struct):
    """One join.

    Attributes:
        prefix: keyed (`shares.prefix_key`).
        entropy: 64 random bits: the number of a new place or ticket.
        rank: what the visitor's session or token says; a ticket that is shown counts too.
        ticket, place: as shown; empty: none.
        challenge: the salt of the challenge that was solved, `solution`: how.
        patience: they would rather wait than compute.
        strained: asked of those with neither ticket nor place: whether more of them come from there
            than may without a price.
    """

    prefix: int
    entropy: int
    rank: int = ANYBODY
    ticket: str = ""
    place: str = ""
    challenge: str = ""
    solution: int = -1
    patience: bool = False
    strained: Callable[[], bool] = _never


class Decision(msgspec.Struct):
    """What a join gets.

    Attributes:
        outcome: `admitted`, `renewed`, `placed`, `challenged` or `refused`.
        cause: `direct`, `claim`, `rank`, `stale`; `turn`, `full`, `share`; `capacity`, `closed`,
            or a ticket's code.
        ticket, ticket_text: of those who are in.
        place, place_text: of those who wait or claim; the text is empty if they keep theirs.
        called_at_s: when the turn of a claimed or held place came.
        challenge: to be solved, or `patience_s` to be waited longer.
    """

    outcome: str
    cause: str
    ticket: Ticket | None = None
    ticket_text: str = ""
    place: Place | None = None
    place_text: str = ""
    wait: Wait | None = None
    poll_after_s: float = 0.0
    called_at_s: int = 0
    challenge: Challenge | None = None
    patience_s: float = 0.0
