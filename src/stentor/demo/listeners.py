"""The process in which the drills' listeners live: one loop over many sockets, told what to do.

Started as `python -m stentor.demo.listeners HOST PORT SPACE`. Orders come on standard input and
answers go to standard output, one JSON object a line; see `crowd.py` for the other side.
"""

import json
import random
import select
import socket
import sys
from dataclasses import dataclass, field
from typing import Any

from stentor import node
from stentor.clock import Clock, SystemClock
from stentor.demo.listener import Ledger, Listener, Phase
from stentor.record import RENDITION_NAMES

RECEIVE_BYTES = 256 * 1024
RETRY_FIRST_S = 0.1
RETRY_MAX_S = 2.0
"""A listener whose connection breaks asks again after up to 0.1 s, then up to twice as long."""
CONNECT_TIMEOUT_S = 3.0
LOOK_EVERY_S = 0.010
NICENESS = -5
"""As edges are: a listener who is kept waiting by other programs would look like one who stalls."""
SHARES = (("opus", 0.8), ("opus-low", 0.1), ("aac", 0.1))
"""Of ten listeners, eight take Opus."""


@dataclass(slots=True)
class Seat:
    """One listener and its socket."""

    listener: Listener
    wire: socket.socket | None = None
    port: int = 0
    due: float = 0.0
    """When to connect; 0 when it has a socket or is done."""
    wait_s: float = RETRY_FIRST_S
    since: float = 0.0
    to_send: bytes = b""


