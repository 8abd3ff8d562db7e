"""`make faults`: kill every process of a live node in turn, and measure what its listeners hear.

During a live Space with a speaker and some forty listeners, kill -9 goes to:

  web         nobody hears it; a command and an API call succeed again within 3 s
  each edge   its listeners are back within 3 s, nothing is missing or twice; others hear nothing
  stage       connections stay open; sound is back by itself within 5 s, the hole is announced
  supervisor  its processes serve on for 5 s; `stentor serve` again takes everything over

At last SIGTERM: all stop within 5 s; the Space is taken up once more, ends, and its log verifies.
The last line is one JSON object, also written to build/faults.json. Nothing leaves this machine.
"""

import argparse
import asyncio
import contextlib
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stentor.clock import SystemClock
from stentor.demo import interruption, marks, owner, replay, sockets, speech
from stentor.demo.calls import Caller
from stentor.demo.crowd import Account, Crowd, Report
from stentor.demo.evening import together
from stentor.demo.house import House
from stentor.demo.studio import Studio
from stentor.demo.telling import Telling, finish, table
from stentor.demo.verdict import GUARD_SAMPLES, SETTLE_SAMPLES
from stentor.errors import StentorError, Unavailable
from stentor.limits import SAMPLE_RATE
from stentor.log import Reader
from stentor.record import RENDITION_NAMES, Kind
from stentor.space import events
from stentor.space.events import StageGap

EDGES = 2
BACK_S_MAX = 3.0
SOUND_BACK_S_MAX = 5.0
STOP_S_MAX = 5.0
ORPHANS_S = 5.0
WATCH_S = 4.0
"""How long listeners are watched after a fault that they should not hear."""
PATIENCE_S = 15.0
SPEECH_S = 175.0
CLOCK = SystemClock()


