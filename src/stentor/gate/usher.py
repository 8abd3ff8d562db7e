"""The usher's fold: reports of gates and edges, and the time, become notices. Pure.

What free chairs there are is divided twice by the same rule, max-min: among Spaces by what they ask
for, and, while people wait, among prefixes of addresses. Seats that were given away and are not
taken yet count as taken for a while; so do those of an edge that fell silent, for its listeners are
on their way to another.
"""

import heapq
from collections import deque
from dataclasses import dataclass, field

import msgspec

from stentor.gate.forecast import AGES_S, Stays, forecast
from stentor.gate.ladder import CADENCE_MIN_MS, Change, Ladder, Patience
from stentor.gate.mark import Mark
from stentor.gate.notice import (
    CLOSED,
    OPEN,
    PLACES,
    EdgeReport,
    EdgeSpace,
    GateReport,
    GateSpace,
    Notice,
)
from stentor.gate.plan import Memory, Plan
from stentor.gate.prices import Price
from stentor.gate.shares import level, share_of_prefix
from stentor.limits import (
    ARRIVALS_EXPECTED_MIN,
    ASKING_HALF_S,
    BELIEVE_EVERY_S,
    CALL_AHEAD_S,
    CLAIM_S,
    FILL_S,
    GATE_SILENT_S,
    GONE_S,
    HEAVY_PREFIXES,
    RESERVE_SHARE,
    SHARE_KEPT_S,
    SHARED_OUT,
    SHOW_UP_S,
    USHER_PREFIXES_MAX,
)


@dataclass(slots=True)
class _Space:
    """What the usher knows of one Space."""

    name: str
    ladder: Ladder
    plan: Plan = field(default_factory=Plan)
    mark: Mark = field(default_factory=Mark)
    price: Price = field(default_factory=Price)
    chairs: int = 0
    listeners: list[int] = field(default_factory=lambda: [0, 0, 0])
    ticketless: int = 0
    arrivals: float = 0.0  # of the last second
    arrivals_per_s: float = 0.0
    # Seats given away and streams begun, second by second: what has not begun yet is on its way.
    given: deque[tuple[float, int]] = field(default_factory=deque)
    let_in: int = 0
    began: int = 0
    left: list[int] = field(default_factory=lambda: [0] * len(AGES_S))
    stays: Stays = field(default_factory=Stays)
    swept: int = 0
    turns: int = 0
    called_per_s: float = 0.0
    speed: float = 0.0
    holders: dict[int, int] = field(default_factory=dict)
    expected: float = 0.0
    asked: float = 0.0
    asking: dict[int, float] = field(default_factory=dict)
    contended: bool = False
    share: int = 0
    share_kept_until: float = 0.0

    @property
    def holding(self) -> int:
        return sum(self.listeners) + self.ticketless


@dataclass(slots=True)
class _Edge:
    report: EdgeReport
    heard_at: float


