"""A process behind the door: answers what a test tells it to, on a Unix socket."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

Behave = Callable[[bytes, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Upstream:
    """Hands each connection to `behave`, with its head and body; remembers them."""

    def __init__(self, path: Path, behave: Behave) -> None:
        self.path = path
        self.behave = behave
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> "Upstream":
        self._server = await asyncio.start_unix_server(self._serve, str(self.path))
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for writer in list(self._writers):
            writer.close()
        await self._server.wait_closed()
        self.path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.heads.append(head)
            length = 0
            for line in head.lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    length = int(line.partition(b":")[2])
            self.bodies.append(await reader.readexactly(length))
            await self.behave(head, reader, writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            self._writers.discard(writer)
            writer.close()

    def lines(self, number: int = -1) -> list[str]:
        """The lines of a head."""
        return self.heads[number].decode("latin-1").split("\r\n")


def saying(answer: bytes) -> Behave:
    """Always the same answer."""

    async def behave(_: bytes, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)

    return behave
