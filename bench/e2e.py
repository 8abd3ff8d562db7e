"""`make e2e`: a Space in three real browsers, from mouth to ear to replay, measured.

A host and an invited speaker publish microphone files from headless Chromium; a third Chromium
listens at the Space's address, having pressed Listen while it waited. Chirps in two bands say when
something was said and when it was heard; a steady tone under them shows every hole. The last line
is one JSON object, also written to build/e2e.json; pictures of every page go to build/screens/.
"""

import argparse
import asyncio
import base64
import contextlib
import json
import statistics
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np
from playwright.async_api import (
    Browser,
    BrowserContext,
    Page,
    Playwright,
    TimeoutError,
    async_playwright,
)

from bench import signals
from bench.screens import overflow, shoot
from stentor.clock import SystemClock
from stentor.demo.calls import Caller
from stentor.demo.health import stage_health
from stentor.demo.house import House

CHROMIUM = "/usr/bin/chromium"
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PASSWORD = "a long enough pass phrase"
VOICE_SECONDS = 30
WARM_UP_S = 4.0
BACK_DELAY_MS = """async () => {
  let found = 0;
  for (const peer of window.peers ?? [])
    (await peer.getStats()).forEach((s) => {
      if (s.type === "inbound-rtp" && s.jitterBufferEmittedCount)
        found = (1000 * s.jitterBufferDelay) / s.jitterBufferEmittedCount;
    });
  return found;
}"""
"""Mean time in the browser's own jitter buffer since it was connected."""
TARGETS = {
    "mouth_to_ear_p50_s": 0.7,
    "mouth_to_ear_p95_s": 1.0,
    "stalls": 0,
    "holes": 0,
    "stage_delay_p50_s": 0.25,
    "self_db": -50.0,
    "pages_too_wide": 0,
}


def say(text: str) -> None:
    """Progress, for people."""
    print(f"  {text}", file=sys.stderr, flush=True)


@dataclass(slots=True)
class Evening:
    """What the browsers share while they play."""

    house: House
    screens: Path | None
    space: str = ""
    pictures: int = 0
    too_wide: list[str] = field(default_factory=list)

    async def picture(self, page: Page, name: str) -> None:
        """Take the page's pictures, and note when it is wider than a phone."""
        if self.screens is None:
            return
        size = page.viewport_size
        self.pictures += await shoot(page, self.screens, name)
        for width in (320, 390, 1_280):
            await page.set_viewport_size({"width": width, "height": 800})
            if await overflow(page) > 0:
                self.too_wide.append(f"{name}-{width}")
        if size:
            await page.set_viewport_size(size)


async def browser(play: Playwright, microphone: Path | None) -> Browser:
    """A Chromium whose microphone is a file that is played again and again."""
    args = list(QUIET)
    if microphone is not None:
        args += [
            "--use-fake-ui-for-media-stream",
            "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-audio-capture={microphone}",
            "--autoplay-policy=no-user-gesture-required",
        ]
    return await play.chromium.launch(executable_path=CHROMIUM, headless=True, args=args)


async def visitor(chromium: Browser, *, studio: bool) -> tuple[BrowserContext, Page]:
    """A page with the measuring script in it; studios have audio processing switched off."""
    context = await chromium.new_context(bypass_csp=True, viewport={"width": 1_280, "height": 800})
    await context.add_init_script(path=Path(__file__).with_name("capture.js"))
    if studio:
        await context.add_init_script("localStorage.setItem('stentor.processing', 'off')")
        await context.grant_permissions(["microphone"])
    page = await context.new_page()
    page.on("pageerror", lambda error: say(f"page error: {error}"))
    page.on("console", lambda line: say(line.text) if line.type == "error" else None)
    page.set_default_timeout(15_000)
    return context, page


