"""A real browser publishes, hears the mix, and its own figures show a healthy connection."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
from playwright.async_api import Page, Route, async_playwright

from stentor import limits
from stentor.demo.speaker import packets_of
from tests.fakes.whip_door import WhipDoor

ARGUMENTS = [
    "--no-sandbox",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
]
OFFER = """async () => {
    const media = await navigator.mediaDevices.getUserMedia({audio: true});
    window.pc = new RTCPeerConnection();
    pc.addTransceiver(media.getTracks()[0], {direction: "sendrecv", streams: [media]});
    pc.ontrack = (event) => {
        const audio = document.createElement("audio");
        audio.srcObject = event.streams[0];
        audio.play();
    };
    await pc.setLocalDescription(await pc.createOffer());
    return pc.localDescription.sdp;
}"""
FIGURES = """async () => {
    const figures = {state: pc.connectionState};
    for (const [, one] of await pc.getStats()) figures[one.type] = one;
    return figures;
}"""


@asynccontextmanager
async def studio() -> AsyncIterator[Page]:
    """A page of a secure origin that exists nowhere."""

    async def empty(route: Route) -> None:
        await route.fulfill(body="<!doctype html>", content_type="text/html")

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"), headless=True, args=ARGUMENTS
        )
        page = await browser.new_page()
        await page.route("https://studio.test/**", empty)
        await page.goto("https://studio.test/")
        yield page
        await browser.close()


async def test_a_browser_publishes_and_hears() -> None:
    wave = 8_000 * np.sin(np.arange(800 * limits.FRAME_SAMPLES) * 0.06)
    packets = packets_of(wave.astype(np.int16).reshape(800, -1))
    async with studio() as page, WhipDoor() as door:
        # The offer is sent before candidates are gathered: we need none.
        publisher = await door.publish(await page.evaluate(OFFER))
        await page.evaluate(
            "sdp => pc.setRemoteDescription({type: 'answer', sdp})", publisher.answer
        )
        await door.wait_packets(1)
        # Until reports have gone both ways: a browser sends one about every 5 s.
        while publisher.stats()["round_trip_s"] is None and len(door.packets) < len(packets):
            publisher.send(packets[len(door.packets)], 960 * len(door.packets))
            await door.wait_packets(len(door.packets) + 1)
        figures = await page.evaluate(FIGURES)
        assert figures["state"] == "connected"
        assert figures["transport"]["srtpCipher"] == "SRTP_AEAD_AES_128_GCM"
        assert figures["remote-inbound-rtp"]["packetsLost"] == 0
        assert 0 < figures["remote-inbound-rtp"]["roundTripTime"] < 0.5
        assert figures["inbound-rtp"]["packetsReceived"] > 100
        assert figures["inbound-rtp"]["totalAudioEnergy"] > 0.01
        stats = publisher.stats()
        assert stats["locked"]
        assert (stats["packets_lost"], stats["forged"], stats["foreign_ssrc"]) == (0, 0, 0)
        assert stats["round_trip_s"] is not None
        ended = asyncio.Event()
        publisher.on_close = lambda _: ended.set()
        await page.evaluate("pc.close()")
        await asyncio.wait_for(ended.wait(), 3)
        assert publisher.close_reason == "left"