@dataclass(slots=True)
class Room:
    """All listeners of this process."""

    address: tuple[str, int]
    space: str
    clock: Clock
    chance: random.Random
    seats: list[Seat] = field(default_factory=list)
    ledgers: dict[str, Ledger] = field(
        default_factory=lambda: {n: Ledger() for n in RENDITION_NAMES}
    )
    poll: select.epoll = field(default_factory=select.epoll)
    by_descriptor: dict[int, Seat] = field(default_factory=dict)
    look_at: float = 0.0

    def join(self, count: int, over_s: float) -> None:
        """Let `count` more come in, spread evenly over `over_s` seconds."""
        now = self.clock.now()
        names = [name for name, share in SHARES for _ in range(round(share * 10))]
        for number in range(count):
            name = names[len(self.seats) % len(names)]
            listener = Listener(self.space, name, self.ledgers[name])
            due = now + 0.001 + over_s * number / max(1, count)
            self.seats.append(Seat(listener, due=due))

    def turn(self) -> None:
        """Wait a little for sockets, and do what is due."""
        for descriptor, what in self.poll.poll(LOOK_EVERY_S):
            seat = self.by_descriptor.get(descriptor)
            if seat is None:
                self._obey()
            elif what & select.EPOLLOUT:
                self._send(seat)
            else:
                self._receive(seat)
        now = self.clock.now()
        if now >= self.look_at:
            self.look_at = now + LOOK_EVERY_S
            self._look_after(now)

    def _look_after(self, now: float) -> None:
        for seat in self.seats:
            slow = seat.wire is not None and seat.listener.phase is Phase.CONNECTING
            if slow and now - seat.since > CONNECT_TIMEOUT_S:
                self._lost(seat, now)
            elif seat.due and seat.due <= now:
                self._connect(seat, now)

    def _connect(self, seat: Seat, now: float) -> None:
        seat.due, seat.since = 0.0, now
        seat.wire = socket.socket()
        seat.wire.setblocking(False)
        seat.wire.connect_ex(self.address)
        seat.to_send = seat.listener.request(f"{self.address[0]}:{self.address[1]}")
        self.by_descriptor[seat.wire.fileno()] = seat
        self.poll.register(seat.wire.fileno(), select.EPOLLOUT | select.EPOLLRDHUP)

    def _send(self, seat: Seat) -> None:
        assert seat.wire is not None
        try:
            seat.to_send = seat.to_send[seat.wire.send(seat.to_send) :]
        except BlockingIOError:
            return
        except OSError:
            self._lost(seat, self.clock.now())
            return
        if not seat.to_send:
            seat.port = seat.wire.getsockname()[1]
            self.poll.modify(seat.wire.fileno(), select.EPOLLIN | select.EPOLLRDHUP)

    def _receive(self, seat: Seat) -> None:
        assert seat.wire is not None
        listener = seat.listener
        try:
            data = seat.wire.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        now = self.clock.now()
        if not data:
            self._lost(seat, now)
            return
        listener.receive(now, data)
        if listener.phase is Phase.ENDED:
            listener.playhead.close(min(now, listener.last_part_at or now))
            self._hang_up(seat)
        elif listener.phase is Phase.BROKEN:
            self._lost(seat, now)
        elif listener.resumes and not listener.resumes[-1].back_at:
            listener.resumes[-1].back_at = now
            seat.wait_s = RETRY_FIRST_S

    def _lost(self, seat: Seat, now: float) -> None:
        seat.listener.lose(now)
        self._hang_up(seat)
        seat.due = now + seat.wait_s * self.chance.uniform(0.1, 1.0)
        seat.wait_s = min(RETRY_MAX_S, seat.wait_s * 2)

    def _hang_up(self, seat: Seat) -> None:
        if seat.wire is not None:
            self.by_descriptor.pop(seat.wire.fileno(), None)
            self.poll.unregister(seat.wire.fileno())
            seat.wire.close()
            seat.wire = None

    def _obey(self) -> None:
        line = sys.stdin.readline()
        if not line:
            raise SystemExit(0)
        order = json.loads(line)
        answer: dict[str, Any]
        match order["order"]:
            case "join":
                self.join(int(order["count"]), float(order["over_s"]))
                answer = {"joined": len(self.seats)}
            case "look":
                answer = self.look()
            case "ports":
                answer = {"ports": [seat.port if seat.wire else 0 for seat in self.seats]}
            case "report":
                answer = self.report()
            case _:
                raise SystemExit(0)
        print(json.dumps(answer), flush=True)

    def look(self) -> dict[str, Any]:
        """A few figures for the progress line."""
        listeners = [seat.listener for seat in self.seats]
        listening = [one for one in listeners if one.phase is Phase.LISTENING]
        return {
            "listening": len(listening),
            "hearing": sum(1 for one in listening if one.parts),
            "ended": sum(1 for one in listeners if one.phase is Phase.ENDED),
            "parts": sum(one.parts for one in listeners),
            "stalls": sum(len(one.playhead.stalls) for one in listeners),
            "last_part_at": min((one.last_part_at for one in listening), default=0.0),
        }

    def report(self) -> dict[str, Any]:
        """All that every listener knows, and the parts they were given."""
        now = self.clock.now()
        return {
            "now": now,
            "listeners": [_account(seat.listener) for seat in self.seats],
            "parts": {
                name: {str(number): digest.hex() for number, digest in ledger.parts.items()}
                for name, ledger in self.ledgers.items()
            },
            "differing": sum(ledger.differing for ledger in self.ledgers.values()),
        }


def _account(listener: Listener) -> dict[str, Any]:
    return {
        "rendition": listener.rendition,
        "phase": listener.phase.value,
        "parts": listener.parts,
        "first": listener.first_sequence,
        "last": listener.last_sequence,
        "lost": listener.lost,
        "twice": listener.twice,
        "torn": listener.torn,
        "last_part_at": listener.last_part_at,
        "stalls": [[stall.at, stall.seconds] for stall in listener.playhead.stalls],
        "resumes": [[one.broken_at, one.back_at, one.sound_at] for one in listener.resumes],
        "refusals": listener.refusals,
        "events": listener.events,
    }


def main() -> None:
    """Listen until told to leave, or until standard input ends."""
    node.set_niceness(NICENESS)
    host, port, space = sys.argv[1:4]
    room = Room((host, int(port)), space, SystemClock(), random.Random(1))  # noqa: S311 - a spread
    room.poll.register(sys.stdin.fileno(), select.EPOLLIN)
    while True:
        room.turn()


if __name__ == "__main__":
    main()