async def tape(page: Page, name: str) -> signals.Tape:
    """Fetch what the page wrote down under `name`."""
    blocks: list[tuple[int, float, np.ndarray]] = []
    while taken := await page.evaluate(
        "([name, from]) => takeTape(name, from)", [name, len(blocks)]
    ):
        for first, at, text in taken:
            pcm = np.frombuffer(base64.b64decode(text), "<i2").astype(float)
            blocks.append((first, at, pcm))
    if not blocks:
        raise SystemExit(f"e2e: the page wrote down nothing as '{name}'")
    return signals.tape_of(blocks)


async def open_house(evening: Evening, page: Page) -> None:
    """The owner's first minutes: account, and a Space that starts when the host says so."""
    await page.goto(evening.house.setup_link.replace("localhost", "127.0.0.1"))
    await evening.picture(page, "setup")
    await page.get_by_label("Your name").fill("Ada Lovelace")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Make the account").click()
    await page.wait_for_url(lambda url: "/setup" not in url)
    await page.goto(f"{evening.house.url}/")
    await evening.picture(page, "home-empty")
    await page.goto(f"{evening.house.url}/new")
    await page.get_by_label("Title").fill("An evening on the air")
    await page.get_by_label("Description").fill("Two voices, three browsers, one minute.")
    await evening.picture(page, "new")
    await page.get_by_role("button", name="Make the Space").click()
    await page.wait_for_url("**/studio/*")
    evening.space = page.url.rpartition("/")[2].partition("#")[0]


async def join(evening: Evening, page: Page, name: str, picture: str) -> None:
    """Check the microphone, agree to be recorded, and go on stage."""
    await page.get_by_role("button", name="Check my microphone").click()
    await page.get_by_label("Your name").fill(name)
    await page.wait_for_timeout(700)
    await evening.picture(page, picture)
    await page.get_by_role("button", name="I agree").click()
    await page.locator("#mute").wait_for()


async def measure(pages: dict[str, Page], seconds: float, since: float) -> dict[str, Any]:
    """Compare what was said with what was heard."""
    # First of all: fetching tapes keeps the listener's page busy enough to stall it.
    stats = await pages["listener"].evaluate("JSON.parse(JSON.stringify(window.stentor))")
    mouths = {name: await tape(pages[name], "microphone") for name in ("host", "speaker")}
    backs = {name: await tape(pages[name], "returned") for name in ("host", "speaker")}
    ear = await tape(pages["listener"], "played")
    voices = {"host": signals.HOST, "speaker": signals.SPEAKER}
    until = since + seconds
    mouth_to_ear: list[float] = []
    stage: list[float] = []
    self_db: list[float] = []
    unheard = 0
    found: dict[str, Any] = {}
    for name, other in (("host", "speaker"), ("speaker", "host")):
        said = [
            mark for mark in signals.marks(mouths[name], voices[name]) if since < mark[0] < until
        ]
        heard = signals.delays(said, signals.marks(ear, voices[name]))
        across = signals.delays(said, signals.marks(backs[other], voices[name]))
        unheard += len(said) - len(heard)
        mouth_to_ear += heard
        stage += across
        own = signals.amplitude(backs[name], voices[name], [time for time, _ in said])
        loud = statistics.median(value for _, value in said)
        self_db.append(20 * float(np.log10(max(own, 1e-9) / loud)))
        found[f"{name}_marks"] = len(said)
    holes = signals.holes(ear, signals.HOST, since + 1, until)
    return found | {
        "mouth_to_ear_p50_s": round(signals.percentile(mouth_to_ear, 0.5), 3),
        "mouth_to_ear_p95_s": round(signals.percentile(mouth_to_ear, 0.95), 3),
        "mouth_to_ear_max_s": round(max(mouth_to_ear, default=float("inf")), 3),
        "unheard": unheard,
        "stalls": int(stats["stalls"]),
        "holes": len(holes),
        "hole_s": round(sum(length for _, length in holes), 2),
        "stage_delay_p50_s": round(signals.percentile(stage, 0.5), 3),
        "stage_delay_p95_s": round(signals.percentile(stage, 0.95), 3),
        "self_db": round(max(self_db), 1),
        "seconds": seconds,
    }


