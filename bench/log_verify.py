"""`make log-verify`: does `stentor log verify` name the first bad record of a damaged log?

A log is written by the real writer and then damaged: one bit flipped in the header and in the
payload of a record, a record left out, the file cut within a record and at a record's boundary, and
that with nothing left to tell but the head somebody wrote down. The command itself is run on each.
The last line is one JSON object, also written to build/log-verify.json.
"""

import json
import shutil
import struct
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from stentor.clock import SystemClock
from stentor.demo.telling import finish
from stentor.log import Writer
from stentor.record import HEADER_BYTES, Flag, Kind, Rendition
from stentor.space import events

SPACE = "0123456789ab"
PARTS = 60
BAD = 40
"""The record that is damaged."""
CHECKPOINT_AT = 50
_SIZE_AT = 40


@dataclass(frozen=True, slots=True)
class Case:
    """A damage: the segment's bytes, the first bad record, and what is there to hold it against."""

    data: bytes
    bad: int | None
    durable: bool = True
    flags: tuple[str, ...] = ()


def write_log(folder: Path) -> str:
    """A sealed log of one event, parts, and a checkpoint in between; returns its head."""
    writer = Writer.open(folder, SPACE, SystemClock())
    scheduled = events.SpaceScheduled(SPACE, "Verified", "owner", "Ada", "abcdefgh")
    writer.append(Kind.EVENT, events.encode(scheduled))
    for number in range(PARTS):
        if number == CHECKPOINT_AT:
            writer.sync()
            writer.checkpoint()
        writer.append(
            Kind.PART,
            bytes([number]) * 800,
            rendition=Rendition.OPUS,
            flags=Flag.INDEPENDENT,
            media_time=number * 9_600,
            duration=9_600,
        )
    writer.seal(PARTS * 9_600)
    writer.close()
    return writer.head.hex()


def positions(data: bytes) -> list[int]:
    """Where each record begins in a segment file, and where the last one ends."""
    found = [HEADER_BYTES]
    while found[-1] < len(data):
        (size,) = struct.unpack_from(">I", data, found[-1] + _SIZE_AT)
        found.append(found[-1] + HEADER_BYTES + size)
    return found


def flipped(data: bytes, at: int) -> bytes:
    """One bit is another."""
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def damages(data: bytes, head: str) -> dict[str, Case]:
    """Every case by name, made from the bytes of a good segment."""
    at = positions(data)
    last = len(at) - 2
    with_head = ("--head", head)
    return {
        "good": Case(data, None),
        "good_against_head": Case(data, None, flags=with_head),
        "header_bit": Case(flipped(data, at[BAD] + 20), BAD),
        "payload_bit": Case(flipped(data, at[BAD] + HEADER_BYTES + 5), BAD),
        "record_left_out": Case(data[: at[BAD]] + data[at[BAD + 1] :], BAD),
        "cut_in_record": Case(data[: at[BAD] + 300], BAD),
        "cut_at_boundary": Case(data[: at[BAD]], BAD),
        "seal_left_out": Case(data[: at[last]], last),
        "cut_against_head": Case(data[: at[last]], last, durable=False, flags=with_head),
    }


def run(folder: Path, good: Path, case: Case) -> dict[str, object]:
    """Damage a copy of the good data directory and have it verified."""
    shutil.copytree(good, folder)
    log = folder / "spaces" / SPACE / "log"
    (segment,) = log.glob("*.seg")
    segment.write_bytes(case.data)
    if not case.durable:
        (log / "durable.json").unlink()
    command = [sys.executable, "-m", "stentor", "log", "verify", SPACE, "--json"]
    command += ["--data", str(folder), *case.flags]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    said = json.loads(done.stdout)
    named = said["fault"]["offset"] if said.get("fault") else None
    ok = named == case.bad and done.returncode == (0 if case.bad is None else 1)
    sentence = said["fault"]["sentence"] if said.get("fault") else "good"
    print(
        f"  {folder.name:<18} {'yes' if ok else 'NO '}  record {named}: {sentence}", file=sys.stderr
    )
    return {"bad_record": named, "expected": case.bad, "code": done.returncode, "ok": ok}


def main() -> int:
    """Damage, verify, compare; 0 when every damage was named."""
    with tempfile.TemporaryDirectory(prefix="stentor-verify-") as name:
        good = Path(name) / "sound"
        log = good / "spaces" / SPACE / "log"
        log.mkdir(parents=True)
        head = write_log(log)
        (segment,) = log.glob("*.seg")
        cases = damages(segment.read_bytes(), head)
        results = {what: run(Path(name) / what, good, case) for what, case in cases.items()}
    ok = all(result["ok"] for result in results.values())
    return finish({**results, "ok": ok}, "log-verify.json", as_json=True)


if __name__ == "__main__":
    sys.exit(main())
