"""`make bench-stage`: what a full stage costs, and whether anybody loses a sample on it.

Thirteen people talk at once on one stage process, which has a processor core of its own; the
speakers are real WebRTC clients in another process on another core. Measured while they talk:

  cpu_cores           of the stage: WebRTC, mixing, thirteen mix-minuses, three renditions, the log
  missing_samples     concealed or silent, as the stage counts them, and as marks in the
                      decoded log say
  beat_late_p99_ms    how late the 20 ms beat came

Run it as root on a machine that others use: then it may go before them. "Waiting for the core"
says how much they disturbed it. The same, shorter, with 1, 4 and 8 speakers gives the cost of
each. The last line is one JSON object, also written to build/bench-stage.json. Nothing leaves this
machine.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.bridge import bridge
from bench.speakers import BANDS, SLOT_FRAMES, slot_of
from stentor import tokens
from stentor.clock import SystemClock
from stentor.demo import health, interruption, marks, replay
from stentor.demo.calls import Caller
from stentor.demo.house import House
from stentor.demo.telling import Telling, finish, table
from stentor.limits import FRAME_SAMPLES, SAMPLE_RATE, SERVICE_TOKEN_S, SPEAKERS_MAX
from stentor.log import Reader
from stentor.record import Flag, Kind, Rendition
from stentor.tokens import Claims

CPU_CORES_MAX = 0.60
LATE_P99_MS_MAX = 10.0
WARM_UP_S = 4.0
SHORT_S = 8.0
SLOT_REACH = SLOT_FRAMES * FRAME_SAMPLES * 9 // 20
"""A mark may be so much earlier or later than the one before and is still of the same speaker."""
SETTLED_S = 6
"""At the end delays have settled: there the speakers' slots are looked for."""
STOP_S_MAX = 6.0
FEWER = (1, 4, 8)
CLOCK = SystemClock()


@dataclass(slots=True)
class Measured:
    """One run with some number of speakers."""

    speakers: int
    seconds: float
    cpu_cores: float = 0.0
    wait_share: float = 0.0
    """Of the time, how much its threads waited for the core: above 0.02, it was not alone on it."""
    missing_samples: int = -1
    left_out_samples: int = 0
    beat: dict[str, float] = field(default_factory=dict)
    marks_expected: int = 0
    marks_found: int = 0
    gap_parts: int = 0
    log_samples: int = 0
    decoded_samples: int = 0
    heard_share: float = 0.0
    """Frames of mix-minus that came back, of those that should have."""


def cpu_ns(pid: int) -> dict[str, tuple[int, int]]:
    """Nanoseconds on a processor, and waiting for one, of each thread (proc(5), schedstat)."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):
            ran, waited, _ = (task / "schedstat").read_text().split()
            found[task.name] = int(ran), int(waited)
    return found


@asynccontextmanager
async def stage_process(house: House, core: int) -> Any:
    """`stentor stage` alone on a core."""
    flags = ["--data", str(house.data), "--udp-ports", house.udp_ports, "--listen", house.listen]
    house.data.mkdir(mode=0o700, parents=True)
    before = os.sched_getaffinity(0)
    with house.telemetry.open("a") as diagnostics:
        os.sched_setaffinity(0, {core})  # inherited by the new process and all its threads
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "stentor", "stage", *flags),
                stderr=diagnostics,
                start_new_session=True,
            )
        finally:
            os.sched_setaffinity(0, before)
    try:
        for _ in range(200):
            await asyncio.sleep(0.05)
            if process.returncode is not None:
                raise SystemExit(f"bench-stage: the stage ended.\n{house.complaints()}")
            if house.pid("stage") and house.paths.socket("stage").exists():
                break
        yield process
    finally:
        await ended(process)


@asynccontextmanager
async def speakers_process(core: int) -> Any:
    """The clients, on another core."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.speakers", str(core)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        await ended(process)


async def ended(process: Any) -> None:
    """Ask a process to end, and end it when it does not."""
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(STOP_S_MAX):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def told(process: Any, order: object, timeout_s: float) -> dict[str, Any]:
    """Give the clients an order and wait for their answer."""
    process.stdin.write(json.dumps(order).encode() + b"\n")
    async with asyncio.timeout(timeout_s):
        line = await process.stdout.readline()
    if not line:
        raise SystemExit("bench-stage: the speakers' process ended.")
    return json.loads(line)


async def set_up(caller: Caller, house: House, count: int) -> tuple[str, list[str]]:
    """A Space and `count` seats; its id and the seats' tokens."""
    keyring = house.paths.keyring()
    at_s = CLOCK.wall_time() // 1_000_000_000

    def token(kind: tokens.TokenKind, space: str, role: tokens.Role, seat: str, name: str) -> str:
        return tokens.issue(Claims(kind, space, role, seat, name, at_s + SERVICE_TOKEN_S), keyring)

    service = token("service", "", "service", "", "bench")
    body = {"title": "Full stage", "host_id": "0" * 12, "host_name": "Speaker 0"}
    made = await caller.ask("POST", "/stage/spaces", body=body, token=service, expect=201)
    space, seat = made.json()["space"], made.json()["host_speaker"]
    seats: list[str] = []
    for number in range(count):
        name = f"Speaker {number}"
        if number == 0:
            ticket = token("seat", space, "host", seat, name)
        else:
            command = {"command": "invite.create", "name": name, "role": "speaker"}
            path = f"/stage/{space}/commands"
            made = await caller.ask("POST", path, body=command, token=seats[0], expect=200)
            ticket = made.json()["invite"]
        body = {"name": name, "consent": True}
        path = f"/stage/{space}/join"
        joined = await caller.ask("POST", path, body=body, token=ticket, expect=201)
        seats.append(joined.json()["token"])
    return space, seats


