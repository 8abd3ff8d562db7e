"""The rules of a Space: who may do what in which phase, as a table and one pure function.

`decide` answers a command with the events that follow from it, or refuses it with a sentence. It
looks at the state and never only at the token, so that somebody who was removed stays out.
"""

from collections.abc import Mapping
from typing import assert_never

import msgspec

from stentor.errors import Refused
from stentor.limits import (
    DESCRIPTION_CHARS_MAX,
    NAME_CHARS_MAX,
    SCHEDULE_AHEAD_S,
    SCHEDULE_PAST_S,
    SEATS_MAX,
    SPEAKERS_MAX,
    START_EXACT_MS,
    START_LATE_S,
    TITLE_CHARS_MAX,
    UNSTARTED_S,
)
from stentor.space.card import Phase
from stentor.space.commands import (
    Command,
    CreateInvite,
    DeleteRecording,
    EndSpace,
    LeaveStage,
    MuteSpeaker,
    OpenDoors,
    RemoveSpeaker,
    RestoreRecording,
    StartSpace,
    UnmuteSpeaker,
    UpdateSpace,
    WithdrawRecording,
)
from stentor.space.events import (
    DoorsOpened,
    Event,
    RecordingDeleted,
    RecordingRestored,
    RecordingWithdrawn,
    SpaceEnded,
    SpaceScheduled,
    SpaceStarted,
    SpaceUpdated,
    SpeakerJoined,
    SpeakerLeft,
    SpeakerMuted,
    SpeakerRemoved,
    SpeakerUnmuted,
)
from stentor.space.state import BEFORE, KEPT, OPEN, OVER, ROLES, Seat, SeatRole, State


class Moment(msgspec.Struct, frozen=True):
    """When a command came: UTC milliseconds, and samples since the programme began."""

    at_ms: int
    media_time: int = 0


class Actor(msgspec.Struct, frozen=True):
    """Who asks."""

    speaker: str
    role: SeatRole


class Rule(msgspec.Struct, frozen=True):
    """Who may give a command, and when it makes sense."""

    roles: frozenset[SeatRole]
    phases: frozenset[Phase]


_LEADERS: frozenset[SeatRole] = frozenset({"host", "cohost"})
_ALL: frozenset[SeatRole] = frozenset({"host", "cohost", "speaker"})
_HOST: frozenset[SeatRole] = frozenset({"host"})

RULES: Mapping[type[Command], Rule] = {
    OpenDoors: Rule(_LEADERS, OPEN),
    StartSpace: Rule(_LEADERS, OPEN),
    EndSpace: Rule(_LEADERS, OPEN),
    UpdateSpace: Rule(_LEADERS, OPEN),
    CreateInvite: Rule(_LEADERS, OPEN),
    MuteSpeaker: Rule(_ALL, OPEN),
    UnmuteSpeaker: Rule(_ALL, OPEN),
    RemoveSpeaker: Rule(_LEADERS, OPEN),
    LeaveStage: Rule(_ALL, OPEN),
    WithdrawRecording: Rule(_HOST, KEPT),
    RestoreRecording: Rule(_HOST, KEPT),
    DeleteRecording: Rule(_HOST, KEPT | {"deleted"}),
}
"""One line for each command; what a command may be done to is decided beside it, below."""


def decide(state: State, actor: Actor, command: Command, moment: Moment) -> list[Event]:
    """The events that follow from a command; none when things are already as it wants them.

    Raises:
        Refused: the actor may not, or the phase or the seat does not allow it.
    """
    rule = RULES[type(command)]
    if actor.role not in rule.roles:
        raise Refused("token.wrong_role", f"Only the {_either(rule.roles)} can do this.")
    _check_phase(state, rule)
    match command:
        case OpenDoors():
            return [DoorsOpened(moment.at_ms)] if state.phase == "scheduled" else []
        case StartSpace():
            return [] if state.phase == "live" else [SpaceStarted(moment.at_ms)]
        case EndSpace():
            return _end(state, actor, moment)
        case UpdateSpace():
            return _update(state, command, moment)
        case CreateInvite():
            check_invite(actor, command)
            return []
        case MuteSpeaker() | UnmuteSpeaker() | RemoveSpeaker() | LeaveStage():
            return _decide_seat(state, actor, command)
        case WithdrawRecording() | RestoreRecording() | DeleteRecording():
            return _decide_recording(state, actor, command, moment)
        case _:
            assert_never(command)


def actor_of(state: State, speaker: str, role: str) -> Actor:
    """Who a seat token speaks for; the state outranks the token.

    Raises:
        Refused: `speaker.removed`; `speaker.unknown` when the seat was never taken;
            `token.wrong_role` when the token claims what this Space never gave.
    """
    seat = state.seats.get(speaker)
    if seat is not None and seat.removed:
        raise Refused("speaker.removed", "The host has removed you from this Space.")
    if speaker == state.host_speaker:
        return Actor(speaker, "host")
    if role == "host":
        raise Refused("token.wrong_role", "This link is not the host's link of this Space.")
    if seat is None:
        raise Refused("speaker.unknown", "Take your seat first: open the invitation and join.")
    return Actor(speaker, seat.role)


