"""What a radio's display shows: who speaks, and in which Space. Pure."""

from collections.abc import Sequence

from stentor.space.card import Card


def next_voice(voice: str, speaking: Sequence[str]) -> str:
    """Whose name is shown, once these are heard, loudest first.

    Whoever is shown stays as long as they are heard, and through silence: a display is read, and
    is not to flicker.
    """
    return voice if not speaking or voice in speaking else speaking[0]


def title_of(card: Card, voice: str) -> str:
    """`Speaker - Space`; the Space alone while nobody speaks."""
    names = {speaker.id: speaker.name for speaker in card.speakers}
    live = card.phase == "live"
    return f"{names[voice]} - {card.title}" if live and voice in names else card.title
