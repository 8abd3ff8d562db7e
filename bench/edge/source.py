"""A source client for Icecast: the same bits at the same interval as every other server here.

python -m bench.edge.source PORT INTERVAL_MS
"""

import base64
import socket
import sys
import time

from bench.edge.programme import BITRATE, stamp

MOUNT = "/live"
PASSWORD = "benchmark"


def main() -> None:
    """Send until ended."""
    port, interval_s = int(sys.argv[1]), int(sys.argv[2]) / 1_000
    pause = bytes(int(BITRATE * interval_s / 8) - len(stamp()))
    with socket.create_connection(("127.0.0.1", port)) as server:
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        who = base64.b64encode(f"source:{PASSWORD}".encode()).decode()
        head = f"SOURCE {MOUNT} HTTP/1.0\r\nAuthorization: Basic {who}\r\n"
        server.sendall(f"{head}Content-Type: audio/mpeg\r\nIce-Public: 0\r\n\r\n".encode())
        answer = server.recv(4_096)
        if b" 200 " not in answer:
            raise SystemExit(f"Icecast does not take the source: {answer!r}")
        print("ready", flush=True)
        due = time.monotonic()
        while True:
            server.sendall(stamp() + pause)
            due += interval_s
            time.sleep(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    main()
