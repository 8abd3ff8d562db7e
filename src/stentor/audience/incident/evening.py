"""An evening as its log and ledger tell it. Pure."""

import msgspec

from stentor.audience.ledger import Counted


class Gap(msgspec.Struct, frozen=True):
    """Silence that was put where sound should be: seconds of the programme, and whose it was."""

    from_ms: int
    to_ms: int
    whose: str
    reason: str


class Step(msgspec.Struct, frozen=True):
    """A step of the ladder, as the log has it."""

    at_ms: int
    step: int
    why: str
    by: str
    figures: dict[str, float]


class Anchor(msgspec.Struct, frozen=True):
    """What the Space's log says of its ledger, and whether the ledger agrees."""

    at_ms: int
    records: int
    agrees: bool


class Evening(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of a Space.

    Attributes:
        log_records, log_head, ledger_records, ledger_head: of the two logs, to tell them again.
        counted: the ledger. erased: records that cannot be read.
        earlier: ledgers of earlier Spaces of this node, with when each started.
    """

    space: str
    title: str = ""
    host: str = ""
    scheduled_ms: int = 0
    started_ms: int = 0
    ended_ms: int = 0
    duration_ms: int = 0
    gaps: list[Gap] = []
    steps: list[Step] = []
    anchors: list[Anchor] = []
    log_records: int = 0
    log_head: str = ""
    ledger_records: int = 0
    ledger_head: str = ""
    counted: list[Counted] = []
    earlier: list[tuple[int, list[Counted]]] = []
