"""`make fresh`: how long a stranger waits for `make run`, the first time and later.

Clones this repository into a temporary folder and starts it there twice, exactly as the README
says. The last line is one JSON object, also written to build/fresh.json.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

FIRST_S_MAX = 180.0
AGAIN_S_MAX = 5.0


def free_port() -> int:
    """A TCP port nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def serve_once(clone: Path) -> tuple[float, float]:
    """`make run` until its page is there, then SIGINT; seconds until served, and until stopped."""
    port = free_port()
    flags = f"--data {clone}/data --listen 127.0.0.1:{port}"
    began = time.monotonic()
    process = subprocess.Popen(
        ["make", "run", f"ARGS={flags}"],
        cwd=clone,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        # It says so when every process is up; the page is asked for as well.
        if not any("Stentor is open at" in line for line in process.stdout):
            raise SystemExit("fresh: make run did not come up.")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
            assert answer.status == 200
        took = time.monotonic() - began
    finally:
        ending = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)  # what Ctrl-C does
        process.wait(20)
    return took, time.monotonic() - ending


def main() -> int:
    """Clone, start, start again; 0 when both are in time."""
    with tempfile.TemporaryDirectory(prefix="stentor-fresh-") as folder:
        clone = Path(folder) / "stentor"
        subprocess.run(["git", "clone", "--quiet", ".", str(clone)], check=True)
        first, _ = serve_once(clone)
        again, stopped = serve_once(clone)
    found = {
        "first_s": round(first, 1),
        "again_s": round(again, 2),
        "stop_s": round(stopped, 2),
        "ok": first <= FIRST_S_MAX and again <= AGAIN_S_MAX and stopped < 5.0,
    }
    Path("build").mkdir(exist_ok=True)
    line = json.dumps(found)
    Path("build/fresh.json").write_text(line + "\n")
    print(line)
    return 0 if found["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
