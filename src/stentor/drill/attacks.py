"""What attackers say, each of them anew for every connection. Pure but for the given chance.

None of them has a ticket. Nobody here is dangerous alone; it is the number that does it.
"""

import base64
import random
from dataclasses import dataclass

from stentor.errors import Refused


@dataclass(frozen=True, slots=True)
class Manner:
    """How attackers of a kind behave on a connection.

    Attributes:
        drips: what is added every `drip_s`, never to come to an end.
        stays: they leave the closing to the door.
        receive_bytes: what their kernels keep of an answer; 0: as usual.
        reads: whether they read what they are sent.
    """

    drips: bytes = b""
    drip_s: float = 2.0
    stays: bool = False
    receive_bytes: int = 0
    reads: bool = True


MANNERS = {
    "flood": Manner(),
    "tickets": Manner(),
    "places": Manner(),
    "slow": Manner(drips=b"X-Slow: y\r\n", stays=True),
    "slow-read": Manner(stays=True, receive_bytes=2_048, reads=False),
    "silent": Manner(stays=True),
}
FLOODS = ("live", "join", "page", "mark", "radio", "playlist")


def request(kind: str, space: str, host: str, chance: random.Random) -> bytes:
    """What one attacker says on a new connection.

    Raises:
        Refused: `drill.attack`.
    """
    match kind:
        case "flood":
            return _flood(chance.choice(FLOODS), space, host)
        case "places":
            return _flood("join", space, host)
        case "tickets":
            ticket = forged(space, chance)
            what = chance.choice(("live/opus", "join", "hls/opus.m3u8"))
            if what == "join":
                return _post(space, host, f"Cookie: stentor-ticket={ticket}")
            return _get(f"/s/{space}/{what}", host, f"Cookie: stentor-ticket={ticket}")
        case "slow":
            return f"GET /s/{space} HTTP/1.1\r\nHost: {host}\r\n".encode()
        case "slow-read":
            return _get(f"/s/{space}", host) * 4
        case "silent":
            return b""
        case _:
            raise Refused("drill.attack", f"There is no attack '{kind}'.")


def _flood(what: str, space: str, host: str) -> bytes:
    match what:
        case "live":
            return _get(f"/s/{space}/live/opus", host)
        case "join":
            return _post(space, host)
        case "mark":
            return _get(f"/s/{space}/admitting", host)
        case "radio":
            return _get(f"/s/{space}/radio.mp3", host)
        case "playlist":
            return _get(f"/s/{space}/hls/opus.m3u8", host)
        case _:
            return _get(f"/s/{space}", host)


def forged(space: str, chance: random.Random) -> str:
    """What looks like a ticket, and is none."""
    body = bytes([1]) + chance.randbytes(17) + space.encode() + chance.randbytes(16)
    return base64.urlsafe_b64encode(body).rstrip(b"=").decode()


def _get(path: str, host: str, *headers: str) -> bytes:
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", *headers, "", ""]
    return "\r\n".join(lines).encode()


def _post(space: str, host: str, *headers: str) -> bytes:
    lines = [
        f"POST /s/{space}/join HTTP/1.1",
        f"Host: {host}",
        "Content-Type: application/json",
        "Sec-Fetch-Site: same-origin",
        "Content-Length: 2",
        *headers,
        "",
        "{}",
    ]
    return "\r\n".join(lines).encode()
