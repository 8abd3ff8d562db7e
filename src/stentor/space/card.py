"""The card: the small public summary of a Space that pages are made from.

The stage writes it beside the log at every change; edges and web only read it. It is derived: it
can be made again from the log at any time.
"""

from typing import Literal

import msgspec

Phase = Literal[
    "scheduled", "doors", "live", "ended", "replay", "withdrawn", "deleted", "cancelled"
]
"""`ended` lasts from the end until the log is sealed (well under two seconds), then `replay`; or
`cancelled`, when the programme never began."""


class CardSpeaker(msgspec.Struct, frozen=True, omit_defaults=True):
    """One seat, as everybody may see it."""

    id: str
    name: str
    role: str
    muted: bool = False
    connected: bool = False


class Card(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a page needs to speak the truth about a Space. Times are UTC ms since 1970, 0: none."""

    space: str
    phase: Phase
    title: str
    host_name: str
    description: str = ""
    host_id: str = ""
    starts_at_ms: int = 0
    starts_itself: bool = False
    started_at_ms: int = 0
    ended_at_ms: int = 0
    end_reason: str = ""
    duration_samples: int = 0
    speakers: list[CardSpeaker] = []
    notice: str = ""


_decoder = msgspec.json.Decoder(Card)


def encode(card: Card) -> bytes:
    """The JSON of a card."""
    return msgspec.json.encode(card)


def decode(data: bytes) -> Card:
    """Read a card.

    Raises:
        msgspec.ValidationError: it is not a card of this version.
    """
    return _decoder.decode(data)
