"""The PROXY protocol's header, versions 1 and 2: who connected, as a proxy in TCP mode says it.

After "The PROXY protocol", versions 1 & 2 (HAProxy Technologies). Pure: bytes in, a `Source`, a
wish for more, or a `Refused` out. Only from a listed proxy is any of this read at all.
"""

import ipaddress
import struct
from dataclasses import dataclass

from stentor.errors import Refused
from stentor.limits import PROXY_HEADER_BYTES_MAX

_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_FIXED = struct.Struct(">12sBBH")  # signature, version and command, family and protocol, length
_V1 = b"PROXY "
_V1_BYTES_MAX = 107
"""The longest line of version 1, its end included (section 2.1)."""
_LOCAL, _PROXY = 0x20, 0x21
_ADDRESS_BYTES = {0x00: 0, 0x11: 12, 0x21: 36, 0x31: 216}
"""What stands before the extensions: unspecified, TCP over IPv4 and IPv6, Unix streams."""


@dataclass(frozen=True, slots=True)
class Source:
    """What a header says.

    Attributes:
        address: of the client; None when the connection is the proxy's own (a health check), or
            the client has no address of the internet: then the peer's address stands.
        bytes_used: the header's length; what follows belongs to TLS or HTTP.
    """

    address: str | None
    bytes_used: int


def parse(data: bytes) -> Source | None:
    """Read a header from the first bytes of a connection; None while it is not whole.

    While it is None, all of `data` belongs to the header.

    Raises:
        Refused: `proxy.header`: this is no header, or it is longer than its bound.
    """
    if data[:12] == _SIGNATURE[: len(data)]:
        return _version_2(data)
    if data[:6] == _V1[: len(data)]:
        return _version_1(data)
    raise _refused("A connection from a listed proxy begins with a PROXY header.")


def _version_1(data: bytes) -> Source | None:
    end = data.find(b"\r\n", 0, _V1_BYTES_MAX)
    if end < 0:
        if len(data) >= _V1_BYTES_MAX:
            raise _refused("The PROXY line is longer than 107 bytes.")
        return None
    words = data[len(_V1) : end].split(b" ")
    if words[0] == b"UNKNOWN":  # what follows is to be ignored
        return Source(None, end + 2)
    if words[0] not in {b"TCP4", b"TCP6"} or len(words) != 5:
        raise _refused("The PROXY line reads: PROXY TCP4 SOURCE TARGET PORT PORT.")
    for port in words[3:]:
        if not port.isdigit() or len(port) > 5 or int(port) > 65_535 or port != b"%d" % int(port):
            raise _refused("A port of the PROXY line is not a number up to 65535.")
    source, _ = (_parsed(word, words[0]) for word in words[1:3])
    return Source(_said(source), end + 2)


def _parsed(word: bytes, family: bytes) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    read = ipaddress.IPv4Address if family == b"TCP4" else ipaddress.IPv6Address
    try:
        if b"%" not in word:
            return read(word.decode("ascii"))
    except ValueError:  # UnicodeDecodeError and AddressValueError are both
        pass
    raise _refused("An address of the PROXY line is none of its family.")


def _version_2(data: bytes) -> Source | None:
    if len(data) < _FIXED.size:
        return None
    _, command, family, length = _FIXED.unpack_from(data)
    if command not in {_LOCAL, _PROXY}:
        raise _refused("The PROXY header is of an unknown version or command.")
    end = _FIXED.size + length
    if end > PROXY_HEADER_BYTES_MAX:
        raise _refused(f"A PROXY header has at most {PROXY_HEADER_BYTES_MAX} bytes.")
    if command == _PROXY and length < _ADDRESS_BYTES.get(family, PROXY_HEADER_BYTES_MAX):
        raise _refused("The PROXY header is of an unknown family, or shorter than its addresses.")
    if len(data) < end:
        return None
    if command == _PROXY and family == 0x11:
        return Source(str(ipaddress.IPv4Address(data[16:20])), end)
    if command == _PROXY and family == 0x21:
        return Source(_said(ipaddress.IPv6Address(data[16:32])), end)
    return Source(None, end)


def _said(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """As the door writes addresses: IPv4 within IPv6 is IPv4."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _refused(sentence: str) -> Refused:
    return Refused("proxy.header", sentence)
