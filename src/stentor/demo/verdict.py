"""An evening's figures, from what everybody noted, and whether they are as promised."""

from dataclasses import dataclass, field
from typing import Any

from stentor.demo import likeness, marks
from stentor.demo.browser import Played
from stentor.demo.crowd import Account, Report
from stentor.demo.health import Counted
from stentor.demo.marks import SHIFT_SAMPLES_MIN, Pcm
from stentor.demo.replay import Replay
from stentor.demo.speech import Said
from stentor.limits import SAMPLE_RATE

RESUME_S_MAX = 3.0
REPLAY_READY_S_MAX = 2.0
ALIKE_SHARE_MIN = 0.95
"""Quarter seconds of speech that must be recognised in the replay; Opus leaves all of them."""
GUARD_SAMPLES = SAMPLE_RATE * 3 // 10
GAP_SLACK_SAMPLES = SAMPLE_RATE // 10
"""A gap is announced from the beat at which it is noticed; packets are counted."""
SETTLE_SAMPLES = SAMPLE_RATE * 2
"""After a gap a speaker's delay is found anew; marks are counted from then on."""


@dataclass(slots=True)
class Notes:
    """What was noted during the evening; times are monotonic seconds.

    Attributes:
        on_killed_edge: the numbers of the listeners on the edge that was killed.
        beat: the stage's beat and how late it was, from its health page.
        written_late_ms: how late each Opus part was in the log.
        pressure: share of the programme's time in which some program waited for a processor.
        gap: the announced gap of the second speaker, in samples of the programme (from, to).
        gap_samples: how long it was, as `speaker.connected` says.
        counted: what the stage counted of both speakers, before the end.
        missing_in_gap_samples: what it counted as missing while the speaker's network was away.
    """

    killed_at: float = 0.0
    on_killed_edge: set[int] = field(default_factory=set)
    browser_on_killed_edge: bool = False
    gap: tuple[int, int] = (0, 0)
    gap_samples: int = 0
    counted: list[Counted] = field(default_factory=list)
    missing_in_gap_samples: int = 0
    replay_ready_s: float = -1.0
    report: Report | None = None
    played: Played | None = None
    replays: dict[str, Replay] = field(default_factory=dict)
    programme: Pcm | None = None
    log_verified: bool = False
    pressure: float = 0.0
    beat: dict[str, float] = field(default_factory=dict)
    written_late_ms: list[float] = field(default_factory=list)


def figures(notes: Notes, said: list[Said]) -> dict[str, Any]:
    """All figures of the evening; `ok` says whether every promise was kept."""
    assert notes.report is not None
    listeners = notes.report.listeners
    found: dict[str, Any] = {"listeners": len(listeners)}
    found |= _listening(listeners, notes)
    found |= _sound(notes, said)
    found |= _replay(notes)
    found["chromium"] = _browser(notes) if notes.played else None
    found["log_verified"] = notes.log_verified
    found["beat_late_p99_ms"] = notes.beat.get("late_p99_ms")
    found["beat_late_max_ms"] = notes.beat.get("late_max_ms")
    found["written_late_max_ms"] = round(max(notes.written_late_ms, default=0.0), 1)
    found["cpu_pressure"] = round(notes.pressure, 3)
    found["ok"] = is_kept(found)
    return found


def is_kept(found: dict[str, Any]) -> bool:
    """Whether every promise was kept."""
    nothing = ("stalls", "parts_lost", "parts_twice", "parts_torn", "missing_samples")
    return (
        all(found[name] == 0 for name in nothing)
        and found["unfinished"] == 0
        and 0 <= found["resume_max_s"] <= RESUME_S_MAX
        and 0 <= found["replay_ready_s"] <= REPLAY_READY_S_MAX
        and found["replay_equal"]
        and found["marks_agree"]
        and found["speech_alike"] >= ALIKE_SHARE_MIN
        and found["log_verified"]
        and (found["chromium"] is None or found["chromium"]["ok"])
    )


