"""What an edge tells the usher, and what it does because the usher wants it."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from stentor.clock import SystemClock
from stentor.edge import memory
from stentor.edge.attendance import Attendance
from stentor.edge.directions import Directions
from stentor.edge.leases import Lease
from stentor.edge.measures import Bounds, Measures
from stentor.gate.notice import Notice
from stentor.limits import HEAVY_HOLDERS_MIN, NOTICE_STALE_S
from stentor.paths import Paths
from tests.edge.client import Visitor
from tests.edge.conftest import Running
from tests.edge.desk import Desk
from tests.edge.programme import SPACE, Programme
from tests.edge.test_double_use import listen, ticket


def notice(**said: object) -> Notice:
    return Notice(SPACE, SystemClock().wall_time() // 1_000_000, **said)


@pytest.fixture
async def desk(paths: Paths) -> AsyncIterator[Desk]:
    made = Desk(paths)
    yield made
    made.close()


async def test_the_usher_hears_who_listens(
    start: Callable[..., Running], desk: Desk, paths: Paths, programme: Programme
) -> None:
    programme.begin()
    programme.play(3)
    running = start(connections_max=100)
    await desk.report()
    people = [await listen(running.port, ticket(paths)) for _ in range(HEAVY_HOLDERS_MIN)]
    anybody = await running.listen()
    while not (told := (await desk.report()).spaces.get(SPACE)) or not told.ticketless:
        pass
    assert told.listeners == [HEAVY_HOLDERS_MIN, 0, 0]
    assert sum(report.spaces[SPACE].began for report in desk.reports if report.spaces) == 4
    assert [count for _, count in told.heavy] == [HEAVY_HOLDERS_MIN], "all from this machine"
    await people[0].close()
    await anybody.close()
    while (told := (await desk.report()).spaces[SPACE]).ticketless:
        pass
    assert (sum(told.listeners), told.ended, told.heavy) == (HEAVY_HOLDERS_MIN - 1, 1, [])
    report = desk.reports[-1]
    assert report.edge == "edge-0"
    assert 0 < report.capacity <= 100
    assert report.binding in {"cpu", "descriptors", "memory"}
    assert report.joins_per_s > 0
    assert 0 < report.memory < 1
    health = await running.health()
    assert (health["capacity"], health["ticketed"]) == (report.capacity, HEAVY_HOLDERS_MIN - 1)
    for one in people[1:]:
        await one.close()


async def test_an_usher_that_was_away_is_found_again(
    running: Running, desk: Desk, paths: Paths, programme: Programme
) -> None:
    programme.begin()
    await desk.report()
    desk.close()
    again = Desk(paths)
    await again.report()
    again.close()


async def test_those_without_a_ticket_have_a_share(
    start: Callable[..., Running], desk: Desk, paths: Paths, programme: Programme
) -> None:
    programme.begin()
    programme.play(3)
    running = start(connections_max=17)
    await desk.report()
    desk.say(notice())
    await desk.report()
    for _ in range(4):
        await running.listen()
    visitor = await Visitor.to(running.port)
    refused = await visitor.get(f"/s/{SPACE}/live/opus")
    assert (refused.status, refused.json()["code"]) == (503, "ticketless.full")
    with_ticket = await listen(running.port, ticket(paths))
    await with_ticket.until(2)
    for one in (visitor, with_ticket):
        await one.close()


async def test_a_longer_cadence_is_wanted(
    running: Running, desk: Desk, programme: Programme
) -> None:
    programme.begin()
    programme.play(3)
    listener = await running.listen()
    await desk.report()
    desk.say(notice(step=1, cadence_min_ms=500))
    while (await desk.report()).cadence_ms != 500:
        programme.play(1)
    while not any("cadence_ms" in event for event in listener.live.events):
        listener.live.take(await listener.chunk())
    told = next(event for event in listener.live.events if "cadence_ms" in event)
    assert told["cadence_ms"] == 500
    assert told["in_ms"] > 0, "players are told first"


def test_what_was_said_counts_for_a_while() -> None:
    directions = Directions()
    directions.hear([notice(low=True, cadence_min_ms=1_000), Notice("another", 0)], 100.0)
    assert directions.is_low(SPACE, 100 + NOTICE_STALE_S / 2)
    assert directions.cadence_min_ms(105.0) == 1_000
    after = 100.1 + NOTICE_STALE_S
    assert not directions.is_low(SPACE, after)
    assert directions.cadence_min_ms(after) == 200
    assert directions.heard


def test_whoever_moves_between_edges_neither_began_nor_ended() -> None:
    attendance = Attendance()
    come, moved = (Lease(number, number, 5, 0.0, 0.0) for number in (1, 2))
    moved.moved = come.displaced = True
    for lease in (come, moved, None):
        attendance.enter(lease)
    attendance.leave(come)
    told = attendance.told(0.0)
    assert (told.listeners, told.ticketless, told.began, told.ended) == ([1, 0, 0], 1, 1, 0)
    attendance.leave(moved)
    assert attendance.told(0.0).ended == 1


def test_what_an_edge_can_hold_is_measured() -> None:
    measures = Measures(Bounds(10_000))
    for _ in range(40):
        measures.look(0.2, 1e6, 2_000, 200, 1.0)
    cheap = measures.capacity
    for _ in range(40):
        measures.look(0.8, 1e6, 2_000, 200, 1.0)
    assert measures.capacity.each["cpu"] < cheap.each["cpu"] / 2
    tight = Measures(Bounds(10_000, listeners_max=50, egress_max=4e6, edges=1))
    for _ in range(40):
        tight.look(0.2, 1e6, 500, 200, 1.0)
    assert (tight.capacity.listeners, tight.capacity.binding) == (50, "operator")
    assert tight.egress == pytest.approx(0.25, abs=0.01)
    assert tight.capacity.each["egress"] == pytest.approx(1_900, rel=0.01)


@pytest.mark.parametrize(
    ("files", "free", "whole"),
    [
        ({}, 3 << 20, 8 << 20),
        ({"a/b/memory.max": "max", "a/b/memory.current": "5"}, 3 << 20, 8 << 20),
        ({"a/memory.max": f"{2 << 20}", "a/memory.current": f"{1 << 20}"}, 1 << 20, 2 << 20),
        (
            {
                "memory/a/b/memory.limit_in_bytes": f"{4 << 20}",
                "memory/a/b/memory.usage_in_bytes": f"{5 << 20}",
            },
            0,
            4 << 20,
        ),
    ],
)
def test_the_tightest_group_says_what_memory_is_left(
    tmp_path: Path, files: dict[str, str], free: int, whole: int
) -> None:
    own, root, meminfo = tmp_path / "cgroup", tmp_path / "fs", tmp_path / "meminfo"
    own.write_text("4:memory:/a/b\n0::/a/b\n")
    meminfo.write_text("MemTotal: 8192 kB\nMemFree: 1 kB\nMemAvailable: 3072 kB\n")
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    seen = memory.look(own, root, meminfo)
    assert (seen.free, seen.whole) == (free, whole)
    assert seen.own > 1 << 20
