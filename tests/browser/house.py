"""A small server that keeps PROTOCOL.md's promises to listeners, and breaks them when told to."""

import asyncio
import json
import re
from collections.abc import Container
from urllib.parse import parse_qs, urlsplit

from stentor.edge.cards import KnownCard
from stentor.edge.page import SpacePages, policy_of
from stentor.edge.static import StaticFile, load
from stentor.space.card import decode
from tests.browser.door import Door
from tests.browser.programme import PART_SAMPLES, cursor_box, emsg, recording, sound

SPACE = "k7w2m9qp4x"
PART_S = 0.2
SEGMENT_PARTS = 20
"""Parts in a media segment of HLS: 4 s."""
PIECE_BYTES = 1_400
"""What a narrow path carries at a time."""


class House:
    """One Space before listeners on one port of this machine.

    Attributes:
        card: what the page is told; change it with `tell`.
        silent: live responses stay open and say nothing.
        dead: how many live responses, the oldest ones, stay so for good.
        taken_over: how many of them are ended for newer ones; change it with `take_over`.
        refusing: an HTTP status that every live request is answered with, or 0.
        requests: paths asked for, in order.
        lost: parts that the recording does not have, nor the media segments.
        away: paths of files that are answered 503 once.
        bytes_per_s: what the path to listeners carries; 0: no end.
        cadence_ms: how often live responses are sent to; change it with `send_every`.
        live: how many live responses are open.
        door: what stands before them.
    """

    def __init__(self, phase: str = "live") -> None:
        self.card: dict[str, object] = {
            "space": SPACE,
            "phase": phase,
            "title": "The night shift",
            "host_name": "Ada Holm",
        }
        self.silent = False
        self.dead = 0
        self.taken_over = 0
        self.refusing = 0
        self.requests: list[str] = []
        self.lost: Container[int] = ()
        self.away: set[str] = set()
        self.log: list[tuple[str, object]] = []
        self.parts = 0
        self.first_part = 0
        self.epoch = 1
        self.url = ""
        self.late_s = 0.0
        self.ended = False
        self.bytes_per_s = 0
        self.cadence_ms = 200
        self.live = 0
        self.door = Door()
        self._answered = 0
        self._path = asyncio.Lock()
        self._news = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._files: dict[str, StaticFile] = {}
        self._version = 0

    async def __aenter__(self) -> "House":
        self._files = await asyncio.to_thread(load)
        self._pages = SpacePages(self._files, "http://127.0.0.1")
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks)

    def tell(self, **changes: object) -> None:
        """Change the card."""
        self.card.update(changes)
        self._version += 1
        self._say("card", None)

    def event(self, **event: object) -> None:
        """Something happened."""
        self._say("event", event)

    def _say(self, kind: str, what: object) -> None:
        self.log.append((kind, what))
        self._news.set()
        self._news = asyncio.Event()

    async def perform(self, seconds: float, first_part: int = 0) -> None:
        """Be live in real time, from part `first_part` (a Space that began long ago) on."""
        if self.parts == 0:
            self.first_part = self.parts = first_part
            self.tell(phase="live")
        loop = asyncio.get_running_loop()
        due = loop.time()
        for _ in range(round(seconds / PART_S)):
            due += PART_S
            await asyncio.sleep(max(0, due + self.late_s - loop.time()))
            self._say("part", self.parts)
            self.parts += 1

    async def send_every(self, cadence_ms: int) -> None:
        """Change the cadence: a longer one is told first, and done when players can be ready."""
        extra_s = (cadence_ms - self.cadence_ms) / 1_000
        lead_s = extra_s / 0.08 + 0.5 if extra_s > 0 else 0.0
        self._say("cadence", {"cadence_ms": cadence_ms, "in_ms": round(lead_s * 1_000)})
        await asyncio.sleep(lead_s)
        self.cadence_ms = cadence_ms

    def lower(self, rendition: str) -> None:
        """Everybody who asked for `opus` hears this from the next part on."""
        self._say("rendition", {"rendition": rendition, "asked": "opus"})

    def take_over(self) -> None:
        """The ticket of all live responses there are is shown elsewhere."""
        self.taken_over = self._answered
        self._say("news", None)

    def end(self) -> None:
        """The programme is over and sealed; the recording is there."""
        self.event(type="space.ended", at_ms=0, reason="host")
        self.ended = True
        samples = (self.parts - self.first_part) * PART_SAMPLES
        self.tell(phase="replay", duration_samples=samples)

    async def quiet(self) -> None:
        """Return when no live response is open."""
        async with asyncio.timeout(3):
            while self.live:
                await asyncio.sleep(0.05)

    def cut(self) -> None:
        """Break every connection, wherever it is."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                target = head.split(b" ", 2)[1].decode()
                headers = head.decode().lower()
                self.requests.append(target)
                length = re.search(r"content-length: (\d+)", headers)
                body = await reader.readexactly(int(length[1])) if length else b""
                if target in (f"/s/{SPACE}/join", f"/s/{SPACE}/admitting"):
                    await self._ask_door(writer, target, body)
                    continue
                if not await self._answer(writer, urlsplit(target), headers):
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the browser left, or the house is closed
        finally:
            self._writers.discard(writer)
            self._tasks.discard(task)
            writer.close()

    async def _ask_door(self, writer: asyncio.StreamWriter, target: str, body: bytes) -> None:
        if self.door.fault:
            await self._send(writer, self.door.fault, "text/plain", b"")
        elif target.endswith("/join"):
            status, told = self.door.join(json.loads(body))
            await self._send(writer, status, "application/json", json.dumps(told).encode())
        else:
            told = self.door.admitting()
            await self._send(writer, 200, "application/json", json.dumps(told).encode())

    async def _answer(self, writer: asyncio.StreamWriter, url: object, headers: str) -> bool:
        path = url.path  # type: ignore[attr-defined]
        if live := re.fullmatch(rf"/s/{SPACE}/live/([\w-]+)", path):
            if self.refusing:
                return await self._send(writer, self.refusing, "text/plain", b"")
            if self.ended:
                problem = json.dumps({"code": "space.ended", "replay": ""}).encode()
                return await self._send(writer, 409, "application/problem+json", problem)
            query = parse_qs(url.query)  # type: ignore[attr-defined]
            self.live += 1
            try:
                await self._live(writer, live[1], {name: found[0] for name, found in query.items()})
            finally:
                self.live -= 1
            return False
        if path == f"/s/{SPACE}":
            data = json.dumps(self.card).encode()
            page = self._pages.page(KnownCard((0, self._version, 0), data, decode(data)))
            policy = dict(page.headers)["Content-Security-Policy"]
            return await self._send(writer, 200, "text/html", page.content, policy)
        if path == f"/s/{SPACE}/card.json":
            return await self._send(writer, 200, "application/json", json.dumps(self.card).encode())
        if replay := re.fullmatch(rf"/s/{SPACE}/replay/([\w-]+)\.mp4", path):
            body = recording(replay[1], self.parts, lost=self.lost)
            return await self._range(writer, body, headers)
        if hls := re.fullmatch(rf"/s/{SPACE}/hls/([\w-]+)/(init\.mp4|\d+\.m4s)", path):
            body = self._media_segment(hls[1], hls[2])
            return await self._send(writer, 200 if body else 404, "audio/mp4", body)
        if path.startswith(f"/s/{SPACE}/hls/") and self.parts:
            name = path.rsplit("/", 1)[1]
            return await self._send(writer, 200, "application/vnd.apple.mpegurl", self._hls(name))
        if path == f"/s/{SPACE}/replay/events.json":
            said = [what for kind, what in self.log if kind == "event"]
            events = [{"offset": k, "media_time": 0, "event": e} for k, e in enumerate(said)]
            body = json.dumps({"events": events}).encode()
            return await self._send(writer, 200, "application/json", body)
        if path.startswith("/studio/"):
            text = self._files["studio.html"].content
            policy = policy_of(text.decode(), microphone=True)
            return await self._send(writer, 200, "text/html", text, policy)
        file = self._files.get(path.removeprefix("/static/"))
        if path in self.away:
            self.away.discard(path)
            return await self._send(writer, 503, "text/plain", b"")
        if file:
            return await self._send(writer, 200, file.content_type, file.content)
        return await self._send(writer, 404, "text/plain", b"")

    def _media_segment(self, rendition: str, name: str) -> bytes:
        """One of 4 s, once it is whole; nothing when it is not there."""
        if name == "init.mp4":
            return sound(rendition).init
        first = int(name.removesuffix(".m4s")) * SEGMENT_PARTS
        end = min(first + SEGMENT_PARTS, self.parts if self.ended else first + SEGMENT_PARTS)
        if end > self.parts:
            return b""
        kept = [k for k in range(first, end) if k >= self.first_part and k not in self.lost]
        return b"".join(sound(rendition).part(k) for k in kept)

    def _hls(self, name: str) -> bytes:
        """A playlist that has ended (RFC 8216), and the two files it names."""
        chosen = sound("aac")
        if name == "init.mp4":
            return chosen.init
        if name == "all.m4s":
            return b"".join(chosen.part(k) for k in range(self.parts))
        seconds = self.parts * PART_S
        return (
            "#EXTM3U\n#EXT-X-VERSION:7\n"
            f"#EXT-X-TARGETDURATION:{round(seconds) + 1}\n#EXT-X-MEDIA-SEQUENCE:0\n"
            f'#EXT-X-MAP:URI="init.mp4"\n#EXTINF:{seconds},\nall.m4s\n#EXT-X-ENDLIST\n'
        ).encode()

    async def _send(
        self, writer: asyncio.StreamWriter, status: int, kind: str, body: bytes, extra: str = ""
    ) -> bool:
        head = (
            f"HTTP/1.1 {status} Answer\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        )
        if extra.startswith("bytes "):
            head += f"Content-Range: {extra}\r\n"
        elif extra:
            head += f"Content-Security-Policy: {extra}\r\n"
        await self._carry(writer, head.encode() + b"\r\n" + body)
        return True

    async def _range(self, writer: asyncio.StreamWriter, body: bytes, headers: str) -> bool:
        asked = re.search(r"range: bytes=(\d+)-(\d+)", headers)
        if asked is None:
            return await self._send(writer, 200, "audio/mp4", body)
        first, last = int(asked[1]), min(int(asked[2]), len(body) - 1)
        extra = f"bytes {first}-{last}/{len(body)}"
        return await self._send(writer, 206, "audio/mp4", body[first : last + 1], extra)

    async def _live(
        self, writer: asyncio.StreamWriter, rendition: str, query: dict[str, str]
    ) -> None:
        chosen = sound(rendition)
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: audio/mp4\r\nTransfer-Encoding: chunked\r\n"
            b"Cache-Control: no-store\r\n\r\n"
        )
        card = lambda: emsg("urn:stentor:card:1", json.dumps(self.card).encode())  # noqa: E731
        preface = card()
        if self.cadence_ms != 200:
            preface += self._cadence({"cadence_ms": self.cadence_ms, "in_ms": 0})
        await self._carry(writer, _chunk(preface))
        at = self._from(query)
        begun = False
        self._answered += 1
        number = self._answered
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            for offset in range(at, len(self.log)):
                kind, what = self.log[offset]
                if kind == "part":
                    data = b"" if begun else chosen.init
                    begun = True
                    data += chosen.part(int(str(what)))
                elif kind == "card":
                    data = card()
                elif kind == "rendition":
                    told = json.loads(json.dumps(what))
                    if rendition != told["asked"]:
                        data = b""
                    else:
                        chosen = sound(told["rendition"])
                        data = emsg("urn:stentor:rendition:1", json.dumps(told).encode())
                        data += chosen.init
                elif kind == "news":
                    data = b""
                elif kind == "cadence":
                    data = self._cadence(what)
                else:
                    data = emsg("urn:stentor:event:1", json.dumps(what).encode())
                await self._carry(writer, _chunk(data + cursor_box(self.epoch, offset + 1)))
                at = offset + 1
            if at < len(self.log):
                continue
            if number <= self.taken_over:
                last = emsg("urn:stentor:lease:1", b'{"ended": "elsewhere"}')
                writer.write(_chunk(last) + b"0\r\n\r\n")
                return
            if self.ended:
                writer.write(b"0\r\n\r\n")
                return
            news = self._news
            await news.wait()
            while self.silent or number <= self.dead:
                await asyncio.sleep(0.05)
            if self.cadence_ms > 200:
                due = max(due + self.cadence_ms / 1_000, loop.time())
                await asyncio.sleep(due - loop.time())

    def _cadence(self, told: object) -> bytes:
        return emsg("urn:stentor:cadence:1", json.dumps(told).encode())

    def _from(self, query: dict[str, str]) -> int:
        """Where in the log a live response begins."""
        if "cursor" in query:
            return int(query["cursor"].split(".")[1])
        parts = [k for k, (kind, _) in enumerate(self.log) if kind == "part"]
        if "from" in query:
            wanted = int(query["from"]) // PART_SAMPLES
            held = [k for k in parts if int(str(self.log[k][1])) >= wanted]
            return held[0] if held else len(self.log)
        return parts[-self._join_parts] if len(parts) >= self._join_parts else len(self.log)

    @property
    def _join_parts(self) -> int:
        return max(2, -(-self.cadence_ms // 200) + 1)

    async def _carry(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        """Send, as fast as the path carries it; all connections share it."""
        if not self.bytes_per_s:
            writer.write(data)
            return await writer.drain()
        for at in range(0, len(data), PIECE_BYTES):
            async with self._path:
                writer.write(data[at : at + PIECE_BYTES])
                await writer.drain()
                if self.bytes_per_s:
                    await asyncio.sleep(len(data[at : at + PIECE_BYTES]) / self.bytes_per_s)
        return None


def _chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"
