"""`stentor report incident SPACE`: reads, and writes text, JSON or the page."""

from pathlib import Path

import msgspec

from stentor.audience.incident import page, reading, report
from stentor.audience.incident.evidence import CAUSES
from stentor.audience.incident.plots import clock, number
from stentor.audience.incident.report import Report
from stentor.errors import Refused
from stentor.paths import Paths, write_whole

_LINES = 3


def make(paths: Paths, space: str) -> Report:
    """The report of a Space.

    Raises:
        Refused: `report.empty` when there is no join ledger.
        Corrupt: its log or ledger is not what was written.
    """
    read = reading.read(paths, space)
    if not read.counted:
        raise Refused("report.empty", f"The Space {space} has no join ledger: nobody came.")
    return report.report_of(read)


def write_page(paths: Paths, space: str) -> bool:
    """Write the public page beside the Space's logs; False when there is nothing to tell."""
    try:
        made = make(paths, space)
    except Refused:
        return False
    write_whole(paths.incident(space), page.page_of(made))
    return True


def run(paths: Paths, space: str, *, as_json: bool, out: Path | None) -> str:
    """What the command prints.

    Args:
        out: where the page is written, when it is wanted.
    """
    made = make(paths, space)
    if out is not None:
        write_whole(out.absolute(), page.page_of(made))
    if as_json:
        return msgspec.json.encode(made).decode()
    return text_of(made) + (f"\n\nThe page is in {out}." if out is not None else "")


def text_of(made: Report) -> str:
    """The report in short, for a terminal."""
    lines = [f"{made.title} ({made.space})", "", page.headline(made)]
    if made.rough:
        lines.append(
            f"Between {clock(made.rough_from_ms)} and {clock(made.rough_until_ms)} UTC, "
            f"{made.rough} spans of ten seconds were rough, of {made.spans}."
        )
    for cause in (*CAUSES, "undecided"):
        lines += ["", f"  {page.NAMES[cause]:<14} {getattr(made.shares, cause):6.1%}"]
        proofs = [one for one in made.proofs if one.key.startswith(cause)]
        for one in sorted(proofs, key=lambda one: -one.strength)[:_LINES]:
            if one.strength >= 0.005:
                figure = page.measured(one.figure, one.unit)
                lines.append(f"    {one.strength:.2f}  {one.sentence} [{figure}]")
    lines += ["", "What if"]
    for played in made.counterfactuals:
        minutes, most = number(played.over_spans / 6), number(round(played.waiting_peak))
        lines.append(f"  {played.sentence}: full for {minutes} min, {most} waiting")
    lines += ["", "Promises"]
    for promise in made.promises:
        kept = {True: "kept", False: "BROKEN", None: ""}[promise.kept]
        figure = f"{number(promise.figure)} {promise.unit}".strip()
        lines.append(f"  {promise.sentence:<64} {figure:>12}  {kept}".rstrip())
    lines += ["", "What is not known", *(f"  {one}" for one in made.unknown)]
    return "\n".join(lines)