def join(state: State, speaker: str, role: str, name: str, *, consent: bool) -> list[Event]:
    """The events of taking a seat, first or again; none when it is taken already.

    Args:
        speaker: the seat, as the token names it.
        role: the token's.
        consent: whether the person agreed to be recorded.

    Raises:
        Refused: `space.ended`, `space.invalid`, `speaker.removed`, `token.wrong_role`,
            `stage.full`.
    """
    if state.phase in OVER:
        raise _ended()
    seat = state.seats.get(speaker)
    if seat is None and speaker != state.host_speaker and role in {"speaker", "cohost"}:
        granted: SeatRole = "cohost" if role == "cohost" else "speaker"
    else:
        granted = actor_of(state, speaker, role).role
    if not consent:
        raise Refused("space.invalid", "Whoever speaks here is recorded: agree to it, or listen.")
    name = clean("A name", name, NAME_CHARS_MAX)
    if seat is not None and seat.present and seat.name == name:
        return []
    if seat is None or not seat.present:
        _check_room(state, speaker)
    return [SpeakerJoined(speaker, name, granted)]


def rejoin(state: State, seat: Seat) -> list[Event]:
    """The events of publishing again from a seat: it is taken again when it was left or lost.

    Raises:
        Refused: `stage.full`.
    """
    if seat.present:
        return []
    _check_room(state, seat.speaker)
    return [SpeakerJoined(seat.speaker, seat.name, seat.role)]


def check_schedule(event: SpaceScheduled, at_ms: int) -> SpaceScheduled:
    """A new Space's first event, its texts tidied.

    Raises:
        Refused: `space.invalid` with what to change.
    """
    _check_start(event.starts_at_ms, at_ms)
    return msgspec.structs.replace(
        event,
        title=clean("A title", event.title, TITLE_CHARS_MAX),
        description=clean_long("A description", event.description, DESCRIPTION_CHARS_MAX),
        starts_itself=event.starts_itself and event.starts_at_ms > at_ms,
        host_name=clean("The host's name", event.host_name, NAME_CHARS_MAX),
    )


def check_invite(actor: Actor, command: CreateInvite) -> None:
    """Whether this invitation may be made.

    Raises:
        Refused: `space.invalid`, or `token.wrong_role` when a co-host invites co-hosts.
    """
    if command.role not in {"speaker", "cohost"}:
        raise Refused("space.invalid", "One can be invited as speaker or as cohost.")
    if command.role == "cohost" and actor.role != "host":
        raise Refused("token.wrong_role", "Only the host invites co-hosts.")
    if command.name:
        clean("A name", command.name, NAME_CHARS_MAX)


def due(state: State, at_ms: int, doors_before_s: float) -> list[Event]:
    """What happens to a Space that has not begun because time has passed."""
    if state.phase not in BEFORE:
        return []
    awaited_ms = max(state.starts_at_ms, state.created_at_ms)
    if at_ms - awaited_ms >= UNSTARTED_S * 1000:
        return [SpaceEnded(at_ms, "abandoned", 0)]
    opens_at_ms = state.starts_at_ms - doors_before_s * 1000
    if state.phase == "scheduled" and state.starts_at_ms and at_ms >= opens_at_ms:
        return [DoorsOpened(at_ms)]
    return []


def start_due(state: State, at_ms: int) -> list[Event]:
    """The start of a Space that starts by itself, from its second on.

    It is told as it was promised, to the millisecond, when asked within a frame of it. A stage that
    was away then starts late, and says when; after `START_LATE_S` it is the host's to start.
    """
    late_ms = at_ms - state.starts_at_ms
    if not state.starts_itself or state.phase not in BEFORE:
        return []
    if not 0 <= late_ms <= START_LATE_S * 1000:
        return []
    return [SpaceStarted(state.starts_at_ms if late_ms <= START_EXACT_MS else at_ms)]


def clean(what: str, text: str, chars_max: int) -> str:
    """A line of text without spaces around it.

    Raises:
        Refused: `space.invalid` when it is empty, too long or has control characters.
    """
    text = text.strip()
    if not 1 <= len(text) <= chars_max:
        raise Refused(
            "space.invalid", f"{what} has 1 to {chars_max} characters; this one has {len(text)}."
        )
    if not text.isprintable():
        raise Refused("space.invalid", f"{what} is one line of plain text, without control signs.")
    return text


def clean_long(what: str, text: str, chars_max: int) -> str:
    """Text that may be empty and have several lines.

    Raises:
        Refused: `space.invalid` when it is too long or has control characters.
    """
    text = text.replace("\r\n", "\n").strip()
    if len(text) > chars_max:
        raise Refused(
            "space.invalid", f"{what} has at most {chars_max} characters; this one has {len(text)}."
        )
    if not text.replace("\n", "").replace("\t", "").isprintable():
        raise Refused("space.invalid", f"{what} is plain text, without control signs.")
    return text


