"""Radio players that are not ours hear a Space that is really live."""

import asyncio
import base64
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright

from stentor.clock import SystemClock
from stentor.paths import Paths
from stentor.space.card import CardSpeaker
from stentor.space.events import SpeakingChanged
from tests.edge.conftest import Running
from tests.edge.programme import SPACE, Programme
from tests.edge.test_icy import unwoven
from tests.players.conftest import Broadcast
from tests.players.melody import find, pcm_of, sound
from tests.radio.conftest import Station

Player = Callable[..., Awaitable[bytes]]
FORMATS = ("mp3", "aac", "ogg")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
CAPTURE = Path(__file__).parents[2] / "bench/capture.js"
LISTEN_S = 5
"""More than that comes at once."""
WAV_BYTES = 44
NOBODY = ("--reuid=65534", "--regid=65534", "--clear-groups")


@pytest.fixture
async def radio(broadcast: Broadcast, paths: Paths) -> AsyncIterator[str]:
    """Where radio players look for it, but for the end."""
    station = Station(paths, SystemClock())
    await station.open()
    yield f"http://127.0.0.1:{broadcast.running.port}/s/{SPACE}/radio"
    await station.close()


def agrees(heard: bytes, least_s: float = LISTEN_S - 1) -> None:
    """What was heard is the programme, whole."""
    found = find(pcm_of(heard))
    assert found.seconds > least_s
    assert found.is_whole, found


async def of_each(listen: Callable[[str], Awaitable[bytes]], least_s: float = LISTEN_S - 1) -> None:
    """All formats at once."""
    for heard in await asyncio.gather(*map(listen, FORMATS)):
        agrees(heard, least_s)


async def test_ffmpeg(radio: str, player: Player) -> None:
    wanted = ("-t", str(LISTEN_S), "-vn", "-ac", "1", "-ar", "48000", "-f", "s16le", "pipe:1")
    await of_each(lambda name: player("ffmpeg", "-v", "error", "-i", f"{radio}.{name}", *wanted))


