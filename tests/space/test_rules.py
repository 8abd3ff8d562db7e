"""Who may do what, when: the table of rules, row by row."""

import pytest
from msgspec.structs import replace

from stentor.errors import Refused
from stentor.limits import SEATS_MAX, SPEAKERS_MAX, START_LATE_S, UNSTARTED_S
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
from stentor.space.rules import (
    RULES,
    Actor,
    Moment,
    actor_of,
    check_schedule,
    decide,
    due,
    join,
    rejoin,
    start_due,
)
from stentor.space.state import OVER, PHASES, State, begin, fold, sealed

NOW = 10_000_000
MOMENT = Moment(NOW, 96_000)
HOST, CO, BOB, EVE = "host0001", "co000001", "bob00001", "eve00001"
WHO = {
    "host": Actor(HOST, "host"),
    "cohost": Actor(CO, "cohost"),
    "speaker": Actor(BOB, "speaker"),
}


def space(phase: Phase = "live", *happened: Event, starts_at_ms: int = 0) -> State:
    state = begin(SpaceScheduled("sp01", "T", "ac", "Ada", HOST, "", starts_at_ms), NOW)
    route: dict[Phase, list[Event]] = {
        "scheduled": [],
        "doors": [DoorsOpened(1)],
        "live": [SpaceStarted(1)],
        "ended": [SpaceStarted(1), SpaceEnded(2, "host", 48_000)],
        "replay": [SpaceStarted(1), SpaceEnded(2, "host", 48_000)],
        "withdrawn": [SpaceEnded(2, "host", 48_000), RecordingWithdrawn(HOST, 3)],
        "deleted": [SpaceEnded(2, "host", 48_000), RecordingDeleted(HOST, 3)],
        "cancelled": [SpaceEnded(2, "cancelled")],
    }
    seats = [
        SpeakerJoined(HOST, "Ada", "host"),
        SpeakerJoined(CO, "Cora", "cohost"),
        SpeakerJoined(BOB, "Bob", "speaker"),
        SpeakerJoined(EVE, "Eve", "speaker"),
    ]
    for event in (*seats, *route[phase], *happened):
        state = fold(state, event)
    return sealed(state) if phase in {"replay", "cancelled"} else state


def refusal(state: State, who: Actor, command: Command) -> str:
    with pytest.raises(Refused) as refused:
        decide(state, who, command, MOMENT)
    assert refused.value.sentence.endswith(".")
    return refused.value.code


EXAMPLES: dict[type[Command], Command] = {
    OpenDoors: OpenDoors(),
    StartSpace: StartSpace(),
    EndSpace: EndSpace(),
    UpdateSpace: UpdateSpace(title="Other"),
    CreateInvite: CreateInvite("Zoe"),
    MuteSpeaker: MuteSpeaker(EVE),
    UnmuteSpeaker: UnmuteSpeaker(""),
    RemoveSpeaker: RemoveSpeaker(EVE),
    LeaveStage: LeaveStage(),
    WithdrawRecording: WithdrawRecording(),
    RestoreRecording: RestoreRecording(),
    DeleteRecording: DeleteRecording(),
}


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("role", WHO)
@pytest.mark.parametrize("kind", RULES, ids=lambda kind: kind.__name__)
def test_the_table_is_the_law(kind: type[Command], role: str, phase: Phase) -> None:
    rule, state = RULES[kind], space(phase)
    allowed = role in rule.roles and phase in rule.phases
    others = kind is MuteSpeaker and role == "speaker"
    cancels = kind is EndSpace and phase != "live" and role != "host"
    if allowed and not (others or cancels):
        for event in decide(state, WHO[role], EXAMPLES[kind], MOMENT):
            assert fold(state, event) != state
    else:
        code = refusal(state, WHO[role], EXAMPLES[kind])
        if role not in rule.roles:
            assert code == "token.wrong_role"
        elif phase in OVER and "live" in rule.phases:
            assert code == "space.ended"