async def explained(evening: Evening, pages: dict[str, Page]) -> dict[str, Any]:
    """Where the delay sits: the stage's buffers, the browsers' buffers, the player, the beat."""
    health = await stage_health(evening.house)
    back_ms = []
    for name in ("host", "speaker"):
        back_ms.append(await pages[name].evaluate(BACK_DELAY_MS))
    player = await pages["listener"].evaluate(
        "[stentor.latencyS, stentor.bufferedS, stentor.targetS]"
    )
    voices = health.get("voices", {}).values()
    return {
        "stage_buffer_ms": [round(voice["delay_ms"]) for voice in voices],
        "stage_concealed_samples": [voice["concealed_samples"] for voice in voices],
        "back_buffer_ms": [round(value) for value in back_ms],
        "player_latency_buffer_target_s": [round(float(value), 3) for value in player],
        # Each: media time, seconds in hand, seconds of silence.
        "player_last_stalls": await pages["listener"].evaluate("stentor.lastStalls"),
        "beat": health["beat"],
    }


async def replayed(evening: Evening, listener: Page, ended: float) -> dict[str, Any]:
    """The same address replays it: the file holds every mark, and the page plays it."""
    clock, caller = SystemClock(), Caller(evening.house.url)
    address = f"/s/{evening.space}/replay/opus.mp4"
    while (answer := await caller.ask("GET", address)).status != 200:
        if clock.now() - ended > 10:
            return {"replay_ready_s": None}
        await asyncio.sleep(0.05)
    ready = clock.now() - ended
    with tempfile.NamedTemporaryFile(suffix=".mp4") as file:
        file.write(answer.body)
        file.flush()
        with av.open(file.name) as media:
            frames = [frame.to_ndarray().mean(axis=0) for frame in media.decode(audio=0)]
    pcm = np.concatenate(frames)
    recorded = signals.Tape(pcm / max(1e-9, float(np.abs(pcm).max())), 0.0)
    marks = [time for time, _ in signals.marks(recorded, signals.HOST)]
    steps = np.diff(marks)
    await listener.get_by_role("button", name="Play", exact=False).first.wait_for()
    return {
        "replay_ready_s": round(ready, 2),
        "replay_seconds": round(len(pcm) / signals.RATE, 1),
        "replay_marks": len(marks),
        "replay_mark_step_error_s": round(float(np.abs(steps - signals.PERIOD_S).max()), 3),
    }


async def play_evening(evening: Evening, folder: Path, seconds: float) -> dict[str, Any]:
    """All of it, in order."""
    clock = SystemClock()
    for voice, name in ((signals.HOST, "host"), (signals.SPEAKER, "speaker")):
        pcm = signals.voice_pcm(voice, VOICE_SECONDS)
        signals.write_wav(folder / f"{name}.wav", pcm)
    async with async_playwright() as play:
        chromiums = {
            "host": await browser(play, folder / "host.wav"),
            "speaker": await browser(play, folder / "speaker.wav"),
            "listener": await browser(play, None),
        }
        _, host = await visitor(chromiums["host"], studio=True)
        _, speaker = await visitor(chromiums["speaker"], studio=True)
        _, listener = await visitor(chromiums["listener"], studio=False)
        say("the owner sets up the account and a Space")
        await open_house(evening, host)
        await join(evening, host, "Ada Lovelace", "studio-join-host")
        say("the host invites a speaker")
        await invite(evening, host, speaker)
        say("a listener waits inside")
        await listener.goto(f"{evening.house.url}/s/{evening.space}")
        await evening.picture(listener, "space-scheduled")
        await host.locator("#doors").click()
        await listener.wait_for_timeout(500)
        await evening.picture(listener, "space-doors")
        await listener.locator("#listen").click()
        await listener.wait_for_timeout(500)
        await evening.picture(listener, "space-waiting")
        await evening.picture(host, "studio-ready")
        say(f"the host starts; {seconds:.0f} s are measured")
        await start(host)
        await listener.wait_for_function("window.stentor && window.stentor.parts > 5")
        await listener.wait_for_timeout(WARM_UP_S * 1000)
        await listener.evaluate("window.stallsBefore = window.stentor.stalls")
        since = clock.wall_time() / 1e9
        await listener.wait_for_timeout(seconds * 1000)
        pages = {"host": host, "speaker": speaker, "listener": listener}
        result = await measure(pages, seconds, since)
        result["where"] = await explained(evening, pages)
        result["stalls_at_start"] = await listener.evaluate("window.stallsBefore")
        say("pictures of the live pages")
        await evening.picture(listener, "space-live")
        await evening.picture(host, "studio-live-host")
        await evening.picture(speaker, "studio-live-speaker")
        say("the host ends the Space")
        await end(evening, host)
        ended = clock.now()
        result |= await replayed(evening, listener, ended)
        await evening.picture(listener, "space-replay")
        await evening.picture(host, "studio-ended")
        await speaker.wait_for_timeout(500)
        await evening.picture(speaker, "studio-ended-speaker")
        await more_pictures(evening, host)
        for chromium in chromiums.values():
            await chromium.close()
    return result


