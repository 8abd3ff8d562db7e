"""The floor of one Space, on a clock that jumps: what is asked, heard and missed becomes events."""

import asyncio
import errno
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from stentor import tokens
from stentor.errors import Refused, Unavailable
from stentor.limits import SPEAKER_LOST_S
from stentor.record import Flag, Kind, Rendition
from stentor.space.commands import (
    CreateInvite,
    DeleteRecording,
    EndSpace,
    LeaveStage,
    MuteSpeaker,
    RemoveSpeaker,
    StartSpace,
    UpdateSpace,
    WithdrawRecording,
)
from tests.fakes.failing_disk import FailingDisk
from tests.fakes.floor_desk import HOST, SPACE, FloorDesk

BOB = "bob00001"


async def test_a_whole_evening_is_in_the_log_in_order(tmp_path: Path) -> None:
    async with FloorDesk(tmp_path) as desk:
        desk.join()
        desk.plug_in()
        desk.beat(0.2)
        desk.command(StartSpace())
        desk.beat(1.0)
        desk.command(EndSpace())
        async with asyncio.timeout(10):
            await desk.over.wait()
        kinds = [(each.header.kind, each.header.rendition) for each in await desk.records()]
        assert (await desk.card())["phase"] == "replay"
        types = [event["type"] for event in await desk.events()]
    assert types == [
        "space.scheduled",
        "speaker.joined",
        "speaker.connected",
        "space.started",
        "speaking",
        "space.ended",
    ]
    started = [kind for kind, _ in kinds].index(Kind.INIT)
    assert kinds[started : started + 3] == [
        (Kind.INIT, Rendition.OPUS),
        (Kind.INIT, Rendition.OPUS_LOW),
        (Kind.INIT, Rendition.AAC),
    ]
    assert [kind for kind, _ in kinds[-2:]] == [Kind.EVENT, Kind.SEAL]


async def test_a_start_is_at_once(tmp_path: Path) -> None:
    async with FloorDesk(tmp_path, starts_in_s=3_600) as desk:
        desk.join()
        desk.command(StartSpace())
        desk.beat(0.2)
        parts = [each.header for each in await desk.records() if each.header.kind is Kind.PART]
        assert {part.rendition for part in parts} >= {Rendition.OPUS, Rendition.OPUS_LOW}
        assert all(part.media_time == 0 for part in parts)


async def test_a_space_starts_by_itself_at_its_second_with_nobody_there(tmp_path: Path) -> None:
    async with FloorDesk(tmp_path, starts_in_s=3.007, starts_itself=True) as desk:
        starts_at_ms = desk.floor.state.starts_at_ms
        desk.beat(3.0)
        assert desk.floor.state.phase == "doors"
        desk.beat(0.1)
        assert desk.floor.state.phase == "live"
        desk.beat(1.5)
        (started,) = await desk.events("space.started")
        assert started["at_ms"] == starts_at_ms
        parts = [each.header for each in await desk.records() if each.header.kind is Kind.PART]
        assert {part.media_time for part in parts if part.rendition is Rendition.OPUS} >= {0, 9_600}
        assert abs(parts[0].wall_time / 1e6 - starts_at_ms) < 300
        assert "nobody is on the stage yet" in (await desk.card())["notice"]
        desk.join()
        desk.plug_in()
        desk.beat(1.0)
        assert "notice" not in await desk.card()
        desk.unplug()
        desk.beat(3.0)
        assert "unless a speaker returns" in (await desk.card())["notice"]


async def test_a_beat_that_is_late_starts_it_no_later(tmp_path: Path) -> None:
    async with FloorDesk(tmp_path, starts_in_s=3, starts_itself=True) as desk:
        starts_at_ms = desk.floor.state.starts_at_ms
        desk.beat(2.9)
        deadline = desk.clock.now()
        desk.clock.jump(0.3)  # and then the frames are made up for, each with its own deadline
        desk.floor.frame(deadline)
        assert desk.floor.state.phase == "doors"
        for number in range(1, 16):
            desk.floor.frame(deadline + number * 0.02)
        (started,) = await desk.events("space.started")
        assert started["at_ms"] == starts_at_ms
        assert desk.floor.programme.media_time >= 0.18 * 48_000


