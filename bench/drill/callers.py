"""Many requests at once from many addresses, each followed for as long as a case wants."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.drill.case import CLOCK
from stentor.drill import answers, plan
from stentor.drill.wires import Switch, Wire

PART = re.compile(rb"moof\0\0\0.mfhd", re.DOTALL)
"""The beginning of a part; the page, which has a player in it, speaks of moof too."""
TURN_S = 0.02
IN_FLIGHT_MAX = 2_000


@dataclass(slots=True)
class Call:
    """One request and what came of it.

    Attributes:
        heard: bytes of the body, in all.
        parts: names of sound found in them.
        last_at: when something of the body came last.
        closed_at: when the door ended it; 0: it did not.
    """

    request: bytes
    source: str
    tag: object = None
    status: int = 0
    head: str = ""
    start: bytes = b""
    heard: int = 0
    parts: int = 0
    last_at: float = 0.0
    closed_at: float = 0.0
    done: bool = False
    wire: "Wire[Call] | None" = field(default=None, repr=False)

    @property
    def sounds(self) -> bool:
        """Whether it was given sound, or what leads to it."""
        kind = next(
            (line for line in self.head.lower().split("\r\n") if line.startswith("content-type:")),
            "",
        )
        named = any(word in kind for word in ("audio", "video", "mpegurl"))
        return self.status in {200, 206} and self.heard > 0 and (named or self.parts > 0)


class Callers:
    """All of them, on one epoll, driven from the event loop."""

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self.calls: list[Call] = []
        self._switch: Switch[Call] = Switch(CLOCK, (host, port), self._arrived, self._broken)

    def call(self, request: bytes, source: str, tag: object = None) -> Call:
        """Ask on a connection of its own."""
        one = Call(request, source, tag)
        one.wire = self._switch.open(one, source, request)
        one.done = one.wire is None
        self.calls.append(one)
        return one

    async def run(self, seconds: float) -> None:
        """Let things happen for a while."""
        until = CLOCK.now() + seconds
        while CLOCK.now() < until:
            self._switch.turn(0.001)
            await asyncio.sleep(0)

    async def all(self, calls: Sequence[Call], timeout_s: float) -> None:
        """Wait until all of them are answered or over, or for so long."""
        until = CLOCK.now() + timeout_s
        while CLOCK.now() < until and not all(one.status or one.done for one in calls):
            self._switch.turn(0.002)
            await asyncio.sleep(0)

    def hang_up(self, calls: Sequence[Call]) -> None:
        """Close their connections."""
        for one in calls:
            one.done = True
            if one.wire is not None:
                self._switch.close(one.wire)

    def close(self) -> None:
        """Close everything."""
        self._switch.close_all()

    def _arrived(self, wire: Wire[Call]) -> None:
        one = wire.owner
        if not one.status:
            head = answers.head_of(wire.data)
            if head is None:
                return
            one.status, one.head = head.status, head.text
            del wire.data[: head.bytes]
        data = bytes(wire.data)
        wire.data.clear()
        if data:
            one.heard += len(data)
            one.last_at = CLOCK.now()
            one.start = one.start or data[:1_000]
            one.parts += len(PART.findall(data))

    def _broken(self, wire: Wire[Call]) -> None:
        wire.owner.closed_at = CLOCK.now()
        wire.owner.done = True


def get(path: str, *headers: str, method: str = "GET", version: str = "1.1") -> bytes:
    """A request without a body."""
    return "\r\n".join(
        [f"{method} {path} HTTP/{version}", "Host: drill", *headers, "", ""]
    ).encode()


def post(path: str, body: str = "{}", *headers: str) -> bytes:
    """A request with a body of JSON."""
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: drill",
        "Content-Type: application/json",
        "Sec-Fetch-Site: same-origin",
        f"Content-Length: {len(body.encode())}",
        *headers,
        "",
        body,
    ]
    return "\r\n".join(lines).encode()


def sources(count: int, network: int = plan.ATTACKERS_NETWORK) -> list[str]:
    """So many addresses, each in a /24 of its own."""
    return [plan.source_of(number, count, network) for number in range(count)]
