"""What usher, gates and edges tell one another, once a second. Pure.

A gate and an edge report, the usher answers each with a notice for every Space. All travel as
MessagePack arrays; new fields are added at the end and have a default.
"""

import msgspec

from stentor.gate.shares import burst_of

OPEN = "open"
PLACES = "places"
CLOSED = "closed"


class Notice(msgspec.Struct, frozen=True, array_like=True):
    """What the usher says of one Space.

    Attributes:
        step: of the ladder, 0 ... 5; `why`: what triggered it, `figures`: of the trigger.
        mode: `open`: who comes may come in; `places`: who comes waits for a turn; `closed`: nobody
            who is not in already comes in.
        admitting_us: the mark: whoever has a turn up to it may come in.
        mark_per_s: how fast the mark moves, in seconds of turns per second.
        waiting: people whose turn has not come.
        challenge_bits: 0: none is asked.
        opens_us: turns begin here; 0: the doors were always open.
        low: everybody hears the low rendition.
        share: chairs one prefix may hold while people wait; 0: nobody goes short.
        ahead: people waiting up to a turn, at some turns, the last one included.
        lapsed_us: the mark as it was a claim's time ago: earlier turns have lapsed.
        gone_us: earlier turns than this are forgotten altogether.
        called: people whose turn has come since the Space opened, whether they came or not.
        called_per_s: how many more each second.
        forecast: (seconds from now, people who will probably have been called by then).
        grant, reserve: chairs this one gate may give away until its next notice, to anybody and to
            accounts; they differ from gate to gate.
        heavy: prefixes (keyed) that hold nearly their share or more, and how many chairs.
        recording_at_ms: when the recording will probably be here; 0: unknown.
        gates: how many gates there are, for what each of them counts by itself.
        doubt: how uncertain the forecast is: it may be 1 + doubt times more people, or fewer.
    """

    space: str
    at_ms: int
    step: int = 0
    since_ms: int = 0
    why: str = ""
    figures: dict[str, float] = {}
    mode: str = OPEN
    admitting_us: int = 0
    mark_per_s: float = 0.0
    waiting: int = 0
    listeners: int = 0
    capacity: int = 0
    challenge_bits: int = 0
    opens_us: int = 0
    seed_hash: str = ""
    low: bool = False
    cadence_min_ms: int = 200
    share: int = 0
    ahead: tuple[tuple[int, int], ...] = ()
    lapsed_us: int = 0
    gone_us: int = 0
    called: int = 0
    called_per_s: float = 0.0
    forecast: tuple[tuple[int, int], ...] = ()
    grant: int = 0
    reserve: int = 0
    heavy: tuple[tuple[int, int], ...] = ()
    recording_at_ms: int = 0
    doubt: float = 0.5
    gates: int = 1

    @property
    def burst(self) -> int:
        """Places that one prefix may take in a row at one gate."""
        return burst_of(self.share, self.capacity, self.gates)


class Admitting(msgspec.Struct, frozen=True):
    """What `GET /s/SPACE/admitting` says, as JSON: what a waiting page needs, in 600 bytes."""

    at_ms: int
    step: int = 0
    since_ms: int = 0
    why: str = ""
    figures: dict[str, float] = {}
    mode: str = OPEN
    admitting_us: int = 0
    mark_per_s: float = 0.0
    waiting: int = 0
    listeners: int = 0
    capacity: int = 0
    challenge_bits: int = 0
    opens_us: int = 0
    called: int = 0
    called_per_s: float = 0.0
    recording_at_ms: int = 0
    forecast: tuple[tuple[int, int], ...] = ()
    doubt: float = 0.0
    line: tuple[tuple[int, int], ...] = ()
    """How many wait whose turn is at most so many seconds after the mark."""


