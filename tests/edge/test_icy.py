"""ICY: blocks where every listener counts them, headers and tune-in files that players can read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from stentor.edge.icy import (
    Weaver,
    begins,
    block,
    format_of,
    is_woven,
    playlist,
    stream_name,
)
from stentor.limits import ICY_METAINT
from stentor.relay import RADIO_FORMATS
from stentor.space.card import Card

CARD = Card(space="0123456789ab", phase="live", title="Über\r\n <Glocken>", host_name="Ada")


def unwoven(stream: bytes) -> tuple[bytes, list[str]]:
    """Audio and titles, as a player takes them apart."""
    audio, titles = b"", []
    while len(stream) > ICY_METAINT:
        size = 16 * stream[ICY_METAINT]
        audio += stream[:ICY_METAINT]
        text = stream[ICY_METAINT + 1 : ICY_METAINT + 1 + size].rstrip(b"\0").decode()
        assert text.startswith("StreamTitle='")
        titles.append(text[13 : text.index("';")])
        stream = stream[ICY_METAINT + 1 + size :]
    return audio + stream, titles


@given(st.lists(st.binary(min_size=1, max_size=3 * ICY_METAINT), max_size=12))
def test_a_player_gets_back_what_was_woven(pieces: list[bytes]) -> None:
    weaver = Weaver()
    weaver.entitle("Ada - On bells")
    woven = [one for piece in pieces for one in weaver.weave(piece)]
    audio, titles = unwoven(b"".join(piece for piece, _ in woven))
    assert audio == b"".join(pieces)
    assert set(titles) <= {"Ada - On bells"}


def test_whoever_begins_where_one_may_counts_the_same() -> None:
    weaver = Weaver()
    sound = bytes(range(256)) * 400
    woven = [one for at in range(0, len(sound), 1_600) for one in weaver.weave(sound[at:][:1_600])]
    starts = [number for number, (_, begins) in enumerate(woven) if begins]
    assert len(starts) == len(sound) // ICY_METAINT + 1
    for start in starts:
        audio, _ = unwoven(b"".join(piece for piece, _ in woven[start:]))
        assert sound.endswith(audio)


@given(st.text(max_size=3_000))
def test_any_title_makes_a_block_that_ends_where_it_says(title: str) -> None:
    made = block(title)
    assert len(made) == 1 + 16 * made[0]
    text = made[1:].rstrip(b"\0").decode()
    assert text.startswith("StreamTitle='") and text.endswith("';")
    assert "'" not in text[13:-2]


@pytest.mark.parametrize("name", RADIO_FORMATS)
def test_a_stream_has_a_name(name: str) -> None:
    for woven in (False, True):
        stream = stream_name(name, woven=woven)
        assert format_of(stream) == name
        assert is_woven(stream) is woven
    assert format_of("opus-low") == ""


def test_headers_hold_utf8_and_no_line_more() -> None:
    headers = dict(begins(CARD, "radio.mp3.icy", "https://radio.example").headers)
    assert headers["Content-Type"] == "audio/mpeg"
    assert headers["icy-name"].encode("latin-1").decode() == "Über <Glocken>"
    assert headers["icy-url"] == "https://radio.example/s/0123456789ab"
    assert headers["icy-metaint"] == str(ICY_METAINT)
    assert headers["icy-br"] == "64"
    assert "icy-metaint" not in dict(begins(CARD, "radio.mp3", "").headers)


def test_tune_in_files_name_the_stream() -> None:
    address = "https://radio.example/s/0123456789ab/radio.mp3"
    m3u = playlist(CARD, "m3u", "https://radio.example").body
    assert m3u == f"#EXTM3U\n#EXTINF:-1,Über <Glocken>\n{address}\n".encode()
    pls = playlist(CARD, "pls", "https://radio.example").body
    assert isinstance(pls, bytes)
    over = playlist(replace(CARD, phase="replay"), "m3u", "").body
    assert isinstance(over, bytes)
    assert over.endswith(b"\n/s/0123456789ab/replay/aac.mp4\n")
    assert f"File1={address}\nTitle1=Über <Glocken>\n".encode() in pls
