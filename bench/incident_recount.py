"""An independent reader: every figure of an incident report, computed again from the files alone.

    python bench/incident_recount.py DATA SPACE [REPORT.json]

It knows PROTOCOL.md and docs/topics/incident.md, and nothing of Stentor's code: Python's library is
all it needs, and with the three files beside it it may be carried to another machine.
REPORT.json is what `stentor report incident SPACE --json` said; without it the figures are printed.
The exit code is 0 when all agree.
"""

import hashlib
import json
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

if __package__:
    from bench import incident_figures
else:
    import incident_figures

HEADER = struct.Struct(">4sBBHIQqIqI32s32s16xI")
SEGMENT = struct.Struct(">8sIIQq32s16s44xI")
EVENT = 5 - 2
GENESIS = b"stentor log 1\n"
CLOSE = 1e-6


class Wrong(Exception):  # noqa: N818 - what is wrong is not in the program
    """A file is not as PROTOCOL.md says."""


def records(folder: Path, space: str) -> tuple[list[tuple[int, bytes]], list[str]]:
    """All records of a log as (kind, payload), and the head after each; the chain is checked."""
    rows: list[tuple[int, bytes]] = []
    heads: list[bytes] = []
    before = hashlib.sha256(GENESIS + space.encode()).digest()
    for path in sorted(folder.glob("*.seg")):
        data = path.read_bytes()
        magic, _, _, base, _, _, _, crc = SEGMENT.unpack_from(data)
        if magic != b"STENTOR1" or crc != zlib.crc32(data[:124]):
            raise Wrong(f"{path.name} does not begin like a segment")
        # What an earlier segment has from here on was copied or given up.
        del rows[base:], heads[base:]
        before = heads[-1] if heads else hashlib.sha256(GENESIS + space.encode()).digest()
        at = SEGMENT.size
        while at + HEADER.size <= len(data):
            raw = data[at : at + HEADER.size]
            magic, kind, _, _, _, offset, _, _, _, size, digest, prev, crc = HEADER.unpack(raw)
            payload = data[at + HEADER.size : at + HEADER.size + size]
            if magic != b"STR1" or crc != zlib.crc32(raw[:124]) or prev != before:
                raise Wrong(f"record {len(rows)} does not follow the one before")
            erased = kind in {1, 2} and not any(payload)  # sound that the host took back
            whole = erased or hashlib.sha256(payload).digest() == digest
            if offset != len(rows) or not whole:
                raise Wrong(f"record {len(rows)} is not what was written")
            before = hashlib.sha256(raw).digest()
            rows.append((kind, payload))
            heads.append(before)
            at += HEADER.size + size
    return rows, [head.hex() for head in heads]


def ledger_of(folder: Path, space: str) -> tuple[list[dict[str, Any]], list[str]]:
    """A ledger's records in order, and the heads."""
    rows, heads = records(folder, space)
    counted = [json.loads(payload) for kind, payload in rows if kind == EVENT]
    return sorted(counted, key=lambda one: one["from_ms"]), heads


