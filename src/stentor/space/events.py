"""What can happen in a Space: the payloads of event records, as JSON objects with a `type`.

The same JSON reaches listeners (in `emsg` boxes) and studios, so nothing private is ever in it.
"""

import msgspec


class _Event(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type"):
    """The common shape; `type` is the tag."""


class SpaceScheduled(_Event, frozen=True, tag="space.scheduled"):
    """The Space exists. Times are UTC milliseconds since 1970; 0 means "when the host starts".

    `starts_itself`: the stage starts it at `starts_at_ms`, whoever is there.
    """

    space: str
    title: str
    host_id: str
    host_name: str
    host_speaker: str
    description: str = ""
    starts_at_ms: int = 0
    starts_itself: bool = False


class SpaceUpdated(_Event, frozen=True, tag="space.updated"):
    """The host changed what is announced; fields hold the new values."""

    title: str
    description: str = ""
    starts_at_ms: int = 0
    starts_itself: bool = False


class DoorsOpened(_Event, frozen=True, tag="doors.opened"):
    """Listeners may come in and wait."""

    at_ms: int


class SpaceStarted(_Event, frozen=True, tag="space.started"):
    """The first sample of the programme is media_time 0 of this wall time."""

    at_ms: int


class SpaceEnded(_Event, frozen=True, tag="space.ended"):
    """The programme is over. `reason`: `host`, `abandoned`, or, unbegun, `cancelled`."""

    at_ms: int
    reason: str
    media_time: int = 0


class SpeakerJoined(_Event, frozen=True, tag="speaker.joined"):
    """Somebody took a seat, having agreed to be recorded. `role`: `host`, `cohost` or `speaker`."""

    speaker: str
    name: str
    role: str


class SpeakerLeft(_Event, frozen=True, tag="speaker.left"):
    """A seat is free again. `reason`: `left` or `lost`."""

    speaker: str
    reason: str


class SpeakerRemoved(_Event, frozen=True, tag="speaker.removed"):
    """The host put a speaker out; this seat cannot be taken again."""

    speaker: str
    by: str


class SpeakerMuted(_Event, frozen=True, tag="speaker.muted"):
    """No audio of this speaker is mixed from here on."""

    speaker: str
    by: str


class SpeakerUnmuted(_Event, frozen=True, tag="speaker.unmuted"):
    """The speaker is mixed again; only the speaker can do this."""

    speaker: str


class SpeakerConnected(_Event, frozen=True, tag="speaker.connected"):
    """Audio of this speaker arrives. `gap_samples`: how long it was away, when it was."""

    speaker: str
    media_time: int
    gap_samples: int = 0


class SpeakerDropped(_Event, frozen=True, tag="speaker.dropped"):
    """Audio of this speaker stopped arriving at `media_time`, without anybody asking."""

    speaker: str
    media_time: int


class SpeakingChanged(_Event, frozen=True, tag="speaking"):
    """Who is heard just now, loudest first."""

    speakers: list[str]


class CadenceChanged(_Event, frozen=True, tag="cadence.changed"):
    """An edge sends to its listeners more seldom, to bear more of them, or more often again."""

    edge: int
    cadence_ms: int
    reason: str
    at_ms: int


class LadderChanged(_Event, frozen=True, tag="ladder.changed"):
    """The door gives way to load by a step, or takes one back.

    `why`: what was short; `figures`: how short, as told to everybody; `by`: `usher`, `host` or
    `operator`.
    """

    step: int
    why: str
    figures: dict[str, float]
    by: str
    at_ms: int


class DoorSeeded(_Event, frozen=True, tag="door.seeded"):
    """Who came before the doors open is shuffled with a seed of which this is the SHA-256."""

    seed_hash: str


class DoorSeedRevealed(_Event, frozen=True, tag="door.seed_revealed"):
    """The seed itself (hex): from now on anybody can check that the shuffle was fair."""

    seed: str


class LedgerAnchored(_Event, frozen=True, tag="ledger.anchored"):
    """So far the join ledger goes: how many records it has, and the hash of the last header."""

    records: int
    hash: str
    at_ms: int


class StageGap(_Event, frozen=True, tag="stage.gap"):
    """The stage itself was away; these samples are silence in the programme."""

    from_media_time: int
    to_media_time: int
    reason: str


class LogGap(_Event, frozen=True, tag="log.gap"):
    """Storage refused these samples (a full or failing disk); live went on where it could."""

    from_media_time: int
    to_media_time: int
    reason: str


class RecordingWithdrawn(_Event, frozen=True, tag="recording.withdrawn"):
    """The replay is not offered; the sound is kept."""

    by: str
    at_ms: int


class RecordingRestored(_Event, frozen=True, tag="recording.restored"):
    """The replay is offered again."""

    by: str
    at_ms: int


class RecordingDeleted(_Event, frozen=True, tag="recording.deleted"):
    """The sound has been erased for good; headers and hashes remain."""

    by: str
    at_ms: int


Event = (
    SpaceScheduled
    | SpaceUpdated
    | DoorsOpened
    | SpaceStarted
    | SpaceEnded
    | SpeakerJoined
    | SpeakerLeft
    | SpeakerRemoved
    | SpeakerMuted
    | SpeakerUnmuted
    | SpeakerConnected
    | SpeakerDropped
    | SpeakingChanged
    | CadenceChanged
    | LadderChanged
    | DoorSeeded
    | DoorSeedRevealed
    | LedgerAnchored
    | StageGap
    | LogGap
    | RecordingWithdrawn
    | RecordingRestored
    | RecordingDeleted
)

DoorEvent = LadderChanged | DoorSeeded | LedgerAnchored
"""What the usher may have recorded."""

_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


def encode(event: Event) -> bytes:
    """The JSON payload of an event."""
    return msgspec.json.encode(event)


def decode(payload: bytes) -> Event:
    """Read an event's payload.

    Raises:
        msgspec.ValidationError: it is not an event of this version.
    """
    return _decoder.decode(payload)
