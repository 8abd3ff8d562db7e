"""Recordings: byte for byte what was live, playable anywhere, taken back when the host says so."""

import asyncio
import io
import struct

import av
import pytest

from stentor.edge.replay import sidx
from stentor.limits import OPEN_RECORDS, SAMPLE_RATE, SPACES_READ_MAX
from stentor.log import PartIndex
from stentor.paths import Paths
from stentor.record import Rendition
from stentor.space import events
from tests.edge.client import Heard, boxes
from tests.edge.conftest import Running
from tests.edge.programme import SPACE, Programme, sound

FILE = f"/s/{SPACE}/replay/opus.mp4"
PARTS = 137


@pytest.fixture
def ended(programme: Programme) -> Programme:
    programme.begin()
    programme.play(60)
    programme.event(events.SpeakingChanged(speakers=["abcdefgh"]))
    programme.reopen()
    programme.play(PARTS - 60)
    programme.end()
    return programme


async def whole(running: Running, target: str = FILE, *headers: str) -> Heard:
    return await (await running.visit()).get(target, *headers)


async def test_the_file_is_init_index_and_every_part(running: Running, ended: Programme) -> None:
    heard = await whole(running)
    assert heard.status == 200
    assert heard.headers["content-type"] == "audio/mp4"
    assert heard.headers["etag"] == f'"{ended.writer.head.hex()}"'
    assert int(heard.headers["content-length"]) == len(heard.body)
    found = boxes(heard.body)
    assert [kind for kind, _ in found][:3] == ["ftyp", "moov", "sidx"]
    assert heard.body.startswith(sound(Rendition.OPUS).init)
    media = b"".join(content for _, content in found[3:])
    assert media == b"".join(ended.payloads(Rendition.OPUS))


