"""A Space's state is what its events make of it, in whatever order they come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stentor.errors import Corrupt
from stentor.space import events
from stentor.space.card import CardSpeaker
from stentor.space.events import (
    DoorsOpened,
    Event,
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
from stentor.space.state import PHASES, State, begin, card_of, fold, fold_all, sealed

SCHEDULED = SpaceScheduled("sp0000000001", "A title", "ac1", "Ada", "host0001", "More", 5_000)
HOST = SpeakerJoined("host0001", "Ada", "host")
BOB = SpeakerJoined("bob00001", "Bob", "speaker")


def after(*happened: Event) -> State:
    state = fold_all([(SCHEDULED, 1_000), *((event, 2_000) for event in happened)])
    assert state is not None
    return state


def test_a_log_begins_with_its_announcement() -> None:
    assert fold_all([]) is None
    state = begin(SCHEDULED, 1_000)
    assert (state.title, state.phase, state.created_at_ms) == ("A title", "scheduled", 1_000)
    with pytest.raises(Corrupt, match=r"space\.scheduled"):
        begin(DoorsOpened(1), 1_000)


@pytest.mark.parametrize(
    ("happened", "phase"),
    [
        ([], "scheduled"),
        ([DoorsOpened(1)], "doors"),
        ([DoorsOpened(1), SpaceStarted(2)], "live"),
        ([SpaceStarted(2)], "live"),
        ([SpaceStarted(2), SpaceEnded(3, "host", 96_000)], "ended"),
        ([SpaceStarted(2), SpaceEnded(3, "host"), RecordingWithdrawn("host0001", 4)], "withdrawn"),
        (
            [
                SpaceStarted(2),
                SpaceEnded(3, "host"),
                RecordingWithdrawn("host0001", 4),
                RecordingRestored("host0001", 5),
            ],
            "replay",
        ),
        ([SpaceStarted(2), SpaceEnded(3, "host"), RecordingDeleted("host0001", 4)], "deleted"),
    ],
)
def test_the_phase_follows_from_events(happened: list[Event], phase: str) -> None:
    assert after(*happened).phase == phase


def test_a_seal_offers_the_replay() -> None:
    ended = after(SpaceStarted(2), SpaceEnded(3, "host", 96_000))
    assert sealed(ended).phase == "replay"
    assert sealed(after(SpaceStarted(2))).phase == "live"


def test_the_end_is_remembered() -> None:
    state = after(HOST, SpaceStarted(2), SpeakerConnected("host0001", 0))
    assert [seat.speaker for seat in state.connected] == ["host0001"]
    state = fold(state, SpaceEnded(9, "abandoned", 96_000))
    assert (state.ended_at_ms, state.end_reason, state.ended_at_media_time) == (
        9,
        "abandoned",
        96_000,
    )
    assert state.connected == []
    assert state.speaking == ()


def test_a_seat_from_joining_to_leaving() -> None:
    state = after(HOST, BOB, SpeakerConnected("bob00001", 960))
    assert state.seats["bob00001"].connected
    state = fold(state, SpeakerMuted("bob00001", "host0001"))
    assert state.seats["bob00001"].muted
    state = fold(state, SpeakerUnmuted("bob00001"))
    assert not state.seats["bob00001"].muted
    state = fold(state, SpeakerDropped("bob00001", 48_000))
    assert (state.seats["bob00001"].connected, state.seats["bob00001"].away_since) == (
        False,
        48_000,
    )
    state = fold(state, SpeakerLeft("bob00001", "lost"))
    assert [seat.speaker for seat in state.present] == ["host0001"]
    state = fold(state, SpeakerJoined("bob00001", "Robert", "speaker"))
    assert [seat.name for seat in state.present] == ["Ada", "Robert"]


def test_who_was_removed_stays_out_even_if_a_later_event_says_joined() -> None:
    state = after(BOB, SpeakerRemoved("bob00001", "host0001"), BOB)
    assert state.present == []
    assert state.seats["bob00001"].removed


def test_nobody_speaks_who_is_muted_or_gone() -> None:
    both = (HOST, BOB, SpeakerConnected("host0001", 0), SpeakerConnected("bob00001", 0))
    state = after(*both, SpeakingChanged(["bob00001", "host0001"]))
    assert state.speaking == ("bob00001", "host0001")
    assert fold(state, SpeakerMuted("bob00001", "host0001")).speaking == ("host0001",)
    assert fold(state, SpeakerDropped("bob00001", 5)).speaking == ("host0001",)


def test_events_about_nobody_change_nothing() -> None:
    state = after()
    for event in (SpeakerMuted("nobody01", "x"), SpeakerLeft("nobody01", "left")):
        assert fold(state, event) == state


def test_the_card_tells_what_everybody_may_know() -> None:
    state = after(HOST, BOB, SpeakerMuted("bob00001", "host0001"), SpaceStarted(7_000))
    card = card_of(state, notice="Mind the gap.", duration_samples=48_000)
    assert card.phase == "live"
    assert card.speakers == [
        CardSpeaker("host0001", "Ada", "host"),
        CardSpeaker("bob00001", "Bob", "speaker", muted=True),
    ]
    assert (card.duration_samples, card.notice, card.starts_at_ms) == (
        48_000,
        "Mind the gap.",
        5_000,
    )
    ended = card_of(fold(state, SpaceEnded(9_000, "host", 96_000)), duration_samples=48_000)
    assert (ended.duration_samples, ended.ended_at_ms) == (96_000, 9_000)


def test_an_update_changes_the_announcement() -> None:
    state = after(SpaceUpdated("Better", "", 9_000))
    assert (state.title, state.description, state.starts_at_ms) == ("Better", "", 9_000)


def test_every_phase_is_reached_and_known() -> None:
    following = set().union(*PHASES.values())
    assert following | {"scheduled"} == set(PHASES)


speakers = st.sampled_from(["host0001", "bob00001", "eve00001"])
times = st.integers(0, 2**40)
any_event = st.one_of(
    st.builds(DoorsOpened, times),
    st.builds(SpaceStarted, times),
    st.builds(SpaceEnded, times, st.sampled_from(["host", "abandoned"]), times),
    st.builds(SpaceUpdated, st.text(), st.text(), times),
    st.builds(SpeakerJoined, speakers, st.text(), st.sampled_from(["host", "cohost", "odd"])),
    st.builds(SpeakerLeft, speakers, st.just("left")),
    st.builds(SpeakerRemoved, speakers, speakers),
    st.builds(SpeakerMuted, speakers, speakers),
    st.builds(SpeakerUnmuted, speakers),
    st.builds(SpeakerConnected, speakers, times, times),
    st.builds(SpeakerDropped, speakers, times),
    st.builds(SpeakingChanged, st.lists(speakers, max_size=3)),
    st.builds(StageGap, times, times, st.just("restart")),
    st.builds(LogGap, times, times, st.just("full")),
    st.builds(RecordingWithdrawn, speakers, times),
    st.builds(RecordingRestored, speakers, times),
    st.builds(RecordingDeleted, speakers, times),
)


@given(st.lists(any_event, max_size=30))
def test_any_events_fold_and_survive_being_written(happened: list[Event]) -> None:
    read_back = [events.decode(events.encode(event)) for event in happened]
    state = after(*happened)
    assert after(*read_back) == state
    assert all(seat.present for seat in state.present)
    assert not any(seat.connected for seat in state.seats.values() if seat.removed)
    card_of(state)
