"""What is known of a Space beforehand, from its card and the operator's settings. Pure."""

from stentor.config import Settings
from stentor.gate.plan import Plan
from stentor.limits import RECORDING_GUESS_MS, RECORDING_STEP_MS
from stentor.space.card import Card

_INSIDE = frozenset({"doors", "live"})


def plan_of(card: Card, settings: Settings, seed_hash: str, now_ms: int) -> Plan:
    """The plan of an open Space."""
    return Plan(
        opens_us=opens_us(card, settings.doors_before_s),
        seed_hash=seed_hash,
        recording_at_ms=recording_at_ms(card, now_ms),
        waiting_room=settings.waiting_room,
        is_open=card.phase in _INSIDE,
    )


def opens_us(card: Card, doors_before_s: float) -> int:
    """When the doors of a Space open by its announcement, UTC microseconds; 0: they always were."""
    if not card.starts_at_ms:
        return 0
    return max(1, round(card.starts_at_ms * 1_000 - doors_before_s * 1_000_000))


def recording_at_ms(card: Card, now_ms: int) -> int:
    """When the recording will probably be here: an hour after the start, or in a while."""
    begins_at_ms = card.started_at_ms or card.starts_at_ms
    if not begins_at_ms:
        return 0
    at_ms = max(begins_at_ms + RECORDING_GUESS_MS, now_ms + RECORDING_STEP_MS)
    return -(-at_ms // RECORDING_STEP_MS) * RECORDING_STEP_MS
