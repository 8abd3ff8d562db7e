"""The home page's three lists, made from cards: live now, coming up, past."""

import datetime
from collections.abc import Iterable
from dataclasses import dataclass

from stentor.limits import HOME_SPACES_MAX, SAMPLE_RATE
from stentor.space.card import Card, Phase

_OVERDUE_MS_MAX = 24 * 3600 * 1000
"""A Space that has not begun a day after its announced start is no longer coming."""

BADGES: dict[Phase, str] = {
    "scheduled": "Announced",
    "doors": "Doors are open",
    "live": "Live",
    "ended": "Just ended",
    "replay": "Recording",
    "withdrawn": "Recording withdrawn",
    "deleted": "Recording deleted",
    "cancelled": "Cancelled",
}


@dataclass(frozen=True, slots=True)
class Item:
    """One Space in a list. `at_ms`: when it starts, started or ended; 0 when that is open."""

    space: str
    phase: Phase
    badge: str
    title: str
    host_name: str
    at_ms: int
    duration: str


@dataclass(frozen=True, slots=True)
class Home:
    """The home page's lists."""

    live: list[Item]
    coming: list[Item]
    past: list[Item]


def home(cards: Iterable[Card], now_ms: int) -> Home:
    """At most `HOME_SPACES_MAX` Spaces: all that are live first, then what is next, then the past.

    Recordings that were taken back are not listed; their address says so to those who have it.
    """
    items = [item(card) for card in cards]
    live = _where(items, {"live"})
    coming = _where(items, {"scheduled", "doors"})
    past = _where(items, {"ended", "replay"})
    live.sort(key=lambda each: each.at_ms, reverse=True)
    coming = [each for each in coming if not each.at_ms or each.at_ms > now_ms - _OVERDUE_MS_MAX]
    coming.sort(key=lambda each: (each.phase != "doors", each.at_ms == 0, each.at_ms))
    past.sort(key=lambda each: each.at_ms, reverse=True)
    live = live[:HOME_SPACES_MAX]
    coming = coming[: HOME_SPACES_MAX - len(live)]
    past = past[: HOME_SPACES_MAX - len(live) - len(coming)]
    return Home(live, coming, past)


def hosted_by(cards: Iterable[Card], host_id: str) -> list[Item]:
    """A host's own Spaces, whatever their phase: open ones first, then the newest."""
    mine = [item(card) for card in cards if card.host_id == host_id]
    over = {"ended", "replay", "withdrawn", "deleted", "cancelled"}
    mine.sort(key=lambda each: (each.phase in over, -each.at_ms))
    return mine[:HOME_SPACES_MAX]


def item(card: Card) -> Item:
    """One card as a line of a list."""
    match card.phase:
        case "scheduled" | "doors":
            at_ms = card.starts_at_ms
        case "live":
            at_ms = card.started_at_ms
        case _:
            at_ms = card.ended_at_ms or card.started_at_ms
    return Item(
        space=card.space,
        phase=card.phase,
        badge=BADGES[card.phase],
        title=card.title,
        host_name=card.host_name,
        at_ms=at_ms,
        duration=duration(card.duration_samples),
    )


def duration(samples: int) -> str:
    """How long a programme is, for people: `1 h 12 min`; nothing for nothing."""
    seconds = samples // SAMPLE_RATE
    hours, minutes = seconds // 3600, seconds % 3600 // 60
    if hours:
        return f"{hours} h {minutes} min"
    if minutes:
        return f"{minutes} min"
    return f"{seconds} s" if seconds else ""


def iso(at_ms: int) -> str:
    """A time for programs: `2026-11-22T19:30:00Z`."""
    return _utc(at_ms).strftime("%Y-%m-%dT%H:%M:%SZ")


def plain(at_ms: int) -> str:
    """A time for people whose browser runs no script: `Sun 22 Nov 2026, 19:30 UTC`."""
    return _utc(at_ms).strftime("%a %d %b %Y, %H:%M UTC")


def _utc(at_ms: int) -> datetime.datetime:
    at_ms = min(max(at_ms, 0), 253_370_764_800_000)  # years have four digits
    return datetime.datetime.fromtimestamp(at_ms / 1000, datetime.UTC)


def _where(items: list[Item], phases: set[Phase]) -> list[Item]:
    return [each for each in items if each.phase in phases]
