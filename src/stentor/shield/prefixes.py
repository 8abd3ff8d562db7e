"""What of an address is counted: the host, and the prefix it shares with its neighbours. Pure."""

import functools
import ipaddress

from stentor.limits import SHIELD_SOURCES_REMEMBERED

HOST_BITS = {4: 32, 6: 64}
"""What one host has to itself: an IPv4 address, or the network its interface chooses from."""
PREFIX_BITS = {4: 24, 6: 56}
"""What one owner is commonly given: the least that is routed (IPv4), a household (RFC 6177)."""
UNKNOWN = ("unknown", "unknown")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def source_of(text: str) -> tuple[str, str]:
    """Host and prefix of an address as networks; what is no address is one host of its own."""
    if ":" in text:
        return _source_6(text)
    head, dot, _ = text.rpartition(".")
    return (f"{text}/32", f"{head}.0/24") if dot else UNKNOWN


@functools.lru_cache(SHIELD_SOURCES_REMEMBERED)
def _source_6(text: str) -> tuple[str, str]:
    try:
        address = ipaddress.IPv6Address(text.partition("%")[0])
    except ValueError:
        return UNKNOWN
    if address.ipv4_mapped is not None:
        return source_of(str(address.ipv4_mapped))
    host, prefix = (
        str(ipaddress.IPv6Network((int(address), bits), strict=False))
        for bits in (HOST_BITS[6], PREFIX_BITS[6])
    )
    return host, prefix


def bannable(text: str) -> Network | None:
    """A host or a prefix that the kernel may be told of; None for anything else.

    Never this machine, never what no connection over the internet comes from.
    """
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        return None
    if network.prefixlen not in {HOST_BITS[network.version], PREFIX_BITS[network.version]}:
        return None
    first = network.network_address
    if first.is_loopback or first.is_multicast or first.is_unspecified or first.is_link_local:
        return None
    if isinstance(first, ipaddress.IPv6Address) and int(first) >> 64 == 0:  # ::1, ::ffff:0:0/96
        return None
    return network


def networks_of(text: str) -> list[Network]:
    """A comma-separated list of addresses and prefixes.

    Raises:
        ValueError: a member is neither.
    """
    members = filter(None, (member.strip() for member in text.split(",")))
    return [ipaddress.ip_network(member, strict=False) for member in members]


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine can come to a door at this address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
