"""The usher's fold: grants never overdrawn, the mark, Spaces and prefixes beside each other."""

from math import exp

from stentor.gate.forecast import AGES_S, Stays, forecast, seconds_until
from stentor.gate.ladder import Patience
from stentor.gate.mark import Mark
from stentor.gate.notice import EdgeReport, EdgeSpace, Force, GateReport, GateSpace, Notice
from stentor.gate.plan import Plan
from stentor.gate.usher import Usher
from stentor.limits import CLAIM_S, RESERVE_SHARE, SHUFFLE_US

SPACE, OTHER = "0123456789ab", "ba9876543210"
WALL_S = 1_700_000_000


def edge(name: str = "e", listeners: int = 0, chairs: int = 1_000, **said: object) -> EdgeReport:
    told = EdgeSpace(listeners=[listeners, 0, 0], **said)  # type: ignore[arg-type]
    return EdgeReport(name, 0, {SPACE: told}, capacity=chairs, joins_per_s=500)


def turn(usher: Usher, at: int, *reports: EdgeReport, **gates: GateSpace) -> dict[str, Notice]:
    for report in reports:
        usher.edge(report, at)
    for name, told in gates.items():
        usher.gate(GateReport(name, 0, {SPACE: told}), at, (WALL_S + at) * 1_000)
    given = usher.turn(at, (WALL_S + at) * 1_000)
    return {name: one for name, all_ in given.items() for one in all_ if one.space == SPACE}


def test_grants_together_are_what_is_free_and_their_sum_is_never_more() -> None:
    usher = Usher()
    given = turn(usher, 0, edge(listeners=800), a=GateSpace(), b=GateSpace(), c=GateSpace())
    free = 1_000 - 800 - 1_000 * RESERVE_SHARE
    assert sum(given[name].grant for name in "abc") == free
    assert given[""].grant == 0
    assert given["a"].reserve + given["b"].reserve + given["c"].reserve == 50
    # Given away at one gate, and not begun: it is not given to anybody else for a while.
    taken = GateSpace(outcomes={("admitted", "direct"): 100}, let_in=[100, 0, 0])
    given = turn(usher, 1, edge(listeners=800), a=taken, b=GateSpace(), c=GateSpace())
    assert sum(given[name].grant for name in "abc") == free - 100
    given = turn(usher, 2, edge(listeners=880, began=80), a=GateSpace())
    assert sum(given[name].grant for name in "abc") == free - 100
    for at in range(3, 14):
        given = turn(usher, at, edge(listeners=880), a=GateSpace())
    assert given["a"].grant == free - 80, "twenty never came"


def test_a_single_chair_is_at_each_gate_in_turn() -> None:
    usher = Usher()
    gates = {"a": GateSpace(), "b": GateSpace(), "c": GateSpace()}
    held = [turn(usher, at, edge(chairs=1), **gates) for at in range(6)]
    where = [[name for name in "abc" if given[name].grant] for given in held]
    assert all(len(names) == 1 for names in where), (
        "there is one chair, and it is given to one gate"
    )
    assert sorted(name for names in where for name in names) == ["a", "a", "b", "b", "c", "c"]


def test_listeners_of_an_edge_that_died_have_chairs_while_they_move() -> None:
    usher = Usher()
    turn(usher, 0, edge("e", 500), edge("f", 500), a=GateSpace())
    for at in (1, 2, 3):
        given = turn(usher, at, edge("f", 500), a=GateSpace())
    given = turn(usher, 4, edge("f", 500), a=GateSpace())
    assert given["a"].capacity == 1_000
    assert given["a"].grant == 0, "the other edge's people are coming"


def test_no_chair_waits_long_for_those_who_take_places_and_never_come() -> None:
    usher = Usher()
    second = WALL_S + 1
    turn(usher, 0, edge(listeners=950), a=GateSpace(issued={second: 4_000}))
    for at in range(1, 60):
        given = turn(usher, at, edge(listeners=0, ended=950 if at == 15 else 0), a=GateSpace())
    assert given["a"].called > 3_000, "they are passed over, a thousand at a time"


def test_a_full_house_makes_places_and_a_free_one_calls_them_in_order() -> None:
    usher = Usher()
    second = WALL_S + 10
    given = turn(usher, 0, edge(listeners=950), a=GateSpace(issued={second: 400}))
    assert (given["a"].mode, given["a"].waiting) == ("places", 400)
    mark, called, listeners = 0, 0, 850
    for at in range(1, 30):
        come = given["a"].called - called  # all who are called come at once
        called += come
        listeners += come
        told = GateSpace(claimed={WALL_S + at - 1: come}, let_in=[come, 0, 0])
        given = turn(usher, at, edge(listeners=listeners, began=come), a=told)
        assert given["a"].admitting_us >= mark, "it never goes back"
        mark = given["a"].admitting_us
        assert mark <= (WALL_S + at) * 1_000_000 + SHUFFLE_US
    assert second * 1_000_000 < mark < (second + 1) * 1_000_000
    assert 100 <= given["a"].called <= 130
    assert given["a"].mode == "places"
    assert given["a"].ahead[-1] == ((second + 1) * 1_000_000, given["a"].waiting)