def evening_of(data: Path, space: str) -> dict[str, Any]:
    """What the Space's log says, the ledger, and the ledgers of earlier Spaces."""
    rows, heads = records(data / "spaces" / space / "log", space)
    told: dict[str, Any] = {
        "space": space, "title": "", "host": "", "scheduled_ms": 0, "started_ms": 0,
        "ended_ms": 0, "steps": [], "gaps": [], "anchors": [],
        "log_records": len(rows), "log_head": heads[-1] if heads else "",
    }  # fmt: skip
    counted, ledger_heads = ledger_of(data / "spaces" / space / "ledger", space)
    silences = []
    for event in (json.loads(payload) for kind, payload in rows if kind == EVENT):
        match event["type"]:
            case "space.scheduled" | "space.updated":
                told["title"] = event["title"]
                told["scheduled_ms"] = event.get("starts_at_ms", 0)
                told["host"] = event.get("host_name", told["host"])
            case "space.started":
                told["started_ms"] = event["at_ms"]
            case "space.ended":
                told["ended_ms"] = event["at_ms"]
            case "stage.gap" | "log.gap":
                silences.append(event)
            case "ladder.changed":
                told["steps"].append({name: event[name] for name in ("at_ms", "step", "by")})
            case "ledger.anchored":
                there = event["records"] <= len(ledger_heads) and event["records"] > 0
                agrees = there and ledger_heads[event["records"] - 1] == event["hash"]
                told["anchors"].append({"records": event["records"], "agrees": agrees})
    for event in silences:
        begin, end = (
            told["started_ms"] + event[name] * 1_000 // 48_000
            for name in ("from_media_time", "to_media_time")
        )
        whose = "stage" if event["type"] == "stage.gap" else "disk"
        told["gaps"].append({"from_ms": begin, "to_ms": end, "whose": whose})
    told |= {
        "ledger_records": len(ledger_heads),
        "ledger_head": ledger_heads[-1] if ledger_heads else "",
        "counted": counted,
        "earlier": earlier_of(data, space, counted[0]["from_ms"]) if counted else [],
    }
    return told


def earlier_of(data: Path, space: str, before_ms: int) -> list[tuple[int, list[dict[str, Any]]]]:
    """Ledgers of the eight latest Spaces that were over before."""
    found = []
    for file in (data / "spaces").glob("*/card.json"):
        card = json.loads(file.read_text())
        begun, ended = card.get("started_at_ms", 0), card.get("ended_at_ms", 0)
        if card["space"] != space and begun and 0 < ended < before_ms:
            found.append((begun, card["space"]))
    ledgers = []
    for begun, name in sorted(found, reverse=True):
        counted, _ = ledger_of(data / "spaces" / name / "ledger", name)
        if counted:
            ledgers.append((begun, counted))
    return ledgers[:8]


def recount(data: Path, space: str) -> dict[str, Any]:
    """Every figure of the report."""
    return incident_figures.figures_of(evening_of(data, space))


def differences(mine: Any, theirs: Any, where: str = "") -> list[str]:
    """Where two sets of figures differ; what only theirs has (sentences) is passed over."""
    if isinstance(mine, dict):
        if not isinstance(theirs, dict):
            return [f"{where}: there is none"]
        return [
            line
            for key, value in mine.items()
            for line in differences(value, theirs.get(key), f"{where}.{key}")
        ]
    if isinstance(mine, list):
        if not isinstance(theirs, list) or len(mine) != len(theirs):
            return [f"{where}: of another length"]
        return [
            line
            for at, (one, other) in enumerate(zip(mine, theirs, strict=True))
            for line in differences(one, other, f"{where}[{at}]")
        ]
    if mine is None or isinstance(mine, bool | str):
        same = mine == theirs
    else:
        same = isinstance(theirs, int | float) and abs(mine - theirs) <= CLOSE * max(1, abs(mine))
    return [] if same else [f"{where}: {theirs} in the report, {mine} in the files"]


def count_of(figures: Any) -> int:
    """How many figures there are."""
    if isinstance(figures, dict):
        return sum(map(count_of, figures.values()))
    if isinstance(figures, list):
        return sum(map(count_of, figures))
    return 1


def main(arguments: list[str]) -> int:
    """Recount, and compare when there is something to compare with."""
    if len(arguments) not in {2, 3}:
        print(__doc__)
        return 2
    try:
        mine = recount(Path(arguments[0]), arguments[1])
    except Wrong as wrong:
        print(wrong)
        return 1
    if len(arguments) == 2:
        print(json.dumps(mine))
        return 0
    found = differences(mine, json.loads(Path(arguments[2]).read_text()))
    for line in found[:20]:
        print(line)
    print(f"{count_of(mine)} figures, {len(found)} differ")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
