"""The least that Python needs to check a ticket and issue the next: a measure for the gate.

One loop over one epoll; the system calls a gate needs, the two signatures, the ticket cut out of
the request, one answer, and as at a gate the connection ends with it. No parser, no shield, no
counts, no notion of a Space but its name: nothing a real gate could leave out, and nothing it has
to do beside.

    python -m bench.door.floor DATA PORT ANSWER

ANSWER is a file with what a gate sends, `@` in place of the ticket.
"""

import os
import select
import socket
import sys
import time
from pathlib import Path

from bench.edge.programme import SPACE
from stentor.gate import tickets
from stentor.gate.signing import day_keys
from stentor.paths import Paths

_BACKLOG = 4_096
_EVENTS = 512
_MARK = b"stentor-ticket="


class Floor:
    """Answers whoever shows a ticket."""

    def __init__(self, data: str, port: int, answer: bytes) -> None:
        """Listen. Args: answer: what a gate sends, `@` in place of the ticket."""
        self._keys = day_keys(Paths(data).keyring(), time.time())
        self._before, self._after = answer.split(b"@")
        self._door = socket.create_server(("127.0.0.1", port), backlog=_BACKLOG)
        self._door.setblocking(False)
        self._epoll = select.epoll()
        self._epoll.register(self._door, select.EPOLLIN)

    def serve(self) -> None:
        """Until the process is told to end."""
        door, epoll = self._door.fileno(), self._epoll
        while True:
            for descriptor, _ in epoll.poll(-1, _EVENTS):
                if descriptor == door:
                    self._accept()
                else:
                    self._hear(descriptor)

    def _accept(self) -> None:
        accept = self._door._accept  # type: ignore[attr-defined]
        try:
            while True:
                descriptor, _ = accept()
                os.set_blocking(descriptor, False)
                try:
                    self._answer(descriptor, os.read(descriptor, 4_096))
                except BlockingIOError:
                    self._epoll.register(descriptor, select.EPOLLIN)
                    continue
                except OSError:
                    pass
                os.close(descriptor)
        except OSError:
            return

    def _hear(self, descriptor: int) -> None:
        try:
            data = os.read(descriptor, 4_096)
            if data:
                self._answer(descriptor, data)
        except OSError:
            pass
        os.close(descriptor)

    def _answer(self, descriptor: int, data: bytes) -> None:
        text = data.partition(_MARK)[2].partition(b"\r")[0].decode()
        now_s = time.time()
        found = tickets.read(text, SPACE, self._keys.valid, now_s)
        number = found.number if isinstance(found, tickets.Ticket) else 1
        again = tickets.Ticket(SPACE, number, int(now_s) + 120)
        os.write(descriptor, self._before + tickets.issue(again, self._keys).encode() + self._after)


if __name__ == "__main__":
    Floor(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]).read_bytes()).serve()