def test_a_new_usher_goes_on_where_the_old_one_stopped() -> None:
    usher = Usher()
    given = turn(usher, 0, edge(listeners=960), a=GateSpace(mark=(77_000_000, 1, 1, 5_000)))
    assert (given["a"].admitting_us >= 77_000_000, given["a"].called) == (True, 5_000)


def test_spaces_share_the_house_by_what_they_ask_for() -> None:
    usher = Usher()
    for at in range(3):
        usher.edge(
            EdgeReport(
                "e",
                0,
                {SPACE: EdgeSpace(listeners=[100, 0, 0]), OTHER: EdgeSpace(listeners=[800, 0, 0])},
                capacity=1_000,
                joins_per_s=500,
            ),
            at,
        )
        asks = {SPACE: GateSpace(), OTHER: GateSpace(issued={WALL_S + 10 + at: 1_000})}
        usher.gate(GateReport("a", 0, asks), at, (WALL_S + at) * 1_000)
        given = {one.space: one for one in usher.turn(at, (WALL_S + at) * 1_000)["a"]}
    assert given[SPACE].capacity + given[OTHER].capacity <= 1_000
    assert given[SPACE].capacity >= 120, "a small Space beside a large one keeps room to grow"


def test_a_prefix_with_too_much_is_named_while_people_wait() -> None:
    usher = Usher()
    heavy = [(prefix, 45) for prefix in range(20)]
    given = turn(usher, 0, edge(listeners=950, heavy=heavy), a=GateSpace(issued={WALL_S + 10: 500}))
    assert 15 <= given["a"].share < 45
    assert dict(given["a"].heavy) == dict(heavy)
    calm = turn(Usher(), 0, edge(listeners=500, heavy=heavy), a=GateSpace())
    assert (calm["a"].share, calm["a"].heavy) == (0, ())


def test_before_the_doors_everybody_waits_and_then_they_are_called() -> None:
    usher = Usher()
    opens_us = (WALL_S + 5) * 1_000_000
    usher.plan(SPACE, Plan(opens_us=opens_us, seed_hash="ab"))
    issued = {WALL_S + 5 + second: 30 for second in range(10)}
    given = turn(usher, 0, edge(), a=GateSpace(issued=issued))
    for at in range(1, 5):
        given = turn(usher, at, edge(), a=GateSpace())
        assert (given["a"].mode, given["a"].admitting_us < opens_us) == ("places", True)
    for at in range(5, 20):
        given = turn(usher, at, edge(), a=GateSpace())
    assert given["a"].called == 300
    assert given["a"].waiting == 0


def test_steps_are_taken_said_and_felt() -> None:
    usher = Usher(Patience(up_s=1.0, down_s=1.0, calm_s=1.0))
    given: dict[str, Notice] = {}
    for at in range(12):
        report = edge(listeners=500)
        report.busy = 0.99
        given = turn(usher, at, report, a=GateSpace())
    notice = given["a"]
    assert (notice.step, notice.why, notice.mode, notice.low) == (5, "cpu", "closed", True)
    assert (notice.grant, notice.reserve) == (0, 0)
    assert [change.step for _, change in usher.changes] == [1, 2, 3, 4, 5]
    usher.gate(GateReport("a", 0, forces=[Force(SPACE, 0, "operator")]), 12, 0)
    assert turn(usher, 12, edge(listeners=500))["a"].step == 0


def test_the_mark_learns_who_comes() -> None:
    mark, called, came = Mark(), 0.0, 0.0
    mark.issued(WALL_S, 100_000, WALL_S)
    for now in range(WALL_S + 20, WALL_S + 20 + 4 * CLAIM_S):
        expected = mark.expected(now)
        before = mark.called
        mark.advance(now, 50 - expected, (now + 5) * 1_000_000)
        called += mark.called - before
        if mark.called > before:  # half of them come, four seconds later
            mark.claimed(now, round((mark.called - before) / 2))
            came += (mark.called - before) / 2
    share = mark.show_up.rest()[0]
    assert 0.4 < share < 0.6
    assert 0 < mark.waiting < 100_000 - called + 1


def test_a_forecast_knows_that_some_only_look() -> None:
    """A quarter leaves within a minute, the others stay for half an hour: exactly, no chance."""
    stays = Stays()
    cohorts: list[int] = []
    for second in range(240):
        began = 300 if second < 60 else 0
        cohorts.append(began)
        left = [0.0] * len(AGES_S)
        for age, one in enumerate(reversed(cohorts)):
            gone = one * (_alive(age) - _alive(age + 1))
            left[max(at for at, begin in enumerate(AGES_S) if begin <= age)] += gone
        stays.turn(began, [round(one) for one in left], 0, 1.0)
    stays.believe()
    assert 1_000 < stays.mean_s < 2_000
    said = forecast(stays, 14_000, 0, 500, 1.0, 0.0)
    assert abs(seconds_until(3_000, said) / (3_000 * stays.mean_s / 14_000) - 1) < 0.25
    assert seconds_until(0, said) == 0


def _alive(age: int) -> float:
    return 0.25 * exp(-age / 30) + 0.75 * exp(-age / 1_800)