@dataclass(slots=True)
class Drill:
    """A live Space that things are done to."""

    house: House
    telling: Telling
    listeners: int
    found: dict[str, dict[str, Any]] = field(default_factory=dict)
    caller: Caller = field(default_factory=lambda: Caller(""))
    space: str = ""
    gaps: int = 0
    """Announced gaps of the stage that have been looked at."""

    async def run(self) -> dict[str, Any]:
        """Open, break, close; all figures."""
        say = self.telling.say
        speaking = asyncio.create_task(asyncio.to_thread(speech.conversation, SPEECH_S))
        took_s = await asyncio.to_thread(self.house.start)
        say(f"a node is open at {self.house.url} (after {took_s:.1f} s)")
        self.caller = await owner.sign_up(self.house)
        self.space = await owner.create_space(self.caller, "A night of faults")
        said = await speaking
        host = await owner.take_host_seat(self.house, self.caller, self.space, CLOCK, said[0])
        await host.commanded("doors.open")
        crowd = Crowd(*self.house.settings.address, self.space)
        async with together(host.run()), crowd:
            await crowd.join(self.listeners, over_s=1.0)
            await host.heard("speaker.connected", 0.0, PATIENCE_S, speaker=host.speaker)
            await host.commanded("space.start")
            if not await crowd.all_hearing(self.listeners, PATIENCE_S):
                raise Unavailable("demo.failed", "Not all listeners hear the programme.")
            say(f"{self.listeners} listeners hear the host")
            await asyncio.sleep(WATCH_S)
            await self._web(crowd, host)
            await self._edge(crowd, 0)
            await self._more(crowd)  # the first edge is empty now: let some come to it again
            await self._edge(crowd, 1)
            await self._stage(crowd, host)
            await self._supervisor(crowd, host)
            await self._stop_and_go_on(crowd, host)
            report = await self._end(crowd, host)
        self.found["evening"] = await self._prove(report, host)
        say(f"the log is {'verified' if self.found['evening']['log_verified'] else 'NOT verified'}")
        figures: dict[str, Any] = {"listeners": self.listeners, **self.found}
        figures["ok"] = all(one["ok"] for one in self.found.values())
        return figures

    # The faults -------------------------------------------------------------------------------

    async def _web(self, crowd: Crowd, host: Studio) -> None:
        killed_at = self._kill("web")
        command_s = await until(lambda: self._mute_and_unmute(host), killed_at)
        path = f"/api/spaces/{self.space}/token"
        api_s = await until(lambda: accepted(self.caller, "POST", path), killed_at)
        await asyncio.sleep(max(0.0, killed_at + WATCH_S - CLOCK.now()))
        report = await crowd.report()
        stalls = sum(one.stalls_between(killed_at, report.now) for one in report.listeners)
        self._note(
            "web",
            {"stalls": stalls, "command_s": command_s, "api_s": api_s},
            stalls == 0 and 0 <= command_s <= BACK_S_MAX and 0 <= api_s <= BACK_S_MAX,
        )

    async def _edge(self, crowd: Crowd, index: int) -> None:
        name = f"edge-{index}"
        pid = self.house.pid(name)
        held = await asyncio.to_thread(sockets.remote_ports, pid) if pid else set()
        moved = {number for number, port in enumerate(await crowd.ports()) if port in held}
        before = await crowd.report()
        killed_at = self._kill(name)
        await asyncio.sleep(WATCH_S)
        report = await crowd.report()
        stalls = sum(
            one.stalls_between(killed_at, report.now)
            for number, one in enumerate(report.listeners)
            if number not in moved
        )
        gone = [one for number, one in enumerate(report.listeners) if number in moved]
        back_s = max((back_after(one, killed_at) for one in gone), default=0.0)
        figures = {
            "listeners": len(moved),
            "stalls_of_others": stalls,
            "stalls": sum(one.stalls_between(killed_at, report.now) for one in gone),
            "resume_max_s": back_s,
            **wrong_parts(before, report),
        }
        whole = not any(wrong_parts(before, report).values())
        self._note(name, figures, stalls == 0 and 0 <= back_s <= BACK_S_MAX and whole)
        await self._wait_for(name)

    async def _more(self, crowd: Crowd) -> None:
        await crowd.join(self.listeners, over_s=1.0)
        self.listeners *= 2
        if not await crowd.all_hearing(self.listeners, PATIENCE_S):
            raise Unavailable("demo.failed", "Not all new listeners hear the programme.")
        self.telling.say(f"{self.listeners} listeners now")

    async def _stage(self, crowd: Crowd, host: Studio) -> None:
        before = await crowd.report()
        killed_at = self._kill("stage")
        figures = await self._sound_back(crowd, host, killed_at)
        report = await crowd.report()
        broken = sum(len(one.resumes) for one in report.listeners) - sum(
            len(one.resumes) for one in before.listeners
        )
        figures |= {"connections_lost": broken, **wrong_parts(before, report)}
        whole = not any(wrong_parts(before, report).values())
        good = broken == 0 and whole and 0 <= figures["sound_back_s"] <= SOUND_BACK_S_MAX
        self._note("stage", figures, good and figures["gap_s"] > 0)

    async def _supervisor(self, crowd: Crowd, host: Studio) -> None:
        await asyncio.sleep(WATCH_S)  # playheads gather their buffer anew after the stage's fault
        before, orphans = await crowd.report(), self.house.processes()
        killed_at = self._kill("serve")
        await asyncio.sleep(ORPHANS_S)
        report = await crowd.report()
        stalls = sum(one.stalls_between(killed_at, report.now) for one in report.listeners)
        parts = sum(one.parts for one in report.listeners) - sum(
            one.parts for one in before.listeners
        )
        alive = self.house.processes()
        same = {name: pid for name, pid in orphans.items() if name != "serve"} == alive
        self._note(
            "supervisor",
            {"stalls": stalls, "parts_meanwhile": parts, "orphans_serve": same},
            stalls == 0 and same and parts > 0,
        )
        again_at = CLOCK.now()
        took_s = await asyncio.to_thread(self.house.start)
        figures = await self._sound_back(crowd, host, again_at)
        figures |= {"start_s": round(took_s, 3)}
        figures |= wrong_parts(report, await crowd.report())
        whole = not any(wrong_parts(report, await crowd.report()).values())
        good = figures["sound_back_s"] >= 0 and figures["gap_s"] > 0 and whole
        self._note("serve_again", figures, good)
        await asyncio.sleep(WATCH_S)

    async def _stop_and_go_on(self, crowd: Crowd, host: Studio) -> None:
        before = await crowd.report()
        self.telling.say("SIGTERM to the supervisor")
        stop_s = await asyncio.to_thread(self.house.stop)
        left = len(self.house.left_over)
        verified = await self._verify()
        again_at = CLOCK.now()
        await asyncio.to_thread(self.house.start)
        figures = await self._sound_back(crowd, host, again_at)
        figures |= {"stop_s": round(stop_s, 3), "processes_left": left, "log_verified": verified}
        figures |= wrong_parts(before, await crowd.report())
        whole = not any(wrong_parts(before, await crowd.report()).values())
        good = stop_s < STOP_S_MAX and not left and verified and figures["sound_back_s"] >= 0
        self._note("sigterm", figures, good and whole)
        await asyncio.sleep(WATCH_S)

    async def _end(self, crowd: Crowd, host: Studio) -> Report:
        ended_at = CLOCK.now()
        await host.commanded("space.end")
        ready_s = await replay.wait_ready(self.caller, self.space, CLOCK, ended_at, PATIENCE_S)
        ended = await crowd.all_ended(self.listeners, PATIENCE_S)
        self.telling.say(f"the Space has ended; its replay is there after {ready_s:.2f} s")
        self._note("end", {"replay_ready_s": round(ready_s, 3)}, ended and 0 <= ready_s <= 2.0)
        return await crowd.report()

    async def _prove(self, report: Report, host: Studio) -> dict[str, Any]:
        """The whole evening against its replay, and the replay against what was said."""
        unlike, continuous, programme = 0, True, b""
        for name in RENDITION_NAMES:
            found = await replay.fetch(self.caller, self.space, name)
            unlike += found.unlike(report.parts[name])
            continuous = continuous and found.is_continuous
            programme = programme or found.body
        pcm = await asyncio.to_thread(replay.decode, programme)
        told = await replay.events(self.caller, self.space)
        counts = [
            marks.count(pcm[begin + SETTLE_SAMPLES : end - GUARD_SAMPLES], host.said.mark)
            for begin, end in replay.stretches(told, host.speaker, len(pcm))
            if host.said and end - begin > SETTLE_SAMPLES + 2 * SAMPLE_RATE
        ]
        out: dict[str, Any] = {
            "parts": sum(one.parts for one in report.listeners),
            "parts_lost": sum(one.lost for one in report.listeners),
            "parts_twice": sum(one.twice for one in report.listeners),
            "parts_torn": sum(one.torn for one in report.listeners),
            "replay_unlike": unlike,
            "replay_continuous": continuous,
            "stretches": len(counts),
            "marks_expected": sum(one.expected for one in counts),
            "marks_found": sum(one.found for one in counts),
            "marks_shifted_samples": sum(one.shifted_samples for one in counts),
            "log_verified": await self._verify(),
        }
        wrong = out["parts_lost"] + out["parts_twice"] + out["parts_torn"] + unlike
        agree = counts and all(one.found == one.expected for one in counts)
        out["ok"] = wrong == 0 and continuous and out["log_verified"] and bool(agree)
        return out

    # What they are made of --------------------------------------------------------------------

    async def _sound_back(self, crowd: Crowd, host: Studio, since: float) -> dict[str, Any]:
        """Wait until the host is heard again after the stage was away, and say when that was."""
        connected = await host.heard("speaker.connected", since, PATIENCE_S, speaker=host.speaker)
        async with asyncio.timeout(PATIENCE_S):
            while not await self._all_hear(crowd, connected.at):
                await asyncio.sleep(0.05)
        back_s = CLOCK.now() - since
        gaps = await asyncio.to_thread(self._gaps)
        gap_s = sum(gaps[self.gaps :]) / SAMPLE_RATE
        self.gaps = len(gaps)
        return {
            "speaker_back_s": round(connected.at - since, 3),
            "sound_back_s": round(back_s, 3),
            "gap_s": round(gap_s, 3),
        }

    def _gaps(self) -> list[int]:
        """The announced gaps of the stage so far, in samples, from the log itself."""
        reader = Reader(self.house.paths.log(self.space), self.space)
        reader.refresh()
        found, offset = [], 0
        while records := reader.read(offset):
            for record in records:
                if record.header.kind is Kind.EVENT:
                    event = events.decode(record.payload)
                    if isinstance(event, StageGap):
                        found.append(event.to_media_time - event.from_media_time)
            offset = records[-1].header.offset + 1
        return found

    async def _all_hear(self, crowd: Crowd, since: float) -> bool:
        look = await crowd.look()
        return look["hearing"] == self.listeners and look["last_part_at"] > since

    def _kill(self, name: str) -> float:
        at = CLOCK.now()
        self.telling.say(f"{name} is killed (process {self.house.kill(name)})")
        return at

    async def _wait_for(self, name: str) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while self.house.pid(name) is None:
                await asyncio.sleep(0.05)

    async def _mute_and_unmute(self, host: Studio) -> bool:
        muted = await host.command("speaker.mute", speaker=host.speaker)
        unmuted = await host.command("speaker.unmute", speaker=host.speaker)
        return muted.status == unmuted.status == 200

    async def _verify(self) -> bool:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "stentor", "log", "verify", self.space),
            *("--data", str(self.house.data)),
            stdout=asyncio.subprocess.DEVNULL,
        )
        return await process.wait() == 0

    def _note(self, name: str, figures: dict[str, Any], good: bool) -> None:
        rounded = {
            key: round(value, 3) if isinstance(value, float) else value
            for key, value in figures.items()
        }
        self.found[name] = {**rounded, "ok": good}
        told = ", ".join(f"{key} {value}" for key, value in rounded.items())
        self.telling.say(f"{name}: {told}{'' if good else '  (NOT as promised)'}")


