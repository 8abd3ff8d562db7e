"""The state of a Space: a fold of its events, and the tables of phases and roles.

The same events always give the same state, so a stage that was killed knows all it needs from the
log. Folding accepts any order of events: rules decide what may happen, the fold only remembers.
"""

from collections.abc import Iterable, Mapping
from typing import Literal, assert_never

import msgspec
from msgspec.structs import replace

from stentor.errors import Corrupt
from stentor.space.card import Card, CardSpeaker, Phase
from stentor.space.events import (
    CadenceChanged,
    DoorSeeded,
    DoorSeedRevealed,
    DoorsOpened,
    Event,
    LadderChanged,
    LedgerAnchored,
    LogGap,
    RecordingDeleted,
    RecordingRestored,
    RecordingWithdrawn,
    SpaceEnded,
    SpaceScheduled,
    SpaceStarted,
    SpaceUpdated,
    SpeakerConnected,
    SpeakerDropped,
    SpeakerJoined,
    SpeakerLeft,
    SpeakerMuted,
    SpeakerRemoved,
    SpeakerUnmuted,
    SpeakingChanged,
    StageGap,
)

SeatRole = Literal["host", "cohost", "speaker"]
"""Who somebody is on a stage; listeners have no seat."""

ROLES: Mapping[str, SeatRole] = {"host": "host", "cohost": "cohost", "speaker": "speaker"}

PHASES: Mapping[Phase, frozenset[Phase]] = {
    "scheduled": frozenset({"doors", "live", "ended"}),
    "doors": frozenset({"live", "ended"}),
    "live": frozenset({"ended"}),
    "ended": frozenset({"replay", "cancelled"}),
    "replay": frozenset({"withdrawn", "deleted"}),
    "withdrawn": frozenset({"replay", "deleted"}),
    "deleted": frozenset(),
    "cancelled": frozenset(),
}
"""Which phase may follow which."""

BEFORE: frozenset[Phase] = frozenset({"scheduled", "doors"})
"""Nothing is recorded yet; speakers on stage hear each other."""
OPEN: frozenset[Phase] = BEFORE | {"live"}
"""The stage holds the Space: seats can be taken."""
OVER: frozenset[Phase] = frozenset(PHASES) - OPEN
"""The programme is over."""
KEPT: frozenset[Phase] = frozenset({"replay", "withdrawn"})
"""The recording is whole, offered or not."""


class Seat(msgspec.Struct, frozen=True):
    """One place on the stage and who has it.

    Attributes:
        present: taken now; a seat that was left keeps its name and role, and may be taken again.
        removed: put out by the host: it is never taken again.
        away_since: media_time at which this seat's audio stopped; None when it never did or is
            back.
    """

    speaker: str
    name: str
    role: SeatRole
    present: bool = True
    muted: bool = False
    connected: bool = False
    removed: bool = False
    away_since: int | None = None


class State(msgspec.Struct, frozen=True):
    """All that the events of a Space say. Times are UTC milliseconds, 0: none.

    Attributes:
        starts_itself: the stage starts it at `starts_at_ms`, whoever is there.
        created_at_ms: when the first record was written.
        ended_at_media_time: the programme's length in samples, once it is over.
        speaking: who is heard, loudest first.
        seed_hash: of the seed that shuffles those who come before the doors open; empty: none.
    """

    space: str
    title: str
    host_id: str
    host_name: str
    host_speaker: str
    description: str = ""
    starts_at_ms: int = 0
    starts_itself: bool = False
    created_at_ms: int = 0
    phase: Phase = "scheduled"
    started_at_ms: int = 0
    ended_at_ms: int = 0
    end_reason: str = ""
    ended_at_media_time: int = 0
    seats: Mapping[str, Seat] = {}
    speaking: tuple[str, ...] = ()
    seed_hash: str = ""

    @property
    def present(self) -> list[Seat]:
        """The seats that are taken, in the order in which they were first taken."""
        return [seat for seat in self.seats.values() if seat.present]

    @property
    def connected(self) -> list[Seat]:
        """The seats whose audio arrives."""
        return [seat for seat in self.seats.values() if seat.connected]


def begin(event: Event, at_ms: int) -> State:
    """The state after a log's first event, which was recorded at `at_ms`.

    Raises:
        Corrupt: `log.events` when it is not `space.scheduled`.
    """
    if not isinstance(event, SpaceScheduled):
        raise Corrupt("log.events", "A Space's log begins with space.scheduled; this one does not.")
    return State(
        space=event.space,
        title=event.title,
        host_id=event.host_id,
        host_name=event.host_name,
        host_speaker=event.host_speaker,
        description=event.description,
        starts_at_ms=event.starts_at_ms,
        starts_itself=event.starts_itself,
        created_at_ms=at_ms,
    )