def _check_phase(state: State, rule: Rule) -> None:
    if state.phase in rule.phases:
        return
    if rule.phases >= KEPT:
        if state.phase == "deleted":
            raise Refused("recording.deleted", "This recording was deleted for good.")
        if state.phase == "cancelled":
            raise Refused("recording.none", "This Space never began: nothing was recorded.")
        raise Refused("space.not_ended", "This is possible once the Space has ended.")
    raise _ended()


def _ended() -> Refused:
    return Refused("space.ended", "This Space has ended; its address offers the recording.")


def _end(state: State, actor: Actor, moment: Moment) -> list[Event]:
    if state.phase == "live":
        return [SpaceEnded(moment.at_ms, "host", moment.media_time)]
    if actor.role != "host":
        raise Refused("token.wrong_role", "Only the host cancels what has not begun.")
    return [SpaceEnded(moment.at_ms, "cancelled", 0)]


def _update(state: State, command: UpdateSpace, moment: Moment) -> list[Event]:
    title = state.title
    if command.title is not None:
        title = clean("A title", command.title, TITLE_CHARS_MAX)
    description = state.description
    if command.description is not None:
        description = clean_long("A description", command.description, DESCRIPTION_CHARS_MAX)
    starts_at_ms, starts_itself = _update_start(state, command, moment)
    updated = SpaceUpdated(title, description, starts_at_ms, starts_itself)
    before = SpaceUpdated(state.title, state.description, state.starts_at_ms, state.starts_itself)
    return [] if updated == before else [updated]


def _update_start(state: State, command: UpdateSpace, moment: Moment) -> tuple[int, bool]:
    at_ms, itself = state.starts_at_ms, state.starts_itself
    if command.starts_at_ms is not None:
        at_ms = command.starts_at_ms
    if command.starts_itself is not None:
        itself = command.starts_itself
    if (at_ms, itself) == (state.starts_at_ms, state.starts_itself):
        return at_ms, itself
    if state.phase == "live":
        raise Refused("space.state", "The Space has begun; its start cannot be moved.")
    if at_ms != state.starts_at_ms:
        _check_start(at_ms, moment.at_ms)
    return at_ms, itself and at_ms > moment.at_ms


def _check_start(starts_at_ms: int, at_ms: int) -> None:
    if starts_at_ms == 0:
        return
    if starts_at_ms < at_ms - SCHEDULE_PAST_S * 1000:
        raise Refused("space.invalid", "The start lies in the past; choose a time to come.")
    if starts_at_ms > at_ms + SCHEDULE_AHEAD_S * 1000:
        raise Refused("space.invalid", "The start lies more than two years ahead.")


def _decide_seat(
    state: State,
    actor: Actor,
    command: MuteSpeaker | UnmuteSpeaker | RemoveSpeaker | LeaveStage,
) -> list[Event]:
    speaker = actor.speaker if isinstance(command, LeaveStage) else command.speaker
    seat = state.seats.get(speaker or actor.speaker)
    if seat is None or not seat.present:
        raise Refused("speaker.unknown", "Nobody has this seat now.")
    own = seat.speaker == actor.speaker
    match command:
        case MuteSpeaker():
            if not own and (actor.role == "speaker" or seat.role == "host"):
                raise Refused("token.wrong_role", "You can mute only yourself.")
            return [] if seat.muted else [SpeakerMuted(seat.speaker, actor.speaker)]
        case UnmuteSpeaker():
            if not own:
                raise Refused("token.wrong_role", "Only a speaker can unmute their own voice.")
            return [SpeakerUnmuted(seat.speaker)] if seat.muted else []
        case RemoveSpeaker():
            if own:
                raise Refused("space.state", "To go yourself, leave the stage.")
            if seat.role == "host" or (actor.role == "cohost" and seat.role != "speaker"):
                raise Refused("token.wrong_role", f"You cannot remove the {seat.role}.")
            return [SpeakerRemoved(seat.speaker, actor.speaker)]
        case LeaveStage():
            return [SpeakerLeft(seat.speaker, "left")]


def _decide_recording(
    state: State,
    actor: Actor,
    command: WithdrawRecording | RestoreRecording | DeleteRecording,
    moment: Moment,
) -> list[Event]:
    match command:
        case WithdrawRecording():
            gone = state.phase == "withdrawn"
            return [] if gone else [RecordingWithdrawn(actor.speaker, moment.at_ms)]
        case RestoreRecording():
            there = state.phase == "replay"
            return [] if there else [RecordingRestored(actor.speaker, moment.at_ms)]
        case DeleteRecording():
            gone = state.phase == "deleted"
            return [] if gone else [RecordingDeleted(actor.speaker, moment.at_ms)]


def _check_room(state: State, speaker: str) -> None:
    """The host's seat is kept free for the host."""
    others = [seat for seat in state.present if seat.speaker != state.host_speaker]
    if speaker != state.host_speaker and len(others) >= SPEAKERS_MAX - 1:
        raise Refused("stage.full", f"The stage has {SPEAKERS_MAX} seats and all are taken.")
    if speaker not in state.seats and len(state.seats) >= SEATS_MAX:
        raise Refused("stage.full", f"This Space has seen {SEATS_MAX} speakers; it takes no more.")


def _either(roles: frozenset[SeatRole]) -> str:
    return " or ".join(role for role in ROLES if role in roles)
