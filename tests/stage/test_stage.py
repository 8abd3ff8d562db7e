"""The stage's life: killed, stopped, started again, and every Space goes on from its log."""

import asyncio
import contextlib
import resource
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from stentor import stage
from stentor.limits import FRAME_SAMPLES, PART_SAMPLES, TAKE_UP_CARDS
from stentor.log import Writer, verify
from stentor.record import Flag, Header, Kind, Record, Rendition
from stentor.space import events
from stentor.space.events import (
    SpaceEnded,
    SpaceScheduled,
    SpaceStarted,
    SpeakerConnected,
    SpeakerJoined,
)
from stentor.stage.programme import RENDITIONS
from tests.fakes.shifted_clock import ShiftedClock
from tests.fakes.stage_house import House, StageHouse, StageProcess, Studio, speaking, tone

SPACE = "000000000000"
HOST = "host0001"


def parts_of(records: list[Record], rendition: Rendition) -> list[Record]:
    return [
        record
        for record in records
        if record.header.kind is Kind.PART and record.header.rendition is rendition
    ]


def check_continuity(records: list[Record]) -> None:
    """Decode times and sequence numbers of each rendition go on without a hole, from the start."""
    for rendition in RENDITIONS:
        expected = 0
        for number, record in enumerate(parts_of(records, rendition), start=1):
            payload = record.payload
            tfdt = payload.index(b"tfdt")
            decode_time = int.from_bytes(payload[tfdt + 8 : tfdt + 16], "big")
            sequence = int.from_bytes(payload[20:24], "big")
            assert (record.header.media_time, decode_time) == (expected, expected)
            assert sequence == number
            expected += record.header.duration


async def wait_parts(house: House, space: str, count: int, *, after: int = 0) -> list[Record]:
    """Wait for so many parts with sound of the first rendition beyond an offset."""
    async with asyncio.timeout(30):
        while True:
            records = house.records(space)
            fresh = [
                part
                for part in parts_of(records, Rendition.OPUS)
                if part.header.offset >= after and Flag.GAP not in part.header.flags
            ]
            if len(fresh) >= count:
                return records
            await asyncio.sleep(0.05)


async def test_a_killed_stage_goes_on_by_the_clock(tmp_path: Path) -> None:
    async with StageProcess(tmp_path) as house:
        ada = await (await house.create()).follow()
        first = ada.speak(tone())
        async with speaking(first):
            await ada.event("speaker.connected", speaker=ada.speaker)
            await ada.command("space.start")
            await wait_parts(house, ada.space, 8)
            await house.kill()
        before = house.records(ada.space)

        await house.start()
        ada = await Studio(house, ada.space, ada.speaker, ada.token).follow()
        assert ada.lines[0]["card"]["phase"] == "live"
        second = ada.speak(tone())
        async with speaking(second):
            await ada.event("speaker.connected", speaker=ada.speaker)
            await wait_parts(house, ada.space, 8, after=len(before))
        assert (await ada.command("space.end")).status_code == 200
        await asyncio.wait_for(ada.ended.wait(), 10)

    records = house.records(ada.space)
    assert records[: len(before)] == before
    check_continuity(records)
    (gap,) = [event for event in house.events(ada.space) if event["type"] == "stage.gap"]
    assert gap["reason"] == "restart"
    for rendition in RENDITIONS:
        silent = [
            part.header for part in parts_of(records, rendition) if Flag.GAP in part.header.flags
        ]
        assert all(header.offset >= len(before) for header in silent)
        lasted = silent[-1].media_time + silent[-1].duration - silent[0].media_time
        hole = gap["to_media_time"] - gap["from_media_time"]
        assert abs(lasted - hole) < 2 * PART_SAMPLES
    check_clock(records, house.events(ada.space)[3]["at_ms"])
    types = [event["type"] for event in house.events(ada.space)]
    assert types.count("speaker.connected") == 2
    assert types.count("speaker.dropped") >= 1
    assert types.index("speaker.dropped") < types.index("stage.gap")
    assert verify(house.paths.log(ada.space), ada.space).good


def check_clock(records: list[Record], started_at_ms: int) -> None:
    """What was written last was said just now, by the clock of the start."""
    last = parts_of(records, Rendition.OPUS)[-2].header
    by_clock = (last.wall_time / 1e9 - started_at_ms / 1e3) * 48_000
    late_samples = by_clock - (last.media_time + last.duration)
    assert -5 * FRAME_SAMPLES < late_samples < 2 * 48_000


