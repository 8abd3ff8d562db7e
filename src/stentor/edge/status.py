"""How an edge stands, as it tells its gates and `/healthz`. Pure."""

import msgspec


class Status(msgspec.Struct, frozen=True):
    """One edge at one moment.

    Attributes:
        behind: listeners whose sockets are full.
        dropped: listeners let go, by reason.
        lag_ms: from a part's making to its having been read, the last one.
        spaces: that are followed.
        ticketed: listeners with a ticket.
        capacity: listeners it could hold by what it uses now; `binding`: what sets the bound: cpu,
            egress, descriptors, memory, or the operator.
        taken: connections that the gate which is told has handed over so far.
    """

    edge: int
    listeners: int = 0
    listeners_max: int = 0
    behind: int = 0
    dropped: dict[str, int] = {}
    lag_ms: float = 0.0
    spaces: int = 0
    cadence_ms: int = 0
    ticketed: int = 0
    capacity: int = 0
    binding: str = ""
    taken: int = 0
