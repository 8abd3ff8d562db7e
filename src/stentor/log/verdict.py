"""Telling people and programs what a verifier found."""

import sys
from pathlib import Path

import msgspec

from stentor.errors import StentorError
from stentor.limits import SAMPLE_RATE
from stentor.log.verify import Parts, Verdict, verify


def verify_command(folder: Path, space: str, head: str | None, as_json: bool) -> int:
    """Verify a log and print what was found, as lines or as one JSON object.

    Args:
        head: a head learnt elsewhere, as `E.O:hex` or hex; None to go by the folder alone.

    Returns:
        The exit code: 0 good, 1 bad, 2 the log (or the head) cannot be read.
    """
    try:
        found = verify(folder, space, head)
    except StentorError as error:
        said = {"verdict": "unreadable", "space": space, "code": error.code, "why": error.sentence}
        sys.stdout.write(
            msgspec.json.encode(said).decode() + "\n" if as_json else f"{error.sentence}\n"
        )
        return 2
    if as_json:
        document = {
            "verdict": "good" if found.good else "bad",
            **msgspec.to_builtins(found),
        }
        sys.stdout.write(msgspec.json.encode(document).decode() + "\n")
    else:
        sys.stdout.write("\n".join(lines_of(found)) + "\n")
    return 0 if found.good else 1


def lines_of(found: Verdict) -> list[str]:
    """The verdict in sentences."""
    fault = found.fault
    lines = []
    if fault is None:
        lines.append(f"Space {found.space}: good. Every byte is what was written.")
    else:
        lines.append(f"Space {found.space}: BAD.")
        lines.append(
            f"  Record {fault.offset} (segment {fault.segment}, byte {fault.position}): "
            f"{fault.sentence}"
        )
    lines.append(
        f"  {_number(found.records, 'record')} in {_number(found.segments, 'segment')} and "
        f"{_number(found.epochs, 'epoch')}; {'sealed' if found.sealed else 'not sealed'}."
    )
    lines.extend(_line_of(name, parts) for name, parts in found.parts.items())
    if found.withheld:
        lines.append(f"  Withheld: {_number(found.withheld, 'payload')} erased by the host.")
    lines.append(f"  Head: {found.cursor}:{found.head}")
    return lines


def _line_of(name: str, parts: Parts) -> str:
    text = (
        f"  {name}: {_number(parts.count, 'part')}, {_clock(parts.duration_samples)}, "
        f"{_number(parts.payload_bytes, 'byte')}"
    )
    if parts.missing_samples:
        text += f"; {_clock(parts.missing_samples)} missing"
    return text + "."


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _clock(samples: int) -> str:
    """Samples at 48 kHz as h:mm:ss.mmm."""
    seconds, rest = divmod(samples, SAMPLE_RATE)
    hours, seconds = divmod(seconds, 3600)
    return f"{hours}:{seconds // 60:02}:{seconds % 60:02}.{rest * 1000 // SAMPLE_RATE:03}"
