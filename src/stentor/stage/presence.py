"""Whether a speaker is here: what follows from audio that arrives, stops, or stays away. Pure."""

from dataclasses import dataclass

from stentor.limits import SAMPLE_RATE, SPEAKER_LOST_S, SPEAKER_SILENT_S
from stentor.space.events import Event, SpeakerConnected, SpeakerDropped, SpeakerLeft
from stentor.space.state import Seat


@dataclass(frozen=True, slots=True)
class Signs:
    """What is known of one seat at one moment.

    Attributes:
        media_time: of the programme now; 0 before the start.
        publishes: whether it has a session.
        quiet_s: since its last packet, in whichever session; None when there never was one.
        away_s: since its audio stopped, or since it took the seat without ever sending any.
        delay_samples: from a packet's arrival until it is heard.
        follows: whether its studio follows the stage's stream.
    """

    media_time: int
    publishes: bool
    quiet_s: float | None
    away_s: float
    delay_samples: int = 0
    follows: bool = False


def changes(seat: Seat, signs: Signs) -> list[Event]:
    """What has happened to a seat that is taken."""
    quiet_s = SPEAKER_LOST_S if signs.quiet_s is None else signs.quiet_s
    arrives = signs.publishes and quiet_s <= SPEAKER_SILENT_S
    if arrives and not seat.connected:
        # What arrives now is heard after the delay; so was what arrived last.
        heard_at = signs.media_time + signs.delay_samples if signs.media_time else 0
        gap = 0 if seat.away_since is None else max(0, heard_at - seat.away_since)
        return [SpeakerConnected(seat.speaker, heard_at, gap)]
    if not arrives and seat.connected:
        stopped = signs.media_time - round(quiet_s * SAMPLE_RATE) + signs.delay_samples
        return [SpeakerDropped(seat.speaker, max(0, min(stopped, signs.media_time)))]
    expected = seat.away_since is not None or not signs.follows
    if not arrives and expected and signs.away_s > SPEAKER_LOST_S:
        return [SpeakerLeft(seat.speaker, "lost")]
    return []
