"""What gates and the helper that keeps the kernel's drop list say to each other. Pure.

Each message is one MessagePack array on a Unix socket of messages (SOCK_SEQPACKET).
"""

import msgspec

from stentor.limits import BAN_MAX_S, SHIELD_LISTED_MAX, SHIELD_TOLD_MAX


class Ban(msgspec.Struct, frozen=True, array_like=True, tag="ban"):
    """Keep hosts or prefixes out: each with seconds, at most `BAN_MAX_S`."""

    whom: list[tuple[str, float]]


class Unban(msgspec.Struct, frozen=True, array_like=True, tag="unban"):
    """Let a host or prefix in again; gates are told."""

    whom: str


class Listed(msgspec.Struct, frozen=True, array_like=True, tag="list"):
    """Say who is kept out."""


class Standing(msgspec.Struct, frozen=True, array_like=True):
    """How the helper stands; the answer to everything, and said when it changes.

    Attributes:
        kept_out: how many are.
        refused: of what the last message asked for, how many could not be: no host or prefix, of
            this machine, or of a listed proxy.
        bans: who is kept out, and for how many seconds more; only when that was asked, and then at
            most `SHIELD_LISTED_MAX`.
        forgiven: who was let in again, for gates to forget it too.
    """

    kept_out: int = 0
    refused: int = 0
    bans: list[tuple[str, float]] = []
    forgiven: str = ""


Asked = Ban | Unban | Listed
_asked = msgspec.msgpack.Decoder(Asked)
_standing = msgspec.msgpack.Decoder(Standing)


def asked(data: bytes) -> Asked:
    """Read what a gate asks for.

    Raises:
        ValueError: it is nothing of the kind, or more than is allowed at once.
    """
    said: Asked = _asked.decode(data)
    if isinstance(said, Ban):
        if len(said.whom) > SHIELD_TOLD_MAX:
            raise ValueError("more bans than one message may hold")
        if not all(0.0 < seconds <= BAN_MAX_S for _, seconds in said.whom):
            raise ValueError("a ban lasts longer than any may")
    return said


def standing(data: bytes) -> Standing:
    """Read what the helper says.

    Raises:
        ValueError: it is nothing of the kind.
    """
    said: Standing = _standing.decode(data)
    if len(said.bans) > SHIELD_LISTED_MAX:
        raise ValueError("more bans than one answer may hold")
    return said


def encode(said: Asked | Standing) -> bytes:
    """A message as bytes."""
    return msgspec.msgpack.encode(said)
