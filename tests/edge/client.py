"""A listener and a visitor on real sockets: answers read strictly, live responses box by box."""

import asyncio
import json
import ssl
import struct
from dataclasses import dataclass, field

from stentor.record import Cursor


@dataclass
class Heard:
    """One HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes = b""

    def json(self) -> dict:
        return json.loads(self.body)


class Visitor:
    """One connection to the door."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def to(cls, port: int, tls: ssl.SSLContext | None = None) -> "Visitor":
        name = "localhost" if tls else None
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=tls, server_hostname=name, limit=4 << 20
        )
        return cls(reader, writer)

    def write(self, data: bytes | str) -> None:
        self.writer.write(data if isinstance(data, bytes) else data.encode())

    async def get(self, target: str, *headers: str, method: str = "GET") -> Heard:
        lines = [f"{method} {target} HTTP/1.1", "Host: localhost", *headers, "", ""]
        self.write("\r\n".join(lines))
        return await self.answer(silent=method == "HEAD")

    async def head(self) -> Heard:
        """An answer's head alone."""
        text = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        start, *lines = text[:-4].split("\r\n")
        pairs = [line.split(": ", 1) for line in lines]
        headers = {name.lower(): value for name, value in pairs}
        assert len(headers) == len(pairs), "no header comes twice"
        return Heard(int(start.split(" ")[1]), headers)

    async def answer(self, *, silent: bool = False) -> Heard:
        heard = await self.head()
        if silent or heard.status in {204, 304} or heard.status < 200:
            return heard
        if heard.headers.get("transfer-encoding") == "chunked":
            while piece := await self.chunk():
                heard.body += piece
        elif "content-length" in heard.headers:
            heard.body = await self.reader.readexactly(int(heard.headers["content-length"]))
        else:
            heard.body = await self.reader.read()
        return heard

    async def chunk(self) -> bytes:
        """One chunk's content; empty at the last."""
        size = int((await self.reader.readuntil(b"\r\n"))[:-2], 16)
        data = await self.reader.readexactly(size)
        assert await self.reader.readexactly(2) == b"\r\n"
        return data

    async def at_end(self) -> bool:
        """Wait until the server has closed; whether it said nothing more."""
        try:
            return not await self.reader.read(1)
        except ConnectionError:
            return True

    async def close(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except (OSError, ssl.SSLError):
            return


def boxes(data: bytes) -> list[tuple[str, bytes]]:
    """Whole boxes, by type."""
    found = []
    while data:
        size, kind = struct.unpack_from(">I4s", data)
        assert 8 <= size <= len(data), "a chunk ends with a box"
        found.append((kind.decode(), data[:size]))
        data = data[size:]
    return found


@dataclass
class Live:
    """What a live response has brought so far, taken apart."""

    cards: list[dict] = field(default_factory=list)
    events: list[dict] = field(default_factory=list)
    leases: list[dict] = field(default_factory=list)
    init: bytes = b""
    parts: list[bytes] = field(default_factory=list)
    cursor: Cursor | None = None

    def take(self, data: bytes) -> None:
        """One chunk's content."""
        found = boxes(data)
        for number, (kind, content) in enumerate(found):
            match kind:
                case "emsg":
                    scheme, _, rest = content[32:].partition(b"\0")
                    message = json.loads(rest.partition(b"\0")[2])
                    told = {b"card": self.cards, b"lease": self.leases}
                    told.get(scheme.split(b":")[2], self.events).append(message)
                case "ftyp":
                    assert found[number + 1][0] == "moov"
                    self.init = content + found[number + 1][1]
                case "moof":
                    assert found[number + 1][0] == "mdat"
                    self.parts.append(content + found[number + 1][1])
                case "skip":
                    tag, epoch, offset = struct.unpack(">4sIQ", content[8:])
                    assert tag == b"stcu"
                    self.cursor = Cursor(epoch, offset)
                case _:
                    assert kind in {"moov", "mdat"}, kind


class Listener(Visitor):
    """A visitor who stays."""

    live: Live

    async def begin(self, target: str, *headers: str) -> Heard:
        self.live = Live()
        self.write("\r\n".join([f"GET {target} HTTP/1.1", "Host: localhost", *headers, "", ""]))
        return await self.head()

    async def until(self, parts: int) -> Live:
        """Listen until so many parts have come in all."""
        while len(self.live.parts) < parts:
            self.live.take(await self.chunk())
        return self.live

    async def to_end(self) -> Live:
        """Listen until the response has ended as it should."""
        while data := await self.chunk():
            self.live.take(data)
        return self.live
