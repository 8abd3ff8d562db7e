"""One person on a stage, doing what the studio's page does: commands, the stream, the microphone.

When the stage goes away the person comes back by themselves, as a browser would.
"""

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from stentor.clock import Clock
from stentor.demo.calls import Answer, Caller
from stentor.demo.network import Network
from stentor.demo.response import Response
from stentor.demo.speaker import WhipSpeaker
from stentor.demo.speech import Said
from stentor.errors import StentorError, Unavailable
from stentor.limits import FRAME_SAMPLES, SAMPLE_RATE

LINE_BYTES_MAX = 256 * 1024
NEWS_MAX = 5_000
RETRY_S = 0.25
"""Between two tries to follow or to publish."""


class News(NamedTuple):
    """A line of the studio's stream and when it came, in monotonic seconds."""

    at: float
    line: dict[str, Any]


@dataclass(slots=True)
class Studio:
    """A seat and everything one does from it.

    Attributes:
        news: lines of the stream but for levels, newest last.
        published: when each publishing began to carry sound.
        network: what can be cut between this microphone and the stage.
    """

    caller: Caller
    host: str
    port: int
    space: str
    speaker: str
    token: str
    clock: Clock
    said: Said | None = None
    network: Network | None = None
    news: deque[News] = field(default_factory=lambda: deque(maxlen=NEWS_MAX))
    published: list[float] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    whip: WhipSpeaker | None = None
    opened_at: float = 0.0
    _lost: asyncio.Event = field(default_factory=asyncio.Event)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def command(self, what: str, /, **fields: object) -> Answer:
        """Send one command with the seat token; the answer may be a refusal."""
        body = {"command": what, **fields}
        path = f"/stage/{self.space}/commands"
        return await self.caller.ask("POST", path, body=body, token=self.token)

    async def commanded(self, what: str, /, **fields: object) -> dict[str, Any]:
        """As `command`; a refusal is raised.

        Raises:
            Unavailable: `demo.failed`.
        """
        answer = await self.command(what, **fields)
        if answer.status != 200:
            text = answer.body[:300].decode(errors="replace")
            raise Unavailable("demo.failed", f"{what} was answered {answer.status}: {text}")
        return answer.json()

    async def run(self) -> None:
        """Follow the stream and keep publishing until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow())
            if self.said is not None:
                group.create_task(self._publish())

    async def heard(self, kind: str, since: float, timeout_s: float, **fields: object) -> News:
        """Wait for an event of this type that came after `since`.

        Raises:
            Unavailable: `demo.failed` when it does not come in time.
        """

        def found() -> News | None:
            for one in self.news:
                wanted = {"type": kind, **fields}.items()
                if one.at >= since and all(one.line.get(key) == value for key, value in wanted):
                    return one
            return None

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s), self._changed:
                await self._changed.wait_for(lambda: found() is not None)
        one = found()
        if one is None:
            raise Unavailable("demo.failed", f"The stage did not say {kind} in {timeout_s:g} s.")
        return one

    async def _follow(self) -> None:
        """Read the studio's stream; ends only by cancelling."""
        first = True
        while True:
            try:
                reader, writer = await asyncio.open_connection(self.host, self.port)
            except OSError:
                await asyncio.sleep(RETRY_S)
                continue
            try:
                writer.write(self._stream_request())
                await self._read_stream(reader, first)
            except (OSError, StentorError, ValueError) as error:
                self._trouble(error)
            finally:
                writer.close()
            first = False
            await asyncio.sleep(RETRY_S)

    def _stream_request(self) -> bytes:
        return (
            f"GET /stage/{self.space}/events HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n"
            f"Authorization: Bearer {self.token}\r\n\r\n"
        ).encode()

    async def _read_stream(self, reader: asyncio.StreamReader, first: bool) -> None:
        response = Response()
        held = b""
        while data := await reader.read(64 * 1024):
            held += response.feed(data)
            if response.status not in {0, 200}:
                return
            *lines, held = held.split(b"\n")
            if len(held) > LINE_BYTES_MAX:
                raise Unavailable("demo.failed", "A line of the studio's stream does not end.")
            for line in lines:
                await self._take(json.loads(line), first)
            if response.ended:
                return

    async def _take(self, line: dict[str, Any], first: bool) -> None:
        if line.get("type") in {"levels", "still"}:
            return
        if line.get("type") == "state" and not first and not self._is_connected(line):
            self._lost.set()  # the stage we spoke to is gone: publish to the new one
        self.news.append(News(self.clock.now(), line))
        async with self._changed:
            self._changed.notify_all()

    def _is_connected(self, state: dict[str, Any]) -> bool:
        seats = state.get("card", {}).get("speakers", [])
        return any(seat["id"] == self.speaker and seat.get("connected") for seat in seats)

    def _sounds(self) -> Iterable[bytes]:
        """What the microphone gives from now on: it has been open since `opened_at`."""
        assert self.said is not None
        now = self.clock.now()
        self.opened_at = self.opened_at or now
        return self.said.from_packet(round((now - self.opened_at) * SAMPLE_RATE / FRAME_SAMPLES))

    async def _publish(self) -> None:
        """Publish, and again whenever the connection is lost; ends only by cancelling."""
        url = f"http://{self.host}:{self.port}/stage/{self.space}/whip"
        session = ""
        try:
            while True:
                self._lost = asyncio.Event()
                speaker = WhipSpeaker(
                    url, self.token, self._sounds, network=self.network, clock=self.clock
                )
                try:
                    await speaker.publish(replaces=session)
                except (OSError, StentorError, ValueError) as error:
                    self._trouble(error)
                    await asyncio.sleep(RETRY_S)
                    continue
                self.whip, session = speaker, speaker.session
                self.published.append(self.clock.now())
                await _first_of(speaker.gone.wait(), self._lost.wait())
                await speaker.disconnect()
        finally:
            if self.whip is not None:
                await self.whip.disconnect()

    def _trouble(self, error: Exception) -> None:
        if len(self.troubles) < NEWS_MAX:
            self.troubles.append(f"{type(error).__name__}: {error}")


async def _first_of(*waits: Any) -> None:
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
