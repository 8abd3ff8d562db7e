"""A gate and its edge to be measured: `python -m bench.hls.edge DATA PORT`, until it is ended."""

import asyncio
import signal
import socket
import sys
from pathlib import Path

import uvloop

from stentor.config import Settings
from stentor.paths import Paths
from tests.edge.apart import serve_both


async def main(data: str, port: str) -> None:
    """Serve the logs in a data directory on a port of this machine."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    with socket.create_server(("127.0.0.1", int(port)), backlog=4_096) as door:
        paths = Paths(Path(data))
        settings = Settings(data_dir=data)
        await serve_both(settings, paths, stop, door=door)


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
