"""HLS as players see it: playlists, media segments, and their sound."""

import io
import re

import av
import pytest

from stentor.edge.playlist import SEGMENT_SAMPLES, complete_count, media_segment, playlist
from stentor.limits import HLS_LIVE_SEGMENTS, SAMPLE_RATE
from stentor.log import PartIndex
from stentor.record import RENDITION_NAMES, Rendition
from tests.edge.conftest import Running
from tests.edge.programme import SPACE, Programme, sound

LIST = f"/s/{SPACE}/hls/aac.m3u8"


async def fetched(running: Running, target: str) -> tuple[int, bytes]:
    heard = await (await running.visit()).get(target)
    return heard.status, heard.body


def segments(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def durations(text: str) -> list[float]:
    return [float(found) for found in re.findall(r"#EXTINF:([0-9.]+),", text)]


async def test_before_the_start_there_is_nothing_to_list(
    running: Running, programme: Programme
) -> None:
    heard = await (await running.visit()).get(LIST)
    assert (heard.status, heard.json()["code"]) == (409, "space.not_live")


async def test_live_the_newest_complete_segments_are_listed(
    running: Running, programme: Programme
) -> None:
    programme.begin()
    programme.play(19)
    assert segments((await fetched(running, LIST))[1].decode()) == []
    assert (await fetched(running, f"/s/{SPACE}/hls/aac/0.m4s"))[0] == 404
    programme.play(182)
    visitor = await running.visit()
    heard = await visitor.get(LIST)
    while not heard.body.decode().endswith("aac/9.m4s\n"):
        heard = await visitor.get(LIST)  # a log is looked at ten times a second
    text = heard.body.decode()
    assert heard.headers["content-type"] == "application/vnd.apple.mpegurl"
    assert text.startswith("#EXTM3U\n#EXT-X-VERSION:7\n")
    assert "#EXT-X-MEDIA-SEQUENCE:4\n" in text
    assert '#EXT-X-MAP:URI="aac/init.mp4"' in text
    assert "ENDLIST" not in text
    assert segments(text) == [f"aac/{k}.m4s" for k in range(4, 4 + HLS_LIVE_SEGMENTS)]
    assert all(round(seconds) <= 4 for seconds in durations(text))
    status, first = await fetched(running, f"/s/{SPACE}/hls/aac/4.m4s")
    assert status == 200
    assert first == (await fetched(running, f"/s/{SPACE}/hls/aac/4.m4s"))[1]


@pytest.mark.parametrize("rendition", RENDITION_NAMES.values(), ids=RENDITION_NAMES)
async def test_ended_everything_is_listed_and_can_be_heard(
    running: Running, programme: Programme, rendition: Rendition
) -> None:
    name = rendition.name.lower().replace("_", "-")
    programme.begin()
    programme.play(64)
    programme.end()
    text = (await fetched(running, f"/s/{SPACE}/hls/{name}.m3u8"))[1].decode()
    assert "#EXT-X-PLAYLIST-TYPE:VOD" in text
    assert text.endswith("#EXT-X-ENDLIST\n")
    _, sounding = await fetched(running, f"/s/{SPACE}/hls/{name}/init.mp4")
    assert sounding == sound(rendition).init
    pieces = [await fetched(running, f"/s/{SPACE}/hls/{name}") for name in segments(text)]
    assert b"".join(body for _, body in pieces) == b"".join(programme.payloads(rendition))
    for (_, body), seconds in zip(pieces, durations(text), strict=True):
        with av.open(io.BytesIO(sounding + body)) as container:
            samples = sum(frame.samples for frame in container.decode(audio=0))
        # A decoder of Opus drops 312 samples wherever it starts (pre-skip).
        assert samples / SAMPLE_RATE == pytest.approx(seconds, abs=0.007)
    assert sum(durations(text)) == pytest.approx(64 * 0.2, abs=0.05)


@pytest.mark.parametrize(
    "name", ["99.m4s", "-1.m4s", "01.m4s", "1.mp4", "x.m4s", "²", "9" * 40 + ".m4s", ""]
)
async def test_what_there_is_not(running: Running, programme: Programme, name: str) -> None:
    programme.begin()
    programme.play(45)
    programme.end()
    target = f"/s/{SPACE}/hls/aac/{name}".encode().decode("latin-1")
    assert (await fetched(running, target))[0] in {400, 404}


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


def test_a_part_belongs_to_the_segment_in_which_it_begins() -> None:
    parts = parts_at(0, SEGMENT_SAMPLES - 1, SEGMENT_SAMPLES, 2 * SEGMENT_SAMPLES)
    assert [media_segment(parts, k) for k in range(4)] == [(0, 2), (2, 3), (3, 4), (4, 4)]
    assert complete_count(parts, ended=False) == 2
    assert complete_count(parts, ended=True) == 3
    assert complete_count(parts_at(), ended=True) == 0


def test_a_hole_in_the_log_is_told() -> None:
    parts = parts_at(0, 2 * SEGMENT_SAMPLES)
    text = playlist(parts, name="aac", ended=True, started_at_ms=1_700_000_000_000)
    assert text.count("#EXT-X-GAP\n#EXTINF:4,\naac/1.m4s") == 1
    assert "#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:20.000Z" in text
