"""The doors of all Spaces at one gate: what the usher said of each, and what has come to it."""

from collections import OrderedDict
from collections.abc import Iterable

import msgspec

from stentor.audience.ledger import Demand
from stentor.audience.tally import Tally
from stentor.clock import Clock
from stentor.edge.answer import SAFE_HEADERS, Shared
from stentor.edge.join_answers import Renewals
from stentor.gate import signing
from stentor.gate.notice import CLOSED, OPEN, PLACES, GateSpace, Notice, admitting_of
from stentor.gate.policy import Door
from stentor.limits import DOORS_KEPT, STALE_CHAIRS, TALLIES_KEPT
from stentor.tokens import Keyring

_ADMITTING_HEADERS = [
    ("Content-Type", "application/json"),
    ("Cache-Control", "public, max-age=1"),
    ("Access-Control-Allow-Origin", "*"),
    *SAFE_HEADERS,
]


_MODES = (OPEN, PLACES, CLOSED)


class OneDoor:
    """One Space's door.

    Attributes:
        rules: decide its joins.
        admitting: the answer that tells everybody who waits how far it is; made once a Notice.
        renewals: the answers to those who renew their tickets.
    """

    __slots__ = ("admitting", "renewals", "rules")

    def __init__(self, rules: Door) -> None:
        self.rules = rules
        self.admitting = _admitting(rules.notice)
        self.renewals = Renewals()

    def hear(self, notice: Notice, now_us: int) -> None:
        """The usher's next Notice."""
        self.rules.hear(notice, now_us)
        self.admitting = _admitting(notice)


def _admitting(notice: Notice) -> Shared:
    return Shared(200, _ADMITTING_HEADERS, msgspec.json.encode(admitting_of(notice)))


class Doors:
    """All that one gate knows; bounded: what has been asked for least lately is forgotten."""

    def __init__(
        self, keyring: Keyring, clock: Clock, lease_s: int, *, challenges: bool = True
    ) -> None:
        """Begin with none. Args: challenges: whether computing may be asked for."""
        self.keys = signing.Keys(keyring)
        self._keyring = keyring
        self._clock = clock
        self._lease_s = lease_s
        self._challenges = challenges
        self._doors: OrderedDict[str, OneDoor] = OrderedDict()
        self._tallies: OrderedDict[str, Tally] = OrderedDict()
        self._taken: dict[str, Demand] = {}
        self._chairs = STALE_CHAIRS

    @property
    def now_us(self) -> int:
        """UTC microseconds."""
        return self._clock.wall_time() // 1_000

    def of(self, space: str) -> OneDoor:
        """A Space's door. Only for Spaces that there are."""
        door = self._doors.get(space)
        if door is None:
            seed = signing.seed_of(self._keyring, space)
            notice = Notice(space, self._clock.wall_time() // 1_000_000)
            door = OneDoor(Door(space, self.keys, seed, notice, self._lease_s, self._challenges))
            door.rules.edge_room = self._chairs
            self._doors[space] = door
            if len(self._doors) > DOORS_KEPT:
                self._doors.popitem(last=False)
        return door

    def tally(self, space: str) -> Tally:
        """What came to it, for the ledger."""
        tally = self._tallies.get(space)
        if tally is None:
            tally = self._tallies[space] = Tally()
            if len(self._tallies) > TALLIES_KEPT:
                gone, old = self._tallies.popitem(last=False)
                self._taken[gone] = old.take()
        else:
            self._tallies.move_to_end(space)
        return tally

    def hear(self, notices: Iterable[Notice]) -> None:
        """The usher has spoken."""
        now_us = self.now_us
        for notice in notices:
            self.of(notice.space).hear(notice, now_us)
            self._doors.move_to_end(notice.space)

    def look_at_edges(self, chairs: int) -> None:
        """How many the edges could still take: that decides while the usher is away."""
        self._chairs = max(0, min(chairs, STALE_CHAIRS))
        for door in self._doors.values():
            door.rules.edge_room = self._chairs

    def health(self) -> dict[str, object]:
        """How the doors stand, all together: for operators, and without naming a Space."""
        now_us = self.now_us
        rules = [one.rules for one in self._doors.values() if not one.rules.is_stale(now_us)]
        notices = [one.notice for one in rules]
        return {
            "step": max((notice.step for notice in notices), default=0),
            "mode": max((notice.mode for notice in notices), key=_MODES.index, default=OPEN),
            "waiting": sum(notice.waiting for notice in notices),
            "usher": bool(notices),
        }

    def report(
        self, *, fresh: bool, history: int = 0
    ) -> tuple[dict[str, GateSpace], dict[str, Demand]]:
        """What has happened since the last report.

        Args:
            fresh: the usher is a new one: it is told of every door how far the last one was.
            history: prefixes of earlier Spaces that are remembered.
        """
        spaces, now_us = {}, self.now_us
        for name, door in self._doors.items():
            told = door.rules.report(now_us)
            if fresh or told.outcomes or told.funnel or told.challenges:
                spaces[name] = told
        demands, self._taken = self._taken, {}
        for name, tally in self._tallies.items():
            demand = tally.take()
            if demand != _NOTHING:
                demands[name] = msgspec.structs.replace(demand, history=history)
        return spaces, demands


_NOTHING = Tally().take()