async def invite(evening: Evening, host: Page, speaker: Page) -> None:
    """The host makes a link for one speaker, who opens it and joins."""
    await host.locator("#guest").fill("Grace Hopper")
    await host.get_by_role("button", name="Make a link").click()
    await host.wait_for_function("document.getElementById('link').value.includes('#')")
    await evening.picture(host, "studio-invite")
    await speaker.goto(await host.locator("#link").input_value())
    await join(evening, speaker, "Grace Hopper", "studio-join-speaker")


async def start(host: Page) -> None:
    """Start, and say yes when asked."""
    await host.locator("#start").click()
    with contextlib.suppress(TimeoutError):
        await host.locator("#ask-yes").click(timeout=1_000)


async def end(evening: Evening, host: Page) -> None:
    """End, and say yes when asked."""
    await host.locator("#end").click()
    await host.locator("#ask-yes").wait_for()
    await evening.picture(host, "studio-end-asks")
    await host.locator("#ask-yes").click()


async def more_pictures(evening: Evening, host: Page) -> None:
    """The pages that are left: home with Spaces, account, signing in, a page that is not there."""
    url = evening.house.url
    for address, name in (("/", "home"), ("/account", "account"), ("/s/0000000000zz", "unknown")):
        await host.goto(f"{url}{address}")
        await evening.picture(host, name)
    await host.context.clear_cookies()
    await host.goto(f"{url}/login")
    await evening.picture(host, "login")
    await host.goto(f"{url}/")
    await evening.picture(host, "home-visitor")


def judge(result: dict[str, Any]) -> bool:
    """Whether every figure is at its target or better."""
    return all(float(result[key]) <= most for key, most in TARGETS.items())


def main() -> int:
    """Run it; 0 when every target is met."""
    parser = argparse.ArgumentParser(prog="make e2e", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to measure")
    parser.add_argument("--no-screens", action="store_true", help="no pictures")
    options = parser.parse_args()
    build = Path("build")
    build.mkdir(exist_ok=True)
    screens = None if options.no_screens else build / "screens"
    with tempfile.TemporaryDirectory(prefix="stentor-e2e-") as folder:
        house = House(Path(folder) / "data", SystemClock())
        house.start()
        evening = Evening(house, screens)
        try:
            result = asyncio.run(play_evening(evening, Path(folder), options.seconds))
        except BaseException:
            say(house.complaints())
            raise
        finally:
            house.stop()
    result["screens"] = evening.pictures
    result["pages_too_wide"] = len(evening.too_wide)
    result["too_wide"] = evening.too_wide
    result["ok"] = judge(result)
    line = json.dumps(result)
    (build / "e2e.json").write_text(line + "\n")
    print(line)
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