def _listening(listeners: list[Account], notes: Notes) -> dict[str, Any]:
    numbered = list(enumerate(listeners))
    moved = [one for number, one in numbered if number in notes.on_killed_edge]
    stalls_moved = sum(one.stalls_between(notes.killed_at, float("inf")) for one in moved)
    back = [
        sound_at - notes.killed_at if sound_at else float("inf")
        for one in moved
        for broken_at, _, sound_at in one.resumes[-1:]
        if broken_at >= notes.killed_at
    ]
    resume_max_s = max(back, default=-1.0)
    return {
        "on_killed_edge": len(moved),
        "stalls": sum(len(one.stalls) for one in listeners) - stalls_moved,
        "stalls_on_killed_edge": stalls_moved,
        "resume_max_s": round(resume_max_s, 3) if resume_max_s != float("inf") else -1.0,
        "parts": sum(one.parts for one in listeners),
        "parts_lost": sum(one.lost for one in listeners) + _cut_short(listeners),
        "parts_twice": sum(one.twice for one in listeners),
        "parts_torn": sum(one.torn for one in listeners),
        "unfinished": sum(1 for one in listeners if one.phase != "ended" or not one.parts),
        "connections_lost": sum(len(one.resumes) for one in listeners),
    }


def _cut_short(listeners: list[Account]) -> int:
    """Parts at the end that others of the same rendition were given."""
    last: dict[str, int] = {}
    for one in listeners:
        last[one.rendition] = max(last.get(one.rendition, 0), one.last)
    return sum(last[one.rendition] - one.last for one in listeners)


def _sound(notes: Notes, said: list[Said]) -> dict[str, Any]:
    assert notes.programme is not None
    programme, (begin, end) = notes.programme, notes.gap
    host, guest = said
    counts = [marks.count(programme, host.mark)]
    if end > begin:
        counts.append(marks.count(programme[: max(0, begin - GUARD_SAMPLES)], guest.mark))
        counts.append(marks.count(programme[end + SETTLE_SAMPLES :], guest.mark))
    else:
        counts.append(marks.count(programme, guest.mark))
    alike = [
        likeness.compare(host.pcm, programme),
        likeness.compare(guest.pcm, programme, notes.gap if end > begin else None),
    ]
    windows = sum(one.windows for one in alike)
    unannounced = max(0, notes.missing_in_gap_samples - notes.gap_samples - GAP_SLACK_SAMPLES)
    missing = sum(one.missing for one in notes.counted)
    left_out = sum(one.left_out for one in notes.counted)
    put_in = sum(one.put_in for one in notes.counted)
    shifted = sum(one.shifted_samples for one in counts)
    whole = all(one.found == one.expected > 0 for one in counts)
    return {
        "programme_s": round(len(programme) / SAMPLE_RATE, 3),
        "missing_samples": missing - notes.missing_in_gap_samples + unannounced,
        "left_out_samples": left_out,
        "put_in_samples": put_in,
        "gap_s": round(notes.gap_samples / SAMPLE_RATE, 3),
        "marks_expected": sum(one.expected for one in counts),
        "marks_found": sum(one.found for one in counts),
        "marks_shifted_samples": shifted,
        # The stage owns up to every sample by which a mark is out of place.
        "marks_agree": whole and shifted <= left_out + put_in + SHIFT_SAMPLES_MIN,
        "speech_windows": windows,
        "speech_alike": round(sum(one.heard for one in alike) / windows, 4) if windows else 0.0,
        "speech_correlation": round(min(one.median for one in alike), 3),
    }


def _replay(notes: Notes) -> dict[str, Any]:
    assert notes.report is not None
    unlike = {
        name: notes.replays[name].unlike(given) if name in notes.replays else len(given)
        for name, given in notes.report.parts.items()
    }
    whole = len(notes.replays) == len(notes.report.parts) and all(
        replay.is_continuous for replay in notes.replays.values()
    )
    return {
        "replay_ready_s": round(notes.replay_ready_s, 3),
        "replay_parts": {name: len(replay.parts) for name, replay in notes.replays.items()},
        "replay_unlike": sum(unlike.values()),
        "replay_equal": whole and not any(unlike.values()) and notes.report.differing == 0,
    }


