"""Every playlist of a Space, from its start to its end, against the MUSTs of HLS."""

import asyncio
import struct

import pytest

from stentor.record import RENDITION_NAMES
from tests.edge.client import Visitor, boxes
from tests.edge.conftest import Running
from tests.edge.programme import SPACE, Programme
from tests.players import m3u8
from tests.players.conformance import changes, faults, merged, together, variants
from tests.players.follower import Follower
from tests.players.m3u8 import Malformed, Playlist

HLS = f"/s/{SPACE}/hls"
NAMES = [f"{name}{form}.m3u8" for name in RENDITION_NAMES for form in ("", "-all")]
LIVE_S = 80
"""So much is played: media segments leave the live playlist, and delta updates skip some."""
PARTIAL_PARTS = 4


async def play(programme: Programme, follower: Follower) -> None:
    """Play on whenever one follower has seen what there is."""
    for turn in range(LIVE_S * 5 // PARTIAL_PARTS):
        seen = follower.updates
        match turn:
            case 45:  # the stage was away, and filled the hole with silence
                programme.reopen()
                programme.gap(PARTIAL_PARTS)
            case 60:  # storage refused a part of a partial segment
                programme.play(1)
                programme.lose(1)
                programme.play(PARTIAL_PARTS - 2)
            case 70:  # and more than a whole media segment
                programme.play(1)
                programme.lose(42)
                programme.play(1)
            case _:
                programme.play(PARTIAL_PARTS)
        while follower.now is not None and follower.updates == seen and not follower.now.ended:
            await asyncio.sleep(0.002)
    programme.play(3)
    programme.end()
    programme.show(ended_at_ms=programme.clock.wall_time() // 1_000_000)


async def test_a_live_space_conforms_at_every_update(
    running: Running, programme: Programme
) -> None:
    programme.begin()
    programme.play(20)
    followers = [Follower(await running.visit(), HLS, name) for name in NAMES]
    for follower in followers:
        await follower.update()
    await asyncio.gather(play(programme, followers[0]), *(each.to_end() for each in followers))
    for follower in followers:
        assert follower.updates > LIVE_S / 2, follower.name
        assert follower.compared > follower.updates / 2, "delta updates were compared with wholes"
        assert follower.skipped, "delta updates were exercised"
        await conforms_in_sound(follower)


async def test_renditions_conform_together(running: Running, programme: Programme) -> None:
    visitor = await running.visit()
    programme.begin()
    programme.play(20)
    for _ in range(3):
        await conform_together(visitor, "index.m3u8")
        await conform_together(visitor, "index-all.m3u8")
        programme.play(62)
        newest = programme.played // PARTIAL_PARTS - 1
        for name in RENDITION_NAMES:
            await visitor.get(f"{HLS}/{name}/{newest // 5}.{newest % 5}.m4s")
    programme.end()
    playlists = await conform_together(visitor, "index.m3u8")
    assert all(playlist.ended for playlist in playlists.values())
    assert {playlist.tags["EXT-X-PLAYLIST-TYPE"] for playlist in playlists.values()} == {"VOD"}


async def conform_together(visitor: Visitor, index: str) -> dict[str, Playlist]:
    told = variants((await visitor.get(f"{HLS}/{index}")).body.decode())
    assert len(told) == len(RENDITION_NAMES)
    playlists = {}
    for name, attributes in told.items():
        playlist = m3u8.read((await visitor.get(f"{HLS}/{name}")).body.decode())
        assert faults(playlist) == []
        for segment in playlist.segments:
            sound = (await visitor.get(f"{HLS}/{segment.uri}")).body
            rate = len(sound) * 8 / segment.duration
            assert rate <= int(attributes["BANDWIDTH"]), "4.4.6.2: the peak is within BANDWIDTH"
        playlists[name] = playlist
    assert together(playlists) == []
    return playlists


async def conforms_in_sound(follower: Follower) -> None:
    """What is listed is there, has the length it is listed with, and follows upon another."""
    assert follower.now is not None
    expected, gaps = None, 0
    for segment in follower.now.segments:
        heard = await follower.visitor.get(f"{HLS}/{segment.uri}")
        parts = [await follower.visitor.get(f"{HLS}/{part.uri}") for part in segment.parts]
        for part, answer in zip(segment.parts, parts, strict=True):
            assert answer.status == (404 if part.gap else 200)
        if segment.gap:
            assert heard.status == 404, "6.2.1: nothing is there"
            gaps += 1
            expected = None
            continue
        start, samples = timing(heard.body)
        if samples / 48_000 == pytest.approx(segment.duration, abs=0.0001):
            assert expected in {None, start}, "each sample once"
            expected = start + samples
        else:
            assert samples / 48_000 < segment.duration, "some was refused"
            expected = None
        if parts:
            sounding = [answer.body for answer in parts if answer.status == 200]
            assert b"".join(sounding) == heard.body, "3.2: the same media"
    assert gaps == 1
    init = m3u8.quoted(m3u8.attributes(follower.now.segments[0].map)["URI"])
    found = boxes((await follower.visitor.get(f"{HLS}/{init}")).body)
    assert [kind for kind, _ in found] == ["ftyp", "moov"]


def timing(sound: bytes) -> tuple[int, int]:
    """The first sample and the number of samples, from `tfdt`, `tfhd` and `trun`."""
    start, samples = None, 0
    for kind, content in boxes(sound):
        if kind != "moof":
            continue
        at = content.index(b"tfdt")
        (time,) = struct.unpack_from(">Q", content, at + 8)
        (duration,) = struct.unpack_from(">I", content, content.index(b"tfhd") + 12)
        (count,) = struct.unpack_from(">I", content, content.index(b"trun") + 8)
        start = time if start is None else start
        assert time >= start + samples, "fragments follow upon one another"
        samples += count * duration
    assert start is not None
    return start, samples


GOOD = """#EXTM3U
#EXT-X-VERSION:9
#EXT-X-TARGETDURATION:4
#EXT-X-MEDIA-SEQUENCE:5
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=24.0,HOLD-BACK=12.0,PART-HOLD-BACK=6.0
#EXT-X-PART-INF:PART-TARGET=2.0
#EXT-X-MAP:URI="a/init.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-11-24T20:00:20.000Z
#EXTINF:4.00000,
a/5.m4s
#EXTINF:4.00000,
a/6.m4s
#EXT-X-PART:DURATION=2.00000,URI="a/7.0.m4s",INDEPENDENT=YES
#EXT-X-PART:DURATION=2.00000,URI="a/7.1.m4s",INDEPENDENT=YES
#EXTINF:4.00000,
a/7.m4s
#EXT-X-PART:DURATION=2.00000,URI="a/8.0.m4s",INDEPENDENT=YES
#EXT-X-PRELOAD-HINT:TYPE=PART,URI="a/8.1.m4s"
#EXT-X-RENDITION-REPORT:URI="b.m3u8",LAST-MSN=8,LAST-PART=0
"""
NEXT = """#EXT-X-PART:DURATION=2.00000,URI="a/8.1.m4s",INDEPENDENT=YES
#EXTINF:4.00000,
a/8.m4s
#EXT-X-PRELOAD-HINT:TYPE=PART,URI="a/9.0.m4s"
"""


def test_a_good_playlist_passes() -> None:
    assert faults(m3u8.read(GOOD)) == []
    assert changes(m3u8.read(GOOD), m3u8.read(grown())) == []


@pytest.mark.parametrize(
    ("was", "becomes", "section"),
    [
        ("#EXTM3U\n", "", "4.4.1.1"),
        ("VERSION:9", "VERSION:3", "8:"),
        ("#EXT-X-TARGETDURATION:4\n", "", "4.4.3.1"),
        ("TARGETDURATION:4\n", "TARGETDURATION:4\n#EXT-X-TARGETDURATION:4\n", "twice"),
        ("#EXTINF:4.00000,\na/6", "#EXTINF:4.60000,\na/6", "4.4.3.1"),
        ("#EXTINF:4.00000,\na/6", "#EXTINF:4.00000\na/6", "4.4.4.1"),
        ("#EXTINF:4.00000,\na/6", "#EXTINF:3.50000,\na/6", ""),
        ("#EXTINF:4.00000,\na/7", "#EXTINF:3.50000,\na/7", "3.2"),
        ("#EXT-X-PART-INF:PART-TARGET=2.0\n", "", "4.4.3.7"),
        ("PART-TARGET=2.0", "PART-TARGET=1.9", "4.4.4.9"),
        ('DURATION=2.00000,URI="a/8.0', 'DURATION=1.50000,URI="a/8.0', "85 %"),
        (',URI="a/8.0.m4s"', "", "quoted"),
        (",PART-HOLD-BACK=6.0", "", "4.4.3.8"),
        ("PART-HOLD-BACK=6.0", "PART-HOLD-BACK=3.9", "4.4.3.8"),
        (",HOLD-BACK=12.0", ",HOLD-BACK=11.0", "4.4.3.8"),
        ("CAN-SKIP-UNTIL=24.0", "CAN-SKIP-UNTIL=23.0", "4.4.3.8"),
        ("CAN-BLOCK-RELOAD=YES,", "", "B.1"),
        ("24T20:00:20.000Z", "24T20:00:20", "4.4.4.6"),
        ("#EXT-X-PROGRAM-DATE-TIME:2026-11-24T20:00:20.000Z\n", "", "B.1"),
        ('#EXT-X-MAP:URI="a/init.mp4"\n', "", "3.1.2"),
        ('#EXT-X-PRELOAD-HINT:TYPE=PART,URI="a/8.1.m4s"\n', "", "B.1"),
        ('PART,URI="a/8.1.m4s"', 'PART,URI="a/8.0.m4s"', "4.4.5.3"),
        (",LAST-PART=0", "", "4.4.5.4"),
        ('#EXT-X-RENDITION-REPORT:URI="b.m3u8"', "#EXT-X-ENDLIST\n#EXT-X-OTHER:A=B", "not known"),
        ("#EXTINF:4.00000,\na/7", "#EXT-X-GAP\n#EXTINF:4.00000,\na/7", "6.2.1"),
        ("#EXTINF:4.00000,\na/5.m4s\n#EXTINF:4.00000,\na/6.m4s\n", "", "6.2.2"),
        (
            "#EXT-X-MEDIA-SEQUENCE:5",
            "#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-MEDIA-SEQUENCE:5",
            "4.4.3.5",
        ),
        ("LAST-PART=0\n", "LAST-PART=0", "4.1"),
    ],
)
def test_a_broken_playlist_is_found_out(was: str, becomes: str, section: str) -> None:
    assert GOOD.count(was) == 1
    found = found_in(GOOD.replace(was, becomes))
    assert section in " ".join(found) if section else not found


def found_in(text: str) -> list[str]:
    try:
        return faults(m3u8.read(text))
    except Malformed as malformed:
        return [str(malformed)]


def grown() -> str:
    """The good playlist, one part later."""
    return GOOD[: GOOD.index("#EXT-X-PRELOAD")] + NEXT


@pytest.mark.parametrize(
    ("was", "becomes", "section"),
    [
        ("TARGETDURATION:4", "TARGETDURATION:5", "6.2.1"),
        ("MEDIA-SEQUENCE:5", "MEDIA-SEQUENCE:4", "6.2.2"),
        ("#EXTINF:4.00000,\na/6", "#EXTINF:3.90000,\na/6", "6 changed"),
        ("a/6.m4s", "a/six.m4s", "6 changed"),
        ("20:00:20.000Z", "20:00:20.001Z", "5 changed"),
        ('DURATION=2.00000,URI="a/7.0', 'DURATION=1.90000,URI="a/7.0', "parts of"),
        ('#EXT-X-PART:DURATION=2.00000,URI="a/7.0.m4s",INDEPENDENT=YES\n', "", "parts of"),
        ("a/8.1.m4s", "a/8.one.m4s", "6.2.6"),
        (NEXT, "", ""),
        (GOOD[GOOD.index('#EXT-X-PART:DURATION=2.00000,URI="a/8.0') :][:60], "", "parts of"),
    ],
)
def test_a_forbidden_change_is_found_out(was: str, becomes: str, section: str) -> None:
    text = grown()
    assert text.count(was) == 1
    found = changes(m3u8.read(GOOD), m3u8.read(text.replace(was, becomes)))
    assert section in " ".join(found) if section else not found


def test_a_playlist_that_ended_may_not_change() -> None:
    ended = m3u8.read(
        grown().replace('#EXT-X-PRELOAD-HINT:TYPE=PART,URI="a/9.0.m4s"', "#EXT-X-ENDLIST")
    )
    assert changes(ended, ended) == []
    assert changes(ended, m3u8.read(GOOD)) != []


def test_a_delta_update_that_skips_too_much_is_found_out() -> None:
    whole = m3u8.read(GOOD)
    skip = "#EXT-X-SKIP:SKIPPED-SEGMENTS=1\n"
    lines = "#EXT-X-PROGRAM-DATE-TIME:2026-11-24T20:00:20.000Z\n#EXTINF:4.00000,\na/5.m4s\n"
    with pytest.raises(Malformed, match="boundary"):
        merged(whole, m3u8.read(GOOD.replace(lines, skip)))
    later = GOOD.replace(lines, skip).replace("SEQUENCE:5", "SEQUENCE:2")
    with pytest.raises(Malformed, match="not in the last"):
        merged(whole, m3u8.read(later))


def test_renditions_that_differ_are_found_out() -> None:
    other = GOOD.replace("a/", "b/").replace("b.m3u8", "a.m3u8")
    playlists = {"a.m3u8": m3u8.read(GOOD), "b.m3u8": m3u8.read(other)}
    assert together(playlists) == []
    playlists["b.m3u8"] = m3u8.read(other.replace("20:00:20", "20:00:21"))
    assert "6.2.4" in " ".join(together(playlists))
    playlists["b.m3u8"] = m3u8.read(other.replace("HOLD-BACK=12.0", "HOLD-BACK=13.0"))
    assert "6.2.4" in " ".join(together(playlists))
    playlists["b.m3u8"] = m3u8.read(other.replace("a.m3u8", "c.m3u8"))
    assert "B.1" in " ".join(together(playlists))


def test_a_multivariant_playlist_that_is_none_is_found_out() -> None:
    good = '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000,CODECS="opus"\na.m3u8\n'
    assert list(variants(good)) == ["a.m3u8"]
    for broken in (
        good.replace("BANDWIDTH=1000,", ""),
        good.replace("#EXT-X-STREAM-INF:", "#"),
        good + "#EXTINF:4,\n1.m4s\n",
        good[1:],
    ):
        with pytest.raises(Malformed):
            variants(broken)