@pytest.mark.parametrize(
    ("phase", "who", "command", "expected"),
    [
        ("scheduled", "host", OpenDoors(), [DoorsOpened(NOW)]),
        ("doors", "host", OpenDoors(), []),
        ("live", "cohost", OpenDoors(), []),
        ("scheduled", "host", StartSpace(), [SpaceStarted(NOW)]),
        ("doors", "cohost", StartSpace(), [SpaceStarted(NOW)]),
        ("live", "host", StartSpace(), []),
        ("live", "cohost", EndSpace(), [SpaceEnded(NOW, "host", 96_000)]),
        ("scheduled", "host", EndSpace(), [SpaceEnded(NOW, "cancelled", 0)]),
        ("doors", "host", EndSpace(), [SpaceEnded(NOW, "cancelled", 0)]),
        ("live", "host", MuteSpeaker(BOB), [SpeakerMuted(BOB, HOST)]),
        ("live", "cohost", MuteSpeaker(BOB), [SpeakerMuted(BOB, CO)]),
        ("live", "speaker", MuteSpeaker(BOB), [SpeakerMuted(BOB, BOB)]),
        ("live", "host", MuteSpeaker(HOST), [SpeakerMuted(HOST, HOST)]),
        ("live", "speaker", UnmuteSpeaker(BOB), []),
        ("live", "host", RemoveSpeaker(CO), [SpeakerRemoved(CO, HOST)]),
        ("live", "cohost", RemoveSpeaker(BOB), [SpeakerRemoved(BOB, CO)]),
        ("doors", "speaker", LeaveStage(), [SpeakerLeft(BOB, "left")]),
        ("live", "host", LeaveStage(), [SpeakerLeft(HOST, "left")]),
        ("replay", "host", WithdrawRecording(), [RecordingWithdrawn(HOST, NOW)]),
        ("withdrawn", "host", WithdrawRecording(), []),
        ("withdrawn", "host", RestoreRecording(), [RecordingRestored(HOST, NOW)]),
        ("replay", "host", RestoreRecording(), []),
        ("withdrawn", "host", DeleteRecording(), [RecordingDeleted(HOST, NOW)]),
        ("live", "cohost", UpdateSpace(title=" Neu "), [SpaceUpdated("Neu", "", 0)]),
        ("live", "host", UpdateSpace(title="T"), []),
        (
            "doors",
            "host",
            UpdateSpace(description="a\r\nb", starts_at_ms=NOW + 5),
            [SpaceUpdated("T", "a\nb", NOW + 5)],
        ),
        ("live", "cohost", CreateInvite("Zoe", "speaker"), []),
        ("live", "host", CreateInvite("", "cohost"), []),
    ],
)
def test_what_follows(phase: Phase, who: str, command: Command, expected: list[Event]) -> None:
    assert decide(space(phase), WHO[who], command, MOMENT) == expected


@pytest.mark.parametrize(
    ("phase", "who", "command", "code"),
    [
        ("scheduled", "cohost", EndSpace(), "token.wrong_role"),
        ("doors", "speaker", EndSpace(), "token.wrong_role"),
        ("cancelled", "host", StartSpace(), "space.ended"),
        ("cancelled", "host", DeleteRecording(), "recording.none"),
        ("replay", "host", StartSpace(), "space.ended"),
        ("ended", "host", DeleteRecording(), "space.not_ended"),
        ("live", "host", WithdrawRecording(), "space.not_ended"),
        ("deleted", "host", RestoreRecording(), "recording.deleted"),
        ("live", "cohost", MuteSpeaker(HOST), "token.wrong_role"),
        ("live", "speaker", MuteSpeaker(EVE), "token.wrong_role"),
        ("live", "host", UnmuteSpeaker(BOB), "token.wrong_role"),
        ("live", "cohost", RemoveSpeaker(HOST), "token.wrong_role"),
        ("live", "host", RemoveSpeaker(HOST), "space.state"),
        ("live", "host", RemoveSpeaker("nobody01"), "speaker.unknown"),
        ("live", "host", MuteSpeaker("nobody01"), "speaker.unknown"),
        ("live", "cohost", CreateInvite("", "cohost"), "token.wrong_role"),
        ("live", "host", CreateInvite("", "host"), "space.invalid"),
        ("live", "host", CreateInvite("x" * 61), "space.invalid"),
        ("live", "host", UpdateSpace(title=""), "space.invalid"),
        ("live", "host", UpdateSpace(title="x" * 121), "space.invalid"),
        ("live", "host", UpdateSpace(title="a\nb"), "space.invalid"),
        ("live", "host", UpdateSpace(description="x" * 2001), "space.invalid"),
        ("live", "host", UpdateSpace(description="a\0b"), "space.invalid"),
        ("live", "host", UpdateSpace(starts_at_ms=NOW + 1), "space.state"),
        ("doors", "host", UpdateSpace(starts_at_ms=1), "space.invalid"),
        ("doors", "host", UpdateSpace(starts_at_ms=-1), "space.invalid"),
        ("doors", "host", UpdateSpace(starts_at_ms=2**60), "space.invalid"),
    ],
)
def test_what_is_refused(phase: Phase, who: str, command: Command, code: str) -> None:
    assert refusal(space(phase), WHO[who], command) == code