async def test_a_host_stops_it_from_starting_by_itself(tmp_path: Path) -> None:
    async with FloorDesk(tmp_path, starts_in_s=2, starts_itself=True) as desk:
        desk.join()
        desk.command(UpdateSpace(starts_itself=False))
        assert "starts_itself" not in await desk.card()
        desk.beat(3.0)
        assert desk.floor.state.phase == "doors"


async def test_audio_that_stops_and_comes_back_is_told_to_the_sample(tmp_path: Path) -> None:
    async with FloorDesk(tmp_path) as desk:
        desk.join()
        desk.command(StartSpace())
        desk.plug_in()
        desk.beat(2.0)
        desk.unplug()
        desk.beat(5.0)
        desk.plug_in()
        desk.beat(1.0)
        first, dropped, back = await desk.events("speaker.connected", "speaker.dropped")
    delay = 0.1 * 48_000
    assert first["media_time"] <= delay
    assert abs(dropped["media_time"] - 2 * 48_000) <= delay
    assert abs(back["media_time"] - 7 * 48_000) <= delay
    assert back["gap_samples"] == back["media_time"] - dropped["media_time"]


async def test_who_stays_away_has_left_and_may_come_back(tmp_path: Path) -> None:
    async with FloorDesk(tmp_path) as desk:
        desk.join()
        desk.plug_in()
        desk.beat(0.5)
        desk.unplug()
        desk.beat(SPEAKER_LOST_S + 1)
        assert [seat.speaker for seat in desk.floor.state.present] == []
        left = await desk.events("speaker.left")
        assert left == [{"type": "speaker.left", "speaker": HOST, "reason": "lost"}]
        assert desk.join()["role"] == "host"
        assert [seat.speaker for seat in desk.floor.state.present] == [HOST]


async def test_who_only_listens_is_not_lost_at_the_first_blink(tmp_path: Path) -> None:
    async with FloorDesk(tmp_path) as desk:
        desk.join(BOB, "speaker", "Bob")
        for _ in range(2):
            lines = desk.floor.follow(desk.claims(BOB, "speaker", "Bob"))
            await anext(lines)
            desk.beat(2 * SPEAKER_LOST_S)
            assert isinstance(lines, AsyncGenerator)
            await lines.aclose()
            desk.beat(SPEAKER_LOST_S - 1)
            assert [seat.speaker for seat in desk.floor.state.present] == [BOB]
        desk.beat(2.0)
        (left,) = await desk.events("speaker.left")
        assert left["reason"] == "lost"


async def test_nobody_fills_the_log_by_publishing(tmp_path: Path) -> None:
    async with FloorDesk(tmp_path) as desk:
        desk.join()
        codes = []
        for _ in range(50):
            with pytest.raises(Refused) as refused:
                await desk.floor.publish(desk.claims(), "v=0", "")
            codes.append(refused.value.code)
        assert set(codes[:20]) == {"sdp.unusable"}
        assert codes[-1] == "request.too_many"


async def test_what_comes_while_the_log_is_sealed_is_not_lost_without_a_word(
    tmp_path: Path,
) -> None:
    async with FloorDesk(tmp_path) as desk:
        desk.join()
        desk.command(StartSpace())
        desk.beat(0.5)
        desk.command(EndSpace())
        codes = set()
        async with asyncio.timeout(10):
            while not desk.over.is_set():
                desk.clock.jump(1.0)
                for command in (WithdrawRecording(), DeleteRecording(), UpdateSpace(title="B")):
                    with pytest.raises(Refused) as refused:
                        desk.command(command)
                    codes.add(refused.value.code)
                await asyncio.sleep(0)
        assert codes == {"space.not_ended", "space.ended"}
        assert (await desk.card())["phase"] == "replay"


async def test_a_command_during_a_stop_is_not_answered_as_if_it_were_done(tmp_path: Path) -> None:
    async with FloorDesk(tmp_path) as desk:
        desk.join()
        await desk.floor.suspend()
        before = desk.floor.state
        with pytest.raises(Unavailable) as refused:
            desk.command(StartSpace())
        assert refused.value.code == "log.closed"
        assert desk.floor.state == before