async def test_mpg123(radio: str, player: Player) -> None:
    wanted = ("-q", "-s", "-e", "s16", "-r", "48000", "-m", "-n", str(LISTEN_S * 48_000 // 1_152))
    agrees(await player("mpg123", *wanted, f"{radio}.mp3"))


async def mpv(player: Player, tape: Path, what: str | Path, seconds: int) -> bytes:
    """What mpv makes of an address or a file."""
    pcm = ("--audio-format=s16", "--audio-samplerate=48000", "--audio-channels=mono")
    to = ("--no-video", "--ao=pcm", "--ao-pcm-waveheader=no", f"--ao-pcm-file={tape}")
    await player("mpv", "--no-config", *to, *pcm, f"--length={seconds}", what)
    return tape.read_bytes()


async def test_mpv(radio: str, player: Player, tmp_path: Path) -> None:
    await of_each(lambda name: mpv(player, tmp_path / name, f"{radio}.{name}", LISTEN_S))


async def test_vlc(radio: str, player: Player) -> None:
    # It refuses to be root.
    vlc = ("setpriv", *NOBODY, "cvlc") if os.getuid() == 0 else ("cvlc",)
    if shutil.which("cvlc") is None:
        pytest.skip("this test wants VLC")
    pcm = "#transcode{acodec=s16l,channels=1,samplerate=48000}"
    to = ("--no-video", "--sout", f"{pcm}:std{{access=file,mux=wav,dst=-}}")

    async def listen(name: str) -> bytes:
        asked = (*vlc, "-q", *to, f"{radio}.{name}", "vlc://quit")
        return (await player(*asked, stop_after_s=LISTEN_S))[WAV_BYTES:]

    await of_each(listen)


async def test_a_playlist_leads_there(radio: str, player: Player, tmp_path: Path) -> None:
    """As a file that a player is given."""
    pls = await player("curl", "-sf", f"{radio}.pls")
    port = radio.split(":")[2].partition("/")[0]
    (tmp_path / "radio.pls").write_bytes(
        pls.replace(b"localhost:8080", f"localhost:{port}".encode())
    )
    agrees(await mpv(player, tmp_path / "tape.raw", tmp_path / "radio.pls", 3), 2)


@pytest.mark.parametrize("version", ["--http1.0", "--http1.1"])
async def test_curl(radio: str, player: Player, broadcast: Broadcast, version: str) -> None:
    """An old client with metadata, and what it wrote down."""
    programme = broadcast.programme
    programme.show(speakers=[CardSpeaker("aaaaaaaa", "Ada", "host")], title="On bells")
    programme.event(SpeakingChanged(speakers=["aaaaaaaa"]))
    asked = (version, "-si", "-H", "Icy-MetaData: 1", f"{radio}.mp3")
    head, _, body = (await player("curl", *asked, stop_after_s=3)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    lines = head.lower().split(b"\r\n")
    for line in (b"content-type: audio/mpeg", b"icy-metaint: 9216", b"icy-name: on bells"):
        assert line in lines
    audio, titles = unwoven(body)
    assert set(titles) == {"Ada - On bells"}
    assert len(audio) > 40_000


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("these tests want Chromium")
    flags = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        await browser.close()


async def audio_element(browser: Browser, radio: str, name: str) -> Page:
    """A page in which one plays, and its sound is written down."""
    page = await browser.new_page()
    await page.add_init_script(path=CAPTURE)
    await page.goto(f"{radio.removesuffix('/radio')}/card.json")
    await page.evaluate(
        """(address) => {
            const audio = document.body.appendChild(new Audio(address));
            window.dry = 0;
            audio.addEventListener("waiting", () => (window.dry += audio.currentTime > 0));
            void audio.play();
        }""",
        f"{radio}.{name}",
    )
    return page


async def heard_in(page: Page) -> bytes:
    """The sound of its element, which has never run dry."""
    blocks = await page.evaluate("takeTape('played', 0)")
    assert await page.evaluate("dry") == 0
    return b"".join(base64.b64decode(block) for _, _, block in blocks)


async def test_audio_elements(radio: str, browser: Browser) -> None:
    async def listen(name: str) -> bytes:
        page = await audio_element(browser, radio, name)
        # Longer than Chromium needs for two of its blocks of MP3 and AAC.
        await page.wait_for_function("document.querySelector('audio').currentTime > 9")
        return await heard_in(page)

    await of_each(listen, 8)


async def test_audio_elements_that_wait_hear_the_start(
    start: Callable[..., Running], paths: Paths, browser: Browser
) -> None:
    """Players that were switched on early play silence, and then by themselves what is said."""
    programme = Programme(paths, sound=sound)
    station = Station(paths, SystemClock())
    await station.open()
    radio = f"http://127.0.0.1:{start().port}/s/{SPACE}/radio"
    pages = [await audio_element(browser, radio, name) for name in FORMATS]
    for page in pages:
        await page.wait_for_function("document.querySelector('audio').currentTime > 1")
    programme.begin()
    for _ in range(5 * 15):
        programme.play(1)
        await asyncio.sleep(0.2)
    for page in pages:
        agrees(await heard_in(page), 1.5)
    await station.close()
    programme.close()


async def test_the_page_without_scripts(radio: str, browser: Browser) -> None:
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(radio.removesuffix("/radio"))
    audio = page.locator("noscript audio")
    await audio.focus()
    await audio.press("Space")
    inspector = await context.new_cdp_session(page)
    async with asyncio.timeout(10):
        while True:
            told = await inspector.send(
                "Runtime.evaluate",
                {
                    "expression": "(a => [a.currentSrc, a.currentTime])"
                    "(document.querySelector('noscript audio'))",
                    "returnByValue": True,
                },
            )
            source, time_s = told["result"]["value"]
            if time_s > 1:
                break
            await asyncio.sleep(0.1)
    assert source == f"{radio}.mp3"
