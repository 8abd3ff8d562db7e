"""`stentor demo`: a whole Space on this machine, with faults in the middle, and its proof.

Real processes (`stentor serve`), the owner over HTTP, two speakers over WebRTC, hundreds of
listeners over HTTP and one in Chromium. One speaker's network drops, one edge is killed; afterwards
the replay is held against what was live and against what was said.
"""

import asyncio
import contextlib
import gc
import sys
import tempfile
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stentor.clock import Clock, SystemClock
from stentor.demo import (
    browser,
    health,
    interruption,
    lateness,
    owner,
    pressure,
    replay,
    sockets,
    speech,
    verdict,
)
from stentor.demo.browser import BrowserListener
from stentor.demo.crowd import Crowd
from stentor.demo.house import House
from stentor.demo.network import Network
from stentor.demo.speech import Said
from stentor.demo.studio import Studio
from stentor.demo.telling import Telling, finish, table
from stentor.demo.verdict import Notes
from stentor.errors import StentorError, Unavailable
from stentor.record import RENDITION_NAMES

EDGES = 2
SECONDS_MIN = 15.0
SECONDS_MAX = 600.0
LISTENERS_MAX = 2_000
NETWORK_AWAY_S = 5.0
SETTLE_S = 1.0
"""After the network is back: until the stage has counted what was lost."""
SPARE_S = 25.0
"""Speech beyond the programme: it begins before, and the end takes a moment."""


def run(listeners: int, seconds: float, *, as_json: bool) -> int:
    """Play the evening and print its figures; 0 when every promise was kept.

    Raises:
        Refused, Unavailable: the evening could not be played; the sentence says why.
    """
    listeners = max(1, min(LISTENERS_MAX, listeners))
    seconds = max(SECONDS_MIN, min(SECONDS_MAX, seconds))
    telling = Telling(SystemClock())
    found = interruption.run(play(listeners, seconds, telling))
    found["took_s"] = round(telling.elapsed_s, 1)
    print("\n" + table(verdict.rows(found)) + "\n")
    print("  Every promise was kept." if found["ok"] else "  A promise was NOT kept.", flush=True)
    return finish(found, "demo.json", as_json=as_json)


async def play(listeners: int, seconds: float, telling: Telling) -> dict[str, Any]:
    """Play the evening in a temporary directory; its figures."""
    with tempfile.TemporaryDirectory(prefix="stentor-demo-") as folder:
        evening = Evening(House(Path(folder) / "data", SystemClock(), EDGES), telling)
        try:
            return await evening.play(listeners, seconds)
        except StentorError:
            print(evening.house.complaints(), file=sys.stderr)
            raise
        finally:
            evening.house.stop()


