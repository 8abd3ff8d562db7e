"""`stentor serve` as real processes: start, restart, take over from a dead supervisor, stop."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stentor.clock import SystemClock
from stentor.demo.house import House

CLOCK = SystemClock()


def eventually(condition: Callable[[], object], seconds: float = 8.0) -> None:
    """Wait for something that another process does."""
    deadline = CLOCK.now() + seconds
    while not condition():
        assert CLOCK.now() < deadline, "it did not come about in time"
        time.sleep(0.02)


def serve(*flags: str) -> subprocess.CompletedProcess[str]:
    """`stentor serve` that is expected to give up at once."""
    command = [sys.executable, "-m", "stentor", "serve", *flags]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path / "data", CLOCK)
    house.start()
    yield house
    house.stop()


def answers(house: House) -> bool:
    host, _, port = house.listen.partition(":")
    with socket.create_connection((host, int(port)), timeout=2) as door:
        door.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return door.recv(64).startswith(b"HTTP/1.1 200")


def test_every_process_comes_back_and_sigterm_ends_all_in_time(house: House) -> None:
    assert house.setup_link.startswith("http")
    for name in ("stage", "radio", "web", "edge-0", "edge-1"):
        before = house.kill(name)
        eventually(lambda name=name, before=before: house.pid(name) not in {None, before})
    eventually(lambda: answers(house))
    names = ("serve", "stage", "radio", "web", "edge-0", "edge-1")
    assert house.stop() < 5.0
    assert [house.pid(name) for name in names] == [None] * 6


def test_a_second_node_on_the_same_data_or_port_is_refused_clearly(
    house: House, tmp_path: Path
) -> None:
    same_data = serve("--data", str(house.data), "--listen", "127.0.0.1:1")
    assert same_data.returncode == 2
    assert "already runs" in same_data.stderr
    same_port = serve("--data", str(tmp_path / "other"), "--listen", house.listen)
    assert same_port.returncode == 2
    assert "is in use" in same_port.stderr
    assert "--listen" in same_port.stderr


def test_orphans_go_on_and_the_next_node_takes_over(house: House) -> None:
    orphan = house.pid("edge-0")
    house.kill("serve")
    assert answers(house)
    assert house.pid("edge-0") == orphan
    house.start()
    assert answers(house)
    assert house.pid("edge-0") not in {None, orphan}


def test_an_unwritable_data_directory_is_refused_clearly(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    refused = serve("--data", str(tmp_path / "file" / "data"))
    assert refused.returncode == 2
    assert "--data" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_interrupting_a_node_ends_its_processes(tmp_path: Path) -> None:
    house = House(tmp_path / "data", CLOCK)
    house.start()
    os.kill(house.pid("serve") or 0, signal.SIGINT)
    eventually(lambda: house.pid("serve") is None)
    assert house.pid("stage") is None
    house.stop()
