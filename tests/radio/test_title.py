"""What a radio's display shows."""

from stentor.radio.title import next_voice, title_of
from stentor.space.card import Card, CardSpeaker

CARD = Card(
    space="0123456789ab",
    phase="live",
    title="On bells",
    host_name="Ada",
    speakers=[CardSpeaker("a", "Ada", "host"), CardSpeaker("b", "Béla", "speaker")],
)


def test_it_names_the_speaker_and_the_space() -> None:
    assert title_of(CARD, "b") == "Béla - On bells"


def test_it_names_the_space_alone_without_a_speaker() -> None:
    assert title_of(CARD, "") == title_of(CARD, "gone") == "On bells"


def test_it_does_not_flicker() -> None:
    voice = next_voice("", ["a", "b"])
    assert voice == "a"
    assert next_voice(voice, ["b", "a"]) == "a", "still heard"
    assert next_voice(voice, []) == "a", "a pause"
    assert next_voice(voice, ["b"]) == "b"
