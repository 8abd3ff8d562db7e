"""HLS as players see it: playlists, media segments, and their sound."""

import asyncio
import gzip
import io
import re

import av
import pytest

from stentor.edge.playlist import (
    PARTIAL_SAMPLES,
    PARTIALS,
    Form,
    Listing,
    partials_done,
    parts_of,
)
from stentor.edge.shelf import Shelf
from stentor.edge.watch import Watch
from stentor.errors import Unavailable
from stentor.ids import SpaceId
from stentor.limits import HLS_LIVE_SEGMENTS, SAMPLE_RATE
from stentor.log import PartIndex
from stentor.log.segment import SegmentHeader
from stentor.paths import Paths
from stentor.record import RENDITION_NAMES, Rendition
from tests.edge.client import Heard
from tests.edge.conftest import Running
from tests.edge.programme import SPACE, Programme, sound

HLS = f"/s/{SPACE}/hls"
SEGMENT_PARTS = 20
"""Parts of the log in a media segment."""


async def fetched(running: Running, name: str, *headers: str) -> Heard:
    return await (await running.visit()).get(f"{HLS}/{name}", *headers)


def segments(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def durations(text: str) -> list[float]:
    return [float(found) for found in re.findall(r"#EXTINF:([0-9.]+),", text)]


@pytest.mark.parametrize("name", ["index.m3u8", "aac.m3u8", "aac-all.m3u8", "aac/init.mp4"])
async def test_before_the_start_there_is_nothing_to_list(
    running: Running, programme: Programme, name: str
) -> None:
    heard = await fetched(running, name)
    assert (heard.status, heard.json()["code"]) == (409, "space.not_live")
    assert heard.headers["cache-control"] == "public, max-age=1", "else no cache holds a crowd off"


async def test_the_first_playlist_comes_with_the_first_media_segment(
    running: Running, programme: Programme
) -> None:
    programme.begin()
    programme.play(SEGMENT_PARTS - 1)
    asking = asyncio.create_task(fetched(running, "opus.m3u8"))
    assert (await fetched(running, "opus/0.3.m4s")).status == 200, "the edge has seen the start"
    assert not asking.done()
    programme.play(1)
    heard = await asking
    assert segments(heard.body.decode()) == ["opus/0.m4s"]


async def test_live_the_newest_media_segments_are_listed(
    running: Running, programme: Programme
) -> None:
    programme.begin()
    programme.play(SEGMENT_PARTS * 20 + 9)
    heard = await fetched(running, "aac.m3u8")
    text = heard.body.decode()
    assert heard.headers["content-type"] == "application/vnd.apple.mpegurl"
    assert heard.headers["cache-control"] == "public, max-age=2"
    assert heard.headers["access-control-allow-origin"] == "*"
    assert text.startswith("#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:4\n")
    assert "#EXT-X-MEDIA-SEQUENCE:5\n" in text
    assert '#EXT-X-MAP:URI="aac/init.mp4"' in text
    assert "ENDLIST" not in text
    assert segments(text) == [f"aac/{k}.m4s" for k in range(5, 5 + HLS_LIVE_SEGMENTS)]
    parts = re.findall(r'#EXT-X-PART:DURATION=[0-9.]+,URI="([^"]+)"', text)
    assert parts[0] == "aac/17.0.m4s", "those of the last three media segments"
    assert parts[-1] == "aac/20.1.m4s"
    assert '#EXT-X-PRELOAD-HINT:TYPE=PART,URI="aac/20.2.m4s"' in text
    assert '#EXT-X-RENDITION-REPORT:URI="opus.m3u8",LAST-MSN=20,LAST-PART=1' in text


async def test_what_was_live_is_listed_from_the_beginning_too(
    running: Running, programme: Programme
) -> None:
    programme.begin()
    programme.play(SEGMENT_PARTS * 20)
    text = (await fetched(running, "opus-all.m3u8")).body.decode()
    assert "#EXT-X-PLAYLIST-TYPE:EVENT\n" in text
    assert segments(text) == [f"opus/{k}.m4s" for k in range(20)]
    delta = (await fetched(running, "opus-all.m3u8?_HLS_skip=YES")).body.decode()
    assert "#EXT-X-SKIP:SKIPPED-SEGMENTS=14\n" in delta
    assert segments(delta) == [f"opus/{k}.m4s" for k in range(14, 20)]


async def test_a_playlist_waits_for_what_it_is_asked_for(
    running: Running, programme: Programme
) -> None:
    programme.begin()
    programme.play(SEGMENT_PARTS * 2 + 4)
    first = (await fetched(running, "opus.m3u8")).body.decode()
    assert 'opus/2.0.m4s",INDEPENDENT' in first
    queries = ("_HLS_msn=2&_HLS_part=1", "_HLS_msn=2", "_HLS_msn=1&_HLS_part=6")
    part, segment, past = (
        asyncio.create_task(fetched(running, f"opus.m3u8?{query}")) for query in queries
    )
    assert (await past).body.decode() == first, "beyond the last part is the next one's first"
    programme.play(3)
    assert (await fetched(running, "opus/2.0.m4s")).status == 200
    assert not part.done()
    programme.play(1)
    heard = await part
    assert 'opus/2.1.m4s",INDEPENDENT' in heard.body.decode()
    assert heard.headers["cache-control"] == "public, max-age=24"
    assert not segment.done()
    programme.play(12)
    assert segments((await segment).body.decode())[-1] == "opus/2.m4s"


async def test_the_hinted_partial_segment_is_waited_for(
    running: Running, programme: Programme
) -> None:
    programme.begin()
    programme.play(SEGMENT_PARTS)
    assert (await fetched(running, "opus.m3u8")).status == 200
    hinted = asyncio.create_task(fetched(running, "opus/1.0.m4s"))
    assert (await fetched(running, "opus/0.4.m4s")).status == 200
    assert not hinted.done()
    programme.play(4)
    heard = await hinted
    assert heard.body == b"".join(programme.payloads(Rendition.OPUS)[-4:])
    assert heard.headers["cache-control"] == "public, max-age=60"


async def test_what_cannot_come_soon_is_refused(running: Running, programme: Programme) -> None:
    programme.begin()
    programme.play(SEGMENT_PARTS * 2)
    for query, status in {
        "_HLS_part=0": 400,
        "_HLS_msn=4": 400,
        "_HLS_msn=2&_HLS_part=4": 400,
        "_HLS_msn=-1": 400,
        "_HLS_msn=" + "9" * 30: 400,
        "_HLS_msn=0&_HLS_part=": 400,
        "_HLS_msn=0&_HLS_part=99": 200,
        "_HLS_msn=0": 200,
        "_HLS_skip=no": 200,
        "_HLS_skip=v2": 200,
    }.items():
        assert (await fetched(running, f"opus.m3u8?{query}")).status == status, query


async def test_those_who_wait_are_told_of_the_end(running: Running, programme: Programme) -> None:
    programme.begin()
    programme.play(SEGMENT_PARTS * 2 + 5)
    asking = asyncio.create_task(fetched(running, "opus.m3u8?_HLS_msn=2&_HLS_part=1"))
    hinted = asyncio.create_task(fetched(running, "opus/2.1.m4s"))
    beyond = asyncio.create_task(fetched(running, "opus/2.2.m4s"))
    assert (await fetched(running, "opus/2.0.m4s")).status == 200
    programme.end()
    text = (await asking).body.decode()
    assert text.endswith("opus/2.m4s\n#EXT-X-ENDLIST\n")
    assert 'DURATION=0.20000,URI="opus/2.1.m4s"' in text
    assert (await hinted).body == programme.payloads(Rendition.OPUS)[-1]
    assert (await beyond).status == 404


async def test_for_a_minute_live_playlists_stay_as_they_ended(
    running: Running, programme: Programme
) -> None:
    programme.begin()
    programme.play(SEGMENT_PARTS * 20)
    programme.end()
    programme.show(ended_at_ms=programme.clock.wall_time() // 1_000_000)
    text = (await fetched(running, "opus.m3u8?_HLS_msn=99&_HLS_skip=YES")).body.decode()
    assert "#EXT-X-MEDIA-SEQUENCE:5\n" in text
    assert text.endswith("opus/19.m4s\n#EXT-X-ENDLIST\n")
    whole = (await fetched(running, "opus-all.m3u8")).body.decode()
    assert "#EXT-X-PLAYLIST-TYPE:EVENT\n" in whole
    programme.show(ended_at_ms=1)
    text = (await fetched(running, "opus.m3u8")).body.decode()
    assert "#EXT-X-PLAYLIST-TYPE:VOD\n" in text
    assert segments(text) == [f"opus/{k}.m4s" for k in range(20)]


async def test_the_index_leads_to_what_can_be_heard(running: Running, programme: Programme) -> None:
    programme.begin()
    programme.play(SEGMENT_PARTS)
    live = (await fetched(running, "index.m3u8")).body.decode()
    assert segments(live) == ["opus.m3u8", "aac.m3u8", "opus-low.m3u8"]
    programme.end()
    ended = (await fetched(running, "index.m3u8")).body.decode()
    assert segments(ended) == ["opus-all.m3u8", "aac-all.m3u8", "opus-low-all.m3u8"]
    assert ended == (await fetched(running, "index-all.m3u8")).body.decode()


@pytest.mark.parametrize("rendition", RENDITION_NAMES.values(), ids=RENDITION_NAMES)
async def test_ended_everything_is_listed_and_can_be_heard(
    running: Running, programme: Programme, rendition: Rendition
) -> None:
    name = rendition.name.lower().replace("_", "-")
    programme.begin()
    programme.play(64)
    programme.end()
    text = (await fetched(running, f"{name}.m3u8")).body.decode()
    assert "#EXT-X-PLAYLIST-TYPE:VOD" in text
    assert text.endswith("#EXT-X-ENDLIST\n")
    sounding = (await fetched(running, f"{name}/init.mp4")).body
    assert sounding == sound(rendition).init
    pieces = [(await fetched(running, each)).body for each in segments(text)]
    assert b"".join(pieces) == b"".join(programme.payloads(rendition))
    for body, seconds in zip(pieces, durations(text), strict=True):
        with av.open(io.BytesIO(sounding + body)) as container:
            samples = sum(frame.samples for frame in container.decode(audio=0))
        # A decoder of Opus drops 312 samples wherever it starts (pre-skip).
        assert samples / SAMPLE_RATE == pytest.approx(seconds, abs=0.007)
    assert sum(durations(text)) == pytest.approx(64 * 0.2, abs=0.05)


async def test_playlists_are_compressed_and_sound_is_given_by_range(
    running: Running, programme: Programme
) -> None:
    programme.begin()
    programme.play(SEGMENT_PARTS * 4)
    plain = await fetched(running, "opus.m3u8")
    packed = await fetched(running, "opus.m3u8", "Accept-Encoding: gzip")
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert plain.headers["vary"] == packed.headers["vary"] == "Accept-Encoding"
    whole = (await fetched(running, "opus/0.m4s")).body
    some = await fetched(running, "opus/0.m4s", "Range: bytes=4-7")
    assert (some.status, some.body) == (206, b"moof")
    assert some.headers["content-range"] == f"bytes 4-7/{len(whole)}"
    none = await fetched(running, "opus/0.m4s", "Range: bytes=9999999-")
    assert (none.status, none.headers["content-range"]) == (416, f"bytes */{len(whole)}")


async def test_a_log_that_cannot_be_read_is_told(running: Running, programme: Programme) -> None:
    programme.begin()
    programme.play(SEGMENT_PARTS)
    assert (await fetched(running, "opus.m3u8")).status == 200
    asking = asyncio.create_task(fetched(running, "opus.m3u8?_HLS_msn=1"))
    assert (await fetched(running, "opus/0.0.m4s")).status == 200
    # A segment that does not continue the records before it.
    tail = programme.writer.tail
    strange = SegmentHeader(tail.epoch + 1, tail.offset, 1, bytes(32), SPACE)
    (programme.folder / str(strange.name)).write_bytes(strange.encode())
    heard = await asking
    assert (heard.status, heard.json()["code"]) == (503, "space.unreadable")


async def test_nobody_waits_longer_than_may_be(paths: Paths, programme: Programme) -> None:
    programme.begin()
    programme.play(SEGMENT_PARTS)
    log = Shelf(paths).opened(SpaceId(SPACE))
    await log.refresh()
    watch = Watch(log, patience_s=0.02)
    loop = asyncio.get_running_loop()
    first = asyncio.create_task(watch.wait(Rendition.OPUS, PARTIALS + 1))
    while not first.done():
        await asyncio.sleep(0.005)
        watch.expire(loop.time())
    with pytest.raises(Unavailable, match="No sound"):
        await first
    assert not watch.waiting
    await watch.wait(Rendition.OPUS, PARTIALS)


async def test_while_the_stage_is_away_playlists_stay_and_then_go_on(
    running: Running, programme: Programme
) -> None:
    programme.begin()
    programme.play(SEGMENT_PARTS * 2)
    before = (await fetched(running, "opus.m3u8")).body
    asking = asyncio.create_task(fetched(running, "opus.m3u8?_HLS_msn=2"))
    programme.writer.close()
    assert (await fetched(running, "opus.m3u8")).body == before
    programme.reopen()
    programme.gap(SEGMENT_PARTS)
    text = (await asking).body.decode()
    assert segments(text)[-1] == "opus/2.m4s"
    assert "GAP" not in text
    assert "DISCONTINUITY" not in text


NOTHING = ["99.m4s", "-1.m4s", "01.m4s", "1.mp4", "x.m4s", "²", "9" * 40 + ".m4s", ""]
NOTHING += ["0.5.m4s", "0.00.m4s", "0.0.0.m4s", "2.3.m4s", "9e40.m4s"]


async def test_what_there_is_not(running: Running, programme: Programme) -> None:
    programme.begin()
    programme.play(45)
    programme.end()
    for name in NOTHING:
        heard = await fetched(running, f"aac/{name}".encode().decode("latin-1"))
        assert heard.status in {400, 404}, name


def parts_at(*media_times: int) -> PartIndex:
    parts = PartIndex()
    for number, media_time in enumerate(media_times):
        parts.media_time.append(media_time)
        parts.duration.append(9_600)
        parts.offset.append(number)
        parts.payload_bytes.append(10)
        parts.cumulative.append(number * 10)
        parts.bytes_total += 10
    return parts


def test_a_part_belongs_to_the_partial_segment_in_which_it_begins() -> None:
    parts = parts_at(0, PARTIAL_SAMPLES - 1, PARTIAL_SAMPLES, 2 * PARTIAL_SAMPLES)
    assert [parts_of(parts, k) for k in range(4)] == [(0, 2), (2, 3), (3, 4), (4, 4)]
    assert parts_of(parts, 0, PARTIALS) == (0, 4)
    assert partials_done(parts, ended=False) == 2
    assert partials_done(parts, ended=True) == 3
    assert partials_done(parts_at(), ended=True) == 0


def test_a_hole_in_the_log_is_told() -> None:
    parts = parts_at(0, 38_400, 600_000, 2 * 5 * PARTIAL_SAMPLES - 9_600)
    listing = Listing("aac", parts)
    listing.refresh(ended=False)
    text = listing.text(Form(1_700_000_000_000), ()).decode()
    assert "#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:20.000Z" in text
    assert 'DURATION=0.80000,URI="aac/0.1.m4s",INDEPENDENT=YES\n' in text
    assert 'URI="aac/0.2.m4s",INDEPENDENT=YES,GAP=YES\n' in text
    assert "#EXT-X-GAP" not in text
    parts = parts_at(0, 2 * 5 * PARTIAL_SAMPLES)
    listing = Listing("aac", parts)
    listing.refresh(ended=True)
    text = listing.text(Form(1_700_000_000_000, recorded=True), ()).decode()
    assert text.count("#EXT-X-GAP\n#EXTINF:4.00000,\naac/1.m4s") == 1
    assert text.endswith("#EXTINF:0.20000,\naac/2.m4s\n#EXT-X-ENDLIST\n")


def test_what_was_listed_stays_when_a_writer_takes_it_back() -> None:
    parts = parts_at(*range(0, 22 * 9_600, 9_600))
    listing = Listing("opus", parts)
    listing.refresh(ended=False)
    assert listing.done == 5
    parts.cut(10)
    listing.refresh(ended=False)
    assert listing.done == 5
    text = listing.text(Form(1), ()).decode()
    assert 'URI="opus/0.4.m4s",INDEPENDENT=YES,GAP=YES' in text