def wrong_parts(before: Report, after: Report) -> dict[str, int]:
    """Parts lost, given twice and torn between two reports."""
    return {
        f"parts_{name}": sum(getattr(one, name) for one in after.listeners)
        - sum(getattr(one, name) for one in before.listeners)
        for name in ("lost", "twice", "torn")
    }


def back_after(account: Account, killed_at: float) -> float:
    """Seconds from the fault to the next new part; infinite when there was none."""
    for broken_at, _, sound_at in account.resumes:
        if broken_at >= killed_at:
            return sound_at - killed_at if sound_at else float("inf")
    return 0.0


async def until(attempt: Callable[[], Awaitable[bool]], since: float) -> float:
    """Try until it succeeds; seconds from `since`, or -1."""
    while CLOCK.now() - since < PATIENCE_S:
        with contextlib.suppress(StentorError):
            if await attempt():
                return CLOCK.now() - since
        await asyncio.sleep(0.1)
    return -1.0


async def accepted(caller: Caller, method: str, path: str) -> bool:
    """Whether a call is answered with 200."""
    return (await caller.ask(method, path, body={})).status == 200


def rows(found: dict[str, Any]) -> list[tuple[str, str, bool | None]]:
    """The figures for a person."""
    out: list[tuple[str, str, bool | None]] = []
    for name, one in found.items():
        if isinstance(one, dict):
            told = ", ".join(f"{key} {value}" for key, value in one.items() if key != "ok")
            out.append((name, told, one["ok"]))
    return out


async def drill(listeners: int, telling: Telling) -> dict[str, Any]:
    """Run everything in a temporary directory."""
    with tempfile.TemporaryDirectory(prefix="stentor-faults-") as folder:
        house = House(Path(folder) / "data", CLOCK, EDGES)
        try:
            return await Drill(house, telling, listeners).run()
        except (StentorError, TimeoutError):
            print(house.complaints(), file=sys.stderr)
            raise
        finally:
            house.stop()


def main() -> int:
    """Run the drill; the exit code is 0 when every promise was kept."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.faults",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--listeners", type=int, default=40, help="how many listen (default 40)")
    parser.add_argument("--json", action="store_true", help="one JSON line at the end")
    options = parser.parse_args()
    telling = Telling(CLOCK)
    try:
        found = interruption.run(drill(max(4, min(500, options.listeners)), telling))
    except StentorError as error:
        print(f"faults: {error.sentence}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except TimeoutError:
        print(f"faults: something took longer than {PATIENCE_S:g} s.", file=sys.stderr)
        return 2
    found["took_s"] = round(telling.elapsed_s, 1)
    print("\n" + table(rows(found)) + "\n")
    return finish(found, "faults.json", as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