def fold_all(events: Iterable[tuple[Event, int]]) -> State | None:
    """The state after all these events, each with its wall time in UTC ms; None for no events."""
    state: State | None = None
    for event, at_ms in events:
        state = begin(event, at_ms) if state is None else fold(state, event)
    return state


def fold(state: State, event: Event) -> State:
    """The state after one more event."""
    match event:
        case SpaceScheduled():
            return state
        case SpaceUpdated():
            return replace(
                state,
                title=event.title,
                description=event.description,
                starts_at_ms=event.starts_at_ms,
                starts_itself=event.starts_itself,
            )
        case DoorsOpened() | SpaceStarted() | SpaceEnded():
            return _fold_phase(state, event)
        case RecordingWithdrawn():
            return replace(state, phase="withdrawn")
        case RecordingRestored():
            return replace(state, phase="replay")
        case RecordingDeleted():
            return replace(state, phase="deleted")
        case SpeakingChanged():
            return replace(state, speaking=tuple(event.speakers))
        case StageGap() | LogGap() | CadenceChanged():
            return state
        case DoorSeeded():
            return replace(state, seed_hash=event.seed_hash)
        case LadderChanged() | DoorSeedRevealed() | LedgerAnchored():
            return state
        case SpeakerJoined():
            return _with(state, _joined(state, event))
        case (
            SpeakerLeft()
            | SpeakerRemoved()
            | SpeakerMuted()
            | SpeakerUnmuted()
            | SpeakerConnected()
            | SpeakerDropped()
        ):
            seat = state.seats.get(event.speaker)
            return state if seat is None else _with(state, _fold_seat(seat, event))
        case _:
            assert_never(event)


def sealed(state: State) -> State:
    """The state once the log is sealed: the replay is there, if the programme ever began."""
    if state.phase != "ended":
        return state
    return replace(state, phase="replay" if state.started_at_ms else "cancelled")


def card_of(state: State, notice: str = "", duration_samples: int = 0) -> Card:
    """The public summary of a state.

    Args:
        notice: a sentence for everybody, such as that the recording has a hole.
        duration_samples: the programme's length so far; the final one is the state's own.
    """
    speakers = [
        CardSpeaker(seat.speaker, seat.name, seat.role, muted=seat.muted, connected=seat.connected)
        for seat in state.present
    ]
    return Card(
        space=state.space,
        phase=state.phase,
        title=state.title,
        host_name=state.host_name,
        description=state.description,
        host_id=state.host_id,
        starts_at_ms=state.starts_at_ms,
        starts_itself=state.starts_itself,
        started_at_ms=state.started_at_ms,
        ended_at_ms=state.ended_at_ms,
        end_reason=state.end_reason,
        duration_samples=state.ended_at_media_time or duration_samples,
        speakers=speakers,
        notice=notice,
    )


def _fold_phase(state: State, event: DoorsOpened | SpaceStarted | SpaceEnded) -> State:
    match event:
        case DoorsOpened():
            return replace(state, phase="doors")
        case SpaceStarted():
            return replace(state, phase="live", started_at_ms=event.at_ms)
        case SpaceEnded():
            seats = {
                speaker: replace(seat, connected=False) for speaker, seat in state.seats.items()
            }
            return replace(
                state,
                phase="ended",
                ended_at_ms=event.at_ms,
                end_reason=event.reason,
                ended_at_media_time=event.media_time,
                seats=seats,
                speaking=(),
            )


def _joined(state: State, event: SpeakerJoined) -> Seat:
    before = state.seats.get(event.speaker)
    role = ROLES.get(event.role, "speaker")
    if before is None:
        return Seat(event.speaker, event.name, role)
    return replace(before, name=event.name, role=role, present=not before.removed)


def _fold_seat(
    seat: Seat,
    event: SpeakerLeft
    | SpeakerRemoved
    | SpeakerMuted
    | SpeakerUnmuted
    | SpeakerConnected
    | SpeakerDropped,
) -> Seat:
    match event:
        case SpeakerLeft():
            return replace(seat, present=False, connected=False, away_since=None)
        case SpeakerRemoved():
            return replace(seat, present=False, connected=False, away_since=None, removed=True)
        case SpeakerMuted():
            return replace(seat, muted=True)
        case SpeakerUnmuted():
            return replace(seat, muted=False)
        case SpeakerConnected():
            return replace(seat, connected=True, away_since=None)
        case SpeakerDropped():
            return replace(seat, connected=False, away_since=event.media_time)


def _with(state: State, seat: Seat) -> State:
    speaking = state.speaking
    if not seat.connected or seat.muted:
        speaking = tuple(speaker for speaker in speaking if speaker != seat.speaker)
    return replace(state, seats={**state.seats, seat.speaker: seat}, speaking=speaking)
