"""The recorder hands over at once, writes in order, and survives a disk that refuses."""

import asyncio
import errno
import json
import threading
from pathlib import Path

import pytest

from stentor.clock import SystemClock
from stentor.errors import Unavailable
from stentor.limits import RECORDER_PARTS_MAX
from stentor.log import Disk, Reader, Writer
from stentor.record import Flag, Kind, Record, Rendition
from stentor.space.events import DoorsOpened, SpeakerMuted
from stentor.stage.recorder import Recorder
from tests.fakes.failing_disk import FailingDisk

SPACE = "000000000000"


def read(folder: Path) -> list[Record]:
    with Reader(folder, SPACE) as reader:
        reader.refresh()
        return reader.read(0)


class Told:
    """What the recorder says of trouble, with a way to wait for it."""

    def __init__(self) -> None:
        self.sentences: list[str] = []
        self._news = asyncio.Event()

    def __call__(self, sentence: str) -> None:
        self.sentences.append(sentence)
        self._news.set()

    async def wait(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.sentences) < count:
                self._news.clear()
                await self._news.wait()


class GatedDisk(Disk):
    """A disk so slow that it takes nothing until a gate is opened."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()

    def write(self, descriptor: int, data: bytes, position: int) -> int:
        self.gate.wait(10)
        return super().write(descriptor, data, position)


def hand_parts(recorder: Recorder, first: int, count: int) -> None:
    for number in range(first, first + count):
        recorder.part(Rendition.OPUS, b"part", number * 9600, 9600, Flag.INDEPENDENT)


async def test_records_come_in_the_order_they_were_handed_over(tmp_path: Path) -> None:
    recorder = Recorder(Writer.open(tmp_path, SPACE, SystemClock()), SystemClock(), Told())
    recorder.event(DoorsOpened(1), 0)
    recorder.init(Rendition.OPUS, b"init")
    hand_parts(recorder, 0, 3)
    await recorder.settle()
    assert json.loads((tmp_path / "durable.json").read_bytes())["cursor"] == "1.5"
    recorder.event(SpeakerMuted("bob00001", "bob00001"), 28_800)
    await recorder.seal(28_800)
    await recorder.close()
    kinds = [(record.header.kind, record.header.media_time) for record in read(tmp_path)]
    assert kinds == [
        (Kind.EVENT, 0),
        (Kind.INIT, 0),
        (Kind.PART, 0),
        (Kind.PART, 9_600),
        (Kind.PART, 19_200),
        (Kind.EVENT, 28_800),
        (Kind.SEAL, 0),
    ]


async def test_closing_writes_what_is_waiting(tmp_path: Path) -> None:
    recorder = Recorder(Writer.open(tmp_path, SPACE, SystemClock()), SystemClock(), Told())
    hand_parts(recorder, 0, 50)
    await recorder.close()
    assert len(read(tmp_path)) == 50
    with pytest.raises(Unavailable):
        await recorder.settle()


async def test_the_medium_catches_up_by_itself(tmp_path: Path) -> None:
    recorder = Recorder(Writer.open(tmp_path, SPACE, SystemClock()), SystemClock(), Told())
    recorder.event(DoorsOpened(1), 0)
    async with asyncio.timeout(5):
        while not (tmp_path / "durable.json").exists():
            await asyncio.sleep(0.02)
    await recorder.close()


async def test_a_full_disk_is_told_and_nothing_is_lost_when_room_comes_soon(
    tmp_path: Path,
) -> None:
    disk, told = FailingDisk(), Told()
    writer = Writer.open(tmp_path, SPACE, SystemClock(), disk=disk)
    recorder = Recorder(writer, SystemClock(), told)
    recorder.event(DoorsOpened(1), 0)
    await recorder.settle()
    disk.fail_next("write", times=1_000, error=errno.ENOSPC)
    hand_parts(recorder, 0, 10)
    await told.wait(1)
    assert told.sentences[0]
    disk.fail_next("nothing")
    await told.wait(2)
    assert told.sentences[1] == ""
    hand_parts(recorder, 10, 1)
    await recorder.close()
    parts = [each.header for each in read(tmp_path) if each.header.kind is Kind.PART]
    assert [part.media_time for part in parts] == [number * 9600 for number in range(11)]


async def test_a_disk_that_is_too_slow_leaves_a_hole_that_is_written_down(tmp_path: Path) -> None:
    disk = GatedDisk()
    writer = Writer.open(tmp_path, SPACE, SystemClock(), disk=disk)
    recorder = Recorder(writer, SystemClock(), Told())
    disk.gate.clear()
    recorder.event(DoorsOpened(1), 0)
    while recorder.waiting:  # until the thread has it, and stands before the gate
        await asyncio.sleep(0)
    hand_parts(recorder, 0, RECORDER_PARTS_MAX + 20)
    recorder.event(SpeakerMuted("bob00001", "bob00001"), 7)
    assert recorder.waiting <= RECORDER_PARTS_MAX + 2
    assert recorder.parts_lost == 20
    disk.gate.set()
    await recorder.close()
    records = read(tmp_path)
    events = [json.loads(each.payload) for each in records if each.header.kind is Kind.EVENT]
    assert [event["type"] for event in events] == ["doors.opened", "log.gap", "speaker.muted"]
    assert events[1]["from_media_time"] == 0
    assert events[1]["to_media_time"] == 20 * 9600
    parts = [each.header for each in records if each.header.kind is Kind.PART]
    assert [part.media_time for part in parts] == [
        number * 9600 for number in range(20, RECORDER_PARTS_MAX + 20)
    ]


async def test_a_failed_fsync_is_recovered_from(tmp_path: Path) -> None:
    disk, told = FailingDisk(), Told()
    writer = Writer.open(tmp_path, SPACE, SystemClock(), disk=disk)
    recorder = Recorder(writer, SystemClock(), told)
    disk.fail_next("sync", times=1)
    recorder.event(DoorsOpened(1), 0)
    await told.wait(2)
    recorder.event(DoorsOpened(2), 0)
    await recorder.close()
    assert [json.loads(each.payload)["at_ms"] for each in read(tmp_path)] == [1, 2]


async def test_a_promise_that_cannot_be_written_is_no_trouble(tmp_path: Path) -> None:
    disk, told = FailingDisk(), Told()
    writer = Writer.open(tmp_path, SPACE, SystemClock(), disk=disk)
    recorder = Recorder(writer, SystemClock(), told)
    disk.fail_next("rename", times=1_000)
    for number in range(5):
        recorder.event(DoorsOpened(number), 0)
        await recorder.settle()
    assert len(disk.calls) >= 5
    await recorder.close()
    assert told.sentences == []


async def test_a_dead_disk_does_not_keep_the_stage_from_closing(tmp_path: Path) -> None:
    disk, told = FailingDisk(), Told()
    writer = Writer.open(tmp_path, SPACE, SystemClock(), disk=disk)
    recorder = Recorder(writer, SystemClock(), told)
    disk.fail_next("write", times=1_000_000)
    hand_parts(recorder, 0, 5)
    sealing = asyncio.create_task(recorder.seal(0))
    await told.wait(1)
    async with asyncio.timeout(5):
        await recorder.close()
    with pytest.raises(Unavailable):
        await sealing