async def test_a_stopped_stage_leaves_a_live_space_to_the_next(tmp_path: Path) -> None:
    async with StageHouse(tmp_path) as house:
        ada = await house.create()
        await ada.command("space.start")
        await wait_parts(house, ada.space, 3)
        began = time.monotonic()
        await house.stop()
        assert time.monotonic() - began < 3
        assert house.card(ada.space)["phase"] == "live"
        await house.start()
        before = len(house.records(ada.space))
        await wait_parts(house, ada.space, 3, after=before)
        assert (await ada.command("space.end")).status_code == 200
        async with asyncio.timeout(10):
            while house.card(ada.space)["phase"] != "replay":
                await asyncio.sleep(0.01)
        check_continuity(house.records(ada.space))


@contextlib.asynccontextmanager
async def taken_up(
    folder: Path, happened: list[events.Event], *, parts_s: float = 0, **knobs: object
) -> AsyncIterator[StageHouse]:
    """A stage that finds a log as it was a minute ago."""
    clock = ShiftedClock()
    house = StageHouse(folder, clock, **knobs)
    clock.ahead_s = -60
    writer = Writer.open(house.paths.log(SPACE), SPACE, clock)
    headers: list[Header] = []
    for event in happened:
        headers.append(writer.append(Kind.EVENT, events.encode(event)))
    for number in range(round(parts_s * 5)):
        at = number * PART_SAMPLES
        for rendition in RENDITIONS:
            writer.append(
                Kind.PART, b"?", rendition=rendition, media_time=at, duration=PART_SAMPLES
            )
    writer.close()
    clock.ahead_s = 0
    async with house:
        yield house


def scheduled(starts_in_s: float = 0) -> SpaceScheduled:
    starts_at_ms = round((time.time() + starts_in_s) * 1000) if starts_in_s else 0
    return SpaceScheduled(SPACE, "A talk", "acc000000001", "Ada", HOST, "", starts_at_ms)


def started(ago_s: float = 60) -> SpaceStarted:
    return SpaceStarted(round((time.time() - ago_s) * 1000))


async def in_phase(house: StageHouse, phase: str) -> None:
    async with asyncio.timeout(20):
        while not house.paths.card(SPACE).exists() or house.card(SPACE)["phase"] != phase:
            await asyncio.sleep(0.01)


async def test_an_announced_space_waits(tmp_path: Path) -> None:
    async with taken_up(tmp_path, [scheduled(3_600)]) as house:
        await in_phase(house, "scheduled")
        ada = await house.join(SPACE, house.token("seat", SPACE, "host", HOST), "Ada")
        assert (await ada.command("doors.open")).status_code == 200


async def test_doors_open_that_should_have_opened_meanwhile(tmp_path: Path) -> None:
    async with taken_up(tmp_path, [scheduled(60)]) as house:
        await in_phase(house, "doors")


async def test_a_minute_of_silence_is_filled_in(tmp_path: Path) -> None:
    seat = SpeakerJoined(HOST, "Ada", "host")
    script = [scheduled(), seat, started(), SpeakerConnected(HOST, 0)]
    async with taken_up(tmp_path, script, parts_s=1) as house:
        records = await wait_parts(house, SPACE, 2, after=len(script) + 5 * len(RENDITIONS))
        gaps = [
            part.header
            for part in parts_of(records, Rendition.OPUS)
            if Flag.GAP in part.header.flags
        ]
        assert 58 * 5 <= len(gaps) <= 62 * 5
        dropped, gap = house.events(SPACE)[4:6]
        assert (dropped["type"], dropped["media_time"]) == ("speaker.dropped", 48_000)
        assert (gap["type"], gap["from_media_time"]) == ("stage.gap", 48_000)
        inits = [each.header.rendition for each in records if each.header.kind is Kind.INIT]
        assert inits == list(RENDITIONS)


async def test_who_was_away_too_long_has_ended(tmp_path: Path) -> None:
    script = [scheduled(), started()]
    async with taken_up(tmp_path, script, parts_s=1, abandoned_after_s=30.0) as house:
        await in_phase(house, "replay")
        ended = house.events(SPACE)[-1]
        assert (ended["reason"], ended["media_time"]) == ("abandoned", 48_000)
        assert house.records(SPACE)[-1].header.kind is Kind.SEAL


async def test_what_was_ended_and_not_sealed_is_sealed(tmp_path: Path) -> None:
    script = [scheduled(), started(), SpaceEnded(1, "host", 48_000)]
    async with taken_up(tmp_path, script, parts_s=1) as house:
        await in_phase(house, "replay")
        assert house.records(SPACE)[-1].header.kind is Kind.SEAL
        assert house.card(SPACE)["duration_samples"] == 48_000


