"""The smallest WHIP endpoint: one route, publishers behind it, problem documents for refusals."""

import asyncio
from collections.abc import Callable

from stentor import problem
from stentor.clock import Clock, SystemClock
from stentor.config import Settings
from stentor.errors import StentorError
from stentor.stage.ports import Ports
from stentor.stage.publisher import Publisher

Packet = tuple[int, int, bytes, float]


class WhipDoor:
    """Use it with `async with`; publishers and their packets are kept in order of arrival."""

    def __init__(self, settings: Settings | None = None, clock: Clock | None = None) -> None:
        self.ports = Ports.of(settings or Settings())
        self.clock = clock or SystemClock()
        self.publishers: list[Publisher] = []
        self.packets: list[Packet] = []
        self.opened: Callable[[Publisher], None] | None = None
        """Called before the answer is sent: the moment an attacker could wish for."""
        self.url = ""
        self._arrived = asyncio.Event()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> "WhipDoor":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/stage/000000000000/whip"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()
        for publisher in self.publishers:
            await publisher.close()

    async def publish(self, offer: str) -> Publisher:
        """As by HTTP, without HTTP."""
        publisher = await Publisher.open(offer, self.ports, self.clock, self._packet)
        self.publishers.append(publisher)
        if self.opened is not None:
            self.opened(publisher)
        return publisher

    async def wait_packets(self, count: int, timeout: float = 10.0) -> None:
        """Wait until `count` packets have arrived since the beginning."""
        async with asyncio.timeout(timeout):
            while len(self.packets) < count:
                self._arrived.clear()
                await self._arrived.wait()

    def _packet(self, sequence: int, timestamp: int, payload: bytes, now: float) -> None:
        self.packets.append((sequence, timestamp, payload, now))
        self._arrived.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        request, *lines = head.split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in lines if line)
        body = await reader.readexactly(int(fields.get("content-length", 0)))
        method, path, _ = request.split(" ")
        if method == "POST":
            status, extra, answer = await self._post(body.decode())
        else:
            status, extra, answer = 200, "", b""
            for publisher in self.publishers:
                if path.endswith(publisher.session):
                    await publisher.close()
        length = f"Content-Length: {len(answer)}\r\nConnection: close\r\n\r\n"
        writer.write(f"HTTP/1.1 {status} .\r\n{extra}{length}".encode() + answer)
        await writer.drain()
        writer.close()

    async def _post(self, offer: str) -> tuple[int, str, bytes]:
        try:
            publisher = await self.publish(offer)
        except StentorError as error:
            return problem.status_of(error), "", problem.body_of(error)
        path = f"/stage/000000000000/whip/{publisher.session}"
        return 201, f"Location: {path}\r\n", publisher.answer.encode()
