"""Edges ask the radio process, and hear what is said on stage."""

import asyncio
import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

from stentor.limits import PART_SAMPLES, RADIO_PATIENCE_S, SAMPLE_RATE
from stentor.paths import Paths
from stentor.relay import RADIO_FORMATS, Ask, Place, Word, encode_ask
from stentor.space.card import CardSpeaker
from stentor.space.events import SpeakingChanged
from tests.edge.programme import SPACE, Programme
from tests.fakes.clock import JumpingClock
from tests.radio.conftest import Edge, Station
from tests.radio.melody import heard, marks_in, melody, place_in

FORMATS = list(RADIO_FORMATS)
ALIKE = 0.9


@pytest.mark.parametrize("name", FORMATS)
async def test_what_is_heard_is_what_was_said(
    name: str, station: Station, programme: Programme
) -> None:
    programme.begin()
    programme.play(70)
    edge = await station.ask(name)
    programme.play(50)
    await edge.until_samples(119 * PART_SAMPLES)
    programme.end()
    assert await edge.closed()
    assert edge.told[-1].word is Word.END
    sound = heard(edge.stream, name)
    burst_parts = RADIO_FORMATS[name].burst_parts
    lag, alike = place_in(melody()[(70 - burst_parts) * PART_SAMPLES : 120 * PART_SAMPLES], sound)
    assert alike > ALIKE
    assert abs(lag) < 4_000, "it begins with the newest seconds"
    assert marks_in(sound).agrees
    assert len(sound) >= (50 + burst_parts) * PART_SAMPLES - 2_000


@pytest.mark.parametrize("name", FORMATS)
async def test_who_comes_before_the_start_hears_silence_and_then_all_of_it(
    name: str, station: Station, programme: Programme, clock: JumpingClock
) -> None:
    edge = await station.ask(name)
    await edge.until(Word.AUDIO, RADIO_FORMATS[name].burst_parts)
    for _ in range(10):
        before = len(edge.of(Word.AUDIO))
        clock.jump(0.4)
        await edge.until(Word.AUDIO, before + 1)
    programme.begin()
    programme.play(40)
    await edge.until_samples(39 * PART_SAMPLES)
    sound = heard(edge.stream, name)
    lag, alike = place_in(melody()[: 38 * PART_SAMPLES], sound)
    assert alike > ALIKE
    silent = (RADIO_FORMATS[name].burst_parts / 5 + 4.0) * SAMPLE_RATE
    assert silent - 2 * PART_SAMPLES < lag < silent + 4_000
    assert abs(sound[: lag - 4_800]).max() < 1e-3


async def test_a_stage_that_was_away_costs_no_time(
    station: Station, programme: Programme, clock: JumpingClock
) -> None:
    programme.begin()
    programme.play(10)
    edge = await station.ask("ogg")
    await edge.until_samples(10 * PART_SAMPLES)
    count = len(edge.of(Word.AUDIO))
    clock.jump(RADIO_PATIENCE_S + 2.0)
    await edge.until(Word.AUDIO, count + 10)
    silent = edge.of(Word.AUDIO)[-1].place
    assert silent == Place(10 * PART_SAMPLES, 20 * PART_SAMPLES)
    programme.gap(20)
    programme.play(10)
    await edge.until_samples(40 * PART_SAMPLES)
    assert edge.of(Word.AUDIO)[-1].place == Place(40 * PART_SAMPLES, 40 * PART_SAMPLES)


async def test_a_stream_is_made_once_for_all_edges(station: Station, programme: Programme) -> None:
    programme.begin()
    programme.play(20)
    first = await station.ask("mp3")
    await first.until_samples(20 * PART_SAMPLES)
    second = await station.ask("mp3")
    programme.play(10)
    for edge in (first, second):
        await edge.until_samples(30 * PART_SAMPLES)
    assert second.audio == first.audio


