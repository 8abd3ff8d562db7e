"""A whole node that is flooded: its gate tells the kernel, and goes on when nobody listens."""

import json
import os
import signal
import sys
import time
from pathlib import Path

from stentor import node
from stentor.paths import Paths
from tests.shield.ground import DOOR, ground
from tests.shield.test_kernel import PORT, banned, wait_for

_NONSENSE = """
import socket, sys
while True:
    one = socket.socket()
    one.bind((sys.argv[1], 0))
    one.settimeout(0.5)
    try:
        one.connect(("10.77.0.1", 8080))
        one.sendall(b"nonsense\\r\\n\\r\\n")
        one.recv(100)
    except OSError:
        pass
    one.close()
"""
_ASK = """
import sys, urllib.request
print(urllib.request.urlopen(f"http://{sys.argv[1]}:8080/healthz", timeout=5).read().decode())
"""


def test_a_flood_is_handed_to_the_kernel_and_the_gate_goes_on_without(tmp_path: Path) -> None:
    paths = Paths(tmp_path / "data")
    with ground() as here:
        flags = ["--listen", f"0.0.0.0:{PORT}", "--edges", "1", "--udp-listen", "127.0.0.1"]
        serve = [sys.executable, "-m", "stentor", "serve", "--data", str(paths.data), *flags]
        announced = here.start(*serve)
        while "Data in" not in announced.stdout.readline():
            pass
        wait_for(lambda: f"stentor-{PORT}" in here.tables(), "the table")

        def health() -> dict[str, int]:
            return json.loads(here.run(sys.executable, "-c", _ASK, "127.0.0.1"))["shield"]

        wait_for(lambda: health()["kernel"], "the gate's line to the helper")
        flood = here.start(sys.executable, "-c", _NONSENSE, "10.77.3.3")
        wait_for(lambda: "10.77.3.3" in banned(here), "the ban")
        flood.kill()
        assert here.call(PORT, "10.77.3.3", "10.77.3.4") == ["out", "in"]
        assert health()["kept_out"] == 1
        held = node.lock_holder(paths.run / "shield.lock")
        assert held
        os.kill(held, signal.SIGKILL)
        wait_for(lambda: not here.tables(), "the end of the table")
        assert json.loads(here.run(sys.executable, "-c", _ASK, DOOR))["shield"]["bans"] == 1
        assert here.call(PORT, "10.77.3.3") == ["in"], "the gate closes it, the kernel does not"
        wait_for(lambda: "10.77.3.3" in banned(here), "the ban, told to the next helper")
        began = time.monotonic()
        announced.terminate()
        announced.wait(10)
        assert time.monotonic() - began < 8.0
        assert not here.tables()
