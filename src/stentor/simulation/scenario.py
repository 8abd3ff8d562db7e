"""What an evening is like: how many come and how fast, to how large a house, and who means harm."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Attack:
    """Those who mean harm.

    Attributes:
        flood_per_s: joins a second that show nothing and take nothing, from `flood_prefixes`.
        hoarders: places taken from `hoard_prefixes` that nobody comes back for.
        bots: programs that really listen, and never leave, from `bot_prefixes`.
        replays_per_s: how often one and the same place is shown.
        begins_s, ends_s: when; bots and hoarders come spread over it.
        solves: whether they pay the challenge.
    """

    flood_per_s: int = 0
    flood_prefixes: int = 200
    hoarders: int = 0
    hoard_prefixes: int = 50
    bots: int = 0
    bot_prefixes: int = 20
    replays_per_s: int = 0
    begins_s: float = 0.0
    ends_s: float = 60.0
    solves: bool = False


@dataclass(frozen=True, slots=True)
class Scenario:
    """One evening.

    Attributes:
        arrivals: people who come within `arrive_s`; `before_s` of it lies before the doors open.
        shape: `even`, `peak` (half of all in a tenth of the time) or `step` (most at once).
        edges: how many; each holds `chairs` and takes `joins_per_s`.
        last_s: seconds that are played.
        stay_s, patience_s: means; None: drawn for each seed, since nobody knows them beforehand.
        bounce: the share of listeners who leave within a minute or so.
        hidden: the share of pages in a tab nobody looks at; `frozen`: of those, asleep for minutes.
        crowded: the share of people behind one of `crowded_prefixes` addresses of many.
        own_prefixes: prefixes of all others.
        unable: the share that cannot compute and asks to wait instead.
        watched: pages of which every look at the mark is played.
    """

    name: str
    arrivals: int
    arrive_s: float = 60.0
    before_s: float = 0.0
    shape: str = "even"
    edges: int = 20
    chairs: int = 15_000
    joins_per_s: int = 1_500
    last_s: int = 1_800
    stay_s: float | None = None
    patience_s: float | None = None
    bounce: float = 0.15
    hidden: float = 0.25
    frozen: float = 0.15
    crowded: float = 0.30
    crowded_prefixes: int = 400
    own_prefixes: int = 400_000
    unable: float = 0.02
    watched: int = 2_000
    attack: Attack = Attack()