async def measure(count: int, seconds: float, folder: Path) -> Measured:
    """One run: `count` speakers for `seconds` after a warm-up."""
    cores = sorted(os.sched_getaffinity(0))
    house = House(folder, CLOCK)
    found = Measured(count, seconds)
    async with (
        stage_process(house, cores[0]) as stage,
        bridge(house.paths.socket("stage")) as port,
        speakers_process(cores[-1]) as clients,
    ):
        caller = Caller(house.paths.socket("stage"))
        space, seats = await set_up(caller, house, count)
        await told(clients, {"port": port, "space": space, "tokens": seats}, 60.0)
        path = f"/stage/{space}/commands"
        await caller.ask("POST", path, body={"command": "space.start"}, token=seats[0], expect=200)
        await asyncio.sleep(WARM_UP_S)
        began, cpu, before = CLOCK.now(), cpu_ns(stage.pid), await lost_samples(house)
        await asyncio.sleep(seconds)
        after = cpu_ns(stage.pid)
        took_ns = (CLOCK.now() - began) * 1e9
        found.cpu_cores, found.wait_share = (
            sum(ns[which] - cpu.get(task, (0, 0))[which] for task, ns in after.items()) / took_ns
            for which in (0, 1)
        )
        missing, left_out = await lost_samples(house)
        found.missing_samples, found.left_out_samples = missing - before[0], left_out - before[1]
        found.beat = (await health.stage_health(house))["beat"]
        await caller.ask("POST", path, body={"command": "space.end"}, token=seats[0], expect=200)
        answer = await told(clients, {}, 10.0)
        found.heard_share = min(
            heard / sent for heard, sent in zip(answer["heard"], answer["sent"], strict=True)
        )
        await sealed(house, space)
    read_log(house, space, found)
    return found


async def lost_samples(house: House) -> tuple[int, int]:
    """(missing, left out) of all speakers, as the stage counts them."""
    voices = (await health.voices(house)).values()
    return sum(one.missing for one in voices), sum(one.left_out for one in voices)


async def sealed(house: House, space: str) -> None:
    """Wait until the log has its seal."""
    reader = Reader(house.paths.log(space), space)
    for _ in range(100):
        reader.refresh()
        if reader.sealed:
            return
        await asyncio.sleep(0.05)
    raise SystemExit("bench-stage: the log was not sealed within five seconds.")


def read_log(house: House, space: str, found: Measured) -> None:
    """Decode the log: is every sample there, and every speaker's marks?"""
    reader = Reader(house.paths.log(space), space)
    reader.refresh()
    pieces: list[bytes] = []
    offset, expected = 0, 0
    while records := reader.read(offset):
        for record in records:
            header = record.header
            if header.rendition is Rendition.OPUS and header.kind in {Kind.INIT, Kind.PART}:
                pieces.append(record.payload)
            if header.rendition is Rendition.OPUS and header.kind is Kind.PART:
                found.gap_parts += bool(header.flags & Flag.GAP) + (header.media_time != expected)
                expected = header.media_time + header.duration
        offset = records[-1].header.offset + 1
    pcm = replay.decode(b"".join(pieces))
    found.log_samples, found.decoded_samples = expected, len(pcm)
    begin = int((WARM_UP_S - 0.5) * SAMPLE_RATE)
    end = begin + int(found.seconds * SAMPLE_RATE)
    found.marks_expected, found.marks_found = slots_filled(pcm[begin:end], found.speakers)


def slots_filled(pcm: marks.Pcm, speakers: int) -> tuple[int, int]:
    """(expected, found) marks: one of each speaker in each second, each in its time slot."""
    seconds = len(pcm) // SAMPLE_RATE
    folds = [
        marks.envelope(pcm, mark)[: seconds * SAMPLE_RATE].reshape(seconds, SAMPLE_RATE)
        for mark in BANDS
    ]
    slots = [(band, frame * FRAME_SAMPLES) for band, frame in map(slot_of, range(speakers))]
    step = FRAME_SAMPLES // 4
    levels = [np.median(fold[-SETTLED_S:], axis=0) for fold in folds]
    comb = [
        sum(levels[band][(slot + shift) % SAMPLE_RATE] for band, slot in slots)
        for shift in range(0, SAMPLE_RATE, step)
    ]
    shift = int(np.argmax(comb)) * step  # the way of all sound from the clients into the programme
    return seconds * speakers, sum(followed(folds[band], slot + shift) for band, slot in slots)