def _browser(notes: Notes) -> dict[str, Any]:
    assert notes.played is not None
    played = notes.played
    waits = played.waits()
    moved = notes.browser_on_killed_edge
    after = [wait for wait in waits if moved and notes.killed_at <= wait[0] < notes.killed_at + 5]
    back_s = played.back_after(notes.killed_at) if moved else 0.0
    found = {
        "stalls": len(waits) - len(after),
        "stalls_on_killed_edge": len(after),
        "stalled_s": round(sum(seconds for _, seconds in waits), 3),
        "on_killed_edge": moved,
        "resumed_s": round(back_s, 3),
        "parts": len(played.parts),
        "parts_lost": played.lost,
        "parts_twice": played.twice,
        "waits": [[round(at - notes.killed_at, 2), round(wait, 3)] for at, wait in waits[:10]],
        "errors": played.errors[:5],
        "page_stalls": played.page.get("stalls"),
    }
    found["ok"] = (
        found["stalls"] == 0
        and played.lost == 0
        and played.twice == 0
        and len(played.parts) > 0
        and 0 <= back_s <= RESUME_S_MAX
    )
    return found


def rows(found: dict[str, Any]) -> list[tuple[str, str, bool | None]]:
    """The figures as rows for a person: what, how much, whether that is as promised."""
    resumed = found["resume_max_s"]
    out: list[tuple[str, str, bool | None]] = [
        ("Listeners", f"{found['listeners']} over HTTP, {found['parts']} parts", None),
        ("Stalls", str(found["stalls"]), found["stalls"] == 0),
        (
            "On the edge that was killed",
            f"{found['on_killed_edge']} listeners, the last one back after {resumed:.2f} s, "
            f"{found['stalls_on_killed_edge']} stalls",
            0 <= resumed <= RESUME_S_MAX,
        ),
        (
            "Parts lost, given twice, torn",
            f"{found['parts_lost']}, {found['parts_twice']}, {found['parts_torn']}",
            found["parts_lost"] == found["parts_twice"] == found["parts_torn"] == 0,
        ),
        (
            "Samples missing",
            f"{found['missing_samples']} beside the announced gap of {found['gap_s']:.2f} s "
            f"({found['left_out_samples']} left out in pauses)",
            found["missing_samples"] == 0,
        ),
        (
            "Marks in the replay",
            f"{found['marks_found']} of {found['marks_expected']}, "
            f"{found['marks_shifted_samples']} samples out of place",
            found["marks_agree"],
        ),
        (
            "Speech recognised in the replay",
            f"{found['speech_alike']:.1%} of {found['speech_windows']} quarter seconds, "
            f"correlation {found['speech_correlation']:.2f}",
            found["speech_alike"] >= ALIKE_SHARE_MIN,
        ),
        (
            "Replay ready after the end",
            f"{found['replay_ready_s']:.2f} s",
            0 <= found["replay_ready_s"] <= REPLAY_READY_S_MAX,
        ),
        (
            "Replay the same bytes as live",
            ", ".join(f"{name} {count}" for name, count in found["replay_parts"].items())
            + " parts",
            found["replay_equal"],
        ),
        _browser_row(found["chromium"]),
        ("Log verified", "complete and unaltered", found["log_verified"]),
        (
            "At the source",
            f"beat late at most {found['beat_late_max_ms']:.0f} ms, "
            f"parts written late at most {found['written_late_max_ms']:.0f} ms",
            None,
        ),
        ("Waiting for a processor", f"{found['cpu_pressure']:.0%} of the time, somebody", None),
    ]
    return out


def _browser_row(found: dict[str, Any] | None) -> tuple[str, str, bool | None]:
    if found is None:
        return ("A real browser", "left out: Chromium or playwright is not installed", None)
    where = "on the killed edge" if found["on_killed_edge"] else "on another edge"
    return (
        "A real browser",
        f"{where}, {found['parts']} parts, {found['stalls']} stalls, "
        f"back after {found['resumed_s']:.2f} s",
        found["ok"],
    )