async def test_more_recordings_than_are_kept_at_hand_are_all_given(
    running: Running, paths: Paths
) -> None:
    spaces = [f"{number:012d}" for number in range(SPACES_READ_MAX + 6)]
    for space in spaces:
        past = Programme(paths, space)
        past.begin()
        past.play(OPEN_RECORDS // 3 + 1)  # too long to be read at once
        past.end()
        past.close()
    targets = [f"/s/{space}/replay/opus.mp4" for space in spaces]
    for _ in range(2):
        heard = await asyncio.gather(*(whole(running, target) for target in targets))
        assert {one.status for one in heard} == {200}
        assert len({one.body for one in heard}) == 1


@pytest.mark.parametrize("name", ["opus", "opus-low", "aac"])
async def test_a_player_opens_it_knows_its_length_and_seeks(
    running: Running, ended: Programme, name: str
) -> None:
    data = (await whole(running, f"/s/{SPACE}/replay/{name}.mp4")).body
    with av.open(io.BytesIO(data)) as container:
        (stream,) = container.streams.audio
        seconds = float(stream.duration * stream.time_base)
        assert seconds == pytest.approx(PARTS * 0.2, abs=0.1)
        samples = sum(frame.samples for frame in container.decode(stream))
        assert samples / SAMPLE_RATE == pytest.approx(PARTS * 0.2, abs=0.1)
        container.seek(int(15 / stream.time_base), stream=stream)
        frame = next(container.decode(stream))
        assert frame.time == pytest.approx(15, abs=0.3)


async def test_ranges(running: Running, ended: Programme) -> None:
    body = (await whole(running)).body
    size = len(body)
    visitor = await running.visit()
    for start, stop in [(0, 1), (0, size), (1, 700), (size // 2, size), (size - 1, size)]:
        heard = await visitor.get(FILE, f"Range: bytes={start}-{stop - 1}")
        assert heard.status == 206
        assert heard.headers["content-range"] == f"bytes {start}-{stop - 1}/{size}"
        assert heard.body == body[start:stop]
    suffix = await visitor.get(FILE, "Range: bytes=-500")
    assert suffix.body == body[-500:]
    joined = b""
    while len(joined) < size:
        step = f"Range: bytes={len(joined)}-{len(joined) + 40_000}"
        joined += (await visitor.get(FILE, step)).body
    assert joined == body
    beyond = await visitor.get(FILE, f"Range: bytes={size}-")
    assert (beyond.status, beyond.headers["content-range"]) == (416, f"bytes */{size}")
    several = await visitor.get(FILE, "Range: bytes=0-1,5-6")
    assert (several.status, several.body) == (200, body)


async def test_conditions(running: Running, ended: Programme) -> None:
    visitor = await running.visit()
    silent = await visitor.get(FILE, "Range: bytes=0-1", method="HEAD")
    assert silent.status == 200, "Range is for GET alone (RFC 9110 section 14.2)"
    tag, size = silent.headers["etag"], int(silent.headers["content-length"])
    assert (await visitor.get(FILE, f"If-None-Match: {tag}")).status == 304
    same = await visitor.get(FILE, "Range: bytes=0-9", f"If-Range: {tag}")
    assert (same.status, len(same.body)) == (206, 10)
    other = await visitor.get(FILE, "Range: bytes=0-9", 'If-Range: "other"')
    assert (other.status, len(other.body)) == (200, size)


async def test_a_listener_who_goes_in_the_middle_leaves_nothing_behind(
    running: Running, ended: Programme
) -> None:
    for _ in range(3):
        visitor = await running.visit()
        visitor.write(f"GET {FILE} HTTP/1.1\r\nHost: a\r\n\r\n")
        await visitor.head()
        visitor.writer.transport.abort()
    assert (await whole(running)).status == 200


async def test_all_events_with_their_places(running: Running, ended: Programme) -> None:
    heard = await whole(running, f"/s/{SPACE}/replay/events.json")
    told = heard.json()["events"]
    assert [entry["event"]["type"] for entry in told] == [
        "space.scheduled",
        "space.started",
        "speaking",
        "space.ended",
    ]
    assert told[2]["media_time"] == 60 * 9_600
    assert [entry["offset"] for entry in told] == sorted(entry["offset"] for entry in told)


async def test_before_the_end_there_is_no_replay(running: Running, programme: Programme) -> None:
    programme.begin()
    programme.play(2)
    for target in (FILE, f"/s/{SPACE}/replay/events.json"):
        heard = await whole(running, target)
        assert (heard.status, heard.json()["code"]) == (409, "space.not_ended")
    programme.end()
    assert (await whole(running)).status == 200
    assert (await whole(running, f"/s/{SPACE}/replay/flac.mp4")).status == 404


async def test_what_was_cancelled_has_no_recording(running: Running, programme: Programme) -> None:
    programme.event(events.SpaceEnded(at_ms=1, reason="cancelled"))
    programme.writer.seal(0)
    programme.show(phase="cancelled", end_reason="cancelled", ended_at_ms=1)
    for target in ("replay/opus.mp4", "replay/events.json", "hls/aac.m3u8"):
        heard = await whole(running, f"/s/{SPACE}/{target}")
        assert (heard.status, heard.json()["code"]) == (404, "recording.none")
    heard = await whole(running, f"/s/{SPACE}/live/opus")
    assert (heard.status, heard.json()["code"]) == (409, "space.ended")
    assert "replay" not in heard.json()
    assert (await whole(running, f"/s/{SPACE}")).status == 200


@pytest.mark.parametrize("phase", ["withdrawn", "deleted"])
async def test_what_the_host_took_back_is_gone(
    running: Running, ended: Programme, phase: str
) -> None:
    assert (await whole(running)).status == 200
    ended.event(events.RecordingWithdrawn(by="abcdefgh", at_ms=1))
    ended.show(phase=phase)
    for target in (FILE, f"/s/{SPACE}/replay/events.json", f"/s/{SPACE}/hls/aac.m3u8"):
        heard = await whole(running, target)
        assert (heard.status, heard.json()["code"]) == (410, f"recording.{phase}")
    live = await whole(running, f"/s/{SPACE}/live/opus")
    assert live.status == 409
    assert "replay" not in live.json()
    ended.show(phase="replay")
    assert (await whole(running)).headers["etag"] == f'"{ended.writer.head.hex()}"'


async def test_an_erased_recording_is_never_sent_as_if_it_were_whole(
    running: Running, ended: Programme
) -> None:
    ended.writer.erase()
    visitor = await running.visit()
    try:
        heard = await visitor.get(FILE)
    except asyncio.IncompleteReadError:
        return  # broken off where the sound is missing
    assert heard.status == 500


def test_the_index_of_a_very_long_recording_fits() -> None:
    parts = PartIndex()
    hours = 1_000
    for number in range(hours * 360):
        parts.media_time.append(number * SAMPLE_RATE * 10)
        parts.duration.append(SAMPLE_RATE * 10)
        parts.offset.append(number)
        parts.payload_bytes.append(100)
        parts.cumulative.append(number * 100)
        parts.bytes_total += 100
    box = sidx(parts)
    (count,) = struct.unpack_from(">H", box, 38)
    assert 12 * count + 40 == len(box)
    sizes = [struct.unpack_from(">I", box, 40 + 12 * k)[0] for k in range(count)]
    assert sum(sizes) == parts.bytes_total
