"""One stream for a ticket's number, whatever arrives in whatever order."""

import random
import sys
from dataclasses import dataclass

import pytest

from stentor.edge.admission import Admission, Claim
from stentor.edge.leases import Lease, Leases, Stamps
from stentor.edge.links import both
from stentor.limits import (
    LEASE_ENDS_PER_TICK,
    LEASE_GRACE_S,
    LEASES_KEPT_MAX,
    MOVES_PER_MINUTE,
    MOVES_S,
    STAMP_S,
)
from tests.edge.programme import SPACE

NOW = 1_000.0
WALL_S = 1_700_000_000.0
UNTIL_S = int(WALL_S) + 120


@dataclass(eq=False, slots=True)
class Ear:
    lease: Lease | None = None
    name: str = ""


def admission(stamp: int, number: int = 7, prefix: int = 1, until_s: int = UNTIL_S) -> Admission:
    return Admission(
        SPACE, "opus", number=number, stamp=stamp, lease_until_s=until_s, prefix=prefix, rank=1
    )


def claim(stamp: int, number: int = 7, prefix: int = 1, until_s: int = UNTIL_S) -> Claim:
    return Claim(number, stamp, until_s, prefix)


@pytest.fixture
def leases() -> Leases[Ear]:
    return Leases(NOW)


def at(seconds: float) -> int:
    """A stamp of so long after `NOW`."""
    return Stamps(0).at(NOW + seconds)


