"""The stage as a process: its Spaces, its beat and its socket, until it is told to stop."""

import asyncio

from stentor.clock import Clock
from stentor.config import Settings
from stentor.paths import Paths
from stentor.stage.asgi import Server, application, listening
from stentor.stage.stage import Stage


async def serve(settings: Settings, paths: Paths, clock: Clock, stop: asyncio.Event) -> None:
    """Be the stage until `stop` is set; live Spaces are left so that the next one takes them up.

    Raises:
        Unavailable: the data directory cannot be used.
        Refused: `config.invalid`.
    """
    stage = Stage(settings, paths, clock)
    server = Server(application(stage))
    with listening(paths.socket("stage")) as listener:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await stage.run(stop)
        finally:
            await stage.close()
            server.should_exit = True
            await serving
