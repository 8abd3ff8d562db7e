"""Many listeners at once, some of them bad, and edges that die under them."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable

import pytest

from stentor.edge.conversation import Deadlines
from stentor.paths import Paths
from stentor.record import Rendition
from tests.edge.client import Listener
from tests.edge.conftest import Running, listening
from tests.edge.programme import SPACE, Programme

CROWD = 500
LIVE = f"GET /s/{SPACE}/live/opus HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def small_socket(port: int, kept_bytes: int) -> socket.socket:
    """A client whose kernel keeps little for it."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, kept_bytes)
    client.connect(("127.0.0.1", port))
    client.sendall(LIVE)
    client.setblocking(False)
    return client


async def test_five_hundred_listeners_hear_the_same_whatever_a_few_do(
    start: Callable[..., Running], programme: Programme
) -> None:
    running = start(stuck_s=1.0, deadlines=Deadlines())
    programme.begin()
    programme.play(2)
    stopped = small_socket(running.port, 2_048)  # never reads
    slow = small_socket(running.port, 32_768)  # reads less than there is
    crowd = [await running.listen() for _ in range(CROWD)]
    for listener in crowd:
        await listener.until(2)
    sipped = b""
    while not (await running.health())["dropped"]["stuck"]:
        programme.play(10)
        await asyncio.gather(*(one.until(programme.played) for one in crowd[:3]))
        with contextlib.suppress(BlockingIOError):
            sipped += slow.recv(8_192)
        await asyncio.sleep(0.05)
    programme.end()
    everything = programme.payloads(Rendition.OPUS)
    for listener in crowd:
        assert (await listener.to_end()).parts == everything
    health = await running.health()
    assert {why: count for why, count in health["dropped"].items() if count} == {"stuck": 1}
    assert sipped.startswith(b"HTTP/1.1 200 OK")
    stopped.close()
    slow.close()


EDGE = """
import asyncio, socket, sys
from stentor.config import Settings
from stentor.paths import Paths
from tests.edge.apart import serve_both

data, descriptor, index = sys.argv[1:]
door = socket.socket(fileno=int(descriptor))
door.setblocking(False)

async def main():
    await serve_both(Settings(data_dir=data), Paths(data), asyncio.Event(),
                     door=door, index=int(index))

asyncio.run(main())
"""


async def spawn(paths: Paths, door: socket.socket, index: int) -> asyncio.subprocess.Process:
    environment = {**os.environ, "PYTHONPATH": "src:."}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", EDGE, str(paths.data), str(door.fileno()), str(index),
        pass_fds=[door.fileno()], env=environment,
    )  # fmt: skip


async def test_an_edge_dies_and_its_listeners_go_on_at_another(
    paths: Paths, programme: Programme
) -> None:
    programme.begin()
    programme.play(3)
    with listening() as door:
        port = door.getsockname()[1]
        edges = [await spawn(paths, door, index) for index in range(2)]
        crowd: list[Listener] = []
        homes: list[int] = []
        while len(set(homes)) < 2 or len(crowd) < 40:
            listener = await Listener.to(port)
            listener.write("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            homes.append((await listener.answer()).json()["edge"])
            assert (await listener.begin(f"/s/{SPACE}/live/opus")).status == 200
            await listener.until(2)
            crowd.append(listener)
        edges[0].send_signal(signal.SIGKILL)
        await edges[0].wait()
        programme.play(4)
        for listener, home in zip(crowd, homes, strict=True):
            if home == 0:
                with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                    await listener.until(6)
                again = await Listener.to(port)
                await again.begin(f"/s/{SPACE}/live/opus?cursor={listener.live.cursor}")
                missing = 6 - len(listener.live.parts)
                heard = listener.live.parts + (await again.until(missing)).parts
                await again.close()
            else:
                heard = (await listener.until(6)).parts
            assert heard == programme.payloads(Rendition.OPUS)[1:]
            await listener.close()
        edges[1].terminate()
        await edges[1].wait()
