"""What a crowd's reports come to. Pure."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

PROMPT_S = 1.0


@dataclass(frozen=True, slots=True)
class Crowd:
    """All people of a drill, whatever worker they were in.

    Attributes:
        persons: as in the report of `crowd.py`.
        is_limit: whether a generator was too busy for its figures to be the door's.
    """

    persons: list[dict[str, Any]]
    busy_max: float
    lag_s_max: float
    is_limit: bool
    opened: int
    starved: int

    @classmethod
    def of(cls, reports: list[dict[str, Any]]) -> "Crowd":
        """From the reports of all workers."""
        return cls(
            [person for report in reports for person in report["persons"]],
            max((busy for report in reports for busy in report["busy"]), default=0.0),
            max((lag for report in reports for lag in report["lag_s"]), default=0.0),
            any(report["is_limit"] for report in reports),
            sum(report["opened"] for report in reports),
            sum(report["starved"] for report in reports),
        )

    @property
    def heard(self) -> list[dict[str, Any]]:
        """Those who have heard anything."""
        return [one for one in self.persons if one["first_at"]]

    @property
    def told(self) -> Counter[str]:
        """What was answered, and how often."""
        found: Counter[str] = Counter()
        for person in self.persons:
            found.update(person["told"])
        return found

    def stalls(self, since: float = 0.0, until: float = float("inf")) -> int:
        """Stalls of those inside that began in a stretch of monotonic time."""
        return sum(
            1 for person in self.persons for at, _ in person["stalls"] if since <= at < until
        )


def failures(told: Counter[str]) -> int:
    """Answers that are the door's own fault: 5xx, but for the word that no more are let in."""
    return sum(
        many
        for name, many in told.items()
        if name.split(" ")[1].startswith("5") and not name.endswith("door.closed")
    )


def percentile(values: list[float], share: float) -> float:
    """A percentile; -1 when there is nothing to count."""
    if not values:
        return -1.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def per_second(times: list[float], since: float) -> list[int]:
    """How many of these moments lie in each second from `since` on."""
    if not times:
        return []
    found = [0] * (int(max(times) - since) + 1)
    for at in times:
        if at >= since:
            found[int(at - since)] += 1
    return found


def summary(crowd: Crowd) -> dict[str, Any]:
    """The figures of a crowd that every drill and every case shows."""
    pages = [one["page_s"] for one in crowd.persons if one["page_s"] >= 0]
    joins = [one["join_s"] for one in crowd.persons if one["join_s"] >= 0]
    waits = [one["first_at"] - one["came_at"] for one in crowd.heard]
    came = [one["came_at"] for one in crowd.persons]
    inside = [one["inside_at"] for one in crowd.persons if one["inside_at"]]
    since = min(came, default=0.0)
    cared_for = [one for one in crowd.persons if one["first_at"] or one["place_at"]]
    told = crowd.told
    return {
        "people": len(crowd.persons),
        "heard": len(crowd.heard),
        "inside": sum(1 for one in crowd.persons if one["streams"]),
        "placed": sum(1 for one in crowd.persons if one["place_at"]),
        "turned_away": sum(1 for one in crowd.persons if one["stand"] == "turned away"),
        "with_neither": len(crowd.persons) - len(cared_for),
        "stalls": crowd.stalls(),
        "stalled": sum(1 for one in crowd.persons if one["stalls"]),
        "parts_lost": sum(one["lost"] for one in crowd.persons),
        "breaks": sum(one["breaks"] for one in crowd.persons),
        "unanswered": sum(one["silent"] for one in crowd.persons),
        "failures": failures(told),
        "told": dict(sorted(told.items())),
        "page_p50_s": round(percentile(pages, 0.5), 4),
        "page_p99_s": round(percentile(pages, 0.99), 4),
        "page_max_s": round(max(pages, default=-1.0), 4),
        "join_p99_s": round(percentile(joins, 0.99), 4),
        "audio_p50_s": round(percentile(waits, 0.5), 3),
        "audio_p99_s": round(percentile(waits, 0.99), 3),
        "arrivals_per_s": per_second(came, since),
        "admissions_per_s": per_second(inside, since),
        "generator_busy_max": crowd.busy_max,
        "generator_lag_s_max": crowd.lag_s_max,
        "generator_limits": crowd.is_limit or crowd.starved > 0,
    }