def test_stamps_are_all_different_and_in_order() -> None:
    gates = [Stamps(index) for index in range(4)]
    given = [gate.at(NOW + turn // 3 * 1e-9) for turn in range(100) for gate in gates]
    assert len(set(given)) == len(given)
    for index in range(4):
        own = given[index::4]
        assert own == sorted(own)
    assert max(given) / 1e9 == pytest.approx(NOW, abs=1e-4)


def test_the_newest_connection_is_the_one_that_listens(leases: Leases[Ear]) -> None:
    first, second = Ear(), Ear()
    assert leases.take(first, admission(at(0)), NOW, WALL_S) == ("", None)
    assert leases.take(second, admission(at(1)), NOW + 1, WALL_S) == ("", first)
    assert leases.take(Ear(), admission(at(0.5)), NOW + 1, WALL_S) == ("elsewhere", None)
    leases.leave(first)  # it had gone already: nothing changes
    assert len(leases) == 1
    leases.leave(second)
    assert len(leases) == 0
    assert leases.take(Ear(), admission(at(0.5)), NOW + 1, WALL_S) == ("elsewhere", None)


def test_whoever_listens_elsewhere_listens_here_no_more(leases: Leases[Ear]) -> None:
    ear = Ear()
    leases.take(ear, admission(at(1)), NOW + 1, WALL_S)
    assert leases.hear(claim(at(0)), NOW + 1, WALL_S) is None, "it was there before"
    assert leases.hear(claim(at(2)), NOW + 2, WALL_S) is ear
    assert leases.hear(claim(at(3), number=8), NOW + 3, WALL_S) is None


def test_what_was_on_its_way_for_too_long_is_not_taken(leases: Leases[Ear]) -> None:
    late = NOW + STAMP_S + 1
    assert leases.take(Ear(), admission(at(0)), late, WALL_S) == ("elsewhere", None)
    assert leases.hear(claim(at(0)), late, WALL_S) is None
    assert not leases.known


@pytest.mark.parametrize("seed", range(4))
def test_a_ticket_used_many_times_over_is_one_stream(seed: int) -> None:
    """10,000 trials, 2 edges: messages of all gates arrive at each edge in any order."""
    chance = random.Random(seed)
    edges: list[Leases[Ear]] = [Leases(NOW), Leases(NOW)]
    gates = [Stamps(index) for index in range(2)]
    for trial in range(2_500):
        now = NOW + trial * 0.01
        uses = chance.randint(2, 5)
        queues: list[list[Admission | Claim]] = [[], []]
        newest = 0
        for use in range(uses):
            made = admission(chance.choice(gates).at(now + use * 1e-6), trial + 1)
            newest = max(newest, made.stamp)
            edge = chance.randrange(2)
            queues[edge].append(made)
            queues[1 - edge].append(claim(made.stamp, made.number))
        listening: dict[Ear, int] = {}
        for edge, queue in zip(edges, queues, strict=True):
            chance.shuffle(queue)
            for message in queue:
                if isinstance(message, Claim):
                    gone = edge.hear(message, now, WALL_S)
                else:
                    ear = Ear()
                    why, gone = edge.take(ear, message, now, WALL_S)
                    if not why:
                        listening[ear] = message.stamp
                if gone is not None:
                    del listening[gone]
        assert list(listening.values()) == [newest], trial
    assert sum(map(len, edges)) == 2_500


def test_an_edge_that_comes_back_takes_the_newest(leases: Leases[Ear]) -> None:
    reborn: Leases[Ear] = Leases(NOW)
    ear = Ear()
    leases.take(ear, admission(at(0)), NOW, WALL_S)
    # A gate still held an older connection, another one tells of the newer as soon as it can.
    assert reborn.take(Ear(), admission(at(-0.5)), NOW, WALL_S)[0] == ""
    assert reborn.hear(claim(at(0)), NOW, WALL_S) is not None
    assert leases.hear(claim(at(-0.5)), NOW, WALL_S) is None
    assert (len(leases), len(reborn)) == (1, 0)


def test_a_ticket_goes_from_network_to_network_only_so_often(leases: Leases[Ear]) -> None:
    for move in range(MOVES_PER_MINUTE + 1):
        assert leases.take(Ear(), admission(at(move), prefix=move), NOW + move, WALL_S)[0] == ""
    late = NOW + MOVES_PER_MINUTE + 1
    refused, displaced = leases.take(Ear(), admission(Stamps(0).at(late)), late, WALL_S)
    assert refused == "moving"
    assert displaced is not None, "nobody has it then"
    assert len(leases) == 0
    after = NOW + MOVES_S + 1
    assert leases.take(Ear(), admission(Stamps(0).at(after)), after, WALL_S)[0] == ""


def test_moves_that_other_edges_saw_count(leases: Leases[Ear]) -> None:
    for move in range(MOVES_PER_MINUTE + 1):
        leases.hear(claim(at(move), prefix=move), NOW + move, WALL_S)
    late = NOW + MOVES_PER_MINUTE + 1
    stamp = Stamps(0).at(late)
    assert leases.take(Ear(), admission(stamp, prefix=99), late, WALL_S)[0] == "moving"


def test_coming_back_from_the_same_network_is_no_move(leases: Leases[Ear]) -> None:
    for turn in range(50):
        assert leases.take(Ear(), admission(at(turn / 10)), NOW + turn / 10, WALL_S)[0] == ""


def test_a_lease_ends_when_nobody_renews_it(leases: Leases[Ear]) -> None:
    ear, other = Ear(), Ear()
    leases.take(ear, admission(at(0)), NOW, WALL_S)
    leases.take(other, admission(at(0), number=8), NOW, WALL_S)
    leases.hear(Claim(8, 0, UNTIL_S + 60), NOW + 60, WALL_S + 60)
    assert leases.sweep(NOW + 120 + LEASE_GRACE_S - 1) == []
    assert leases.sweep(NOW + 120 + LEASE_GRACE_S + 2) == [ear]
    assert leases.sweep(NOW + 180 + LEASE_GRACE_S - 1) == []
    assert leases.sweep(NOW + 180 + LEASE_GRACE_S + 2) == [other]
    assert leases.known == 0


def test_no_lease_ends_while_nobody_could_renew_it(leases: Leases[Ear]) -> None:
    ear = Ear()
    leases.take(ear, admission(at(0)), NOW, WALL_S)
    back = NOW + 120 + LEASE_GRACE_S + 30
    for second in range(int(back - NOW) + 1):
        assert leases.sweep(NOW + second, ends=False) == []
    assert leases.sweep(back + LEASE_GRACE_S - 3) == []
    assert leases.sweep(back + LEASE_GRACE_S + 3) == [ear]


def test_a_clock_that_is_set_ends_no_lease(leases: Leases[Ear]) -> None:
    leases.take(Ear(), admission(at(0)), NOW, WALL_S)
    leases.hear(Claim(7, 0, UNTIL_S + 3_600 + 60), NOW + 60, WALL_S + 3_600 + 60)
    assert leases.sweep(NOW + 170) == []


def test_many_leases_end_one_after_the_other(leases: Leases[Ear]) -> None:
    count = LEASE_ENDS_PER_TICK + 10
    for number in range(1, count + 1):
        leases.take(Ear(), admission(at(0), number=number), NOW, WALL_S)
    over = NOW + 120 + LEASE_GRACE_S + 2
    assert len(leases.sweep(over)) == LEASE_ENDS_PER_TICK
    assert len(leases.sweep(over)) == 10
    assert leases.known == 0


def test_what_is_remembered_is_bounded_and_forgotten(leases: Leases[Ear]) -> None:
    for number in range(1, LEASES_KEPT_MAX + 100):
        leases.hear(claim(at(0), number=number), NOW, WALL_S)
    assert leases.known == LEASES_KEPT_MAX
    assert leases.sweep(NOW + MOVES_S + 3) == []
    assert leases.known == 0


def test_a_listener_with_a_ticket_takes_little_memory(leases: Leases[Ear]) -> None:
    leases.take(Ear(), admission(at(0)), NOW, WALL_S)
    lease = next(iter(leases._held.values())).lease
    assert lease is not None
    own = sys.getsizeof(lease) + sum(map(sys.getsizeof, (lease.stamp, lease.until, lease.number)))
    table_and_bucket = 2 * 104 + 8  # a dict entry at its emptiest, a list's
    assert own + table_and_bucket < 500


def test_two_claims_of_one_number_are_one() -> None:
    renewed, moved = Claim(7, 0, 300), Claim(7, 9, 200, 5)
    assert both(renewed, moved) == both(moved, renewed) == Claim(7, 9, 300, 5)
    assert both(Claim(7, 8, 200, 4), moved) == moved
