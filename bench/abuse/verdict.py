"""Whether an offence ended as it should, and what honest listeners noticed of it."""

from dataclasses import dataclass, field
from typing import Any

from bench.abuse.offences import LATE_S, Offence
from bench.abuse.watch import Watch

MOVED_MS_MAX = 50.0
"""The others' p99 delay may move by less than this."""
VISITOR_S_MAX = 2.0
"""Somebody who asks for a page meanwhile has it within this time."""
MEMORY_MB_MAX = 160.0
"""Growth of all doors' processes together while thousands of attackers are there: 5,000 half heads
of 16 kB and what a connection costs besides; nothing may grow with time or with what they send."""
KERNEL_MB_MAX = 256.0
"""Growth of what the kernel holds for all connections, both ends: 2,000 who read nothing of 16 kB
unsent, and an allowance for buffers that are on their way."""


@dataclass(slots=True)
class Verdict:
    """What was found of one offence."""

    name: str
    bound: str
    figures: dict[str, Any]
    broken: list[str] = field(default_factory=list)

    @property
    def moved_ms(self) -> float:
        """By how much the others' p99 delay grew."""
        return round(self.figures["delay_p99_ms"] - self.figures["delay_p99_before_ms"], 1)

    @property
    def row(self) -> tuple[str, str, bool]:
        """For the table."""
        told = self.figures
        text = (
            f"p99 {told['delay_p99_before_ms']:5.1f} -> {told['delay_p99_ms']:5.1f} ms"
            f"  stalls {told['stalls']}  page {told['page_max_s'] * 1e3:4.0f} ms"
            f"  +{told['memory_mb']:3.0f}/{told['kernel_mb']:3.0f} MB"
            f"  {told['ended']}  [{self.bound}]"
        )
        return (
            self.name,
            text + "".join(f"\n{'':34}! {why}" for why in self.broken),
            not self.broken,
        )


@dataclass(frozen=True, slots=True)
class Before:
    """How things stood just before an offence."""

    heard: dict[str, Any]
    memory_mb: float
    kernel_mb: float


def noticed(
    before: Before, heard: dict[str, Any], watch: Watch
) -> tuple[dict[str, Any], list[str]]:
    """What others noticed, and which promises that breaks."""
    figures = {
        "delay_p99_before_ms": before.heard["delay_p99"],
        "delay_p99_ms": heard["delay_p99"],
        "stalls": heard["stalls"] - before.heard["stalls"],
        "tries": 1,
        "lost": heard["ended"] - before.heard["ended"],
        "memory_mb": round(max(0.0, watch.memory_mb - before.memory_mb), 1),
        "kernel_mb": round(max(0.0, watch.kernel_mb - before.kernel_mb), 1),
        "page_max_s": round(max(watch.answers_s, default=float("inf")), 3),
        "held_most": watch.held_most,
    }
    moved = heard["delay_p99"] - before.heard["delay_p99"]
    checks = {
        f"the others' p99 moved by {moved:.0f} ms": moved < MOVED_MS_MAX,
        f"{figures['stalls']} stalls": not figures["stalls"],
        f"{figures['lost']} honest listeners were let go": not figures["lost"],
        "a visitor waited too long": figures["page_max_s"] <= VISITOR_S_MAX,
        f"memory grew by {figures['memory_mb']} MB": figures["memory_mb"] <= MEMORY_MB_MAX,
        f"the kernel's by {figures['kernel_mb']} MB": figures["kernel_mb"] <= KERNEL_MB_MAX,
    }
    return figures, [what for what, good in checks.items() if not good]


def ended(offence: Offence, told: dict[str, Any], watch: Watch) -> tuple[str, list[str]]:
    """How the offenders ended, and what of that was not as it should be."""
    broken = []
    statuses = {int(status) for status in told["statuses"]}
    if not statuses <= offence.statuses or (offence.statuses and not statuses):
        broken.append(f"answered with {sorted(statuses)}, not {sorted(offence.statuses)}")
    first, last, left = told["closed_first_s"], told["closed_last_s"], told["left_open"]
    if offence.talk.reads == 0:  # their kernels do not hear of the end: the door is looked at
        first, last = watch.freed_s
        left = watch.held[-1][1]
    if offence.closes_s:
        low, high = offence.closes_s
        opening_s = offence.count / offence.rate if offence.talk.reads == 0 else 0.0
        if left:
            broken.append(f"{left} were not closed")
        elif first is None or first < low or last > high + opening_s:
            broken.append(f"closed after {first} to {last} s, not {low} to {high}")
    elif offence.talk.leaves == "never" and not offence.talk.floods:
        if not told["closed"]:
            broken.append("nobody was closed")
        elif last > LATE_S:
            broken.append(f"closed after {last} s only")
    said = " ".join(f"{status}x{count}" for status, count in told["statuses"].items())
    when = "" if first is None else f", closed after {first:.1f}-{last:.1f} s"
    return f"{told['opened']} came: {said or 'no answer'}{when}", broken


def of_slow_test(name: str, said: str, watch: Watch, high_s: float) -> tuple[str, list[str]]:
    """The same of slowhttptest, which tells little: what the door held of it, and until when."""
    _, last = watch.freed_s
    broken = [] if last <= high_s else [f"the door held them for {last:.0f} s, not {high_s:.0f}"]
    if "Exit status" not in said:
        broken.append(f"slowhttptest {name} did not come to its end")
    return f"{watch.held_most} held, none after {last:.1f} s", broken