def test_a_cohost_does_not_remove_another() -> None:
    state = space("live", SpeakerJoined("co000002", "Carl", "cohost"))
    assert refusal(state, WHO["cohost"], RemoveSpeaker("co000002")) == "token.wrong_role"


def test_only_oneself_is_unmuted() -> None:
    state = space("live", SpeakerMuted(BOB, HOST))
    assert decide(state, WHO["speaker"], UnmuteSpeaker(), MOMENT) == [SpeakerUnmuted(BOB)]


def test_the_state_outranks_the_token() -> None:
    state = space("live", SpeakerRemoved(BOB, HOST))
    assert actor_of(state, CO, "speaker") == Actor(CO, "cohost")
    assert actor_of(state, HOST, "speaker") == Actor(HOST, "host")
    for speaker, role, code in [
        (BOB, "speaker", "speaker.removed"),
        (BOB, "cohost", "speaker.removed"),
        (EVE, "host", "token.wrong_role"),
        ("new00001", "speaker", "speaker.unknown"),
    ]:
        with pytest.raises(Refused) as refused:
            actor_of(state, speaker, role)
        assert refused.value.code == code


def join_refusal(state: State, speaker: str, role: str, name: str, *, consent: bool) -> str:
    with pytest.raises(Refused) as refused:
        join(state, speaker, role, name, consent=consent)
    return refused.value.code


def test_taking_a_seat() -> None:
    state = space("doors")
    new = join(state, "new00001", "speaker", " Zoe ", consent=True)
    assert new == [SpeakerJoined("new00001", "Zoe", "speaker")]
    assert join(state, BOB, "speaker", "Bob", consent=True) == []
    renamed = join(state, BOB, "cohost", "Robert", consent=True)
    assert renamed == [SpeakerJoined(BOB, "Robert", "speaker")]
    assert join_refusal(state, "new00001", "speaker", "Zoe", consent=False) == "space.invalid"
    assert join_refusal(state, "new00001", "speaker", " ", consent=True) == "space.invalid"
    assert join_refusal(state, "new00001", "host", "Zoe", consent=True) == "token.wrong_role"
    removed = fold(state, SpeakerRemoved(BOB, HOST))
    assert join_refusal(removed, BOB, "speaker", "Bob", consent=True) == "speaker.removed"
    assert join_refusal(space("replay"), BOB, "speaker", "Bob", consent=True) == "space.ended"


def test_the_host_always_finds_a_place() -> None:
    state = fold(space("doors"), SpeakerLeft(HOST, "lost"))
    for number in range(SPEAKERS_MAX - 1 - len(state.present)):
        state = fold(state, SpeakerJoined(f"sp{number:06}", "S", "speaker"))
    assert join_refusal(state, "new00001", "speaker", "Zoe", consent=True) == "stage.full"
    assert join(state, HOST, "host", "Ada", consent=True) == [SpeakerJoined(HOST, "Ada", "host")]


