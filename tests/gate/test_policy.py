"""The decision about a join: who comes in, who waits, who computes; and what cannot be gained."""

from hypothesis import given
from hypothesis import strategies as st

from stentor.gate import challenge, places, tickets
from stentor.gate.asking import Asked, Decision
from stentor.gate.notice import Notice
from stentor.gate.policy import Door
from stentor.gate.signing import Keys, seed_of
from stentor.gate.tickets import Ticket
from stentor.limits import (
    CHALLENGE_BITS_BASE,
    CLAIM_S,
    LEASE_S,
    NOTICE_STALE_S,
    PATIENCE_S,
    SHUFFLE_US,
)
from stentor.tokens import Keyring

SPACE = "0123456789ab"
RING = Keyring("0badcafe", {"0badcafe": bytes(32)})
NOW_US = 1_700_000_000_250_000
S = 1_000_000


def door(now_us: int = NOW_US, **said: object) -> Door:
    made = Door(SPACE, Keys(RING), seed_of(RING, SPACE), Notice(SPACE, 0))
    hear(made, now_us, **said)
    return made


def hear(made: Door, now_us: int, **said: object) -> None:
    made.hear(Notice(SPACE, now_us // 1_000, **said), now_us)  # type: ignore[arg-type]


def outcome(decision: Decision) -> tuple[str, str]:
    return decision.outcome, decision.cause


def test_an_open_door_admits_what_it_was_granted_and_no_more() -> None:
    made = door(grant=3)
    got = [made.decide(Asked(1, number), NOW_US) for number in range(5)]
    assert [one.outcome for one in got] == ["admitted"] * 3 + ["placed"] * 2
    first = got[0]
    assert first.ticket is not None
    assert first.ticket.expires_at_s == NOW_US // S + int(LEASE_S)
    keys = Keys(RING).at(NOW_US / 1e6)
    assert tickets.read(first.ticket_text, SPACE, keys.valid, NOW_US / 1e6) == first.ticket
    report = made.report()
    assert report.outcomes == {("admitted", "direct"): 3, ("placed", "full"): 2}
    assert (report.let_in, sum(report.issued.values())) == ([3, 0, 0], 2)
    assert made.report().outcomes == {}


def test_chairs_that_a_notice_cannot_know_of_are_taken_off_its_grant() -> None:
    made = door(grant=10)
    for number in range(4):
        made.decide(Asked(1, number), NOW_US)
    made.report(NOW_US + S)
    for number in range(4, 6):
        made.decide(Asked(1, number), NOW_US + S)
    made.hear(Notice(SPACE, NOW_US // 1_000 + 1_100, grant=10), NOW_US + 2 * S)
    got = [made.decide(Asked(1, 10 + one), NOW_US + 2 * S).outcome for one in range(10)]
    assert got.count("admitted") == 8, "the report was heard, the two after it were not"
    made.report(NOW_US + 3 * S)
    made.hear(Notice(SPACE, NOW_US // 1_000 + 2_900, grant=10), NOW_US + 3 * S)
    got = [made.decide(Asked(1, 30 + one), NOW_US + 3 * S).outcome for one in range(10)]
    assert got.count("admitted") == 0, "the notice was on its way before the report was"


def test_a_ticket_is_renewed_with_its_number_whatever_the_crowd() -> None:
    made = door(grant=1)
    first = made.decide(Asked(1, 5), NOW_US)
    for mode in ("places", "closed"):
        hear(made, NOW_US, mode=mode)
        again = made.decide(Asked(1, 6, ticket=first.ticket_text), NOW_US + 60 * S)
        assert outcome(again) == ("renewed", "lease")
        assert again.ticket == Ticket(SPACE, 5, NOW_US // S + 60 + int(LEASE_S))


@given(prefix=st.integers(1, 3), number=st.integers(1, 60), age_s=st.integers(0, 300))
def test_renewing_is_what_a_decision_says(prefix: int, number: int, age_s: int) -> None:
    doors = [door(mode="places", share=5, heavy=[(1, 4), (2, 20)]) for _ in range(2)]
    keys, now_us = Keys(RING).at(NOW_US / 1e6), NOW_US + age_s * S
    text = tickets.issue(Ticket(SPACE, number, NOW_US // S + int(LEASE_S)), keys)
    for one in doors:
        one.heard_at_us = now_us
    decided = doors[0].decide(Asked(prefix, 1, ticket=text), now_us)
    renewed = doors[1].renew(text, prefix, now_us)
    if outcome(decided) == ("renewed", "lease"):
        assert renewed == (decided.ticket, decided.ticket_text)
        assert doors[1].report() == doors[0].report()
    else:
        assert renewed is None
        assert doors[1].report().outcomes == {}, "nothing is noted before it is decided"


def test_a_bad_ticket_is_refused_and_an_old_one_is_taken_for_none() -> None:
    made = door(grant=10)
    text = made.decide(Asked(1, 5), NOW_US).ticket_text
    assert outcome(made.decide(Asked(1, 6, ticket="x" + text[1:]), NOW_US)) == (
        "refused",
        "ticket.invalid",
    )
    late_us = NOW_US + 10_000 * S
    hear(made, late_us, grant=1)
    assert outcome(made.decide(Asked(1, 6, ticket=text), late_us)) == ("admitted", "direct")


def test_who_slept_for_a_while_stands_at_the_front() -> None:
    made = door(grant=10)
    text = made.decide(Asked(1, 5), NOW_US).ticket_text
    late_us = NOW_US + (int(LEASE_S) + 60) * S
    hear(made, late_us, mode="places", admitting_us=late_us - 500 * S)
    waits = made.decide(Asked(1, 6, ticket=text), late_us)
    assert outcome(waits) == ("placed", "full"), "no chair just now"
    hear(made, late_us, mode="places", admitting_us=late_us - 500 * S, grant=1)
    comes = made.decide(Asked(1, 6, place=waits.place_text), late_us)
    assert outcome(comes) == ("admitted", "claim")
    assert comes.ticket is not None
    assert comes.ticket.number == 5


def test_a_turn_comes_lapses_comes_once_more_and_is_gone() -> None:
    made = door(mode="places")
    waits = made.decide(Asked(1, 5), NOW_US)
    assert waits.place is not None
    turn_us = waits.place.turn_us
    assert outcome(made.decide(Asked(1, 0, place=waits.place_text), NOW_US)) == ("placed", "turn")
    hear(made, NOW_US, mode="places", admitting_us=turn_us, lapsed_us=turn_us - 1, grant=9)
    text = waits.place_text
    assert outcome(made.decide(Asked(1, 0, place=text), NOW_US)) == ("admitted", "claim")

    made = door(mode="places", admitting_us=turn_us + 9 * S, lapsed_us=turn_us, grant=0)
    again = made.decide(Asked(1, 0, place=text), NOW_US)
    assert outcome(again) == ("placed", "full")
    assert again.place is not None
    assert again.place.turn_us == turn_us + 9 * S
    hear(made, NOW_US, mode="places", admitting_us=turn_us + 20 * S, lapsed_us=turn_us + 9 * S)
    lost = made.decide(Asked(1, 0, place=again.place_text), NOW_US)
    assert outcome(lost) == ("placed", "lapsed")
    assert lost.place is not None
    assert lost.place.turn_us >= NOW_US + SHUFFLE_US - S
    hear(made, NOW_US, mode="places", admitting_us=turn_us + 20 * S, gone_us=turn_us)
    new = made.decide(Asked(1, 77, place=text), NOW_US)
    assert new.place is not None
    assert new.place.number == 77, "it is worth nothing any more"


def test_a_place_shown_a_hundred_times_is_one_seat() -> None:
    made = door(mode="places")
    text = made.decide(Asked(1, 5), NOW_US).place_text
    hear(made, NOW_US, mode="places", admitting_us=NOW_US + 60 * S, grant=10)
    got = [made.decide(Asked(prefix, 0, place=text), NOW_US) for prefix in range(100)]
    assert {one.ticket.number for one in got if one.ticket} == {5}
    assert made.report().let_in == [1, 0, 0]
    others = [made.decide(Asked(1, 100 + one), NOW_US).place_text for one in range(9)]
    claimed = [made.decide(Asked(1, 0, place=one), NOW_US).outcome for one in others]
    assert claimed == ["admitted"] * 9, "what was granted is there for the others"


@given(st.integers(0, 2**64 - 1), st.integers(0, 900))
def test_before_the_doors_all_are_one_bucket(number: int, before_s: int) -> None:
    opens_us = NOW_US + 900 * S
    made = door(mode="places", opens_us=opens_us)
    got = made.decide(Asked(number, number), NOW_US + before_s * S - 1)
    assert got.place is not None
    assert opens_us <= got.place.turn_us < opens_us + SHUFFLE_US
    later = places.turn_of(made.seed, number, opens_us, opens_us)
    assert later >= opens_us + SHUFFLE_US - S


def test_ten_thousand_places_before_the_doors_are_behind_those_of_others() -> None:
    opens_us = NOW_US + 900 * S
    made = door(mode="places", opens_us=opens_us, share=8)
    turns = []
    for number in range(10_000):
        got = made.decide(Asked(1, number), NOW_US + number * 80_000)
        assert got.place is not None
        turns.append(got.place.turn_us)
    assert sum(turn < opens_us + SHUFFLE_US for turn in turns) <= 8
    assert sum(turn < opens_us + SHUFFLE_US + 30 * S for turn in turns) <= 17


def test_a_prefix_with_more_than_its_share_gives_seats_back_and_takes_none() -> None:
    made = door(grant=200)
    held = [made.decide(Asked(1, number * 7919), NOW_US).ticket_text for number in range(200)]
    hear(made, NOW_US, mode="places", share=20, heavy=((1, 200),), grant=50, admitting_us=NOW_US)
    got = [made.decide(Asked(1, 0, ticket=text), NOW_US) for text in held]
    kept = sum(one.outcome == "renewed" for one in got)
    assert 8 <= kept <= 35
    assert {outcome(one) for one in got} == {("renewed", "lease"), ("placed", "share")}
    place = next(one for one in got if one.outcome == "placed").place_text
    ripe_us = NOW_US + 60 * S
    hear(
        made, ripe_us, mode="places", share=20, heavy=((1, 20),), grant=50,
        admitting_us=ripe_us,
    )  # fmt: skip
    waits = made.decide(Asked(1, 0, place=place), ripe_us)
    assert outcome(waits) == ("placed", "share")
    assert waits.place is not None
    assert made.report().held == {ripe_us // S: 1}
    again = made.decide(Asked(1, 0, place=waits.place_text), ripe_us)
    assert (again.cause, made.report().held) == ("share", {ripe_us // S: 1})


def test_a_challenge_is_asked_under_pressure_and_buys_one_place() -> None:
    made = door(mode="open", grant=5, challenge_bits=8)
    asked = made.decide(Asked(1, 5), NOW_US)
    assert asked.outcome == "challenged"
    assert asked.challenge is not None
    salt, solution = asked.challenge.salt, challenge.solve(asked.challenge)
    wrong = made.decide(Asked(1, 6, challenge=salt, solution=solution + 1), NOW_US)
    assert wrong.outcome == "challenged"
    right = made.decide(Asked(1, 6, challenge=salt, solution=solution), NOW_US)
    assert outcome(right) == ("admitted", "direct")
    replays = [made.decide(Asked(1, 6, challenge=salt, solution=solution), NOW_US)] * 50
    assert {outcome(one) for one in replays} == {("renewed", "again")}
    assert {one.ticket.number for one in [right, *replays] if one.ticket} == {5}
    assert made.report().challenges == {"asked": 2, "failed": 1, "solved": 2}


def test_who_cannot_compute_waits_a_little_longer() -> None:
    made = door(mode="places", challenge_bits=14)
    got = made.decide(Asked(1, 5, patience=True), NOW_US)
    assert got.place is not None
    assert got.place.turn_us >= NOW_US + SHUFFLE_US + (PATIENCE_S - 1) * S


def buy(made: Door, prefix: int, number: int) -> tuple[int, Decision]:
    """Compute for a place as asked: the bits it took, and what it bought."""
    asked = made.decide(Asked(prefix, number), NOW_US).challenge
    assert asked is not None
    solution = challenge.answer(asked.salt, Keys(RING).at(NOW_US / 1e6).valid)
    paid = Asked(prefix, number, challenge=asked.salt, solution=solution)
    return asked.maxnumber.bit_length() - 1, made.decide(paid, NOW_US)


def test_the_more_a_prefix_has_taken_the_more_it_computes() -> None:
    made = door(mode="places", challenge_bits=14, share=8)
    bought = [buy(made, 1, number) for number in range(400)]
    assert bought[0][0] == 14
    assert bought[-1][0] >= 18
    assert buy(made, 2, 1)[0] == 14
    last = bought[-1][1].place
    assert last is not None
    assert last.turn_us > NOW_US + 300 * S, "while people go short its share is waited for too"


def test_a_flooder_who_computes_nothing_does_not_keep_those_behind_its_address_out() -> None:
    made = door(mode="places", capacity=10_000)
    got = [made.decide(Asked(1, number), NOW_US) for number in range(3_000)]
    free = sum(one.outcome == "placed" for one in got)
    assert 100 <= free <= 300, "what is a later turn for one who takes all is a price for the next"
    assert {one.outcome for one in got[free:]} == {"challenged"}
    assert made.decide(Asked(2, 1), NOW_US).outcome == "placed"
    dear, first = buy(made, 1, 5_000)
    for number in range(3_000):
        made.decide(Asked(1, number), NOW_US)
    again, second = buy(made, 1, 5_001)
    assert dear == again <= 16, "what is only asked for is not taken"
    for one in (first, second):
        assert one.place is not None
        assert one.place.turn_us <= NOW_US + 2 * SHUFFLE_US


def test_where_nothing_is_computed_a_crowded_prefix_has_later_turns() -> None:
    made = door(mode="places", capacity=10_000)
    made.challenges = False
    got = [made.decide(Asked(1, number), NOW_US) for number in range(1_000)]
    assert {one.outcome for one in got} == {"placed"}
    assert got[-1].place is not None
    assert got[-1].place.turn_us > NOW_US + 60 * S


def test_who_is_on_stage_always_comes_in_and_accounts_have_a_reserve() -> None:
    made = door(mode="closed")
    assert outcome(made.decide(Asked(1, 1, rank=2), NOW_US)) == ("admitted", "rank")
    assert outcome(made.decide(Asked(1, 1, rank=1), NOW_US)) == ("refused", "closed")
    hear(made, NOW_US, mode="places", reserve=2, challenge_bits=14)
    got = [made.decide(Asked(1, number, rank=1), NOW_US).outcome for number in range(3)]
    assert got == ["admitted", "admitted", "placed"]


def test_without_an_usher_the_edges_decide() -> None:
    made = door(mode="closed")
    later_us = NOW_US + int(NOTICE_STALE_S + 1) * S
    made.edge_room = 2
    got = [outcome(made.decide(Asked(1, number), later_us)) for number in range(3)]
    assert got == [("admitted", "stale"), ("admitted", "stale"), ("placed", "full")]
    more = [made.decide(Asked(1, number), later_us).outcome for number in range(500)]
    assert (more[0], more[-1]) == ("placed", "challenged"), "no flooder takes all turns"


def test_the_claim_outlasts_a_sleeping_tab() -> None:
    """A tab that sleeps for 180 s after its turn came loses nothing."""
    made = door(mode="places")
    waits = made.decide(Asked(1, 5), NOW_US)
    assert waits.place is not None
    called_us = waits.place.turn_us
    now_us = called_us + CLAIM_S * S
    hear(made, now_us, mode="places", admitting_us=now_us, lapsed_us=called_us - 1, grant=1)
    assert outcome(made.decide(Asked(1, 0, place=waits.place_text), now_us)) == (
        "admitted",
        "claim",
    )


def test_newcomers_beyond_their_share_pay_and_who_has_a_place_is_not_asked() -> None:
    made = door(grant=10)
    first = made.decide(Asked(1, 1, strained=lambda: True), NOW_US)
    assert outcome(first) == ("challenged", "pressure")
    assert first.challenge is not None
    assert first.challenge.maxnumber == 1 << CHALLENGE_BITS_BASE
    solution = challenge.solve(first.challenge)
    paid = Asked(1, 2, challenge=first.challenge.salt, solution=solution, strained=lambda: True)
    assert outcome(made.decide(paid, NOW_US)) == ("admitted", "direct")
    hear(made, NOW_US, mode="places", admitting_us=0)
    waits = made.decide(Asked(1, 3), NOW_US)
    asked: list[bool] = []
    kept = Asked(1, 4, place=waits.place_text, strained=lambda: bool(asked.append(True)))
    assert made.decide(kept, NOW_US).outcome == "placed"
    assert not asked
