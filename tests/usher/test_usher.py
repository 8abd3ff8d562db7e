"""The usher at its desk: what it says, what outlives it, what it writes down."""

import asyncio
import hashlib
import stat
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from stentor import log
from stentor.audience.known import Known
from stentor.audience.ledger import Counted, Demand, decode
from stentor.errors import Unavailable
from stentor.gate.notice import EdgeSpace, Force, GateReport, GateSpace, Notice
from stentor.gate.signing import seed_of
from stentor.log import Reader
from stentor.paths import Paths
from stentor.reports import of_gate
from stentor.usher import kept, orders
from tests.edge.programme import SPACE, Programme
from tests.usher.hall import Edge, Hall

Begin = Callable[..., Awaitable[Hall]]


class Gate(Edge):
    """A gate instead of an edge: says what has happened at it."""

    def __init__(self, paths: Paths) -> None:
        super().__init__(paths.socket("usher"))
        self.told = GateSpace()
        self.forces: list[Force] = []
        self.demands: dict[str, Demand] = {}
        self.staying: dict[str, list[int]] = {}

    async def report(self) -> None:
        report = GateReport("gate-0", time.time_ns() // 1_000_000, {SPACE: self.told})
        report.forces, self.forces, self.told = self.forces, [], GateSpace()
        demands, self.demands = self.demands, {}
        if self.link.socket is None:
            self.link.open()
        self.link.tell(of_gate(report, demands, b"salt", self.staying))
        self.staying = {}


@pytest.fixture
async def gate(paths: Paths, usher: Begin) -> AsyncIterator[Gate]:
    gate = Gate(paths)
    yield gate
    gate.link.close()


async def keep(gate: Gate) -> "asyncio.Task[None]":
    return asyncio.create_task(gate.keep_reporting())


def now_s() -> int:
    return int(time.time())


async def test_what_an_edge_can_hold_is_what_everybody_hears(usher: Begin, paths: Paths) -> None:
    hall = await usher(listeners_max=60)
    hall.edge.spaces[SPACE] = EdgeSpace([7, 1, 0], ticketless=2)
    notice = await hall.edge.until(SPACE, lambda one: one.listeners == 10)
    assert (notice.capacity, notice.mode, notice.step) == (60, "open", 0)
    seed = seed_of(paths.keyring(), SPACE)
    assert notice.seed_hash == hashlib.sha256(seed).hexdigest()
    assert stat.S_IMODE(paths.socket("usher").stat().st_mode) == 0o600


async def test_a_successor_goes_on_with_the_mark_and_those_who_wait(
    usher: Begin, paths: Paths, gate: Gate
) -> None:
    first = await usher()
    first.edge.capacity = 50
    first.edge.spaces[SPACE] = EdgeSpace([50, 0, 0])
    talking = await keep(gate)
    turn_s = now_s() + 30
    gate.told.issued = {turn_s: 30, turn_s + 60: 10}
    waiting = await gate.until(SPACE, lambda one: one.waiting >= 40)
    gate.forces.append(Force(SPACE, 2, "host"))
    before = await gate.until(SPACE, lambda one: one.step == 2)
    await asyncio.sleep(0.1)
    talking.cancel()
    gate.link.close()
    first.die()
    second = await usher()
    second.edge.capacity = 50
    second.edge.spaces[SPACE] = EdgeSpace([50, 0, 0])
    after = await second.edge.until(SPACE, lambda one: one.capacity == 50)
    assert after.admitting_us >= before.admitting_us, "the mark never goes back"
    assert after.admitting_us < (turn_s + 60) * 1_000_000, "nor over those who wait"
    assert after.waiting == waiting.waiting
    assert (after.step, after.why) == (2, "host")
    assert after.since_ms == pytest.approx(before.since_ms, abs=200)


async def test_the_operator_forces_a_step_and_lets_it_go(usher: Begin, paths: Paths) -> None:
    hall = await usher()
    await hall.edge.until(SPACE, lambda one: one.step == 0 and one.capacity > 0)
    assert orders.write(paths.run / "ladder", orders.EVERYWHERE, 4) == {"*": 4}
    notice = await hall.edge.until(SPACE, lambda one: one.step == 4)
    assert (notice.why, notice.mode, notice.low) == ("operator", "places", True)
    assert orders.write(paths.run / "ladder", SPACE, 1) == {"*": 4, SPACE: 1}
    await hall.edge.until(SPACE, lambda one: one.step == 1)
    assert orders.write(paths.run / "ladder", orders.EVERYWHERE, None) == {}
    assert kept.load(paths.run / "usher.state").notices[0].step == 1


async def test_the_ledger_is_a_log_that_verifies(usher: Begin, paths: Paths, gate: Gate) -> None:
    hall = await usher()
    talking = await keep(gate)
    gate.demands = {SPACE: Demand(outcomes={"admitted:direct": 3, "refused:closed": 1})}
    hall.edge.spaces[SPACE] = EdgeSpace([3, 0, 0], began=3)
    await gate.until(SPACE, lambda one: one.listeners == 3)
    await asyncio.sleep(0.1)
    talking.cancel()
    await hall.close()
    with Reader(paths.ledger(SPACE), SPACE) as reader:
        reader.refresh()
        records = reader.read(0)
        counted = [decode(record.payload) for record in records]
    assert sum(one.demand.arrivals for one in counted) == 4
    last: Counted = counted[-1]
    assert (last.supply.listeners, last.supply.capacity) == (3, 100)
    assert last.supply.gates == 1
    assert log.verify(paths.ledger(SPACE), SPACE).good


async def test_gates_learn_one_salt_and_nothing_malformed_stops_the_usher(
    usher: Begin, paths: Paths, gate: Gate
) -> None:
    await usher()
    stranger = Gate(paths)
    assert stranger.link.open()
    assert stranger.link.socket is not None
    stranger.link.socket.send(b"\xc1 nonsense")
    talking = await keep(gate)
    notice: Notice = await gate.until(SPACE, lambda one: one.capacity > 0)
    assert gate.link.salt == b"salt"
    assert notice.grant > 0, "a gate may give chairs away"
    assert not stranger.link.hear()[1], "who cannot be understood is hung up on"
    talking.cancel()
    stranger.link.close()


async def test_an_ended_space_is_forgotten(
    usher: Begin, paths: Paths, programme: Programme
) -> None:
    hall = await usher()
    await hall.edge.until(SPACE, lambda one: one.capacity > 0)
    programme.end()
    async with asyncio.timeout(5):
        while kept.load(paths.run / "usher.state").notices:
            await asyncio.sleep(0.05)


async def test_a_desk_that_cannot_be_made_is_said_so(paths: Paths, programme: Programme) -> None:
    paths.run.joinpath(".usher.sock.new").mkdir()
    with pytest.raises(Unavailable) as refused:
        await Hall(paths).open()
    assert refused.value.code == "usher.socket"


async def test_who_stayed_is_known_when_the_space_is_over(
    usher: Begin, paths: Paths, gate: Gate, programme: Programme
) -> None:
    await usher()
    talking = await keep(gate)
    gate.staying = {SPACE: [11, 22], "zzzzzzzzzzzz": [33]}
    await gate.until(SPACE, lambda one: one.capacity > 0)
    assert not paths.known_prefixes.exists(), "at this Space itself nobody is known by it"
    programme.end()
    deadline = time.monotonic() + 5
    while not paths.known_prefixes.exists():
        assert time.monotonic() < deadline, "the Space is over"
        await asyncio.sleep(0.02)
    known = Known.decode(paths.known_prefixes.read_bytes())
    assert (known.history, 11 in known, 22 in known, 33 in known) == (2, True, True, False)
    assert stat.S_IMODE(paths.known_prefixes.stat().st_mode) == 0o600
    talking.cancel()


async def test_an_operator_who_wants_nothing_remembered(usher: Begin, paths: Paths) -> None:
    paths.known_prefixes.write_bytes(b"what was remembered")
    await usher(known_days=0.0)
    assert not paths.known_prefixes.exists()
