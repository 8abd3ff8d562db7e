"""A TCP door before a process's Unix socket, for clients that only speak TCP."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

PIECE_BYTES = 64 * 1024


@asynccontextmanager
async def bridge(path: Path) -> AsyncIterator[int]:
    """Carry connections to a loopback port over to the Unix socket at `path`; gives the port."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(str(path))
        with suppress(OSError):
            await asyncio.gather(_pour(reader, back), _pour(there, writer))

    server = await asyncio.start_server(carry, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(PIECE_BYTES):
            writer.write(piece)
            await writer.drain()
    finally:
        writer.close()
