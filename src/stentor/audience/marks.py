"""Marks: what can be seen of one attempt to join without knowing whose it is. Pure.

The ledger counts attempts by their marks. None of them says "attacker": each is also seen on
people, and incident/cohorts.py says how much each one weighs and why.
"""

import enum
from collections.abc import Collection

_OF_BROWSERS = frozenset({"accept", "accept-encoding", "accept-language", "user-agent", "host"})


class Mark(enum.IntFlag):
    """Bits of a cohort's number in the ledger (PROTOCOL.md)."""

    NEW = 1
    """Nobody of this prefix came to an earlier Space of this node."""
    CROWDED = 2
    """Many attempts of this prefix are in this record."""
    PAGELESS = 4
    """This client has not loaded the Space's page in the last ten minutes."""
    STRANGE = 8
    """The head is not one that a browser sends."""
    REGULAR = 16
    """It came back after the same time as the time before."""
    EARLY = 32
    """It came back sooner than it had been told."""
    AGAIN = 64
    """It was here less than a minute ago."""
    BAD = 128
    """It showed a ticket, place or solution that is forged, used up or somebody else's."""
    UNSOLVED = 256
    """It was asked for a challenge, and had none or a wrong one."""
    SOLVED = 512
    """It had solved a challenge."""
    VOUCHED = 1024
    """An account, a host or a speaker."""
    ALIKE = 2048
    """A large part of all attempts just now have this very head."""
    BESIDE = 4096
    """Of its prefix's attempts just now, many are PAGELESS or STRANGE."""
    AKIN = 8192
    """Of the attempts with this very head just now, many are PAGELESS or STRANGE."""


ODD = Mark.PAGELESS | Mark.STRANGE


def of_browser(names: Collection[str], agent: str) -> bool:
    """Whether a request's head is one that a browser sends to a page's own script.

    Args:
        names: of the headers, in lower case.
        agent: `User-Agent`.
    """
    return agent.startswith("Mozilla/5.0 (") and _OF_BROWSERS.issubset(names)


def head_of(names: Collection[str], agent: str) -> bytes:
    """What two heads have in common that are alike: order of headers, and family of the agent.

    Versions are left out, so that a browser's update is not something new.
    """
    family = "".join(letter for letter in agent[:160] if not letter.isdigit())
    return "\n".join([*names, family]).encode("utf-8", "replace")
