"""Reading what an evening left behind: the Space's log, its join ledger, and earlier evenings.

The only module of the report that touches the disk.
"""

from pathlib import Path

import msgspec

from stentor.audience import ledger
from stentor.audience.incident.evening import Anchor, Evening, Gap, Step
from stentor.audience.ledger import Counted
from stentor.errors import Corrupt
from stentor.limits import EARLIER_SPACES_MAX, SAMPLE_RATE
from stentor.log import Reader
from stentor.paths import Paths
from stentor.record import Kind
from stentor.space import card, events


def read(paths: Paths, space: str) -> Evening:
    """Read a Space's log and ledger, and the ledgers of earlier Spaces.

    Raises:
        Corrupt: a log or record is not what was written.
    """
    told, anchored = _log(paths.log(space), space)
    counted, heads, head = _ledger(paths.ledger(space), space)
    anchors = [
        Anchor(said.at_ms, said.records, heads.get(said.records) == said.hash) for said in anchored
    ]
    first_ms = counted[0].from_ms if counted else 0
    return msgspec.convert(
        {
            "space": space,
            **told,
            "anchors": anchors,
            "counted": counted,
            "ledger_records": len(heads) - 1,
            "ledger_head": head,
            "earlier": _earlier(paths, space, first_ms) if counted else [],
        },
        Evening,
    )


def _log(folder: Path, space: str) -> tuple[dict[str, object], list[events.LedgerAnchored]]:
    """What the Space's own log tells, and what it says of the ledger."""
    said: dict[str, object] = {}
    gaps: list[tuple[int, int, str, str]] = []
    steps: list[Step] = []
    anchored: list[events.LedgerAnchored] = []
    with Reader(folder, space) as reader:
        reader.refresh()
        for header in reader.headers(kind=Kind.EVENT):
            try:
                event = events.decode(reader.record(header.offset).payload)
            except msgspec.MsgspecError:
                continue  # of a later version
            match event:
                case events.SpaceScheduled() | events.SpaceUpdated():
                    said |= {"title": event.title, "scheduled_ms": event.starts_at_ms}
                    if isinstance(event, events.SpaceScheduled):
                        said["host"] = event.host_name
                case events.SpaceStarted():
                    said["started_ms"] = event.at_ms
                case events.SpaceEnded():
                    said["ended_ms"] = event.at_ms
                    said["duration_ms"] = event.media_time * 1_000 // SAMPLE_RATE
                case events.StageGap():
                    gaps.append((event.from_media_time, event.to_media_time, "stage", event.reason))
                case events.LogGap():
                    gaps.append((event.from_media_time, event.to_media_time, "disk", event.reason))
                case events.LadderChanged():
                    steps.append(Step(event.at_ms, event.step, event.why, event.by, event.figures))
                case events.LedgerAnchored():
                    anchored.append(event)
                case _:
                    pass
        said["log_records"], said["log_head"] = reader.tail.offset, reader.head.hex()
    begin = said.get("started_ms", 0)
    assert isinstance(begin, int)
    said["gaps"] = [
        Gap(begin + old * 1_000 // SAMPLE_RATE, begin + new * 1_000 // SAMPLE_RATE, whose, reason)
        for old, new, whose, reason in gaps
    ]
    return {**said, "steps": steps}, anchored


def _ledger(folder: Path, space: str) -> tuple[list[Counted], dict[int, str], str]:
    """A ledger's records, the head after each number of records, and the last head."""
    counted: list[Counted] = []
    heads = {0: ""}
    with Reader(folder, space) as reader:
        reader.refresh()
        for header in reader.headers():
            heads[header.offset + 1] = header.hash().hex()
            if header.kind is Kind.EVENT:
                counted.append(ledger.decode(reader.record(header.offset).payload))
        head = reader.head.hex() if len(heads) > 1 else ""
    return sorted(counted, key=lambda one: one.from_ms), heads, head


def _earlier(paths: Paths, space: str, before_ms: int) -> list[tuple[int, list[Counted]]]:
    """Ledgers of Spaces that were over before this one's began, the latest first."""
    found: list[tuple[int, str]] = []
    for file in paths.spaces.glob("*/card.json"):
        try:
            other = card.decode(file.read_bytes())
        except (OSError, msgspec.MsgspecError):
            continue
        begun = other.started_at_ms
        if other.space != space and begun and 0 < other.ended_at_ms < before_ms:
            found.append((begun, other.space))
    earlier = []
    for begun, name in sorted(found, reverse=True):
        try:
            counted = _ledger(paths.ledger(name), name)[0]
        except Corrupt:
            continue
        if counted:
            earlier.append((begun, counted))
        if len(earlier) == EARLIER_SPACES_MAX:
            break
    return earlier
