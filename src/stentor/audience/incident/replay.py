"""What if: the join ledger played again, without some of those who came. Pure.

The door's rule for a crowd is one sentence: seats that are free are taken by those who wait, in
their order. With numbers instead of people it is a sum, and that is what is played here, span by
span; `stentor.gate` decides it for each person. Who leaves, leaves as often as that evening.
"""

from collections.abc import Sequence

import msgspec

from stentor.audience.incident.spans import Span
from stentor.audience.ledger import Supply

LEAVING = 0.005
"""Of those listening, so many leave in ten seconds when the ledger does not say."""
GIVING_UP = 0.02
"""Of those waiting, so many give up in ten seconds when the ledger does not say."""
SPARE = 0.9
"""What nobody foretold, but would have fitted, fits within so much of what can be held."""


class Played(msgspec.Struct, frozen=True):
    """One span of a replay: seats taken and people waiting, by what they look like."""

    seated: float
    suspects: float
    waiting: float
    capacity: float


def play(
    spans: Sequence[Span],
    *,
    people: str = "came",
    suspects: bool = True,
    rooms: Sequence[float],
) -> list[Played]:
    """Play the ledger.

    Args:
        people: `came`: all of them; `expected`: no more than were expected, or would have fitted.
        suspects: whether those come who look like machines.
        rooms: what can be held, span by span.
    """
    fit = 1.0
    if people == "expected" and any(span.expected < 0 for span in spans):
        fit = _fitting(spans)
    seats = [0.0, 0.0]
    queue = [0.0, 0.0]
    out = []
    for number, span in enumerate(spans):
        supply, demand = span.counted.supply, span.counted.demand
        if number == 0:
            seats[0] = float(supply.listeners) * fit
        come = span.sorted.new_people
        if people == "expected":
            come = min(come, span.expected) if span.expected >= 0 else come * fit
        queue[0] += come
        queue[1] += span.sorted.new_suspects if suspects else 0.0
        room = rooms[number]
        stay = 1.0 - _leaving(supply)
        seats = [stay * one for one in seats]
        free = max(0.0, room - sum(seats))
        waiting = sum(queue)
        taken = min(1.0, free / waiting) if waiting else 0.0
        seats = [one + taken * more for one, more in zip(seats, queue, strict=True)]
        give_up = min(1.0, demand.lapsed / supply.waiting) if supply.waiting else GIVING_UP
        queue = [one * (1.0 - taken) * (1.0 - give_up) for one in queue]
        out.append(Played(sum(seats), seats[1], sum(queue), room))
    return out


def over(played: Sequence[Played]) -> list[bool]:
    """For each span, whether more wanted in than could be held."""
    return [one.waiting > 5 + 0.02 * one.capacity for one in played]


def _leaving(supply: Supply) -> float:
    """The part of those listening that left in a span."""
    return supply.ended / (supply.ended + supply.listeners) if supply.ended else LEAVING


def _fitting(spans: Sequence[Span]) -> float:
    """The part of the people that would just have fitted in what is usual."""
    seats = peak = 0.0
    least = min((span.usual for span in spans if span.usual), default=0.0)
    for number, span in enumerate(spans):
        supply = span.counted.supply
        if number == 0:
            seats = float(supply.listeners)
        stay = 1.0 - _leaving(supply)
        seats = seats * stay + span.sorted.new_people
        peak = max(peak, seats)
    return min(1.0, SPARE * least / peak) if peak else 1.0
