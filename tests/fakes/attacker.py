"""A stranger with a UDP socket, who may send anything and writes down what comes back."""

import asyncio
import socket
from collections.abc import Iterable

Address = tuple[str, int]


class Attacker:
    """Use it with `with`; each is one foreign address."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind((host, 0))
        self.sent = 0

    def __enter__(self) -> "Attacker":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def throw(self, datagrams: Iterable[bytes], to: Address) -> None:
        """Send all at once; what the kernel does not take is not sent."""
        for datagram in datagrams:
            try:
                self.socket.sendto(datagram, to)
            except (BlockingIOError, ConnectionRefusedError):
                continue
            self.sent += 1

    async def pester(self, datagrams: Iterable[bytes], to: Address, every_s: float) -> None:
        """Send one after the other, `every_s` seconds apart."""
        for datagram in datagrams:
            self.throw([datagram], to)
            await asyncio.sleep(every_s)

    def answers(self) -> int:
        """Datagrams that have come back."""
        count = 0
        while True:
            try:
                self.socket.recv(2_048)
            except BlockingIOError:
                return count
            except ConnectionRefusedError:
                continue
            count += 1
