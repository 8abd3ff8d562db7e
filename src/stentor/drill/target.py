"""What a drill may aim at: this machine's own loopback addresses, and nothing else. Pure."""

import ipaddress
from urllib.parse import urlsplit

from stentor.errors import Refused


def parse(url: str) -> tuple[str, int]:
    """Host and port of an address that a drill may be aimed at.

    Names are not looked up: what one stands for can change between the question and the attack.

    Raises:
        Refused: `drill.target`.
    """
    parts = urlsplit(url if "//" in url else f"//{url}", scheme="http")
    try:
        host, port = parts.hostname or "", parts.port or 80
    except ValueError:
        raise _refused(url) from None
    if parts.scheme != "http" or not is_own(host):
        raise _refused(url)
    return ("127.0.0.1" if host == "localhost" else host), port


def is_own(host: str) -> bool:
    """Whether an address leads nowhere but to this machine (127.0.0.0/8)."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return isinstance(address, ipaddress.IPv4Address) and address.is_loopback


def _refused(url: str) -> Refused:
    return Refused(
        "drill.target",
        f"A drill is aimed at this machine only: '{url}' is not http://127.x.y.z:PORT. It would be "
        "an attack on others. Run it on the machine that is to be tried, past its TLS.",
    )
