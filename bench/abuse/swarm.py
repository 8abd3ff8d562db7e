"""A swarm of attackers in a process of its own: one epoll loop over plain sockets.

    python -m bench.abuse.swarm OFFENCE PORT SECONDS

Opens the offence's connections at its rate, from addresses 127.7.x.y, lets each behave as its
`Talk` says, and stops after so many seconds, or earlier when the door has closed all of them.
The last line is a JSON object: connections opened, statuses heard, how many the door closed and
how long after their beginning.
"""

import contextlib
import json
import re
import resource
import select
import socket
import struct
import sys
import time

from bench.abuse.offences import OFFENCES, SLOW_READERS, Offence
from bench.abuse.talk import Talk

SOURCES = 1_000
IP_BIND_ADDRESS_NO_PORT = 24
TURN_S = 0.02
SIP_S = 0.2
READ_BYTES = 256 * 1024
RESET = struct.pack("ii", 1, 0)
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2}) ")


class Attacker:
    """One connection."""

    __slots__ = ("began", "dripped", "heard", "met", "read_at", "said", "socket", "talk")

    def __init__(self, talk: Talk, number: int, network: int, port: int) -> None:
        self.talk = talk
        self.began = self.dripped = self.read_at = time.monotonic()
        self.said = 0
        self.heard = 0
        self.met = False
        self.socket = socket.socket()
        self.socket.setblocking(False)
        if talk.receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, talk.receive_buffer)
        self.socket.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        source = number % SOURCES
        self.socket.bind((f"127.{network}.{source // 250}.{source % 250 + 1}", 0))
        self.socket.connect_ex(("127.0.0.1", port))

    @property
    def interest(self) -> int:
        """What it waits for."""
        more = not self.met or self.said < len(self.talk.says) or self.talk.floods
        hears = select.EPOLLIN if self.talk.reads < 0 else 0
        return hears | select.EPOLLRDHUP | (select.EPOLLOUT if more else 0)

    def speak(self) -> None:
        """Say what is still to be said."""
        self.met = True
        while self.said < len(self.talk.says):
            self.said += self.socket.send(self.talk.says[self.said :])
            if self.said == len(self.talk.says) and self.talk.floods:
                self.said = 0


class Swarm:
    """All attackers of one offence."""

    def __init__(self, offence: Offence, port: int) -> None:
        self.offence = offence
        self.port = port
        self.epoll = select.epoll()
        self.there: dict[int, Attacker] = {}
        self.opened = 0
        self.failed = 0
        self.statuses: dict[str, int] = {}
        self.closed_s: list[float] = []

    def run(self, seconds: float) -> None:
        """Attack, for so long at most."""
        began = time.monotonic()
        while (now := time.monotonic()) - began < seconds:
            due = int((now - began) * self.offence.rate) + 1
            if not self.offence.talk.again:
                due = min(self.offence.count, due)
                if self.opened == self.offence.count and not self.there:
                    break
            while self.opened < due and len(self.there) < self.offence.count:
                self.open()
            for descriptor, event in self.epoll.poll(TURN_S, 1_024):
                self.happened(self.there[descriptor], event)
            self.tick(now)

    def open(self) -> None:
        attacker = Attacker(self.offence.talk, self.opened, self.offence.network, self.port)
        self.opened += 1
        self.there[attacker.socket.fileno()] = attacker
        self.epoll.register(attacker.socket.fileno(), attacker.interest)

    def happened(self, attacker: Attacker, event: int) -> None:
        try:
            if event & select.EPOLLOUT:
                attacker.speak()
            if event & select.EPOLLIN:
                self.hear(attacker, READ_BYTES)
            if event & (select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR):
                while True:  # what came before the end
                    self.hear(attacker, READ_BYTES)
        except BlockingIOError:
            pass
        except OSError:
            self.closed(attacker)
            return
        self.go_on(attacker)

    def hear(self, attacker: Attacker, most: int) -> None:
        data = attacker.socket.recv(most)
        if not data:
            raise ConnectionResetError("the door has closed")
        attacker.heard += len(data)
        for status in _STATUS.findall(data):
            self.statuses[status.decode()] = self.statuses.get(status.decode(), 0) + 1

    def go_on(self, attacker: Attacker) -> None:
        """Leave, or wait for more."""
        if attacker.socket.fileno() < 0:
            return
        said = attacker.met and attacker.said == len(attacker.talk.says)
        leaves = attacker.talk.leaves
        if leaves == "answered" and attacker.heard:
            self.forget(attacker)
        elif leaves in {"said", "reset"} and said:
            if leaves == "reset":
                attacker.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self.forget(attacker)
        else:
            self.epoll.modify(attacker.socket.fileno(), attacker.interest)

    def closed(self, attacker: Attacker) -> None:
        """By the door."""
        if attacker.met:
            self.closed_s.append(time.monotonic() - attacker.began)
        else:
            self.failed += 1
        self.forget(attacker)

    def forget(self, attacker: Attacker) -> None:
        del self.there[attacker.socket.fileno()]
        attacker.socket.close()

    def tick(self, now: float) -> None:
        """Drips, and sips of those who read slowly."""
        talk = self.offence.talk
        if not talk.drips and talk.reads <= 0:
            return
        for attacker in list(self.there.values()):
            try:
                if talk.drips and attacker.met and now - attacker.dripped >= talk.drip_s:
                    attacker.dripped = now
                    attacker.socket.send(talk.drips)
                if talk.reads > 0 and now - attacker.read_at >= SIP_S:
                    attacker.read_at = now
                    with contextlib.suppress(BlockingIOError):
                        self.hear(attacker, int(talk.reads * SIP_S))
            except BlockingIOError:
                continue
            except OSError:
                self.closed(attacker)


def main() -> None:
    """Attack, and say how it went."""
    name, port, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    swarm = Swarm(next(one for one in [*OFFENCES, SLOW_READERS] if one.name == name), port)
    swarm.run(seconds)
    times = sorted(swarm.closed_s)
    told = {
        "opened": swarm.opened,
        "failed": swarm.failed,
        "left_open": len(swarm.there),
        "statuses": dict(sorted(swarm.statuses.items())),
        "closed": len(times),
        "closed_first_s": round(times[0], 2) if times else None,
        "closed_last_s": round(times[-1], 2) if times else None,
    }
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
