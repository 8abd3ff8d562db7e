"""A bad road for one speaker: UDP relays before the stage that can be cut and that lose packets.

A relay stands between a WebRTC client and the stage. The client is told the relay's port instead
of the stage's; ICE does not mind, because a relay looks like a NAT.
"""

import asyncio
import random
import re
from collections.abc import Callable
from typing import cast

_CANDIDATE = re.compile(r"^(a=candidate:\S+ 1 udp \d+ )(\S+) (\d+)( typ host)", re.MULTILINE)
_SECTION = re.compile(r"^(m=audio )(\d+)( )", re.MULTILINE)

Address = tuple[str, int]


class _Side(asyncio.DatagramProtocol):
    """One socket of a relay."""

    def __init__(self, arrived: Callable[[bytes, Address], None]) -> None:
        self._arrived = arrived
        self._transport: asyncio.DatagramTransport | None = None

    async def open(self) -> Address:
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self, ("127.0.0.1", 0))
        assert self._transport is not None
        return cast(Address, self._transport.get_extra_info("sockname"))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._arrived(data, addr)

    def send(self, data: bytes, to: Address) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(data, to)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class _Relay:
    """The way of one session: the speaker's side and the stage's."""

    def __init__(self, network: "Network", stage: Address) -> None:
        self._network = network
        self._stage = stage
        self._speaker: Address | None = None
        self._front = _Side(self._outwards)
        self._back = _Side(self._homewards)

    async def open(self) -> Address:
        await self._back.open()
        return await self._front.open()

    async def move(self) -> None:
        self._back.close()
        self._back = _Side(self._homewards)
        await self._back.open()

    def _outwards(self, data: bytes, source: Address) -> None:
        self._speaker = source
        if self._network.carries():
            self._back.send(data, self._stage)

    def _homewards(self, data: bytes, source: Address) -> None:
        if source == self._stage and self._speaker is not None and self._network.carries():
            self._front.send(data, self._speaker)

    def close(self) -> None:
        self._front.close()
        self._back.close()


class Network:
    """The way between one speaker and the stage, for all sessions the speaker has.

    Args:
        loss: share of datagrams lost by chance, 0 to 1, in each direction.
        seed: what that chance begins with.
    """

    def __init__(self, loss: float = 0.0, seed: int = 1) -> None:
        self.loss = loss
        self.is_cut = False
        self.carried = 0
        self.lost = 0
        self._chance = random.Random(seed)  # noqa: S311 - a game of dice
        self._relays: list[_Relay] = []

    async def join(self, answer: str) -> str:
        """Stand before the stage of this SDP answer; gives the answer the client is to be told."""
        found = _CANDIDATE.search(answer)
        assert found is not None, "the answer has a candidate"
        relay = _Relay(self, (found[2], int(found[3])))
        host, port = await relay.open()
        self._relays.append(relay)
        answer = _SECTION.sub(rf"\g<1>{port}\g<3>", answer)
        answer = _CANDIDATE.sub(rf"\g<1>{host} {port}\g<4>", answer, count=1)
        lines = answer.split("\r\n")  # the stage's other addresses would be ways around
        return "\r\n".join(
            line for line in lines if not (match := _CANDIDATE.match(line)) or match[3] == str(port)
        )

    def cut(self) -> None:
        """Lose everything from now on, in both directions."""
        self.is_cut = True

    def mend(self) -> None:
        """Carry again."""
        self.is_cut = False

    async def move(self) -> None:
        """Come from other ports from now on, as behind a NAT that has forgotten its speaker."""
        for relay in self._relays:
            await relay.move()

    def carries(self) -> bool:
        """Whether the next datagram gets through; it is counted either way."""
        if self.is_cut or (self.loss and self._chance.random() < self.loss):
            self.lost += 1
            return False
        self.carried += 1
        return True

    def close(self) -> None:
        """Give the ports back."""
        while self._relays:
            self._relays.pop().close()
