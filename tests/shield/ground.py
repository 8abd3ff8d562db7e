"""A network of its own for tests that tell the kernel something: one namespace, many addresses."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

DOOR = "10.77.0.1"
"""Where a door is in the namespace; all of 10.77.0.0/16 is this machine there."""

RUSH = 60
"""Connections at once, by which it is seen whether somebody is kept out: a few always get in."""

_CALL = """
import select, socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
for source in sys.argv[4:]:
    all = []
    for _ in range(int(sys.argv[3])):
        one = socket.socket(family, socket.SOCK_STREAM)
        one.setblocking(False)
        one.bind((source, 0))
        one.connect_ex((sys.argv[1], int(sys.argv[2])))
        all.append(one)
    poll = select.poll()
    for one in all:
        poll.register(one, select.POLLOUT)
    met = set()
    while len(met) < len(all) and (found := poll.poll(300)):
        for number, _ in found:
            met.add(number)
            poll.unregister(number)
    some = "some" if len(met) > len(all) / 2 else "out"
    print("in" if len(met) == len(all) else some, flush=True)
    for one in all:
        one.close()
"""
_ECHO = """
import socket, sys, threading
door = socket.create_server(("::", int(sys.argv[1])), family=socket.AF_INET6, backlog=1024,
                            dualstack_ipv6=True)
print("open", flush=True)
def serve(one):
    while data := one.recv(100):
        one.sendall(data)
while True:
    threading.Thread(target=serve, args=(door.accept()[0],), daemon=True).start()
"""
_STAY = """
import socket, sys
one = socket.create_connection((sys.argv[1], int(sys.argv[2])), source_address=(sys.argv[3], 0))
print("in", flush=True)
for line in sys.stdin:
    one.sendall(b"x")
    print(one.recv(1).decode(), flush=True)
"""


@dataclass
class Ground:
    """A namespace, and what was started in it."""

    name: str
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command in it to its end."""
        full = ["ip", "netns", "exec", self.name, *command]
        return subprocess.run(full, capture_output=True, text=True, check=check, timeout=30).stdout

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start a command in it; it is ended with the test."""
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        one = subprocess.Popen(["ip", "netns", "exec", self.name, *command], **pipes)
        self.started.append(one)
        return one

    def echo(self, port: int) -> None:
        """A server that says what it hears."""
        one = self.start(sys.executable, "-c", _ECHO, str(port))
        assert one.stdout.readline() == "open\n"

    def stay(self, port: int, source: str) -> subprocess.Popen[str]:
        """A client that stays connected, and has each line of its input echoed."""
        one = self.start(sys.executable, "-c", _STAY, DOOR, str(port), source)
        assert one.stdout.readline() == "in\n"
        return one

    def call(self, port: int, *sources: str) -> list[str]:
        """A rush from each of these addresses: who got `in`, and who stayed `out`."""
        to = "fd77::1" if ":" in sources[0] else DOOR
        return self.run(sys.executable, "-c", _CALL, to, str(port), str(RUSH), *sources).split()

    def tables(self) -> str:
        return self.run("nft", "list", "tables")


@contextlib.contextmanager
def ground() -> Iterator[Ground]:
    """Make a namespace; skips where that cannot be."""
    if os.geteuid() != 0:
        pytest.skip("only root can make a network namespace")
    if not shutil.which("nft", path="/usr/sbin:/usr/bin") or not shutil.which("ip"):
        pytest.skip("nft or ip is not installed (scripts/packages.sh installs them)")
    name = f"stentor-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], check=False, capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"no network namespace can be made: {made.stderr.strip()}")
    one = Ground(name)
    try:
        for line in (
            "link set lo up",
            "route add local 10.77.0.0/16 dev lo",
            "-6 route add local fd77::/48 dev lo",
        ):
            subprocess.run(["ip", "-n", name, *line.split()], check=True)
        one.run("sysctl", "-qw", "net.ipv6.ip_nonlocal_bind=1", "net.ipv4.ip_nonlocal_bind=1")
        yield one
    finally:
        for process in one.started:
            process.terminate()
        for process in one.started:
            process.wait(10)
            for pipe in (process.stdin, process.stdout):
                pipe.close()
        subprocess.run(["ip", "netns", "del", name], check=True)