class Usher:
    """Everything the usher knows; its methods are told the time and touch nothing else."""

    def __init__(self, patience: Patience | None = None, *, listeners_max: int = 0) -> None:
        """Args: listeners_max: the operator's cap for all edges together; 0: none."""
        self._patience = patience or Patience()
        self._listeners_max = listeners_max
        self._spaces: dict[str, _Space] = {}
        self._edges: dict[str, _Edge] = {}
        self._gates: dict[str, tuple[float, float]] = {}  # heard at, joins per second
        self._gate_busy: dict[str, float] = {}
        self._turned_at: float | None = None
        self._turns = 0
        self.changes: list[tuple[str, Change]] = []

    # What comes in -------------------------------------------------------------------------------

    def plan(self, space: str, plan: Plan) -> None:
        """Something is known of a Space beforehand, or has changed."""
        self._space(space).plan = plan

    def forget(self, space: str) -> None:
        """A Space is over."""
        self._spaces.pop(space, None)

    def force(self, space: str, step: int | None, by: str) -> None:
        """Host or operator want a step of the ladder; an empty Space is all of them."""
        for one in [self._space(space)] if space else list(self._spaces.values()):
            one.ladder.force(step, by)

    def memory(self, space: str, now: float) -> Memory:
        """What is to outlive this usher."""
        one = self._space(space)
        return Memory(one.mark.memory(), *one.ladder.memory(now), one.share)

    def recall(self, space: str, memory: Memory, now: float) -> None:
        """Go on where another usher stopped."""
        one = self._space(space)
        one.mark.recall(memory.mark)
        step, why, figures = memory.step, memory.why, memory.figures
        one.ladder.recall(step, why, figures, now - memory.since_s, now)
        one.ladder.force(memory.forced, "host")
        one.share, one.share_kept_until = memory.share, now + SHARE_KEPT_S

    def gate(self, report: GateReport, now: float, wall_ms: int) -> None:
        """A gate reports."""
        joins = 0
        for name, told in report.spaces.items():
            joins += self._gate_space(self._space(name), told, now, wall_ms // 1_000)
        _, before = self._gates.get(report.gate, (0.0, 0.0))
        self._gates[report.gate] = (now, before + (joins - before) / 4)
        self._gate_busy[report.gate] = report.busy
        for force in report.forces:
            self.force(force.space, force.step, force.by)

    def edge(self, report: EdgeReport, now: float) -> None:
        """An edge reports."""
        self._edges[report.edge] = _Edge(report, now)
        for name, told in report.spaces.items():
            space = self._space(name)
            space.began += told.began
            by_age = told.ended_after or [*[0] * (len(AGES_S) - 1), told.ended]
            space.swept += max(0, told.ended - sum(by_age))
            space.left = [one + more for one, more in zip(space.left, by_age, strict=True)]

    def _gate_space(self, space: _Space, told: GateSpace, now: float, now_s: int) -> int:
        space.mark.restore(told.mark[0], told.mark[3])
        for second, count in told.issued.items():
            space.mark.issued(second, count, now_s)
        for second, count in told.claimed.items():
            space.mark.claimed(second, count)
        for second, count in told.held.items():
            space.mark.claimed(second, count, held=True)
        space.let_in += sum(told.let_in)
        fresh = sum(told.issued.values()) + sum(told.let_in) - sum(told.claimed.values())
        space.asked += max(0, fresh)
        for prefix, count in told.prefixes:
            if prefix in space.asking or len(space.asking) < USHER_PREFIXES_MAX:
                space.asking[prefix] = space.asking.get(prefix, 0.0) + count
        joins = sum(told.outcomes.values())
        space.arrivals += max(0, fresh) + told.challenges.get("asked", 0)
        return joins

    # What goes out -------------------------------------------------------------------------------

    def turn(self, now: float, wall_ms: int) -> dict[str, list[Notice]]:
        """Once a second: a notice of each Space for each gate; `""` has what all others hear."""
        elapsed_s = now - self._turned_at if self._turned_at is not None else 1.0
        self._turned_at = now
        self._turns += 1
        self._drop_silent(now)
        self._count_listeners()
        self._divide_chairs()
        out: dict[str, list[Notice]] = {name: [] for name in (*self._gates, "")}
        for space in self._spaces.values():
            self._age(space, now, max(0.1, elapsed_s))
            notice, chairs, reserve = self._notice(space, now, wall_ms, max(0.1, elapsed_s))
            for name, given, kept in self._split(chairs, reserve):
                out[name].append(_with_grant(notice, given, kept))
            out[""].append(notice)
        return out

    def take_changes(self) -> list[tuple[str, Change]]:
        """Steps of ladders taken since the last time."""
        changes, self.changes = self.changes, []
        return changes

    @property
    def capacity(self) -> int:
        """Listeners that all edges together can hold, the operator's cap included."""
        total = sum(edge.report.capacity for edge in self._edges.values())
        return min(total, self._listeners_max) if self._listeners_max else total

    def _space(self, name: str) -> _Space:
        if name not in self._spaces:
            self._spaces[name] = _Space(name, Ladder(self._patience))
        return self._spaces[name]

    def _drop_silent(self, now: float) -> None:
        for name, edge in list(self._edges.items()):
            if now - edge.heard_at > GATE_SILENT_S:
                del self._edges[name]
                for of, told in edge.report.spaces.items():  # they are on their way to another
                    self._space(of).given.append((now, sum(told.listeners)))
        for gate, (heard_at, _) in list(self._gates.items()):
            if now - heard_at > GATE_SILENT_S:
                del self._gates[gate]
                self._gate_busy.pop(gate, None)

    def _count_listeners(self) -> None:
        for space in self._spaces.values():
            space.listeners, space.ticketless = [0, 0, 0], 0
            space.holders = {}
        for edge in self._edges.values():
            for name, told in edge.report.spaces.items():
                self._add(self._space(name), told)

    def _add(self, space: _Space, told: EdgeSpace) -> None:
        space.listeners = [
            one + more for one, more in zip(space.listeners, told.listeners, strict=True)
        ]
        space.ticketless += told.ticketless
        for prefix, count in told.heavy:
            space.holders[prefix] = space.holders.get(prefix, 0) + count

    def _divide_chairs(self) -> None:
        """Max-min by what Spaces ask for; what nobody asks for is divided evenly."""
        spaces, capacity = list(self._spaces.values()), self.capacity
        if not spaces:
            return
        asks = [
            1.1 * (space.holding + space.mark.waiting + FILL_S / 2 * space.arrivals_per_s) + 16
            for space in spaces
        ]
        share = level(asks, capacity)
        given = [min(ask, share) for ask in asks]
        over = max(0.0, capacity - sum(given)) / len(spaces)
        for space, one in zip(spaces, given, strict=True):
            space.chairs = int(one + over)

    def _age(self, space: _Space, now: float, elapsed_s: float) -> None:
        space.given.append((now, space.let_in - space.began))
        while space.given and now - space.given[0][0] > SHOW_UP_S:
            space.given.popleft()
        space.arrivals_per_s += (space.arrivals / elapsed_s - space.arrivals_per_s) / 4
        space.arrivals = 0.0
        space.stays.turn(space.began, space.left, space.swept, elapsed_s)
        space.swept = 0
        space.left = [0] * len(AGES_S)
        space.let_in = space.began = 0
        space.turns += 1
        if space.turns % BELIEVE_EVERY_S == 0:
            space.stays.believe()
            keep = 0.5 ** (BELIEVE_EVERY_S / ASKING_HALF_S)
            space.asked *= keep
            space.asking = {
                prefix: count * keep for prefix, count in space.asking.items() if count * keep > 0.5
            }

    def _notice(
        self, space: _Space, now: float, wall_ms: int, elapsed_s: float
    ) -> tuple[Notice, int, int]:
        """The notice, and what chairs anybody and accounts may be given until the next."""
        change = space.ladder.turn(self._pressure(space), now)
        if change is not None:
            self.changes.append((space.name, change))
        step, now_s = space.ladder.step, wall_ms // 1_000
        on_way = max(0, sum(count for _, count in space.given))
        free = max(0, space.chairs - space.holding - on_way)
        kept = max(0, int(space.chairs * RESERVE_SHARE) - sum(space.listeners[1:]))
        anybody = max(0, free - kept)
        if step >= 4:
            anybody //= 2
        ramp = self._ramp(elapsed_s)
        called_before, mark_before = space.mark.called, space.mark.at_us
        space.expected = space.mark.expected(now_s)
        expected = space.expected * space.mark.chair_share
        limit_us = space.plan.limit_us(wall_ms * 1_000)
        before_doors = space.plan.is_before_doors(wall_ms * 1_000)
        # Who is called comes after some seconds; meanwhile others leave.
        soon = CALL_AHEAD_S * space.holding / space.stays.mean_s if anybody else 0.0
        chairs = 0.0 if step >= 5 or before_doors else min(anybody - expected + soon, ramp)
        space.mark.advance(now_s, chairs, limit_us)
        called = (space.mark.called - called_before) / elapsed_s
        space.called_per_s += (called - space.called_per_s) / 8
        space.speed += ((space.mark.at_us - mark_before) / 1e6 / elapsed_s - space.speed) / 8
        waits = space.mark.waiting >= 1 or anybody - expected < 1
        mode = PLACES if waits or before_doors or space.plan.waiting_room == "always" else OPEN
        if space.plan.waiting_room == "never":
            mode = OPEN
        if step >= 4:
            mode = CLOSED if step >= 5 else PLACES
        share, heavy = self._share(space, now)
        grant = min(anybody, int(ramp)) if mode != CLOSED else 0
        since = space.ladder.since
        notice = Notice(
            space=space.name, at_ms=wall_ms, step=step,
            since_ms=wall_ms - round((now - since) * 1_000) if since else 0,
            why=space.ladder.why, figures=space.ladder.figures, mode=mode,
            admitting_us=space.mark.at_us, mark_per_s=round(space.speed, 4),
            waiting=round(space.mark.waiting), listeners=space.holding, capacity=space.chairs,
            challenge_bits=space.price.turn(step, self._gate_load(), now),
            opens_us=space.plan.opens_us, seed_hash=space.plan.seed_hash, low=step >= 3,
            cadence_min_ms=CADENCE_MIN_MS[step], share=share, ahead=space.mark.curve(),
            lapsed_us=space.mark.was(now_s, CLAIM_S), gone_us=space.mark.was(now_s, GONE_S),
            called=int(space.mark.called), called_per_s=round(space.called_per_s, 3),
            forecast=self._forecast(space, anybody - expected, ramp),
            heavy=heavy,
            recording_at_ms=space.plan.recording_at_ms,
            doubt=round(space.stays.doubt, 3),
            gates=max(1, len(self._gates)),
        )  # fmt: skip
        return notice, grant, 0 if mode == CLOSED else min(free, kept)

    def _pressure(self, space: _Space) -> dict[str, float]:
        reports = [edge.report for edge in self._edges.values()]
        expected = max(ARRIVALS_EXPECTED_MIN, space.plan.expected_per_s or space.chairs / FILL_S)
        pressure = {"arrivals": space.arrivals_per_s / expected, "gate": self._gate_load()}
        if reports:
            pressure |= {
                "cpu": max(report.busy for report in reports),
                "lateness": max(report.late_ms for report in reports),
                "egress": max(report.egress for report in reports),
                "descriptors": max(report.descriptors for report in reports),
                "memory": max(report.memory for report in reports),
                "capacity": space.holding / max(1, space.chairs),
            }
        return pressure

    def _share(self, space: _Space, now: float) -> tuple[int, tuple[tuple[int, int], ...]]:
        """While people wait for chairs: what one prefix may hold, and who holds nearly that."""
        space.contended = space.mark.waiting > max(8, space.chairs // 200)
        if not space.contended:
            return 0, ()
        asks = dict(space.holders)
        for prefix, count in space.asking.items():
            asks[prefix] = max(asks.get(prefix, 0), int(count))
        heavy = heapq.nlargest(HEAVY_PREFIXES, asks, key=asks.__getitem__)
        # All others together want what they asked for, as far as so many can still be there.
        holding = space.holding - sum(space.holders.get(prefix, 0) for prefix in heavy)
        asked = space.asked - sum(space.asking.get(prefix, 0.0) for prefix in heavy)
        most = holding + space.mark.waiting + space.expected
        others = max(holding, min(asked, most))
        if now >= space.share_kept_until:
            chairs = int(space.chairs * (1 - RESERVE_SHARE) * SHARED_OUT)
            space.share = share_of_prefix([asks[prefix] for prefix in heavy], others, chairs)
        share = space.share
        near = [(prefix, count) for prefix, count in space.holders.items() if 2 * count >= share]
        near.sort(key=lambda one: -one[1])
        return share, tuple(near[:HEAVY_PREFIXES]) if share else ()

    def _forecast(self, space: _Space, free: float, ramp: float) -> tuple[tuple[int, int], ...]:
        mark = space.mark
        come = mark.takes
        return forecast(space.stays, space.holding, max(0.0, free), ramp, come, mark.leaving_per_s)

    def _gate_load(self) -> float:
        return max(self._gate_busy.values(), default=0.0)

    def _ramp(self, elapsed_s: float) -> float:
        return elapsed_s * sum(edge.report.joins_per_s for edge in self._edges.values())

    def _split(self, chairs: int, reserve: int) -> list[tuple[str, int, int]]:
        """Divide among gates by the joins they had lately; together never more than there is.

        Who stands last has what rounding leaves: each in turn, or a single chair would always
        be at the same gate, and people at the others would never get it.
        """
        gates = deque(self._gates.items())
        gates.rotate(self._turns)
        total = sum(joins + 1 for _, (_, joins) in gates)
        out, given, kept, weight = [], 0, 0, 0.0
        for name, (_, joins) in gates:
            weight += joins + 1
            upto, upto_kept = int(chairs * weight / total), int(reserve * weight / total)
            out.append((name, upto - given, upto_kept - kept))
            given, kept = upto, upto_kept
        return out


def _with_grant(notice: Notice, grant: int, reserve: int) -> Notice:
    return msgspec.structs.replace(notice, grant=grant, reserve=reserve)