@pytest.mark.parametrize("name", FORMATS)
async def test_a_radio_process_that_died_is_taken_over_from(
    name: str, station: Station, programme: Programme
) -> None:
    programme.begin()
    programme.play(20)
    before = await station.ask(name)
    await before.until(Word.AUDIO, 20)
    await station.close()
    programme.play(10)
    await station.open()
    after = await station.ask(name, before.of(Word.AUDIO)[-1].place)
    programme.play(10)
    await after.until_samples(39 * PART_SAMPLES)
    sound = heard(before.stream + after.audio, name)
    lags = []
    for parts in (slice(0, 19), slice(21, 39)):
        lag, alike = place_in(
            melody()[parts.start * PART_SAMPLES : parts.stop * PART_SAMPLES], sound
        )
        assert alike > ALIKE
        lags.append(lag - parts.start * PART_SAMPLES)
    # What an encoder had not given out yet dies with it: at most two frames of MP3.
    assert lags[0] - (2_304 if name == "mp3" else 0) <= lags[1] <= lags[0]
    assert marks_in(sound).found == marks_in(sound).expected


async def test_who_speaks_stands_in_the_title(station: Station, programme: Programme) -> None:
    speakers = [CardSpeaker("aaaaaaaa", "Ada", "host"), CardSpeaker("bbbbbbbb", "Béla", "speaker")]
    programme.begin()
    programme.show(speakers=speakers, title="On bells")
    programme.event(SpeakingChanged(speakers=["aaaaaaaa"]))
    programme.play(10)
    edge = await station.ask("ogg")
    found = await edge.until(Word.TITLE)
    programme.event(SpeakingChanged(speakers=[]))
    programme.event(SpeakingChanged(speakers=["bbbbbbbb"]))
    while "Béla - On bells".encode() != found[-1].payload:
        found = await edge.until(Word.TITLE, len(found) + 1)
    assert found[-2].payload == b"Ada - On bells"
    assert "TITLE=Béla - On bells".encode() in edge.of(Word.HEADER)[-1].payload


async def test_an_edge_that_reads_nothing_is_let_go(station: Station, programme: Programme) -> None:
    programme.begin()
    programme.play(5)
    slow = await station.ask("aac")
    other = await station.ask("aac")
    for _ in range(20):
        programme.play(40)
        await other.until_samples((programme.played - 1) * PART_SAMPLES)
    with contextlib.suppress(ConnectionError):
        await slow.closed()
    assert len(slow.audio) < len(other.audio)


@pytest.mark.parametrize(
    "line",
    [
        b"GET / HTTP/1.1\r\n",
        b"x" * 5_000,
        encode_ask(Ask("0123456789ac", "mp3")),
        encode_ask(Ask("../../../etc", "mp3")),
        encode_ask(Ask(SPACE, "wav")),
    ],
)
async def test_who_asks_for_nothing_we_have_is_let_go(
    line: bytes, station: Station, programme: Programme
) -> None:
    edge = await station.line(line)
    with contextlib.suppress(ConnectionError):
        assert await edge.closed()
    assert edge.told == []
    assert await station.ask("mp3"), "others are served"


async def test_nothing_is_read_or_encoded_while_nobody_listens(
    paths: Paths, programme: Programme
) -> None:
    """The process itself, looked at from outside: which log it has open, what it has loaded."""
    programme.begin()
    programme.play(20)
    command = [sys.executable, "-m", "stentor", "radio", "--data", str(paths.data)]
    process = _start(command)
    try:
        async with asyncio.timeout(20):
            while not paths.socket("radio").exists():
                await asyncio.sleep(0.02)
        assert not _segments(process.pid)
        assert "libmp3lame" not in _loaded(process.pid)
        reader, writer = await asyncio.open_unix_connection(str(paths.socket("radio")))
        writer.write(encode_ask(Ask(SPACE, "mp3")))
        edge = Edge(reader, writer)
        await edge.until(Word.AUDIO, 20)
        assert _segments(process.pid)
        assert "libmp3lame" in _loaded(process.pid)
        writer.close()
        async with asyncio.timeout(10):
            while _segments(process.pid):
                await asyncio.sleep(0.02)
    finally:
        process.terminate()
        assert process.wait(10) == 0
    assert not paths.socket("radio").exists()


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command)


def _segments(pid: int) -> list[Path]:
    targets = []
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            targets.append(descriptor.readlink())
    return [target for target in targets if target.suffix == ".seg"]


def _loaded(pid: int) -> str:
    return Path(f"/proc/{pid}/maps").read_text()
