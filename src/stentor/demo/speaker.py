"""A speaker without a browser: a real WebRTC client (aiortc) that publishes by WHIP (RFC 9725)."""

import asyncio
import fractions
import http.client
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit

import av
import numpy as np
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from numpy.typing import NDArray

from stentor import limits
from stentor.clock import Clock, SystemClock
from stentor.demo.network import Network
from stentor.errors import Refused

Pcm = NDArray[np.int16]
"""One frame: 960 mono samples at 48 kHz."""

HEARD_FRAMES_MAX = 15_000
"""Frames kept of what comes back: five minutes."""
REQUEST_TIMEOUT_S = 10.0
_TIME_BASE = fractions.Fraction(1, limits.SAMPLE_RATE)


class Heard(NamedTuple):
    """One frame of the mix that came back."""

    at: float
    """When it was decoded, in monotonic seconds."""
    samples: Pcm


class Source(MediaStreamTrack):
    """What a speaker says, paced to one packet or frame each 20 ms.

    Args:
        sounds: Opus packets of 20 ms, or frames of PCM; when they end, the speaker falls silent.
        clock: paces them.
    """

    kind = "audio"

    def __init__(self, sounds: Iterable[bytes | Pcm], clock: Clock) -> None:
        super().__init__()
        self.sent = 0
        self._sounds: Iterator[bytes | Pcm] = iter(sounds)
        self._clock = clock
        self._began: float | None = None

    async def recv(self) -> Any:
        """The next 20 ms, when it is time for it: an `av.Packet` or an `av.AudioFrame`."""
        if self._began is None:
            self._began = self._clock.now()
        wait = self._began + self.sent * 0.02 - self._clock.now()
        if wait > 0:
            await asyncio.sleep(wait)
        sound = next(self._sounds, None)
        if sound is None or self.readyState != "live":
            self.stop()
            raise MediaStreamError
        packet: Any
        if isinstance(sound, bytes):
            packet = av.Packet(sound)
        else:
            packet = av.AudioFrame.from_ndarray(sound.reshape(1, -1), format="s16", layout="mono")
            packet.sample_rate = limits.SAMPLE_RATE
        packet.pts = self.sent * limits.FRAME_SAMPLES
        packet.time_base = _TIME_BASE
        self.sent += 1
        return packet


def packets_of(frames: Iterable[Pcm], bitrate: int = 32_000) -> list[bytes]:
    """Opus packets of 20 ms for frames of 960 samples, encoded at once: sending them is cheap."""
    encoder = av.CodecContext.create("libopus", "w")
    assert isinstance(encoder, av.AudioCodecContext)
    encoder.sample_rate = limits.SAMPLE_RATE
    encoder.layout = "mono"
    encoder.format = av.AudioFormat("s16")
    encoder.bit_rate = bitrate
    encoder.options = {"application": "voip", "frame_duration": "20"}
    packets: list[bytes] = []
    for number, samples in enumerate(frames):
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = limits.SAMPLE_RATE
        frame.pts = number * limits.FRAME_SAMPLES
        frame.time_base = _TIME_BASE
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    return packets + [bytes(packet) for packet in encoder.encode(None)]


