"""Audio that comes, stops and comes back, as a table."""

import pytest

from stentor.limits import SPEAKER_LOST_S, SPEAKER_SILENT_S
from stentor.space.events import Event, SpeakerConnected, SpeakerDropped, SpeakerLeft
from stentor.space.state import Seat
from stentor.stage.presence import Signs, changes

WAITING = Seat("bob00001", "Bob", "speaker")
HEARD = Seat("bob00001", "Bob", "speaker", connected=True)
DROPPED = Seat("bob00001", "Bob", "speaker", away_since=480_000)
LONG = SPEAKER_LOST_S + 0.1


def signs(
    quiet_s: float | None,
    away_s: float = 0.0,
    *,
    publishes: bool = True,
    follows: bool = True,
    media_time: int = 960_000,
    delay_samples: int = 2_400,
) -> Signs:
    return Signs(media_time, publishes, quiet_s, away_s, delay_samples, follows)


@pytest.mark.parametrize(
    ("seat", "seen", "expected"),
    [
        (WAITING, signs(None), []),
        (WAITING, signs(0.0), [SpeakerConnected("bob00001", 962_400, 0)]),
        (WAITING, signs(0.0, media_time=0), [SpeakerConnected("bob00001", 0, 0)]),
        (HEARD, signs(0.02), []),
        (HEARD, signs(SPEAKER_SILENT_S), []),
        (HEARD, signs(0.6), [SpeakerDropped("bob00001", 960_000 - 28_800 + 2_400)]),
        (HEARD, signs(0.01, publishes=False), [SpeakerDropped("bob00001", 960_000)]),
        (HEARD, signs(0.6, media_time=960), [SpeakerDropped("bob00001", 0)]),
        (DROPPED, signs(0.0), [SpeakerConnected("bob00001", 962_400, 482_400)]),
        (DROPPED, signs(5.0, 5.0), []),
        (DROPPED, signs(LONG, LONG), [SpeakerLeft("bob00001", "lost")]),
        (DROPPED, signs(LONG, LONG, publishes=False), [SpeakerLeft("bob00001", "lost")]),
        (WAITING, signs(None, LONG), []),
        (WAITING, signs(None, LONG, follows=False), [SpeakerLeft("bob00001", "lost")]),
    ],
)
def test_what_follows_from_the_signs(seat: Seat, seen: Signs, expected: list[Event]) -> None:
    assert changes(seat, seen) == expected