async def test_a_lost_card_is_made_again(tmp_path: Path) -> None:
    script = [scheduled(), started(), SpaceEnded(1, "host", 48_000)]
    async with taken_up(tmp_path, script, parts_s=1) as house:
        await in_phase(house, "replay")
        await house.stop()
        house.paths.card(SPACE).unlink()
        await house.start()
        await in_phase(house, "replay")
        assert house.records(SPACE)[-1].header.kind is Kind.SEAL


async def test_a_damaged_log_does_not_keep_the_others(tmp_path: Path) -> None:
    async with taken_up(tmp_path, [scheduled(3_600)]) as house:
        await in_phase(house, "scheduled")
        await house.stop()
        other = "111111111111"
        folder = house.paths.log(other)
        folder.mkdir(parents=True)
        (folder / "0000000001-00000000000000000000.seg").write_bytes(b"junk" * 100)
        (folder / "durable.json").write_text('{"cursor": "1.5", "head": "00"}')
        await house.start()
        ada = await house.join(SPACE, house.token("seat", SPACE, "host", HOST), "Ada")
        assert ada.speaker == HOST
        token = house.token("seat", other, "host", HOST)
        answer = await house.post(f"/stage/{other}/join", token, {"name": "A", "consent": True})
        assert (answer.status_code, answer.json()["code"]) == (500, "log.corrupt")
        assert str(tmp_path) not in answer.text


async def test_a_folder_that_cannot_be_looked_at_does_not_keep_the_others(tmp_path: Path) -> None:
    async with taken_up(tmp_path, [scheduled(3_600)]) as house:
        await in_phase(house, "scheduled")
        await house.stop()
        (house.paths.spaces / "111111111111").symlink_to(tmp_path / "nowhere")
        for number in range(2 * TAKE_UP_CARDS):  # folders without a log, more than one look takes
            house.paths.space(f"2{number:011}").mkdir()
        await house.start()
        await house.join(SPACE, house.token("seat", SPACE, "host", HOST), "Ada")


async def test_a_space_that_could_not_be_created_leaves_nothing(tmp_path: Path) -> None:
    async with StageHouse(tmp_path) as house:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
        try:
            service = house.token("service", "", "service", "")
            answer = await house.post("/stage/spaces", service, {"title": "T", "host_name": "A"})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert (answer.status_code, answer.json()["code"]) == (503, "log.disk_full")
        assert list(house.paths.spaces.iterdir()) == []
        await house.create()


async def test_two_stages_do_not_share_a_log(tmp_path: Path) -> None:
    async with taken_up(tmp_path, [scheduled(3_600)]) as house:
        await in_phase(house, "scheduled")
        stop = asyncio.Event()
        second = asyncio.create_task(stage.serve(house.settings, house.paths, house.clock, stop))
        await asyncio.sleep(0.3)
        stop.set()
        await asyncio.wait_for(second, 10)
        assert [event["type"] for event in house.events(SPACE)] == ["space.scheduled"]


async def test_a_log_that_is_held_is_taken_up_when_it_is_let_go(tmp_path: Path) -> None:
    async with taken_up(tmp_path, [scheduled(3_600)]) as house:
        await in_phase(house, "scheduled")
        await house.stop()
        other = Writer.open(house.paths.log(SPACE), SPACE, house.clock)
        await house.start()
        token = house.token("seat", SPACE, "host", HOST)
        answer = await house.post(f"/stage/{SPACE}/join", token, {"name": "A", "consent": True})
        assert (answer.status_code, answer.json()["code"]) == (503, "stage.starting")
        other.close()
        async with asyncio.timeout(10):
            while (await house.wait_ready())["spaces"] == 0:
                await asyncio.sleep(0.05)
        await house.join(SPACE, token, "Ada")


async def test_a_space_made_while_the_stage_takes_up_others_is_left_alone(tmp_path: Path) -> None:
    async with StageHouse(tmp_path) as house:
        for _ in range(5):  # the start of a stage is where the two can meet
            made = [house.create(title=f"Talk {number}") for number in range(8)]
            for studio in await asyncio.gather(*made):
                assert (await studio.command("doors.open")).status_code == 200
            await house.stop()
            await house.start()


@pytest.mark.parametrize("count", [20])
async def test_many_announced_spaces_cost_nothing_and_close_quickly(
    tmp_path: Path, count: int
) -> None:
    async with StageHouse(tmp_path) as house:
        for _ in range(count):
            await house.create(starts_at_ms=round((time.time() + 7_200) * 1000))
        assert (await house.wait_ready())["spaces"] == count
        began = time.monotonic()
        await house.stop()
        assert time.monotonic() - began < 4
        await house.start()
        async with asyncio.timeout(10):
            while (await house.wait_ready())["spaces"] != count:
                await asyncio.sleep(0.02)
