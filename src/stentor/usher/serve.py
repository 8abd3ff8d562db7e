"""The usher as a process: reports in, Notices out, once a second and at once when it matters."""

import asyncio
import logging

import msgspec

from stentor.clock import Clock
from stentor.config import Settings
from stentor.gate import signing
from stentor.gate.notice import Notice
from stentor.gate.usher import Usher
from stentor.limits import LEDGER_SPAN_S, USHER_SOON_S, USHER_TICK_S
from stentor.paths import Paths
from stentor.reports import FromGate, of_notices, read_report
from stentor.space.card import Card
from stentor.space.events import DoorEvent, DoorSeeded, LadderChanged
from stentor.teller import Teller, Topic
from stentor.usher import kept, plans
from stentor.usher.desk import Desk, Reporter
from stentor.usher.ledgers import Ledgers
from stentor.usher.memory import Prefixes
from stentor.usher.orders import EVERYWHERE, Orders
from stentor.usher.spaces import OPEN, OpenSpaces
from stentor.usher.supplies import Supplies

_telemetry = logging.getLogger(__name__)


async def serve(settings: Settings, paths: Paths, clock: Clock, stop: asyncio.Event) -> None:
    """Be the usher until `stop` is set.

    Raises:
        Unavailable: `usher.socket`.
    """
    process = Process(settings, paths, clock)
    try:
        await stop.wait()
    finally:
        await process.close()