def test_seats_are_not_given_without_end() -> None:
    state = space("doors")
    seats = {f"s{number:07}": state.seats[BOB] for number in range(SEATS_MAX)}
    gone = State(state.space, "T", "ac", "Ada", HOST, seats=seats)
    assert join_refusal(gone, "new00001", "speaker", "Zoe", consent=True) == "stage.full"


def test_who_was_lost_takes_the_seat_again_by_publishing() -> None:
    state = fold(space("live"), SpeakerLeft(BOB, "lost"))
    assert rejoin(state, state.seats[BOB]) == [SpeakerJoined(BOB, "Bob", "speaker")]
    assert rejoin(state, state.seats[EVE]) == []


@pytest.mark.parametrize(
    ("phase", "starts_at_ms", "at_ms", "expected"),
    [
        ("scheduled", NOW + 1_000_000, NOW, []),
        ("scheduled", NOW + 900_001, NOW, []),
        ("scheduled", NOW + 900_000, NOW, [DoorsOpened(NOW)]),
        ("scheduled", NOW - 5, NOW, [DoorsOpened(NOW)]),
        ("scheduled", 0, NOW + 3_600_000, []),
        ("doors", NOW, NOW, []),
        ("live", NOW, NOW, []),
        (
            "scheduled",
            0,
            NOW + round(UNSTARTED_S * 1000),
            [SpaceEnded(NOW + round(UNSTARTED_S * 1000), "abandoned", 0)],
        ),
    ],
)
def test_what_time_brings(
    phase: Phase, starts_at_ms: int, at_ms: int, expected: list[Event]
) -> None:
    assert due(space(phase, starts_at_ms=starts_at_ms), at_ms, 900.0) == expected


@pytest.mark.parametrize(
    ("phase", "itself", "late_ms", "expected"),
    [
        ("doors", True, -1, []),
        ("doors", True, 0, [SpaceStarted(NOW)]),
        ("scheduled", True, 19, [SpaceStarted(NOW)]),
        ("doors", True, 2_000, [SpaceStarted(NOW + 2_000)]),
        ("doors", True, round(START_LATE_S * 1000) + 1, []),
        ("doors", False, 0, []),
        ("live", True, 0, []),
        ("ended", True, 0, []),
    ],
)
def test_a_space_starts_by_itself(
    phase: Phase, itself: bool, late_ms: int, expected: list[Event]
) -> None:
    state = replace(space(phase, starts_at_ms=NOW), starts_itself=itself)
    assert start_due(state, NOW + late_ms) == expected


def test_what_is_set_in_the_past_does_not_start_by_itself() -> None:
    late = SpaceScheduled("sp01", "T", "ac", "Ada", HOST, "", NOW - 5, starts_itself=True)
    assert not check_schedule(late, NOW).starts_itself
    assert check_schedule(replace(late, starts_at_ms=NOW + 5), NOW).starts_itself
    assert not check_schedule(replace(late, starts_at_ms=0), NOW).starts_itself
    state = replace(space("doors", starts_at_ms=NOW + 9), starts_itself=True)
    host = Actor(HOST, "host")
    moved = decide(state, host, UpdateSpace(starts_at_ms=NOW - 5), Moment(NOW))
    assert moved == [SpaceUpdated("T", "", NOW - 5)]
    kept = decide(state, host, UpdateSpace(starts_at_ms=NOW + 5), Moment(NOW))
    assert kept == [SpaceUpdated("T", "", NOW + 5, starts_itself=True)]


def test_an_announcement_is_checked() -> None:
    good = SpaceScheduled("sp01", " T ", "ac", "Ada", HOST, "", NOW + 5)
    assert check_schedule(good, NOW).title == "T"
    for bad in (
        SpaceScheduled("sp01", "", "ac", "Ada", HOST),
        SpaceScheduled("sp01", "T", "ac", "A" * 61, HOST),
        SpaceScheduled("sp01", "T", "ac", "Ada", HOST, "", NOW - 3_600_001),
    ):
        with pytest.raises(Refused) as refused:
            check_schedule(bad, NOW)
        assert refused.value.code == "space.invalid"