class WhipSpeaker:
    """Publishes sound to a WHIP address and hears the mix that comes back.

    Args:
        url: the WHIP endpoint, `https://…/stage/SPACE/whip`.
        token: the seat token.
        sounds: see `Source`; a callable is asked anew at each publishing.
        hears: whether it wants the mix back; decoding costs a thread.
        network: the road to the stage; without one the client talks to it directly.
    """

    def __init__(
        self,
        url: str,
        token: str,
        sounds: Callable[[], Iterable[bytes | Pcm]],
        *,
        hears: bool = True,
        network: Network | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.heard: deque[Heard] = deque(maxlen=HEARD_FRAMES_MAX)
        self.frames_heard = 0
        self.session = ""
        self.source: Source | None = None
        self.network = network
        self.gone = asyncio.Event()
        """Set when the connection has ended, from either side."""
        self._url = url
        self._token = token
        self._sounds = sounds
        self._hears = hears
        self._clock = clock or SystemClock()
        self._location = ""
        self._connection: RTCPeerConnection | None = None
        self._listening: asyncio.Task[None] | None = None
        self._news = asyncio.Condition()

    async def publish(self, replaces: str = "", timeout_s: float = 10.0) -> None:
        """Connect and begin to speak.

        Args:
            replaces: a session of ours that this one takes the place of.
            timeout_s: until audio may flow.

        Raises:
            Refused: with the code of the problem document, or `speaker.unreachable`.
            OSError: there is no HTTP server.
        """
        connection = RTCPeerConnection()
        connected = asyncio.Event()
        self.gone.clear()
        self.source = Source(self._sounds(), self._clock)
        connection.addTransceiver(self.source, direction="sendrecv" if self._hears else "sendonly")

        def heard(track: MediaStreamTrack) -> None:
            self._listening = asyncio.create_task(self._listen(track))

        def changed() -> None:
            if connection.connectionState == "connected":
                connected.set()
            elif connection.connectionState in {"closed", "failed"}:
                self.gone.set()

        connection.on("connectionstatechange", changed)
        connection.on("track", heard)
        self._connection = connection
        try:
            await connection.setLocalDescription(await connection.createOffer())
            answer = await asyncio.to_thread(self._post, connection.localDescription.sdp, replaces)
            if self.network is not None:
                answer = await self.network.join(answer)
            await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
            async with asyncio.timeout(timeout_s):
                await connected.wait()
        except TimeoutError:
            await self.disconnect()
            raise Refused("speaker.unreachable", "No connection to the stage came about.") from None
        except (Refused, OSError):
            await self.disconnect()
            raise

    async def republish(self) -> None:
        """Publish again in the place of the session before, as a studio does after a loss."""
        old, before, listening = self.session, self._connection, self._listening
        await self.publish(replaces=old)
        if listening is not None:
            listening.cancel()
        if before is not None:
            await before.close()

    async def wait_heard(self, count: int) -> None:
        """Wait until `count` frames have been heard since the beginning."""
        async with self._news:
            await self._news.wait_for(lambda: self.frames_heard >= count)

    async def leave(self) -> None:
        """End the publishing as a studio does: DELETE, then close."""
        if self._location:
            await asyncio.to_thread(self._request, "DELETE", self._location, b"", {})
            self._location = ""
        await self.disconnect()

    async def vanish(self) -> None:
        """Be gone without a word, as with a dead battery."""
        if self.network is not None:
            self.network.cut()
        await self.disconnect()

    async def disconnect(self) -> None:
        """Close the connection, with a good-bye to the stage as far as the network carries it."""
        if self._listening is not None:
            self._listening.cancel()
        if self._connection is not None:
            await self._connection.close()
        if self.network is not None:
            self.network.close()

    async def _listen(self, track: MediaStreamTrack) -> None:
        """Keep what comes back; ends with the track."""
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            assert isinstance(frame, av.AudioFrame)
            samples = frame.to_ndarray().reshape(-1, frame.layout.nb_channels)[:, 0]
            self.heard.append(Heard(self._clock.now(), samples.astype(np.int16)))
            self.frames_heard += 1
            async with self._news:
                self._news.notify_all()

    def _post(self, offer: str, replaces: str) -> str:
        headers = {"Content-Type": "application/sdp"}
        if replaces:
            headers["Stentor-Replaces"] = replaces
        status, answer, location = self._request("POST", self._url, offer.encode(), headers)
        if status != 201:
            raise _refusal(status, answer)
        self._location = urljoin(self._url, location)
        self.session = self._location.rsplit("/", 1)[-1]
        return answer.decode()

    def _request(
        self, method: str, url: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, bytes, str]:
        parts = urlsplit(url)
        kind = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        connection = kind(parts.netloc, timeout=REQUEST_TIMEOUT_S)
        try:
            headers = {"Authorization": f"Bearer {self._token}", **headers}
            connection.request(method, parts.path, body, headers)
            response = connection.getresponse()
            answer = response.read(limits.SDP_BYTES_MAX)
            return response.status, answer, response.getheader("Location") or ""
        finally:
            connection.close()


def _refusal(status: int, body: bytes) -> Refused:
    try:
        problem = json.loads(body)
        return Refused(str(problem["code"]), str(problem["title"]))
    except (ValueError, KeyError, TypeError):
        return Refused("speaker.refused", f"The stage answered {status}.")
