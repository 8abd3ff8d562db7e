"""What one attacker says on a connection, and how it listens to the answer. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Talk:
    """How an attacker behaves.

    Attributes:
        says: what it sends as soon as it is connected.
        drips: what it adds every `drip_s`, never to come to an end.
        floods: it says the same again for as long as it is taken.
        reads: bytes a second it takes; 0 nothing at all, -1 all there is.
        receive_buffer: bytes its kernel keeps; 0 as usual.
        leaves: `never` (the door has to close), `answered`, `said`, or `reset` once it has said
            everything.
        again: another takes its place when it has left.
    """

    says: bytes
    drips: bytes = b""
    drip_s: float = 2.0
    floods: bool = False
    reads: int = -1
    receive_buffer: int = 0
    leaves: str = "never"
    again: bool = False


def get(target: str, *headers: str, method: str = "GET", version: str = "1.1") -> bytes:
    """A request."""
    lines = [f"{method} {target} HTTP/{version}", "Host: localhost", *headers, "", ""]
    return "\r\n".join(lines).encode()


def post(target: str, *headers: str) -> bytes:
    """The head of a request with a body."""
    return get(target, "Content-Type: application/json", *headers, method="POST")


def chunks(size: int, count: int) -> bytes:
    """The beginning of a body, in chunks."""
    return (b"%x\r\n" % size + b"x" * size + b"\r\n") * count
