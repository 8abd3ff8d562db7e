"""A deletion that was begun is finished, whatever came in between."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from stentor.clock import SystemClock
from stentor.config import Settings
from stentor.errors import Refused, Unavailable
from stentor.limits import PART_SAMPLES
from stentor.log import Disk, Writer, verify
from stentor.paths import Paths
from stentor.record import Kind, Rendition
from stentor.space import card, events
from stentor.space.commands import DeleteRecording, RestoreRecording, WithdrawRecording
from stentor.space.events import RecordingDeleted, SpaceEnded, SpaceScheduled, SpaceStarted
from stentor.stage.archive import Archive
from stentor.stage.stage import Stage
from stentor.tokens import Claims
from tests.fakes.failing_disk import FailingDisk
from tests.fakes.stage_house import StageHouse

SPACE = "000000000000"
HOST = "host0001"
CLAIMS = Claims("seat", SPACE, "host", HOST, "Ada", 2**40)
SOUND = b"somebody's voice" * 10
SCRIPT = (SpaceScheduled(SPACE, "T", "acc000000001", "Ada", HOST), SpaceStarted(1))


class KeepingDisk(FailingDisk):
    """A disk that does not let itself be overwritten with zeros while it is told so."""

    keeps = True

    def write(self, descriptor: int, data: bytes, position: int) -> int:
        if self.keeps and not data.strip(b"\0"):
            self.fail_next("write")
        return super().write(descriptor, data, position)


def recorded(folder: Path, *after: events.Event) -> Paths:
    """A data directory with one sealed Space."""
    paths = Paths(folder)
    paths.create()
    with Writer.open(paths.log(SPACE), SPACE, SystemClock(), segment_bytes_max=2_000) as writer:
        for event in SCRIPT:
            writer.append(Kind.EVENT, events.encode(event))
        for number in range(20):
            at = number * PART_SAMPLES
            kind, rendition = Kind.PART, Rendition.OPUS
            writer.append(kind, SOUND, rendition=rendition, media_time=at, duration=PART_SAMPLES)
        writer.append(Kind.EVENT, events.encode(SpaceEnded(2, "host", 20 * PART_SAMPLES)))
        writer.seal(20 * PART_SAMPLES)
        for event in after:
            writer.append(Kind.EVENT, events.encode(event))
        writer.sync()
    return paths


def sounds(paths: Paths) -> bool:
    """Whether any sound is left in the log."""
    return any(SOUND[:16] in path.read_bytes() for path in paths.log(SPACE).glob("*.seg"))


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    paths = recorded(tmp_path)
    stage = Stage(Settings(data_dir=str(tmp_path)), paths, SystemClock())
    yield stage
    await stage.close()


async def phase(stage: Stage) -> str:
    await stage.house.cards.settle()
    return card.decode(stage.house.paths.card(SPACE).read_bytes()).phase


async def test_an_erasure_that_failed_is_done_when_asked_again(stage: Stage) -> None:
    disk = KeepingDisk()
    archive = Archive(stage.house, disk)
    with pytest.raises(Unavailable, match="could not be erased"):
        await archive.command(CLAIMS, DeleteRecording())
    assert await phase(stage) == "deleted"
    assert sounds(stage.house.paths)
    disk.keeps = False
    assert await archive.command(CLAIMS, DeleteRecording()) == {"events": []}
    assert not sounds(stage.house.paths)
    assert verify(stage.house.paths.log(SPACE), SPACE).withheld == 20
    for command in (RestoreRecording(), WithdrawRecording()):
        with pytest.raises(Refused) as refused:
            await archive.command(CLAIMS, command)
        assert refused.value.code == "recording.deleted"


async def test_an_erasure_that_failed_is_done_by_the_next_start(tmp_path: Path) -> None:
    paths = recorded(tmp_path)
    before = Stage(Settings(data_dir=str(tmp_path)), paths, SystemClock())
    with pytest.raises(Unavailable):
        await Archive(before.house, KeepingDisk()).command(CLAIMS, DeleteRecording())
    assert await phase(before) == "deleted"
    await before.close()
    async with StageHouse(tmp_path), asyncio.timeout(10):
        while sounds(paths) or set(paths.space(SPACE).iterdir()) != {
            paths.log(SPACE),
            paths.card(SPACE),
        }:
            await asyncio.sleep(0.01)
    assert verify(paths.log(SPACE), SPACE).withheld == 20


async def test_a_deletion_that_was_not_written_is_none(tmp_path: Path) -> None:
    class FullDisk(Disk):
        def write(self, descriptor: int, data: bytes, position: int) -> int:
            if b"recording.deleted" in data:
                raise OSError(28, "No space left on device")
            return super().write(descriptor, data, position)

    paths = recorded(tmp_path)
    before = Stage(Settings(data_dir=str(tmp_path)), paths, SystemClock())
    with pytest.raises(Unavailable) as refused:
        await Archive(before.house, FullDisk()).command(CLAIMS, DeleteRecording())
    assert refused.value.code == "log.disk_full"
    await before.close()
    async with StageHouse(tmp_path) as house, asyncio.timeout(10):
        while not paths.card(SPACE).exists():
            await asyncio.sleep(0.01)
        assert house.card(SPACE)["phase"] == "replay"
    assert sounds(paths)


async def test_a_deletion_whose_card_was_not_written_is_finished(tmp_path: Path) -> None:
    paths = recorded(tmp_path, RecordingDeleted(HOST, 3))
    (paths.space(SPACE) / "erasing").touch()
    async with StageHouse(tmp_path) as house, asyncio.timeout(10):
        while not paths.card(SPACE).exists():
            await asyncio.sleep(0.01)
        assert house.card(SPACE)["phase"] == "deleted"
        assert not sounds(paths)
