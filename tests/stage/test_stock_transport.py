"""Why the transport is our own: one datagram of a stranger ends a stock aiortc connection.

See docs/decisions/0003-own-hardened-ice.md. When this test fails, the library has been mended, and
the decision may be looked at again.
"""

import asyncio

from aiortc import RTCPeerConnection

from stentor.clock import SystemClock
from stentor.demo.speaker import Source
from tests.fakes.attacker import Attacker


async def test_one_empty_datagram_ends_a_stock_connection() -> None:
    speaker, server = RTCPeerConnection(), RTCPeerConnection()
    connected, ended = asyncio.Event(), asyncio.Event()

    def changed() -> None:
        if server.connectionState == "connected":
            connected.set()
        elif server.connectionState == "closed":
            ended.set()

    server.on("connectionstatechange", changed)
    speaker.addTransceiver(Source([b"\xf8\xff\xfe"] * 500, SystemClock()), direction="sendonly")
    await speaker.setLocalDescription(await speaker.createOffer())
    await server.setRemoteDescription(speaker.localDescription)
    await server.setLocalDescription(await server.createAnswer())
    await speaker.setRemoteDescription(server.localDescription)
    await asyncio.wait_for(connected.wait(), 5)
    candidates = [
        line.split()
        for line in server.localDescription.sdp.splitlines()
        if line.startswith("a=candidate") and ":" not in line.split()[4]
    ]
    with Attacker("0.0.0.0") as stranger:
        for fields in candidates:
            stranger.throw([b""], (fields[4], int(fields[5])))
        await asyncio.wait_for(ended.wait(), 2)
    await speaker.close()
    await server.close()