@dataclass(slots=True)
class Evening:
    """The one who runs the evening."""

    house: House
    telling: Telling
    clock: Clock = field(default_factory=SystemClock)
    notes: Notes = field(default_factory=Notes)
    space: str = ""
    has_browser: bool = field(default_factory=lambda: bool(browser.program()))

    async def play(self, listeners: int, seconds: float) -> dict[str, Any]:
        """All of it, in order."""
        say = self.telling.say
        speaking = asyncio.create_task(asyncio.to_thread(speech.conversation, seconds + SPARE_S))
        say(f"starting a node: stage, web and {EDGES} edges")
        took_s = await asyncio.to_thread(self.house.start)
        say(f"the door answers at {self.house.url} (after {took_s:.1f} s)")
        said = await speaking
        caller = await owner.sign_up(self.house)
        self.space = await owner.create_space(caller, "An evening in a minute")
        host, guest = await self._take_seats(caller, said)
        gc.collect()
        gc.freeze()  # the speakers live in this process: a long collection would hold them up
        async with together(host.run(), guest.run()), contextlib.AsyncExitStack() as stack:
            crowd, page = await self._let_in(stack, host, guest, listeners)
            began, waited_s = self.clock.now(), pressure.waited_s()
            await host.commanded("space.start")
            hearing = await crowd.all_hearing(listeners, 5.0)
            say(f"the programme runs; {'all' if hearing else 'NOT all'} listeners hear it")
            await self._faults(began, seconds, crowd, page, guest)
            self.notes.pressure = (pressure.waited_s() - waited_s) / (self.clock.now() - began)
            await self._end(caller, host, guest, crowd, page, listeners)
        await self._prove(caller)
        say("comparing the replay with what was live and with what was said")
        return await asyncio.to_thread(verdict.figures, self.notes, said)

    async def _take_seats(self, caller: Any, said: list[Said]) -> tuple[Studio, Studio]:
        host = await owner.take_host_seat(self.house, caller, self.space, self.clock, said[0])
        invitation = await owner.invite(host, "Grace")
        guest = await owner.take_seat(
            self.house, self.space, invitation, "Grace", self.clock, said[1], Network()
        )
        await host.commanded("doors.open")
        self.telling.say("host and speaker have their seats; the doors are open")
        return host, guest

    async def _let_in(
        self, stack: contextlib.AsyncExitStack, host: Studio, guest: Studio, listeners: int
    ) -> tuple[Crowd, BrowserListener | None]:
        address = self.house.settings.address
        crowd = await stack.enter_async_context(Crowd(*address, self.space))
        page = None
        if self.has_browser:
            url = f"{self.house.url}/s/{self.space}"
            page = await stack.enter_async_context(BrowserListener(url, address[1], self.clock))
            await page.listen()
        await crowd.join(listeners, over_s=2.0)
        if not await crowd.all_listening(listeners, 10.0):
            raise Unavailable("demo.failed", "Not all listeners were let in.")
        for speaker in (host.speaker, guest.speaker):
            await host.heard("speaker.connected", 0.0, 10.0, speaker=speaker)
        with_page = " and one in Chromium" if page else "; no Chromium here, so none in a browser"
        self.telling.say(f"{listeners} listeners wait inside{with_page}; both microphones are open")
        return crowd, page

    async def _faults(
        self,
        began: float,
        seconds: float,
        crowd: Crowd,
        page: BrowserListener | None,
        guest: Studio,
    ) -> None:
        """The programme, with a network that drops and an edge that is killed."""
        away_s = min(NETWORK_AWAY_S, seconds / 5)
        await self._wait(crowd, began + seconds * 0.25)
        assert guest.network is not None
        before = (await health.voices(self.house))[guest.speaker].missing
        cut_at = self.clock.now()
        guest.network.cut()
        self.telling.say("the speaker's network drops")
        await guest_heard(guest, "speaker.dropped", cut_at)
        await self._wait(crowd, cut_at + away_s)
        mended_at = self.clock.now()
        guest.network.mend()
        back = await guest_heard(guest, "speaker.connected", cut_at)
        self.telling.say(f"the speaker is back, {back - mended_at:.2f} s after the network")
        await self._wait(crowd, mended_at + SETTLE_S)
        after = (await health.voices(self.house))[guest.speaker].missing
        self.notes.missing_in_gap_samples = after - before
        await self._wait(crowd, began + seconds * 0.65)
        await self._kill_an_edge(crowd, page)
        await self._wait(crowd, began + seconds)

    async def _kill_an_edge(self, crowd: Crowd, page: BrowserListener | None) -> None:
        ports = await crowd.ports()
        held, own = await asyncio.to_thread(self._who_is_where, page)
        victim = max(held, key=lambda index: (bool(own & held[index]), len(held[index])))
        self.notes.on_killed_edge = {n for n, port in enumerate(ports) if port in held[victim]}
        self.notes.browser_on_killed_edge = bool(own & held[victim])
        self.notes.killed_at = self.clock.now()
        pid = self.house.kill(f"edge-{victim}")
        moved = len(self.notes.on_killed_edge)
        also = " and Chromium" if self.notes.browser_on_killed_edge else ""
        self.telling.say(f"edge {victim} is killed (process {pid}): {moved} listeners{also}")

    def _who_is_where(self, page: BrowserListener | None) -> tuple[dict[int, set[int]], set[int]]:
        """The ports of those connected to each edge, and those of the browser."""
        pids = {index: self.house.pid(f"edge-{index}") for index in range(EDGES)}
        held = {index: sockets.remote_ports(pid) if pid else set() for index, pid in pids.items()}
        return held, page.local_ports() if page else set()

    async def _end(
        self,
        caller: Any,
        host: Studio,
        guest: Studio,
        crowd: Crowd,
        page: BrowserListener | None,
        listeners: int,
    ) -> None:
        counted = await health.voices(self.house)
        self.notes.counted = [counted[host.speaker], counted[guest.speaker]]
        self.notes.beat = (await health.stage_health(self.house))["beat"]
        if page:
            self.notes.played = await page.played()
        ended_at = self.clock.now()
        await host.commanded("space.end")
        self.telling.say("the Space has ended")
        self.notes.replay_ready_s = await replay.wait_ready(
            caller, self.space, self.clock, ended_at, 10.0
        )
        self.telling.say(f"the replay is there, {self.notes.replay_ready_s:.2f} s after the end")
        await crowd.all_ended(listeners, 8.0)
        self.notes.report = await crowd.report()

    async def _prove(self, caller: Any) -> None:
        for name in RENDITION_NAMES:
            self.notes.replays[name] = await replay.fetch(caller, self.space, name)
        body = self.notes.replays["opus"].body
        self.notes.programme = await asyncio.to_thread(replay.decode, body)
        await self._read_gap(caller)
        self.notes.written_late_ms = await asyncio.to_thread(
            lateness.written_late_ms, self.house.paths.log(self.space), self.space
        )
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "stentor", "log", "verify", self.space,
            "--data", str(self.house.data), stdout=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        self.notes.log_verified = await process.wait() == 0

    async def _read_gap(self, caller: Any) -> None:
        """The gap that was announced: of the speaker whose network dropped."""
        begin = 0
        for _, event in await replay.events(caller, self.space):
            if event["type"] == "speaker.dropped":
                begin = event["media_time"]
            elif event["type"] == "speaker.connected" and begin:
                self.notes.gap = (begin, event["media_time"])
                self.notes.gap_samples = event.get("gap_samples", 0)
                begin = 0

    async def _wait(self, crowd: Crowd, until: float) -> None:
        """Wait, telling every few seconds how the listeners fare."""
        while (left := until - self.clock.now()) > 0:
            await asyncio.sleep(min(left, 5.0))
            if left > 5.0:
                look = await crowd.look()
                self.telling.say(
                    f"{look['hearing']} hear it, {look['parts']} parts, {look['stalls']} stalls"
                )


async def guest_heard(guest: Studio, kind: str, since: float) -> float:
    """When the stage said `kind` of this speaker."""
    return (await guest.heard(kind, since, 10.0, speaker=guest.speaker)).at


@contextlib.asynccontextmanager
async def together(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Let these run while the block does, and end them with it."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception):
            raise end
