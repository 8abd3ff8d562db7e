"""What stands before the edge: nothing, Varnish or nginx; and a count of what the edge is asked."""

import asyncio
import contextlib
import re
import shutil
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from stentor.errors import Unavailable

VCL = Path(__file__).parents[2] / "docs" / "operating" / "varnish.vcl"
START_S = 10.0
PIECE_BYTES = 64 * 1024
_REQUEST = re.compile(rb"(?:GET|HEAD) (\S+) HTTP/1.1\r\n")
NGINX = """
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log warn;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    proxy_cache_path {folder}/cache keys_zone=hls:1m;
    proxy_temp_path {folder}/temporary;
    client_body_temp_path {folder}/bodies;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream stentor {{ server 127.0.0.1:{edge}; keepalive 64; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            proxy_pass http://stentor;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_cache hls;
            proxy_cache_lock on;
            proxy_cache_lock_timeout 20s;
            proxy_cache_lock_age 20s;
            proxy_read_timeout 20s;
        }}
    }}
}}
"""


class Origin:
    """The edge as a cache finds it: carries connections on, and counts what is asked; `async with`.

    Attributes:
        port: where the cache finds it.
        asked: how often each address was asked for.
    """

    def __init__(self, edge: int) -> None:
        self.asked: Counter[str] = Counter()
        self._edge = edge

    async def __aenter__(self) -> "Origin":
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.CancelledError):  # the end of the measurement
            await self._carry_all(reader, writer)

    async def _carry_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, onward = await asyncio.open_connection("127.0.0.1", self._edge)
        back = asyncio.create_task(self._pour(there, writer))
        with contextlib.suppress(OSError):
            while piece := await reader.read(PIECE_BYTES):
                # A cache sends a head in one piece.
                self.asked.update(found.decode() for found in _REQUEST.findall(piece))
                onward.write(piece)
        onward.close()
        await back

    @staticmethod
    async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(PIECE_BYTES):
                writer.write(piece)
                await writer.drain()
        writer.close()


@contextlib.contextmanager
def direct(edge: int, folder: Path) -> Iterator[int]:
    """Nothing between: everybody asks the edge."""
    yield edge


@contextlib.contextmanager
def varnish(edge: int, folder: Path) -> Iterator[int]:
    """Varnish with the configuration of docs/operating: the port of it.

    Raises:
        Unavailable: `bench.program`.
    """
    port, configuration = free_port(), folder / "varnish.vcl"
    configuration.write_text(VCL.read_text().replace('"8080"', f'"{edge}"'))
    with contextlib.ExitStack() as stack:
        kept = ("-n", str(folder / "varnish"), "-s", "malloc,64m", "-f", str(configuration))
        started(stack, "varnishd", "-F", "-a", f"127.0.0.1:{port}", *kept)
        answers(port)
        yield port


@contextlib.contextmanager
def nginx(edge: int, folder: Path) -> Iterator[int]:
    """Nginx with its cache lock: the port of it.

    Raises:
        Unavailable: `bench.program`.
    """
    port, work = free_port(), folder / "nginx"
    work.mkdir()
    configuration = work / "nginx.conf"
    configuration.write_text(NGINX.format(folder=work, edge=edge, port=port))
    with contextlib.ExitStack() as stack:
        errors = ("-e", str(work / "error.log"))
        started(stack, "nginx", "-p", str(work), "-c", str(configuration), *errors)
        answers(port)
        yield port


def started(stack: contextlib.ExitStack, name: str, *arguments: str) -> int:
    """Run a program until the stack is left; its process.

    Raises:
        Unavailable: `bench.program` when it is not installed.
    """
    program = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if program is None:
        raise Unavailable(
            "bench.program", f"{name} is missing: scripts/packages.sh bench (as root)"
        )
    process = subprocess.Popen(
        [program, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    stack.callback(process.wait)
    stack.callback(process.terminate)
    return process.pid


def answers(port: int) -> None:
    """Wait until somebody answers there.

    Raises:
        Unavailable: `bench.program` when nobody does.
    """
    for _ in range(round(START_S / 0.05)):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise Unavailable("bench.program", f"Nothing answers at port {port}.")


def free_port() -> int:
    """A port nobody uses."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])
