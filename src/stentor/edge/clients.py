"""Who a request comes from, through proxies of ours or not, and how much each client takes."""

import functools
import ipaddress
import socket

from stentor.edge.proxy import Visitor
from stentor.edge.proxy_protocol import Source, parse
from stentor.edge.request import Request
from stentor.limits import PROXY_HEADER_BYTES_MAX
from stentor.shield import source_of

IPV6_PREFIX = 56
"""What one household is commonly given (RFC 6177)."""
CLIENTS_REMEMBERED = 4_096
"""Addresses whose reading is not repeated."""
_SCHEMES = frozenset({"http", "https"})


class Addresses:
    """A set of addresses and prefixes."""

    def __init__(self, text: str) -> None:
        """Read a comma-separated list.

        Raises:
            ValueError: a member is no address and no prefix.
        """
        members = filter(None, (member.strip() for member in text.split(",")))
        self._networks = [ipaddress.ip_network(member, strict=False) for member in members]
        self._found: dict[str, bool] = {}

    def __bool__(self) -> bool:
        """Whether there is anybody among them."""
        return bool(self._networks)

    def __contains__(self, text: str) -> bool:
        """Whether an address is among them; what is no address is not."""
        if not self._networks:
            return False
        found = self._found.get(text)
        if found is None:
            address = _address(text)
            found = address is not None and any(address in one for one in self._networks)
            if len(self._found) >= CLIENTS_REMEMBERED:
                self._found.clear()
            self._found[text] = found
        return found


def visitor_of(request: Request, peer: str, scheme: str, proxies: Addresses) -> Visitor:
    """Whom a request comes from: the peer, or whom a trusted proxy says it is.

    Args:
        scheme: how people reach this door, unless a proxy says otherwise.
    """
    host = request.header("host")
    if not proxies or peer not in proxies:
        return Visitor(peer, host, scheme)
    # What stands before the last member was said by the client itself.
    said = request.header("x-forwarded-for").rpartition(",")[2].strip()
    address = _address(said)
    told = request.header("x-forwarded-proto").rpartition(",")[2].strip().lower()
    return Visitor(
        str(address) if address is not None else peer,
        host,
        told if told in _SCHEMES else scheme,
        behind=True,
    )


def introduction_of(connection: socket.socket, said: bytearray) -> Source:
    """Read the PROXY header from a non-blocking socket, and not one byte of what follows it.

    Args:
        said: what was read by earlier tries; empty at the first.

    Raises:
        BlockingIOError: it is not whole yet; try again when the socket can be read.
        OSError: the connection broke, or ended before.
        Refused: `proxy.header`.
    """
    while True:
        arrived = connection.recv(PROXY_HEADER_BYTES_MAX, socket.MSG_PEEK)
        if not arrived:
            raise ConnectionResetError("no whole PROXY header came")
        source = parse(bytes(said + arrived))
        if source is not None:
            connection.recv(source.bytes_used - len(said))
            return source
        said += connection.recv(len(arrived))  # all of it belongs to the header


@functools.lru_cache(CLIENTS_REMEMBERED)
def client_of(text: str) -> str:
    """The part of an address that is counted as one client: all of IPv4, 56 bits of IPv6."""
    address = _address(text)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((int(address), IPV6_PREFIX), strict=False))
    return str(address) if address is not None else "unknown"


class Shares:
    """How much of something each client has, up to a bound."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken: dict[str, int] = {}  # only those who have some

    def has_room(self, client: str) -> bool:
        """Whether this client may have one more."""
        return self._taken.get(client, 0) < self._most

    def take(self, client: str) -> bool:
        """Take one, to be given back; False when this client has as many as it may."""
        taken = self._taken.get(client, 0)
        if taken >= self._most:
            return False
        self._taken[client] = taken + 1
        return True

    def give_back(self, client: str) -> None:
        """One less."""
        left = self._taken[client] - 1
        if left:
            self._taken[client] = left
        else:
            del self._taken[client]


class PrefixShares(Shares):
    """The same, and how much all clients of one /24 have; 56 bits of IPv6 are one client anyway."""

    def __init__(self, most: int, prefix_most: int) -> None:
        super().__init__(most)
        self._of_prefix = Shares(prefix_most)

    def has_room(self, client: str) -> bool:
        """Whether this client may have one more."""
        return super().has_room(client) and self._of_prefix.has_room(_prefix(client))

    def take(self, client: str) -> bool:
        """Take one, to be given back; False when client or prefix has as many as it may."""
        if not super().take(client):
            return False
        if self._of_prefix.take(_prefix(client)):
            return True
        super().give_back(client)
        return False

    def give_back(self, client: str) -> None:
        """One less."""
        super().give_back(client)
        self._of_prefix.give_back(_prefix(client))


def _prefix(client: str) -> str:
    return client if "/" in client else source_of(client)[1]


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
