"""A worker of a drill: a share of the attackers, in one process on the generator's core.

Started as `python -m stentor.drill.assault`; what to do (`plan.Attackers`) comes as one line of
JSON on standard input. Progress and report go out as those of `crowd.py` do.
"""

import os
import random
import resource
import select
import socket
import sys
from collections import Counter
from typing import Any

import msgspec

from stentor import node
from stentor.clock import Clock, SystemClock
from stentor.drill import answers, plan, target
from stentor.drill.attacks import MANNERS, request
from stentor.drill.crowd import say
from stentor.drill.plan import Attackers
from stentor.drill.wires import Load, Switch, Wire, pin
from stentor.errors import Refused

WAIT_S = 0.002
OPENED_PER_TURN = 128
ANSWER_S = 10.0
SWEEP_S = 0.25
BURST_S = 0.05
"""Who is late with their rate makes up for so much, and not for more."""
DATAGRAMS_PER_TURN = 512
JUNK = bytes(range(200))
_AUDIO = b"audio/"


class Visit:
    """One attacker's connection."""

    __slots__ = ("dripped_at", "prefix")

    def __init__(self, prefix: int) -> None:
        self.prefix = prefix
        self.dripped_at = 0.0


class Gang:
    """The attackers of this worker."""

    def __init__(self, attackers: Attackers, clock: Clock) -> None:
        self.attackers = attackers
        self.clock = clock
        self.load = Load(clock)
        self.manner = MANNERS[attackers.kind]
        self.switch: Switch[Visit] = Switch(
            clock, (attackers.host, attackers.port), self._arrived, self._broken
        )
        self.statuses: Counter[str] = Counter()
        self.let_in = 0
        """Connections on which audio began."""
        self.silent = 0
        self.closed_s: list[float] = []
        self._chance = random.Random(attackers.seed)  # noqa: S311 - mischief, not a secret
        index, workers = attackers.share
        self._most = max(1, attackers.count // workers)
        self._per_s = attackers.per_s / workers
        self._number = index
        self._step = workers
        self._began = clock.now()
        self._begun = 0
        self._swept = 0.0
        self._host = f"{attackers.host}:{attackers.port}"

    def turn(self) -> None:
        """Wait a little for answers, and open what is due."""
        self.switch.turn(WAIT_S)
        now = self.clock.now()
        due = OPENED_PER_TURN
        if self._per_s:
            behind = (now - self._began) * self._per_s - self._begun
            if behind > self._per_s * BURST_S + OPENED_PER_TURN:
                self._begun += int(behind - OPENED_PER_TURN)  # what could not be done is not done
                self.load.late(BURST_S)
            due = min(due, int(behind))
        for _ in range(min(due, self._most - len(self.switch.wires))):
            self._open()
        if now - self._swept > SWEEP_S:
            self._swept = now
            self._sweep(now)

    def _open(self) -> None:
        one = self.attackers
        self._begun += 1
        self._number += self._step
        source = plan.source_of(self._number, one.prefixes, one.network, one.hosts)
        said = request(one.kind, one.space, self._host, self._chance)
        self.switch.open(
            Visit(self._number % one.prefixes), source, said, self.manner.receive_bytes
        )

    def _arrived(self, wire: Wire[Visit]) -> None:
        if self.manner.stays:
            wire.data.clear()
            return
        head = answers.head_of(wire.data)
        if head is None:
            return
        self.statuses[str(head.status)] += 1
        if head.status == 200 and _AUDIO in bytes(wire.data[: head.bytes]).lower():
            self.let_in += 1
        self.switch.close(wire)

    def _broken(self, wire: Wire[Visit]) -> None:
        if self.manner.stays:
            self.closed_s.append(self.clock.now() - wire.began)
        else:
            self.statuses["broken"] += 1

    def _sweep(self, now: float) -> None:
        for wire in list(self.switch.wires.values()):
            if (
                self.manner.drips
                and now - max(wire.began, wire.owner.dripped_at) > self.manner.drip_s
            ):
                wire.owner.dripped_at = now
                wire.out += self.manner.drips
                self.switch.push(wire)
            elif not self.manner.stays and now - wire.began > ANSWER_S:
                self.silent += 1
                self.switch.close(wire)

    def look(self) -> dict[str, Any]:
        """A few figures for the line of progress."""
        return {
            "opened": self.switch.opened,
            "held": len(self.switch.wires),
            "let_in": self.let_in,
            "starved": self.switch.starved,
            "busy": self.load.busy[-1] if self.load.busy else 0.0,
        }

    def report(self) -> dict[str, Any]:
        """All figures."""
        times = sorted(self.closed_s)
        return {
            **self.look(),
            "seconds": self.clock.now() - self._began,
            "statuses": dict(self.statuses),
            "silent": self.silent,
            "closed": len(times),
            "closed_first_s": round(times[0], 2) if times else None,
            "closed_last_s": round(times[-1], 2) if times else None,
            "busy_max": max(self.load.busy, default=0.0),
            "is_limit": self.load.is_limit,
        }


class Junk:
    """Datagrams without a meaning, to the stage's ports."""

    def __init__(self, attackers: Attackers, clock: Clock) -> None:
        self.clock = clock
        self.load = Load(clock)
        self.sent = 0
        self._per_s = attackers.per_s / attackers.share[1]
        self._began = clock.now()
        self._sockets = []
        for number, port in enumerate(attackers.ports):
            own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            own.bind((plan.address(attackers.network, number, number), 0))
            own.connect((attackers.host, port))
            self._sockets.append(own)
        if not self._sockets:
            raise Refused("drill.attack", "Nobody is on the stage: there is no port to aim at.")

    def turn(self) -> None:
        """Send what is due."""
        now = self.clock.now()
        due = int((now - self._began) * self._per_s) - self.sent
        if due <= 0:
            select.select([], [], [], 0.0005)
            return
        send = self._sockets[self.sent // DATAGRAMS_PER_TURN % len(self._sockets)].send
        most = min(due, DATAGRAMS_PER_TURN)
        for _ in range(most):
            try:
                send(JUNK)
            except (BlockingIOError, ConnectionRefusedError):
                continue
        self.sent += most

    def look(self) -> dict[str, Any]:
        """A few figures for the line of progress."""
        return {"sent": self.sent, "busy": self.load.busy[-1] if self.load.busy else 0.0}

    def report(self) -> dict[str, Any]:
        """All figures."""
        seconds = self.clock.now() - self._began
        return {
            "sent": self.sent,
            "seconds": seconds,
            "per_s": round(self.sent / max(1e-9, seconds)),
            "busy_max": max(self.load.busy, default=0.0),
            "is_limit": self.sent / max(1e-9, seconds) < 0.95 * self._per_s,
        }


def main() -> None:
    """Attack until told to stop, or until standard input ends."""
    attackers = msgspec.json.decode(sys.stdin.readline(), type=Attackers)
    if not target.is_own(attackers.host):  # whoever started this: it is aimed at nobody else
        raise SystemExit(2)
    pin(attackers.core)
    node.set_niceness(10)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    clock = SystemClock()
    gang = Junk(attackers, clock) if attackers.kind == "udp" else Gang(attackers, clock)
    orders = select.poll()
    orders.register(sys.stdin.fileno(), select.POLLIN)
    while True:
        gang.turn()
        if gang.load.look(clock.now()):
            say(gang.look())
            if orders.poll(0):
                break
    if os.read(sys.stdin.fileno(), 4096):
        say(gang.report())


if __name__ == "__main__":
    main()
