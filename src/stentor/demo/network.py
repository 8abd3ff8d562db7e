"""A bad road for one speaker: a UDP relay before the stage that can be cut, and that loses packets.

It stands between a WebRTC client and the stage. The client is told the relay's port instead of the
stage's; ICE does not mind, because a relay looks like a NAT.
"""

import asyncio
import random
import re

_PORT = re.compile(r"(?m)^(a=candidate:\S+ 1 udp \d+ )(\S+) (\d+)( typ host.*)$")
_SECTION = re.compile(r"(?m)^(m=audio )(\d+)( )")

Address = tuple[str, int]


class _Side(asyncio.DatagramProtocol):
    def __init__(self, network: "Network", *, outwards: bool) -> None:
        self.transport: asyncio.DatagramTransport | None = None
        self._network = network
        self._outwards = outwards

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.DatagramTransport)
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._network.carry(data, addr, outwards=self._outwards)


class Network:
    """The way between one speaker and the stage.

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
        self._speaker: Address | None = None
        self._stage: Address | None = None
        self._front = _Side(self, outwards=True)
        self._back = _Side(self, outwards=False)

    async def join(self, answer: str) -> str:
        """Stand before the stage of this SDP answer; gives the answer the client is to be told."""
        match = _PORT.search(answer)
        assert match is not None, "the answer has a candidate"
        self._stage = (match[2], int(match[3]))
        loop = asyncio.get_running_loop()
        if self._front.transport is None:
            await loop.create_datagram_endpoint(lambda: self._front, ("127.0.0.1", 0))
        if self._back.transport is None:
            await loop.create_datagram_endpoint(lambda: self._back, ("127.0.0.1", 0))
        assert self._front.transport is not None
        port = self._front.transport.get_extra_info("sockname")[1]
        answer = _SECTION.sub(rf"\g<1>{port}\g<3>", answer)
        return _PORT.sub(rf"\g<1>127.0.0.1 {port}\g<4>", answer)

    @property
    def address(self) -> Address:
        """Where the stage sees the speaker."""
        assert self._back.transport is not None, "join() comes first"
        host, port = self._back.transport.get_extra_info("sockname")[:2]
        return host, port

    def cut(self) -> None:
        """Lose everything from now on, in both directions."""
        self.is_cut = True

    def mend(self) -> None:
        """Carry again."""
        self.is_cut = False

    async def move(self) -> None:
        """Come from another port from now on, as behind a NAT that has forgotten us."""
        if self._back.transport is not None:
            self._back.transport.close()
        self._back = _Side(self, outwards=False)
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self._back, ("127.0.0.1", 0))

    def carry(self, data: bytes, source: Address, *, outwards: bool) -> None:
        """Carry one datagram to the other side, or lose it."""
        if outwards:
            self._speaker = source
            to, side = self._stage, self._back
        elif source == self._stage:
            to, side = self._speaker, self._front
        else:
            return
        if self.is_cut or (self.loss and self._chance.random() < self.loss):
            self.lost += 1
        elif to is not None and side.transport is not None and not side.transport.is_closing():
            self.carried += 1
            side.transport.sendto(data, to)

    def close(self) -> None:
        """Give the ports back."""
        for side in (self._front, self._back):
            if side.transport is not None:
                side.transport.close()
