"""How many listeners an edge can hold: measured, not configured; and what binds. Pure.

Each resource is asked how many it would carry at the price a listener has now. A price is only
known when there are some listeners: until then that of the reference machine counts too.
"""

from dataclasses import dataclass

from stentor.limits import (
    CAPACITY_BUSY,
    CAPACITY_CADENCE_MS,
    CAPACITY_LISTENERS_KNOWN,
    CAPACITY_SPARE,
    LISTENER_BYTES,
    LISTENER_SEND_S,
)


@dataclass(frozen=True, slots=True)
class Used:
    """What an edge uses, smoothed over some seconds, and what it may.

    Attributes:
        busy: share of a core, or of what its control group allows; `cores` how much that is.
        descriptors: open now; `descriptors_max`: the process's limit, or the edge's own bound.
        memory: bytes in use; `memory_max`: bytes it may use; 0: unknown.
        egress: bytes a second; `egress_max`: the operator's or the link's bound; 0: none known.
        listeners_max: the operator's cap; 0: none.
    """

    listeners: int
    busy: float
    cadence_ms: int
    descriptors: int
    descriptors_max: int
    memory: int = 0
    memory_max: int = 0
    egress: float = 0.0
    egress_max: float = 0.0
    listeners_max: int = 0
    cores: float = 1.0


@dataclass(frozen=True, slots=True)
class Capacity:
    """How many listeners there may be, and which resource binds.

    Attributes:
        each: what every resource would carry: cpu, egress, descriptors, memory, operator.
    """

    listeners: int
    binding: str
    each: dict[str, int]


def capacity_of(used: Used) -> Capacity:
    """How many listeners an edge can hold."""
    count = used.listeners
    known = min(1.0, count / CAPACITY_LISTENERS_KNOWN)
    # A send costs the same whatever is in it: with a longer cadence there are fewer.
    reference = LISTENER_SEND_S * 1_000 / CAPACITY_CADENCE_MS
    measured = used.busy * used.cores * used.cadence_ms / CAPACITY_CADENCE_MS / max(1, count)
    each_cpu = known * measured + (1 - known) * reference
    # What a listener costs cannot be told below a tenth of the reference: that is noise.
    each: dict[str, int] = {"cpu": int(CAPACITY_BUSY * used.cores / max(each_cpu, reference / 10))}
    spare = 1 - CAPACITY_SPARE
    own = used.descriptors - count
    each["descriptors"] = max(0, int((used.descriptors_max - own) * spare))
    if used.memory_max:
        free = max(0.0, used.memory_max * spare - used.memory)
        each["memory"] = count + int(free / LISTENER_BYTES)
    if used.egress_max and count and used.egress:
        # Bytes do not depend on the cadence, so they are known as soon as anybody listens.
        each["egress"] = int(used.egress_max * spare / (used.egress / count))
    if used.listeners_max:
        each["operator"] = used.listeners_max
    binding = min(each, key=lambda name: each[name])
    return Capacity(each[binding], binding, each)
