"""Writing a drawn evening as a node would have: the Space's log, its ledger, its card."""

import random
import time
from pathlib import Path

from bench.incident.draw import Incident, draw
from bench.incident.play import Evening, play
from stentor.audience import ledger
from stentor.log import Disk, Writer
from stentor.paths import Paths
from stentor.record import Kind
from stentor.space import card, events

BEGIN_MS = 1_790_000_000_000
DAY_MS = 86_400_000
RATE = 48


class Hand:
    """A clock that stands where it is put."""

    def __init__(self) -> None:
        self.ms = BEGIN_MS

    def now(self) -> float:
        return self.ms / 1_000

    def wall_time(self) -> int:
        return int(self.ms * 1_000_000)


class Quick(Disk):
    """A disk that nobody waits for: these logs are read once."""

    def sync(self, descriptor: int) -> None:
        """Do not."""

    def sync_folder(self, folder: Path) -> None:
        """Do not."""


def evenings(incident: Incident) -> list[tuple[str, int, Incident]]:
    """The evening, and the earlier ones: (Space, when it begins, what happens)."""
    rows = []
    for number in range(incident.history):
        calm = draw(incident.seed, incident.kind)
        calm.attacks, calm.faults = [], []
        chance = random.Random(f"earlier {incident.kind} {incident.seed} {number}")
        calm.people.count = int(calm.people.usual * chance.uniform(0.75, 1.2))
        calm.people.burst, calm.people.burst_s = chance.uniform(0.25, 0.6), chance.uniform(30, 240)
        rows.append((f"ear{number}space000"[:12], BEGIN_MS - 7 * DAY_MS * (number + 1), calm))
    return [("badn1ght0000", BEGIN_MS, incident), *rows]


def write(paths: Paths, incident: Incident) -> str:
    """Write all of it; the Space's id."""
    paths.create()
    for space, begin_ms, one in evenings(incident):
        _write_one(paths, space, begin_ms, one, play(one, space, begin_ms))
    return "badn1ght0000"


def _write_one(paths: Paths, space: str, begin_ms: int, one: Incident, told: Evening) -> None:
    clock = Hand()
    start_ms = begin_ms + int(one.start_s * 1_000)
    end_ms = begin_ms + int(one.minutes * 60_000)
    book = Writer.open(paths.ledger(space), space, clock, disk=Quick())
    log = Writer.open(paths.log(space), space, clock, disk=Quick())
    rows: list[tuple[int, object]] = [
        (begin_ms - DAY_MS, events.SpaceScheduled(space, "The night of", "owner", "Ada", "abcdefgh",
                                                  starts_at_ms=start_ms)),
        (start_ms, events.SpaceStarted(start_ms)),
        (end_ms, events.SpaceEnded(end_ms, "host", RATE * (end_ms - start_ms))),
    ]  # fmt: skip
    for from_s, to_s, whose in told.gaps:
        old, new = (int((at - one.start_s) * 48_000) for at in (from_s, to_s))
        kind = events.StageGap if whose == "stage" else events.LogGap
        if old >= 0:
            rows.append((begin_ms + int(to_s * 1_000), kind(old, new, "restarted")))
    for at_s, step, why in told.steps:
        at_ms = begin_ms + int(at_s * 1_000)
        rows.append((at_ms, events.LadderChanged(step, why, {"now": float(step)}, "usher", at_ms)))
    for number, record in enumerate(told.counted):
        clock.ms = record.from_ms + record.span_ms
        book.append(Kind.EVENT, ledger.encode(record))
        if number % 6 == 5:
            anchored = events.LedgerAnchored(number + 1, book.head.hex(), int(clock.ms))
            rows.append((int(clock.ms), anchored))
    for at_ms, event in sorted(rows, key=lambda row: row[0]):
        clock.ms = at_ms
        log.append(Kind.EVENT, events.encode(event))
    log.seal(RATE * (end_ms - start_ms))
    for one_log in (book, log):
        one_log.close()
    summary = card.Card(space, "replay", "The night of", "Ada", starts_at_ms=start_ms,
                        started_at_ms=start_ms, ended_at_ms=end_ms)  # fmt: skip
    paths.card(space).write_bytes(card.encode(summary))


def timed() -> float:
    """Seconds, for progress."""
    return time.monotonic()
