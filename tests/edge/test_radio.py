"""Radio players at the public door: real edges, a real radio process, real logs."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from stentor.clock import SystemClock
from stentor.limits import PART_SAMPLES
from stentor.paths import Paths
from stentor.relay import RADIO_FORMATS
from stentor.space.card import CardSpeaker
from stentor.space.events import SpeakingChanged
from tests.edge.client import Heard, Visitor
from tests.edge.conftest import Running
from tests.edge.programme import SPACE, Programme
from tests.edge.test_icy import unwoven
from tests.radio.conftest import Station
from tests.radio.melody import heard, marks_in, melody, place_in, sung

FORMATS = list(RADIO_FORMATS)
ICY = "Icy-MetaData: 1"


@pytest.fixture
def programme(paths: Paths) -> Iterator[Programme]:
    made = Programme(paths, sound=sung)
    yield made
    made.close()


@pytest.fixture
async def station(paths: Paths, programme: Programme) -> AsyncIterator[Station]:
    made = Station(paths, SystemClock())
    await made.open()
    yield made
    await made.close()


class Radio(Visitor):
    """A radio: it reads on and on."""

    heard = b""

    async def tune(
        self, name: str, *headers: str, version: str = "1.1", space: str = SPACE
    ) -> Heard:
        lines = [f"GET /s/{space}/radio.{name} HTTP/{version}", *headers, "", ""]
        if version == "1.1":
            lines.insert(1, "Host: localhost")
        self.write("\r\n".join(lines))
        return await self.head()

    async def until(self, size: int) -> bytes:
        """So many bytes in all."""
        while len(self.heard) < size:
            data = await self.reader.read(65_536)
            assert data, "the stream has ended"
            self.heard += data
        return self.heard

    async def to_end(self) -> bytes:
        while data := await self.reader.read(65_536):
            self.heard += data
        return self.heard


async def radio_at(running: Running) -> Radio:
    radio = await Radio.to(running.port)
    running.guests.append(radio)
    return radio


async def play(programme: Programme, parts: int) -> None:
    """Some parts, so slowly that nobody leaves any out."""
    for _ in range(parts // 10):
        programme.play(10)
        await asyncio.sleep(0.25)


@pytest.mark.parametrize("name", FORMATS)
async def test_a_player_hears_what_was_said_to_the_end(
    name: str, running: Running, station: Station, programme: Programme
) -> None:
    programme.begin()
    programme.play(30)
    radio = await radio_at(running)
    answer = await radio.tune(name)
    assert answer.status == 200
    assert answer.headers["content-type"] == RADIO_FORMATS[name].content_type
    assert answer.headers["connection"] == "close"
    assert "transfer-encoding" not in answer.headers, "old players know no chunks"
    assert "icy-metaint" not in answer.headers
    assert answer.headers["icy-name"] == "A test <of> sound"
    await radio.until(4_000)
    await play(programme, 50)
    programme.end()
    sound = heard(await radio.to_end(), name)
    lag, alike = place_in(melody()[: 80 * PART_SAMPLES], sound)
    assert alike > 0.9
    assert abs(lag) < 4_000
    assert marks_in(sound).agrees


async def test_an_old_radio_speaks_http_1_0_and_names_no_host(
    running: Running, station: Station, programme: Programme
) -> None:
    programme.begin()
    programme.play(30)
    radio = await radio_at(running)
    answer = await radio.tune("mp3", "User-Agent: WinampMPEG/5.0", "icy-metadata:1", version="1.0")
    assert answer.status == 200
    assert answer.headers["icy-metaint"]
    await radio.until(20_000)


@pytest.mark.parametrize("name", ["mp3", "aac"])
async def test_titles_say_who_speaks(
    name: str, running: Running, station: Station, programme: Programme
) -> None:
    programme.begin()
    speakers = [CardSpeaker("aaaaaaaa", "Ada", "host"), CardSpeaker("bbbbbbbb", "Béla", "speaker")]
    programme.show(speakers=speakers, title="On bells")
    programme.event(SpeakingChanged(speakers=["aaaaaaaa"]))
    programme.play(40)
    first = await radio_at(running)
    answer = await first.tune(name, ICY)
    assert answer.headers["icy-metaint"] == "9216"
    await first.until(20_000)
    programme.event(SpeakingChanged(speakers=["bbbbbbbb"]))
    await play(programme, 40)
    second = await radio_at(running)
    await second.tune(name, ICY)
    await second.until(10_000)
    await play(programme, 20)
    programme.end()
    audio, titles = unwoven(await first.to_end())
    assert titles[0] == "Ada - On bells"
    assert titles[-1] == "Béla - On bells"
    assert marks_in(heard(audio, name)).agrees
    late, titles = unwoven(await second.to_end())
    assert set(titles) == {"Béla - On bells"}
    assert audio.endswith(late), "the same bytes, from a later place"


async def test_who_comes_early_hears_the_start(
    running: Running, station: Station, programme: Programme
) -> None:
    radio = await radio_at(running)
    answer = await radio.tune("mp3")
    assert answer.status == 200
    await radio.until(30_000)
    programme.begin()
    await play(programme, 30)
    programme.end()
    sound = heard(await radio.to_end(), "mp3")
    lag, alike = place_in(melody()[: 29 * PART_SAMPLES], sound)
    assert alike > 0.9
    assert lag > 3 * 48_000, "silence first"


async def test_listeners_stay_while_the_radio_process_is_restarted(
    running: Running, station: Station, programme: Programme
) -> None:
    programme.begin()
    programme.play(30)
    radio = await radio_at(running)
    await radio.tune("ogg")
    await radio.until(8_000)
    await station.close()
    programme.play(10)
    await station.open()
    await play(programme, 30)
    programme.end()
    sound = heard(await radio.to_end(), "ogg")
    assert place_in(melody()[: 70 * PART_SAMPLES], sound)[1] > 0.9
    assert marks_in(sound).agrees, "nothing is missing, nothing is there twice"


async def test_without_a_radio_process_one_is_told_to_come_again(
    running: Running, programme: Programme
) -> None:
    programme.begin()
    programme.play(10)
    listener = await running.listen()
    radio = await radio_at(running)
    radio.write(f"GET /s/{SPACE}/radio.mp3 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    programme.play(10)
    await listener.until(12)
    answer = await radio.answer()
    assert answer.status == 503
    assert answer.headers["retry-after"]
    assert answer.json()["code"] == "radio.away"


async def test_radio_has_a_share_and_no_more(
    start: Callable[..., Running], station: Station, programme: Programme
) -> None:
    programme.begin()
    programme.play(30)
    running = start(connections_max=16)
    radios = [await radio_at(running) for _ in range(5)]
    for radio in radios[:4]:
        assert (await radio.tune("mp3")).status == 200
        await radio.until(2_000)
    radios[4].write(f"GET /s/{SPACE}/radio.ogg HTTP/1.1\r\nHost: localhost\r\n\r\n")
    refused = await radios[4].answer()
    assert refused.status == 503
    assert refused.json()["code"] == "ticketless.full"
    assert (await running.listen()).live is not None, "the page's listeners have the rest"
    await radios[0].close()
    while (await running.health())["listeners"] > 4:
        await asyncio.sleep(0.02)
    again = await radio_at(running)
    assert (await again.tune("ogg")).status == 200


async def test_what_is_not_there_is_said(
    running: Running, station: Station, programme: Programme
) -> None:
    visitor = await running.visit()
    assert (await visitor.get(f"/s/{SPACE}/radio.wav")).json()["code"] == "radio.unknown"
    m3u = await visitor.get(f"/s/{SPACE}/radio.m3u")
    assert m3u.headers["content-type"].startswith("audio/x-mpegurl")
    assert f"/s/{SPACE}/radio.mp3\n".encode() in m3u.body
    pls = await visitor.get(f"/s/{SPACE}/radio.pls")
    assert b"File1=http" in pls.body
    programme.begin()
    programme.play(5)
    programme.end()
    ended = await visitor.get(f"/s/{SPACE}/radio.mp3")
    assert ended.status == 409
    assert ended.json()["replay"] == f"/s/{SPACE}/replay/aac.mp4"
    head = await visitor.get(f"/s/{SPACE}/radio.pls", method="HEAD")
    assert head.status == 200


async def test_head_says_what_a_stream_would_be(
    running: Running, station: Station, programme: Programme
) -> None:
    visitor = await running.visit()
    head = await visitor.get(f"/s/{SPACE}/radio.ogg", "Range: bytes=0-", method="HEAD")
    assert head.status == 200
    assert head.headers["content-type"] == "audio/ogg"
    assert head.headers["icy-br"] == "32"
