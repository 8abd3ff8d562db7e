"""Edges and gates apart from each other, in threads and tasks of one process."""

import asyncio
import socket
import threading

from stentor.clock import SystemClock
from stentor.config import Settings
from stentor.edge.fanout import Fanout
from stentor.edge.server import Bounds, run_edge, serve_gate
from stentor.paths import Paths


class Edge:
    """The loop that sends, in a thread of its own as elsewhere in a process of its own."""

    def __init__(
        self, settings: Settings, paths: Paths, index: int, bounds: Bounds | None = None
    ) -> None:
        self.path = paths.socket(f"edge-{index}")
        self.fanout: Fanout | None = None
        begun = threading.Event()

        def started(fanout: Fanout) -> None:
            self.fanout = fanout
            begun.set()

        arguments = (settings, paths, SystemClock(), index, started)
        self._thread = threading.Thread(target=run_edge, args=arguments, kwargs={"bounds": bounds})
        self._thread.start()
        begun.wait()

    def stop(self) -> None:
        if self._thread.is_alive():
            assert self.fanout is not None
            self.fanout.stop()
            self._thread.join()

    def gate(self) -> socket.socket:
        """A connection to it, as gates have."""
        gate = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        gate.connect(str(self.path))
        return gate


async def serve_both(
    settings: Settings,
    paths: Paths,
    stop: asyncio.Event,
    *,
    door: socket.socket,
    index: int = 0,
    aside: socket.socket | None = None,
    bounds: Bounds | None = None,
) -> None:
    """Be a gate and its edge until `stop` is set."""
    edge = Edge(settings, paths, index, bounds)
    try:
        await serve_gate(
            *(settings, paths, SystemClock(), stop),
            door=door,
            index=index,
            aside=aside,
            bounds=bounds,
        )
    finally:
        await asyncio.to_thread(edge.stop)
