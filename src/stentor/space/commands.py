"""What people on a stage may ask for: the bodies of `POST /stage/SPACE/commands`."""

import msgspec

from stentor.errors import Refused


class _Command(msgspec.Struct, frozen=True, tag_field="command"):
    """The common shape; `command` is the tag."""


class OpenDoors(_Command, frozen=True, tag="doors.open"):
    """Let listeners in to wait."""


class StartSpace(_Command, frozen=True, tag="space.start"):
    """Begin the programme, now."""


class EndSpace(_Command, frozen=True, tag="space.end"):
    """End the programme, for good."""


class UpdateSpace(_Command, frozen=True, tag="space.update"):
    """Change what is announced; a field that is None stays as it is."""

    title: str | None = None
    description: str | None = None
    starts_at_ms: int | None = None
    starts_itself: bool | None = None


class CreateInvite(_Command, frozen=True, tag="invite.create"):
    """Make an invitation for one seat. `role`: `speaker` or `cohost`."""

    name: str = ""
    role: str = "speaker"


class MuteSpeaker(_Command, frozen=True, tag="speaker.mute"):
    """Mix no audio of this speaker from the next frame on."""

    speaker: str


class UnmuteSpeaker(_Command, frozen=True, tag="speaker.unmute"):
    """Mix me again; nobody can do this to another."""

    speaker: str = ""


class RemoveSpeaker(_Command, frozen=True, tag="speaker.remove"):
    """Put a speaker out, for good."""

    speaker: str


class LeaveStage(_Command, frozen=True, tag="speaker.leave"):
    """Give my seat back."""


class WithdrawRecording(_Command, frozen=True, tag="recording.withdraw"):
    """Offer the replay no more; keep the sound."""


class RestoreRecording(_Command, frozen=True, tag="recording.restore"):
    """Offer the replay again."""


class DeleteRecording(_Command, frozen=True, tag="recording.delete"):
    """Erase the sound for good."""


Command = (
    OpenDoors
    | StartSpace
    | EndSpace
    | UpdateSpace
    | CreateInvite
    | MuteSpeaker
    | UnmuteSpeaker
    | RemoveSpeaker
    | LeaveStage
    | WithdrawRecording
    | RestoreRecording
    | DeleteRecording
)

_decoder: msgspec.json.Decoder[Command] = msgspec.json.Decoder(Command)


def decode(body: bytes) -> Command:
    """Read a command.

    Raises:
        Refused: `request.malformed` when it is not JSON, or not a command we know.
    """
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        raise Refused("request.malformed", f"This is not a command: {wrong}.") from wrong
