"""HLS players that are not ours hear a Space that is really live, and its recording."""

import asyncio
import base64
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright

from tests.players.conftest import Broadcast
from tests.players.melody import Found, find, pcm_of

Player = Callable[..., Awaitable[bytes]]
ROOT = Path(__file__).parents[2]
HLS_JS = "hls.js@1.7.4"
NPM_S = 60
RAW = ("-vn", "-ac", "1", "-ar", "48000", "-f", "s16le", "pipe:1")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
LISTEN_S = 5


async def ffmpeg(player: Player, address: str, *options: str) -> Found:
    heard = await player("ffmpeg", "-v", "error", "-i", address, *options, *RAW)
    return find(pcm_of(heard))


@pytest.mark.parametrize("name", ["index", "opus", "opus-low", "aac", "aac-all"])
async def test_ffmpeg_hears_a_live_space(broadcast: Broadcast, player: Player, name: str) -> None:
    found = await ffmpeg(player, f"{broadcast.hls}/{name}.m3u8", "-t", str(LISTEN_S))
    assert found.seconds == pytest.approx(LISTEN_S, abs=0.1)
    assert found.is_whole, found


async def test_ffmpeg_hears_the_end_and_the_recording(broadcast: Broadcast, player: Player) -> None:
    live = asyncio.create_task(ffmpeg(player, f"{broadcast.hls}/opus.m3u8"))
    await asyncio.sleep(1)
    broadcast.ended()
    assert (await live).is_whole
    whole = broadcast.programme.played / 5
    for name in ("index", "opus", "aac"):
        found = await ffmpeg(player, f"{broadcast.hls}/{name}.m3u8")
        assert found.seconds == pytest.approx(whole, abs=0.1)
        assert found.at_s == pytest.approx(0, abs=0.03)
        assert found.is_whole, found


async def test_ffplay_hears_a_live_space(
    broadcast: Broadcast, player: Player, tmp_path: Path
) -> None:
    tape = tmp_path / "tape.raw"
    await player(
        "ffplay",
        *("-v", "error", "-nodisp", f"{broadcast.hls}/aac.m3u8"),
        stop_after_s=LISTEN_S,
        SDL_AUDIODRIVER="disk",
        SDL_DISKAUDIOFILE=str(tape),
    )
    found = find(pcm_of(tape.read_bytes()))
    assert found.seconds > LISTEN_S - 2
    assert found.is_whole, found


@pytest.mark.parametrize("name", ["opus", "aac"])
async def test_gstreamer_hears_a_live_space(
    broadcast: Broadcast, player: Player, tmp_path: Path, name: str
) -> None:
    tape = tmp_path / "tape.raw"
    await player(
        "gst-launch-1.0",
        *("-q", "souphttpsrc", f"location={broadcast.hls}/{name}.m3u8"),
        *("!", "hlsdemux", "!", "decodebin", "!", "audioconvert", "!", "audioresample"),
        *("!", "audio/x-raw,format=S16LE,rate=48000,channels=1"),
        *("!", "filesink", f"location={tape}", "buffer-mode=unbuffered"),
        stop_after_s=LISTEN_S,
    )
    found = find(pcm_of(tape.read_bytes()))
    assert found.seconds > LISTEN_S - 2
    assert found.is_whole, found


async def test_curl_is_told_what_caches_must_know(broadcast: Broadcast, player: Player) -> None:
    async def head(name: str, *options: str) -> list[str]:
        told = await player("curl", "-si", "-o", "-", *options, f"{broadcast.hls}/{name}")
        return told.partition(b"\r\n\r\n")[0].decode().lower().split("\r\n")

    live = await head("opus.m3u8")
    assert live[0] == "http/1.1 200 ok"
    assert "cache-control: public, max-age=2" in live
    assert "content-encoding: gzip" in await head("opus.m3u8", "--compressed")
    piece = await head("opus/3.2.m4s", "-r", "0-99")
    assert piece[0] == "http/1.1 206 partial content"
    assert "content-length: 100" in piece
    beyond = await head("opus/3.2.m4s", "-r", "9999999-")
    assert beyond[0].startswith("http/1.1 416")
    assert (await head("opus.m3u8", "--head"))[0] == "http/1.1 200 ok"
    early = await head("opus/999999.m4s")
    assert early[0] == "http/1.1 404 not found"
    assert "cache-control: public, max-age=1" in early


@pytest.fixture(scope="session")
def hls_js() -> Path:
    """The library, of one exact version."""
    script = ROOT / "build/players/node_modules/hls.js/dist/hls.min.js"
    npm = shutil.which("npm")
    if not script.is_file() and npm is None:
        pytest.skip("this test wants npm")
    return script


@pytest.fixture
async def page(hls_js: Path) -> AsyncIterator[Page]:
    if CHROMIUM is None:
        pytest.skip("this test wants Chromium")
    if not hls_js.is_file():
        folder = hls_js.parents[3]
        folder.mkdir(parents=True, exist_ok=True)
        quiet = ("--no-save", "--no-audit", "--no-fund", "--ignore-scripts")
        # Unlike a player, npm needs what this machine says of the way to its registry.
        command = ["npm", "install", "--prefix", str(folder), *quiet, HLS_JS]
        await asyncio.to_thread(subprocess.run, command, check=True, timeout=NPM_S)
    async with async_playwright() as play:
        browser = await play.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"],
        )
        page = await browser.new_page()
        await page.add_init_script(path=ROOT / "bench/capture.js")
        yield page
        await browser.close()


LISTEN = """async (address) => {
    window.faults = [];
    const audio = document.body.appendChild(new Audio());
    const hls = (window.hls = new Hls({lowLatencyMode: true}));
    hls.on(Hls.Events.ERROR, (_, told) => window.faults.push(told.details));
    hls.loadSource(address);
    hls.attachMedia(audio);
    await new Promise((done) => audio.addEventListener("canplay", done, {once: true}));
    await audio.play();
}"""


@pytest.mark.parametrize("name", ["opus", "aac"])
async def test_hls_js_hears_a_live_space_with_low_latency(
    broadcast: Broadcast, page: Page, hls_js: Path, name: str
) -> None:
    await page.goto(f"http://127.0.0.1:{broadcast.running.port}/healthz")
    await page.add_script_tag(path=hls_js)
    await page.evaluate(LISTEN, f"{broadcast.hls}/{name}.m3u8")
    await asyncio.sleep(LISTEN_S)
    latency_s, part_target = await page.evaluate(
        "[hls.latency, hls.latestLevelDetails?.partTarget ?? hls.levels[0].details.partTarget]"
    )
    blocks = await page.evaluate("takeTape('played', 0)")
    heard = b"".join(base64.b64decode(block) for _, _, block in blocks)
    found = find(pcm_of(heard))
    assert await page.evaluate("faults") == []
    assert part_target == pytest.approx(0.811)
    assert latency_s < 4
    assert found.seconds > LISTEN_S - 2
    assert found.is_whole, found