async def test_who_is_muted_is_not_speaking(tmp_path: Path) -> None:
    async with FloorDesk(tmp_path) as desk:
        desk.join()
        desk.command(StartSpace())
        desk.plug_in()
        desk.beat(0.5)
        assert desk.floor.state.speaking == (HOST,)
        desk.command(MuteSpeaker(HOST))
        assert desk.floor.programme.muted == {HOST}
        assert desk.floor.state.speaking == ()
        desk.beat(2.0)
        assert [event["speakers"] for event in await desk.events("speaking")] == [[HOST], []]


async def test_an_invitation_is_one_seat(tmp_path: Path) -> None:
    async with FloorDesk(tmp_path) as desk:
        desk.join()
        invite = desk.command(CreateInvite("Bob"))["invite"]
        claims = tokens.check(invite, desk.paths.keyring(), desk.clock.wall_time() / 1e9)
        assert (claims.kind, claims.role, claims.name) == ("invite", "speaker", "Bob")
        first = desk.floor.join(claims, "", consent=True)
        again = desk.floor.join(claims, "Robert", consent=True)
        assert first["speaker"] == again["speaker"] == claims.seat
        assert [seat.name for seat in desk.floor.state.present] == ["Ada", "Robert"]
        seat = tokens.check(again["token"], desk.paths.keyring(), desk.clock.wall_time() / 1e9)
        assert (seat.kind, seat.space, seat.seat) == ("seat", SPACE, claims.seat)


async def test_who_is_removed_is_refused_everywhere(tmp_path: Path) -> None:
    async with FloorDesk(tmp_path) as desk:
        desk.join()
        desk.join(BOB, "speaker", "Bob")
        desk.command(RemoveSpeaker(BOB))
        bob = desk.claims(BOB, "speaker", "Bob")
        for attempt in (
            lambda: desk.floor.command(bob, LeaveStage()),
            lambda: desk.floor.join(bob, "Bob", consent=True),
            lambda: desk.floor.follow(bob),
        ):
            with pytest.raises(Refused) as refused:
                attempt()
            assert refused.value.code == "speaker.removed"
        with pytest.raises(Refused) as refused:
            await desk.floor.publish(bob, "v=0", "")
        assert refused.value.code == "speaker.removed"


async def test_doors_open_by_themselves(tmp_path: Path) -> None:
    async with FloorDesk(tmp_path, starts_in_s=20, doors_before_s=15.0) as desk:
        desk.beat(4.0)
        assert desk.floor.state.phase == "scheduled"
        desk.beat(2.0)
        assert desk.floor.state.phase == "doors"
        desk.beat(20.0)
        assert desk.floor.state.phase == "doors"


async def test_an_empty_stage_is_told_when_it_ends_and_ends(tmp_path: Path) -> None:
    async with FloorDesk(tmp_path, abandoned_after_s=10.0) as desk:
        desk.join()
        desk.command(StartSpace())
        desk.plug_in()
        desk.beat(1.0)
        assert desk.floor.notice == ""
        desk.unplug()
        desk.beat(3.0)
        assert "this Space ends at" in desk.floor.notice
        assert (await desk.card())["notice"] == desk.floor.notice
        desk.plug_in()
        desk.beat(1.0)
        assert desk.floor.notice == ""
        desk.unplug()
        desk.beat(12.0)
        async with asyncio.timeout(10):
            await desk.over.wait()
        (ended,) = await desk.events("space.ended")
        assert ended["reason"] == "abandoned"
        assert (await desk.card())["end_reason"] == "abandoned"


async def test_a_stall_is_a_gap_in_the_log(tmp_path: Path) -> None:
    async with FloorDesk(tmp_path) as desk:
        desk.join()
        desk.command(StartSpace())
        desk.beat(0.5)
        desk.clock.jump(3.0)
        desk.floor.stalled(150)
        while desk.tasks:
            await asyncio.wait(desk.tasks)
        desk.beat(0.5)
        assert await desk.events("stage.gap") == [
            {
                "type": "stage.gap",
                "from_media_time": 24_000,
                "to_media_time": 168_000,
                "reason": "stall",
            }
        ]
        parts = [each.header for each in await desk.records() if each.header.kind is Kind.PART]
        opus = [part for part in parts if part.rendition is Rendition.OPUS]
        assert [part.media_time for part in opus] == [9_600 * k for k in range(len(opus))]
        assert sum(Flag.GAP in part.flags for part in opus) >= 14