def followed(fold: np.ndarray, at: int) -> int:
    """Marks of one speaker, from the last second back to the first, as delays grow and shrink.

    Args:
        fold: the envelope, a row for each second.
        at: about where in the last second the mark is.
    """
    reach = np.arange(-SLOT_REACH, SLOT_REACH)
    least = marks.STRONG_SHARE * marks.LEVEL
    found = 0
    for second in reversed(fold):
        window = second[(at + reach) % SAMPLE_RATE]
        if window.max() >= least:
            found += 1
            at += int(np.argmax(window)) - SLOT_REACH
    return found


def rows(found: dict[str, Any]) -> list[tuple[str, str, bool | None]]:
    """The figures for a person."""
    return [
        ("Speakers at once", str(found["speakers"]), None),
        ("Processor cores", f"{found['cpu_cores']:.3f}", found["cpu_cores"] <= CPU_CORES_MAX),
        ("Waiting for the core", f"{found['cpu_wait_share']:.1%} of the time", None),
        ("Cores for each speaker", f"{found['cpu_per_speaker']:.4f}", None),
        ("Samples missing", str(found["missing_samples"]), found["missing_samples"] == 0),
        (
            "Marks found in the log",
            f"{found['marks_found']} of {found['marks_expected']}",
            found["marks_found"] == found["marks_expected"],
        ),
        (
            "Beat late, half and 99 %",
            f"{found['beat_late_p50_ms']:.1f} ms, {found['beat_late_p99_ms']:.1f} ms",
            found["beat_late_p99_ms"] <= LATE_P99_MS_MAX,
        ),
        ("Mix-minus that came back", f"{found['heard_share']:.1%}", found["heard_share"] >= 0.98),
    ]


def figures(full: Measured, fewer: list[Measured]) -> dict[str, Any]:
    """All figures, and whether they are as promised."""
    runs = [*fewer, full]
    slope = full.cpu_cores / full.speakers
    if fewer:
        counts = np.array([run.speakers for run in runs], dtype=float)
        slope = float(np.polyfit(counts, [run.cpu_cores for run in runs], 1)[0])
    missing = full.missing_samples + full.gap_parts * FRAME_SAMPLES * 10
    found: dict[str, Any] = {
        "speakers": full.speakers,
        "seconds": full.seconds,
        "cpu_cores": round(full.cpu_cores, 4),
        "cpu_wait_share": round(full.wait_share, 4),
        "cpu_per_speaker": round(slope, 4),
        "cpu_by_speakers": {str(run.speakers): round(run.cpu_cores, 4) for run in runs},
        "missing_samples": missing,
        "left_out_samples": full.left_out_samples,
        "log_samples": full.log_samples,
        "decoded_samples": full.decoded_samples,
        "marks_expected": full.marks_expected,
        "marks_found": full.marks_found,
        "beat_late_p50_ms": full.beat["late_p50_ms"],
        "beat_late_p99_ms": full.beat["late_p99_ms"],
        "beat_late_max_ms": full.beat["late_max_ms"],
        "beats_missed": full.beat["missed"],
        "heard_share": round(full.heard_share, 4),
    }
    decoded_all = abs(full.log_samples - full.decoded_samples) <= FRAME_SAMPLES
    found["ok"] = decoded_all and all(good is not False for _, _, good in rows(found))
    return found


async def run(options: argparse.Namespace, telling: Telling) -> dict[str, Any]:
    """All runs, the small ones first."""
    counts = [] if options.only else [n for n in FEWER if n < options.speakers]
    done = []
    with tempfile.TemporaryDirectory(prefix="stentor-bench-") as folder:
        for count in [*counts, options.speakers]:
            seconds = options.seconds if count == options.speakers else SHORT_S
            telling.say(f"{count} speakers for {seconds:g} s")
            found = await measure(count, seconds, Path(folder) / str(count))
            done.append(found)
            telling.say(
                f"{count} speakers: {found.cpu_cores:.3f} cores, {found.missing_samples} samples "
                f"missing, {found.marks_found} of {found.marks_expected} marks"
            )
    return figures(done[-1], done[:-1])


def main() -> int:
    """Measure, print, and say whether all is as promised (exit code 0)."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.stage",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--speakers", type=int, default=SPEAKERS_MAX, help="at most 13")
    parser.add_argument("--seconds", type=float, default=60.0, help="of the full run (default 60)")
    parser.add_argument(
        "--only", action="store_true", help="leave the runs with fewer speakers out"
    )
    parser.add_argument("--json", action="store_true", help="one JSON line at the end")
    options = parser.parse_args()
    options.speakers = max(1, min(SPEAKERS_MAX, options.speakers))
    options.seconds = max(5.0, min(120.0, options.seconds))
    if len(os.sched_getaffinity(0)) < 2:
        print("bench-stage: needs two processor cores, one for the stage alone.", file=sys.stderr)
        return 2
    telling = Telling(CLOCK)
    try:
        found = interruption.run(run(options, telling))
    except KeyboardInterrupt:
        return 130
    print("\n" + table(rows(found)) + "\n")
    return finish(found, "bench-stage.json", as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
