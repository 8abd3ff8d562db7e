"""Who came and what became of it: sketches, the join ledger, and the report of an incident."""

from stentor.audience import marks
from stentor.audience.ledger import Counted, Demand, Row, Supply, counted, decode, encode, merge
from stentor.audience.sketches import keyed
from stentor.audience.tally import Attempt, Tally

__all__ = [
    "Attempt",
    "Counted",
    "Demand",
    "Row",
    "Supply",
    "Tally",
    "counted",
    "decode",
    "encode",
    "keyed",
    "marks",
    "merge",
]