async def test_an_end_in_a_hole_tells_the_hole_first_and_is_followed_by_nothing(
    tmp_path: Path,
) -> None:
    async with FloorDesk(tmp_path) as desk:
        desk.join()
        desk.plug_in()
        desk.command(StartSpace())
        desk.beat(0.5)
        for _ in range(2):
            desk.clock.jump(3.0)
            desk.floor.stalled(150)
            await asyncio.sleep(0)  # filling has begun, in a thread
        desk.command(EndSpace())
        desk.unplug()
        desk.beat(SPEAKER_LOST_S + 1)
        async with asyncio.timeout(10):
            await desk.over.wait()
        records = await desk.records()
        *_, gap, ended = await desk.events()
    assert (gap["type"], ended["type"]) == ("stage.gap", "space.ended"), "nobody is watched after"
    assert (gap["from_media_time"], gap["to_media_time"]) == (24_000, 24_000 + 300 * 960)
    last = [each.header.kind for each in records if each.header.kind is not Kind.CHECKPOINT]
    assert last[-2:] == [Kind.EVENT, Kind.SEAL]


async def test_a_full_disk_is_told_to_everybody_and_the_evening_goes_on(tmp_path: Path) -> None:
    disk = FailingDisk()
    async with FloorDesk(tmp_path, disk) as desk:
        desk.join()
        desk.command(StartSpace())
        desk.beat(0.5)
        await desk.floor.recorder.settle()
        disk.fail_next("write", times=1_000_000, error=errno.ENOSPC)
        desk.beat(0.5)
        async with asyncio.timeout(10):
            while not desk.floor.notice:
                await asyncio.sleep(0.01)
        assert "recording" in desk.floor.notice
        desk.beat(30.0)
        assert desk.floor.programme.media_time == 31 * 48_000
        disk.fail_next("nothing")
        async with asyncio.timeout(10):
            while "recording" in desk.floor.notice:
                await asyncio.sleep(0.01)
        desk.beat(0.5)
        (gap,) = await desk.events("log.gap")
        assert gap["to_media_time"] - gap["from_media_time"] > 5 * 48_000
        parts = [each.header for each in await desk.records() if each.header.kind is Kind.PART]
        assert max(part.media_time for part in parts) > 31 * 48_000


async def test_an_announcement_changes_on_the_card(tmp_path: Path) -> None:
    async with FloorDesk(tmp_path) as desk:
        desk.join()
        answer = desk.command(UpdateSpace(title="Another talk"))
        assert [type(event).__name__ for event in answer["events"]] == ["SpaceUpdated"]
        assert (await desk.card())["title"] == "Another talk"


async def test_nobody_fills_the_log_by_pressing_a_button(tmp_path: Path) -> None:
    async with FloorDesk(tmp_path) as desk:
        desk.join()
        done = 0
        with pytest.raises(Refused) as refused:
            for number in range(1_000):
                desk.command(UpdateSpace(title=f"Title {number}"))
                done += 1
        assert refused.value.code == "request.too_many"
        assert done < 50
        desk.clock.jump(2.0)
        desk.command(UpdateSpace(title="A calmer title"))


async def test_a_voice_that_fails_does_not_silence_the_others(tmp_path: Path) -> None:
    async with FloorDesk(tmp_path) as desk:
        desk.join()
        desk.join(BOB, "speaker", "Bob")
        desk.plug_in()
        desk.plug_in(BOB)
        desk.command(StartSpace())
        desk.beat(0.5)
        del desk.floor.programme.microphones[BOB].voice._resampler
        desk.beat(1.0)
        assert set(desk.floor.state.speaking) == {HOST, BOB}
        assert desk.floor.programme.media_time == 1.5 * 48_000
