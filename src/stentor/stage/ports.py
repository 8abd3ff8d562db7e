"""Where speakers' audio arrives: a range of UDP ports, and the addresses speakers are told."""

import ipaddress
import random
import socket
from dataclasses import dataclass

import ifaddr

from stentor import limits
from stentor.config import Settings
from stentor.errors import Refused, Unavailable

_TO_THE_WORLD = ("192.0.2.1", "2001:db8::1")
"""Documentation addresses (RFC 5737, RFC 3849): asked about a route, never sent anything."""


@dataclass(frozen=True, slots=True)
class Ports:
    """A pool of UDP ports; each speaker is given one, and gives it back by closing the socket."""

    host: str
    """Address the ports are bound on; `::` means all, of IPv4 too."""
    numbers: range
    addresses: list[str]
    """What speakers are told, the best first."""
    private: bool = False
    """Whether datagrams count only if they come from this machine, that is from `addresses`."""

    @classmethod
    def of(cls, settings: Settings) -> "Ports":
        """The ports of these settings.

        Raises:
            Refused: `config.invalid`, an address is none.
        """
        public = [text.strip() for text in settings.udp_public.split(",") if text.strip()]
        private = not (settings.udp_listen or public or settings.public_url)
        private = private and _is_loopback(settings.address[0])
        everywhere = "::" if socket.has_dualstack_ipv6() and not private else "0.0.0.0"  # noqa: S104
        # Bound to loopback alone, Firefox on the same machine would not get through: it sends
        # nothing to 127.0.0.1, but it does to the machine's other addresses.
        host = settings.udp_listen or everywhere
        for text in (host, *public):
            _check(text)
        addresses = public or _found(host)
        if private:
            addresses = list(dict.fromkeys(["127.0.0.1", *addresses]))
        return cls(host, settings.udp_range, addresses[: limits.ANNOUNCED_ADDRESSES_MAX], private)

    def admits(self, host: str) -> bool:
        """Whether datagrams from `host` are read at all."""
        return not self.private or host in self.addresses or host.startswith("127.")

    def open(self) -> socket.socket:
        """A non-blocking UDP socket on a free port of the range, chosen by chance.

        Raises:
            Unavailable: `stage.no_udp`, none is free.
        """
        for port in random.sample(self.numbers, len(self.numbers)):
            try:
                return self.open_at(port)
            except OSError:
                continue
        raise Unavailable(
            "stage.no_udp",
            f"No UDP port of {self.numbers[0]}-{self.numbers[-1]} on {self.host} is free; widen "
            "udp_ports in the settings, and open the range in the firewall.",
        )

    def open_at(self, port: int) -> socket.socket:
        """A non-blocking UDP socket on one port.

        Raises:
            OSError: it is taken, or may not be had.
        """
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        opened = socket.socket(family, socket.SOCK_DGRAM)
        try:
            if self.host == "::":
                opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            opened.setblocking(False)
            opened.bind((self.host, port))
        except OSError:
            opened.close()
            raise
        return opened


def _found(host: str) -> list[str]:
    """Addresses to announce for ports bound on `host`, from the interfaces."""
    if not ipaddress.ip_address(host).is_unspecified:
        return [host]
    wanted = {4, 6} if host == "::" else {4}
    found = [_route(address) for address in _TO_THE_WORLD]
    for adapter in ifaddr.get_adapters():
        found += [ip.ip if isinstance(ip.ip, str) else ip.ip[0] for ip in adapter.ips]
    usable = [
        text
        for text in dict.fromkeys(found)
        if text is not None
        and (address := ipaddress.ip_address(text)).version in wanted
        and not (address.is_loopback or address.is_link_local or address.is_unspecified)
    ]
    return usable or ["127.0.0.1"]


def _route(address: str) -> str | None:
    """Our address on the way to `address`: connecting a UDP socket sends nothing."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address, 9))
            return str(probe.getsockname()[0])
    except OSError:
        return None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check(text: str) -> None:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise Refused(
            "config.invalid", f"'{text}' is not an IP address (see udp_listen, udp_public)."
        ) from None
