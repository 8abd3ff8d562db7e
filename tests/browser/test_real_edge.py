"""The listener's page before a real edge that follows a real log: nothing here is a stand-in."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from stentor.config import Settings
from stentor.paths import Paths, write_whole
from tests.browser.conftest import Visit
from tests.browser.tape import RECORDER, Tape, phases
from tests.edge.apart import serve_both
from tests.edge.programme import SPACE, Programme

BEFORE = 300
"""Parts that were made before anybody comes: a minute."""
PART_S = 0.2


@dataclass
class Evening:
    """A Space that is live at a real edge."""

    url: str
    paths: Paths
    programme: Programme

    async def perform(self) -> None:
        """Go on being live, in real time."""
        due = asyncio.get_running_loop().time()
        while True:
            due += PART_S
            await asyncio.sleep(due - asyncio.get_running_loop().time())
            self.programme.play(1)

    def send_every(self, cadence: str) -> None:
        """What `stentor cadence` does."""
        write_whole(self.paths.run / "cadence", cadence.encode())


@pytest.fixture
async def evening(tmp_path: Path) -> AsyncIterator[Evening]:
    paths = Paths(tmp_path / "data")
    paths.create()
    programme = Programme(paths)
    programme.begin()
    programme.play(BEFORE)
    started_at_ms = programme.clock.wall_time() // 1_000_000 - BEFORE * 200
    programme.show(started_at_ms=started_at_ms)
    stop = asyncio.Event()
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as door:
        door.setblocking(False)
        settings = Settings(data_dir=str(paths.data))
        serving = asyncio.create_task(serve_both(settings, paths, stop, door=door))
        made = Evening(f"http://127.0.0.1:{door.getsockname()[1]}", paths, programme)
        performing = asyncio.create_task(made.perform())
        yield made
        performing.cancel()
        stop.set()
        await serving
    programme.close()


async def listen(evening: Evening, visit: Visit) -> None:
    await visit.page.add_init_script(RECORDER)
    await visit.page.goto(f"{evening.url}/s/{SPACE}")
    await visit.page.click("#listen")
    await visit.until("stentor.state === 'playing' && stentor.parts > 10", 15)


def assert_steady(sound: np.ndarray) -> None:
    """The tone goes on as it began: no sample is missing or there twice."""
    steady = phases(sound, 330)[4:]
    assert np.abs(steady - np.median(steady)).max() < 2


async def test_no_step_of_the_cadence_is_heard(evening: Evening, visit: Visit) -> None:
    await listen(evening, visit)
    for cadence, seconds in (("500", 7), ("1000", 11), ("auto", 4)):
        evening.send_every(cadence)
        await visit.page.wait_for_timeout(seconds * 1_000)
        target = await visit.ask("stentor.targetS")
        assert (target > int(cadence) / 1_000) if cadence != "auto" else target
    evening.send_every("200")
    await visit.until("stentor.targetS < 0.8", 12)
    await visit.until("stentor.bufferedS < 1", 20)
    face = await visit.face()
    assert face["stalls"] == 0
    assert face["connects"] == 1
    tape = await Tape.of(visit)
    assert tape.seams() == []
    assert_steady(tape.sound())


async def test_from_the_beginning_and_from_there_to_live(evening: Evening, visit: Visit) -> None:
    await visit.page.add_init_script(RECORDER)
    await visit.page.goto(f"{evening.url}/s/{SPACE}")
    await visit.page.click("text=From the beginning")
    await visit.until("stentor.state === 'playing' && audio.currentTime > 0.5")
    assert await visit.ask("audio.currentTime") < 4
    await visit.ask(
        "(() => { seek.value = seek.max - 12; seek.dispatchEvent(new Event('input')) })()"
    )
    await visit.until("audio.currentTime > 40")
    await visit.page.select_option("#speed", "1.5")
    await visit.until("stentor.isLive", 40)
    await visit.page.wait_for_timeout(2_000)
    face = await visit.face()
    assert face["stalls"] == 0
    assert face["bufferedS"] < 1.2
    assert face["connects"] == 1
    tape = await Tape.of(visit)
    [(ended, began)] = tape.seams()
    assert ended < 40 * 48_000 < began, "the one leap is the one that was asked for"


async def test_the_low_rendition_takes_over_to_the_sample(evening: Evening, visit: Visit) -> None:
    await listen(evening, visit)
    for rendition in ("opus-low", "opus"):
        await visit.page.select_option("#quality", rendition)
        await visit.until(f"stentor.rendition === '{rendition}'")
        await visit.page.wait_for_timeout(1_500)
    assert (await visit.face())["stalls"] == 0
    tape = await Tape.of(visit)
    assert len(tape.files) == 3
    assert tape.seams() == []
    assert_steady(tape.sound())
