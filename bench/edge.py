"""What one edge costs: cores for each thousand listeners, lag, and joins a second.

    python -m bench.edge [--listeners 2000] [--seconds 20] [--joins-per-s 1000] [--flood]

An edge process on core 0, listeners on core 1, a real log filled every 200 ms by this process.
CPU is what the kernel counted for all threads of the edge; loopback bills it for the receivers'
half of TCP as well.
"""

import argparse
import os
import select
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from stentor.paths import Paths
from tests.edge.programme import SPACE, Programme

FLOOD = """
import os, socket, sys
os.nice(10)
os.sched_setaffinity(0, {1})
one = b"GET /healthz HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n"
clients = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for _ in range(8)]
while True:
    for client in clients:
        client.sendall(one * 40)
    for client in clients:
        seen = 0
        while seen < 40:
            seen += client.recv(65_536).count(b"HTTP/1.1 200")
"""
EDGE = """
import asyncio, os, socket, sys
import uvloop
from stentor import edge
from stentor.clock import SystemClock
from stentor.config import Settings
from stentor.paths import Paths
import resource
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
os.sched_setaffinity(0, {0})
data, descriptor, cert, key = sys.argv[1:]
door = socket.socket(fileno=int(descriptor))
door.setblocking(False)
async def main():
    await edge.serve(Settings(data_dir=data, tls_cert=cert, tls_key=key), Paths(data),
                     SystemClock(), asyncio.Event(), door=door, index=0)
uvloop.run(main())
"""


def cpu_s(process: int) -> float:
    """Seconds of CPU all threads of a process have had."""
    tasks = Path(f"/proc/{process}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


class Crowd:
    """Listeners on plain sockets, read as fast as they fill."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.epoll = select.epoll()
        self.sockets: dict[int, socket.socket] = {}
        self.began: dict[int, float] = {}
        self.first_byte_s: list[float] = []
        self.bytes = 0
        self.reads = 0
        self.ended = 0
        self.latency_s: list[float] = []
        self.part_at = 0.0

    def join(self) -> None:
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(("127.0.0.1", self.port))
        self.sockets[client.fileno()] = client
        self.began[client.fileno()] = time.monotonic()
        self.epoll.register(client.fileno(), select.EPOLLOUT)

    def turn(self, wait_s: float) -> None:
        for descriptor, event in self.epoll.poll(wait_s, 1_024):
            client = self.sockets[descriptor]
            if event & select.EPOLLOUT:
                client.send(f"GET /s/{SPACE}/live/opus HTTP/1.1\r\nHost: a\r\n\r\n".encode())
                self.epoll.modify(descriptor, select.EPOLLIN)
                continue
            try:
                data = client.recv(65_536)
            except BlockingIOError:
                continue
            if not data:
                self.ended += 1
                self.epoll.unregister(descriptor)
                continue
            self.bytes += len(data)
            self.reads += 1
            now = time.monotonic()
            if descriptor in self.began:
                self.first_byte_s.append(now - self.began.pop(descriptor))
            elif self.part_at:
                self.latency_s.append(now - self.part_at)


def main() -> None:
    """Measure and print."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--listeners", type=int, default=2_000)
    asked.add_argument("--seconds", type=float, default=20.0)
    asked.add_argument("--joins-per-s", type=int, default=1_000)
    asked.add_argument("--flood", action="store_true", help="ask for pages as fast as it goes")
    arguments = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = Paths(folder)
        paths.create()
        programme = Programme(paths)
        programme.begin()
        programme.play(5)
        door = socket.create_server(("127.0.0.1", 0), backlog=4_096)
        command = [sys.executable, "-c", EDGE, folder, str(door.fileno()), "", ""]
        environment = {**os.environ, "PYTHONPATH": "src"}
        edge = subprocess.Popen(command, pass_fds=[door.fileno()], env=environment)
        os.sched_setaffinity(0, {1})
        try:
            with socket.create_connection(door.getsockname()) as first:
                first.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
                first.recv(4_096)  # the edge is up
            measure(programme, edge.pid, Crowd(door.getsockname()[1]), arguments)
        finally:
            edge.terminate()
            edge.wait()


def measure(programme: Programme, edge: int, crowd: Crowd, arguments: argparse.Namespace) -> None:
    """Join, then listen, then say what it cost."""
    next_part = time.monotonic()

    def beat() -> None:
        nonlocal next_part
        if time.monotonic() >= next_part:
            crowd.part_at = time.monotonic()
            programme.play(1)
            next_part += 0.2

    began, cpu = time.monotonic(), cpu_s(edge)
    joined = 0
    while len(crowd.first_byte_s) < arguments.listeners:
        due = min(arguments.listeners, int((time.monotonic() - began) * arguments.joins_per_s) + 1)
        for _ in range(due - joined):
            crowd.join()
        joined = due
        beat()
        crowd.turn(0.001)
    took = time.monotonic() - began
    spent = cpu_s(edge) - cpu
    waits = sorted(crowd.first_byte_s)
    middle, late = waits[len(waits) // 2] * 1e3, waits[int(len(waits) * 0.99)] * 1e3
    print(
        f"joins: {arguments.listeners / took:.0f}/s, first byte p50 {middle:.1f} p99 {late:.1f} ms,"
        f" {spent / arguments.listeners * 1e6:.0f} us of CPU each (listening included)"
    )
    flood = None
    if arguments.flood:
        flood = subprocess.Popen([sys.executable, "-c", FLOOD, str(crowd.port)])
    crowd.latency_s.clear()
    began, cpu, reads, data = time.monotonic(), cpu_s(edge), crowd.reads, crowd.bytes
    while time.monotonic() - began < arguments.seconds:
        beat()
        crowd.turn(max(0.0, min(0.02, next_part - time.monotonic())))
    if flood:
        flood.kill()
        flood.wait()
    took = time.monotonic() - began
    cores = (cpu_s(edge) - cpu) / took
    latency = sorted(crowd.latency_s)
    sends = arguments.listeners * 5
    print(
        f"listening: {cores / arguments.listeners * 1e3:.4f} cores per 1000 at 200 ms, "
        f"{cores / sends * 1e6:.1f} us a send, latency p50 {statistics.median(latency) * 1e3:.0f} "
        f"p99 {latency[int(len(latency) * 0.99)] * 1e3:.0f} ms, "
        f"{(crowd.reads - reads) / took / arguments.listeners:.2f} reads and "
        f"{(crowd.bytes - data) / took / arguments.listeners:.0f} bytes a second each, "
        f"{crowd.ended} ended"
    )


if __name__ == "__main__":
    main()
