"""The stage as a process: its Spaces, its beat and its socket, until it is told to stop."""

import asyncio
import sys

from stentor.clock import Clock
from stentor.config import Settings
from stentor.paths import Paths
from stentor.stage.asgi import Server, application, listening
from stentor.stage.stage import Stage

SWITCH_INTERVAL_S = 0.0005
"""The threads of recorders and of those who walk logs give the interpreter back to the beat after
so long; with the default of 5 ms a beat waits that long several times over."""


async def serve(settings: Settings, paths: Paths, clock: Clock, stop: asyncio.Event) -> None:
    """Be the stage until `stop` is set; live Spaces are left so that the next one takes them up.

    Raises:
        Unavailable: the data directory cannot be used.
        Refused: `config.invalid`.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    stage = Stage(settings, paths, clock)
    server = Server(application(stage))
    with listening(paths.socket("stage")) as listener:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await stage.run(stop)
        finally:
            server.should_exit = True
            await stage.close()
            await serving