def admitting_of(notice: Notice) -> Admitting:
    """The public part of a notice."""
    same = {name: getattr(notice, name) for name in Admitting.__struct_fields__ if name != "line"}
    line = tuple(
        (-((notice.admitting_us - turn_us) // 1_000_000), people)
        for turn_us, people in notice.ahead
    )
    return Admitting(**same, line=line)


class GateSpace(msgspec.Struct, array_like=True):
    """What happened at one gate for one Space since the last report.

    Attributes:
        outcomes: how many attempts ended in (outcome, cause).
        issued: places given, by the second of their turn; `claimed`: chairs given for places,
            `held`: claims that had to wait although their turn had come, likewise.
        let_in: new numbers that were given a chair, by rank.
        renewed: tickets whose lease was renewed.
        challenges: asked, solved, failed, patient.
        funnel: what else was asked for: page, join, admitting, live, hls, radio.
        prefixes: (keyed prefix, places and chairs taken anew) of those that took the most.
        demand: what the join ledger is told (`audience/ledger.py`: Demand, as MessagePack).
        mark: (admitting_us, lapsed_us, gone_us, called) of the last notice, for an usher that
            begins anew.
    """

    outcomes: dict[tuple[str, str], int] = msgspec.field(default_factory=dict)
    issued: dict[int, int] = msgspec.field(default_factory=dict)
    claimed: dict[int, int] = msgspec.field(default_factory=dict)
    held: dict[int, int] = msgspec.field(default_factory=dict)
    let_in: list[int] = msgspec.field(default_factory=lambda: [0, 0, 0])
    renewed: int = 0
    challenges: dict[str, int] = msgspec.field(default_factory=dict)
    funnel: dict[str, int] = msgspec.field(default_factory=dict)
    prefixes: list[tuple[int, int]] = msgspec.field(default_factory=list)
    demand: bytes = b""
    mark: tuple[int, int, int, int] = (0, 0, 0, 0)


class Force(msgspec.Struct, frozen=True, array_like=True):
    """Somebody wants a step of the ladder; None lets it go again.

    Attributes:
        space: empty: of all Spaces.
        by: `host` or `operator`.
    """

    space: str
    step: int | None
    by: str


class GateReport(msgspec.Struct, array_like=True):
    """What a gate tells the usher each second.

    Attributes:
        gate: its name.
        busy: the share of a core it uses; `lag_ms`: how late its loop runs.
        shield: counters of what was refused before it was understood.
    """

    gate: str
    at_ms: int
    spaces: dict[str, GateSpace] = msgspec.field(default_factory=dict)
    busy: float = 0.0
    lag_ms: float = 0.0
    shield: dict[str, int] = msgspec.field(default_factory=dict)
    forces: list[Force] = msgspec.field(default_factory=list)


class EdgeSpace(msgspec.Struct, array_like=True):
    """Who listens to one Space at one edge.

    Attributes:
        listeners: live streams with a ticket, by rank.
        ticketless: those without.
        began, ended: numbers that were not here before the last report, and that are not any more
            (those that moved to another edge are not counted); `ended_after`: how long those had
            listened who left by themselves and were not swept out with their lease, counted in the
            spans that begin at `forecast.AGES_S`.
        stalls: listeners who were dropped since, for they took nothing.
        heavy: (keyed prefix, listeners) of those that have the most.
    """

    listeners: list[int] = msgspec.field(default_factory=lambda: [0, 0, 0])
    ticketless: int = 0
    began: int = 0
    ended: int = 0
    stalls: int = 0
    heavy: list[tuple[int, int]] = msgspec.field(default_factory=list)
    ended_after: list[int] = msgspec.field(default_factory=list)


class EdgeReport(msgspec.Struct, array_like=True):
    """What an edge tells the usher each second.

    Attributes:
        capacity: listeners it could hold, `binding`: by which resource (`capacity.py`).
        joins_per_s: how many it can take in a second.
        busy, egress, descriptors, memory: the share used of each, 0 ... 1.
        late_ms: how late the latest turn of a slot was.
        queue_ms: how old the oldest admission is that waits to be taken.
    """

    edge: str
    at_ms: int
    spaces: dict[str, EdgeSpace] = msgspec.field(default_factory=dict)
    capacity: int = 0
    binding: str = ""
    joins_per_s: int = 0
    cadence_ms: int = 200
    busy: float = 0.0
    egress: float = 0.0
    descriptors: float = 0.0
    memory: float = 0.0
    late_ms: float = 0.0
    queue_ms: float = 0.0