class Process:
    """Joins the fold (`gate/usher.py`), which knows everything, to the world it must not touch."""

    def __init__(self, settings: Settings, paths: Paths, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._keyring = paths.keyring()
        self._fold = Usher(listeners_max=settings.listeners_max)
        self._spaces = OpenSpaces(paths)
        self._orders = Orders(paths.run / "ladder")
        self._teller = Teller(paths.socket("stage"), self._keyring, clock, "usher")
        self._ledgers = Ledgers(paths, clock, self._record)
        gates = settings.edge_count
        self._supplies = Supplies(edges=gates, gates=gates)
        self._prefixes = Prefixes(paths.known_prefixes, settings.known_days)
        self._state = paths.run / "usher.state"
        self._salt = b""
        self._named: set[str] = set()
        self._cards: dict[str, Card] = {}
        self._gates: dict[int, str] = {}  # connection -> name, once it has reported
        self._kept_some = True
        self._forced: set[str] = set()
        self._ended: dict[str, float] = {}  # whose last attempts are still being counted
        self._tellings = 0
        self._recall()
        self._ticking: asyncio.TimerHandle | None = None
        self._desk = Desk(paths.socket("usher"), self._heard, self._left)
        self._tick()
        _telemetry.info("the usher is at its desk")

    async def close(self) -> None:
        """Write what there is to be written, and end."""
        self.vanish()
        await self._ledgers.close()

    def vanish(self) -> None:
        """End, and write nothing."""
        if self._ticking is not None:
            self._ticking.cancel()
        self._desk.close()

    def _recall(self) -> None:
        """Go on where the usher before stopped."""
        before = kept.load(self._state)
        now = self._clock.now()
        self._seeded = set(before.seeded)
        self._named |= before.memories.keys()
        self._look(now)
        for space, memory in before.memories.items():
            if space in self._cards:  # others ended meanwhile
                self._fold.recall(space, memory, now)

    # What comes in -------------------------------------------------------------------------------

    def _left(self, reporter: Reporter) -> None:
        self._gates.pop(reporter.number, None)

    def _heard(self, reporter: Reporter, data: bytes) -> None:
        told = read_report(data)
        now, wall_ms = self._clock.now(), self._wall_ms
        name = told.report.gate if isinstance(told, FromGate) else told.report.edge
        is_new = reporter.number not in self._gates
        if is_new:
            self._gates[reporter.number] = name
            self._supplies.came(name)
        strangers = told.report.spaces.keys() - self._cards.keys()
        if strangers:
            self._named |= strangers
            self._look(now)
        for space in strangers - self._cards.keys():
            del told.report.spaces[space]  # over, or never was
        if isinstance(told, FromGate):
            # The hashes of the day go on; the first gate that reports has the salt, or makes it.
            self._salt = self._salt or told.salt
            self._fold.gate(told.report, now, wall_ms)
            self._supplies.gate(told.report, now)
            for space, demand in told.demands.items():
                if space in self._cards or self._ended.get(space, 0.0) > now:
                    self._ledgers.take(space, demand)
            for space, prefixes in told.staying.items():
                if space in self._cards:
                    self._prefixes.stay(space, prefixes)
        else:
            self._fold.edge(told.report, now)
            self._supplies.edge(told.report, now)
        if (
            is_new
            or strangers & self._cards.keys()
            or (isinstance(told, FromGate) and told.report.forces)
        ):
            self._tick_in(USHER_SOON_S)

    # What goes out -------------------------------------------------------------------------------

    def _tick_in(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        if self._ticking is not None:
            if self._ticking.when() <= loop.time() + seconds and not self._ticking.cancelled():
                return
            self._ticking.cancel()
        self._ticking = loop.call_later(seconds, self._tick)

    def _tick(self) -> None:
        self._ticking = None
        self._tick_in(USHER_TICK_S)
        now, wall_ms = self._clock.now(), self._wall_ms
        self._look(now)
        self._order()
        self._supplies.tick(now)
        heard = self._fold.turn(now, wall_ms)
        if self._supplies.edges:  # without any edge nothing is known of what can be held
            self._tell({name: [*map(self._priced, some)] for name, some in heard.items()})
        for space, change in self._fold.take_changes():
            _telemetry.warning("%s: step %d (%s)", space, change.step, change.why)
            event = LadderChanged(change.step, change.why, change.figures, change.by, wall_ms)
            self._record(space, event)
        self._write(heard[""], now, wall_ms)

    def _tell(self, notices: dict[str, list[Notice]]) -> None:
        told = {name: of_notices(some, self._salt) for name, some in notices.items()}
        for reporter in self._desk.reporters:
            name = self._gates.get(reporter.number, "")
            self._desk.tell_one(reporter, told.get(name, told[""]))

    def _write(self, notices: list[Notice], now: float, wall_ms: int) -> None:
        """Keep what a successor must know; end a span of the ledger."""
        for notice in notices:
            self._ledgers.supply(notice.space, self._supplies.of(notice))
        if self._ledgers.due(wall_ms):
            self._ledgers.end_span(wall_ms)
            self._supplies.begin()
        if not notices and not self._kept_some:
            return  # nobody needs a disk to be written to for that
        self._kept_some = bool(notices)
        memories = {notice.space: self._fold.memory(notice.space, now) for notice in notices}
        kept.save(self._state, kept.Kept(wall_ms, notices, memories, sorted(self._seeded)))

    def _look(self, now: float) -> None:
        """Which Spaces there are, and what is known of each beforehand."""
        cards = self._spaces.look(now, self._named)
        self._named.clear()
        wall_ms = self._wall_ms
        self._ended = {space: until for space, until in self._ended.items() if until > now}
        for space in self._cards.keys() - {
            name for name, card in cards.items() if card.phase in OPEN
        }:
            self._fold.forget(space)
            self._prefixes.over(space, wall_ms / 1_000)
            self._seeded.discard(space)
            self._ended[space] = now + LEDGER_SPAN_S
        self._cards = {name: card for name, card in cards.items() if card.phase in OPEN}
        for space, card in self._cards.items():
            seed_hash = signing.seed_hash_of(signing.seed_of(self._keyring, space))
            self._fold.plan(space, plans.plan_of(card, self._settings, seed_hash, wall_ms))
            if space not in self._seeded:
                self._seeded.add(space)
                self._record(space, DoorSeeded(seed_hash))

    def _order(self) -> None:
        """Have the ladder do what the operator wants."""
        orders = self._orders.read()
        for space in self._cards:
            step = orders.get(space, orders.get(EVERYWHERE))
            if step is not None or space in self._forced:
                self._fold.force(space, step, "operator")
            (self._forced.add if step is not None else self._forced.discard)(space)

    def _priced(self, notice: Notice) -> Notice:
        """With the challenge that the operator wants."""
        asked = self._settings.challenge
        if asked == "auto":
            return notice
        bits = 0 if asked == "off" else int(asked)
        return msgspec.structs.replace(notice, challenge_bits=bits)

    def _record(self, space: str, event: DoorEvent) -> None:
        self._tellings += 1
        self._teller.tell(Topic(space, "door", str(self._tellings)), {"event": event})

    @property
    def _wall_ms(self) -> int:
        return self._clock.wall_time() // 1_000_000
