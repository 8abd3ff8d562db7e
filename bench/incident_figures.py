"""The figures of an incident report again, for `incident_recount.py`: no code of Stentor.

Written from docs/topics/incident.md. Records are dicts as in PROTOCOL.md, "The join ledger".
"""

import base64
import math
from typing import Any

Record = dict[str, Any]

MARKS = {"new": 1, "crowded": 2, "pageless": 4, "strange": 8, "regular": 16, "early": 32,
         "again": 64, "bad": 128, "unsolved": 256, "solved": 512, "vouched": 1024,
         "alike": 2048, "beside": 4096, "akin": 8192}  # fmt: skip
THERE = {"new": 0.8, "crowded": 0.8, "pageless": 2.2, "strange": 2.6, "regular": 2.0, "early": 0.8,
         "bad": 2.0, "unsolved": 0.6, "solved": -0.6, "vouched": -5.0, "alike": 2.0, "beside": 1.4,
         "akin": 2.4}  # fmt: skip
MISSING = {"new": -1.2, "pageless": -1.0, "strange": -0.2}
OUTCOMES = ("admitted", "placed", "challenged", "refused", "failed", "client")


def number(record: Record, half: str, name: str) -> Any:
    """A figure of a record; what is not there is 0."""
    return record[half].get(name, 0)


def table(record: Record, name: str, half: str = "demand") -> dict[str, int]:
    return record[half].get(name, {})


def total(record: Record, name: str, half: str = "demand") -> int:
    return sum(table(record, name, half).values())


def outcome(record: Record, name: str) -> int:
    return sum(n for key, n in table(record, "outcomes").items() if key.split(":")[0] == name)


def arrivals(record: Record) -> int:
    return total(record, "outcomes")


def lost_sound(record: Record) -> int:
    dropped = table(record, "dropped", "supply")
    return number(record, "supply", "stalled") + sum(
        dropped.get(why, 0) for why in ("slow", "stuck", "fault")
    )


def refused_early(record: Record, *, kernel: bool = True) -> float:
    packets = total(record, "kernel", "supply") if kernel else 0
    return float(total(record, "malformed") + total(record, "shield") + packets)


def different(record: Record, name: str) -> float:
    """Ertl's estimate from registers."""
    registers = base64.b64decode(record["demand"].get(name, ""))
    if not any(registers):
        return 0.0
    m, q = len(registers), 54
    count = [registers.count(k) for k in range(q + 2)]
    x, y = 1 - count[q + 1] / m, 1.0
    z = 1 - x
    if x in (0.0, 1.0):
        z = 0.0
    else:
        while True:
            x, y, old = math.sqrt(x), y / 2, z
            z -= (1 - x) ** 2 * y
            if z == old:
                break
        z /= 3
    z *= m
    for k in range(q, 0, -1):
        z = 0.5 * (z + count[k])
    x, y = count[0] / m, 1.0
    s = x
    while x < 1:
        x, old = x * x, s
        s += x * y
        y *= 2
        if s == old:
            break
    return m * m / (2 * math.log(2) * (z + m * s)) if z + m * s else float(1 << 64)


def quantile(rows: list[Record], name: str, share: float) -> float:
    buckets: dict[int, int] = {}
    for record in rows:
        for key, n in table(record, name).items():
            buckets[int(key)] = buckets.get(int(key), 0) + n
    left = share * sum(buckets.values())
    for key in sorted(buckets):
        left -= buckets[key]
        if left <= 0:
            return 2 ** (key / 4)
    return 0.0


def lower_median(values: list[float]) -> float:
    return float(sorted(values)[(len(values) - 1) // 2]) if values else 0.0


def median(values: list[float]) -> float:
    ordered, half = sorted(values), len(values) // 2
    return ordered[half] if len(values) % 2 else (ordered[half - 1] + ordered[half]) / 2


def rough(record: Record) -> bool:
    """Whether anything went wrong, by counts alone."""
    demand, supply, came = record["demand"], record["supply"], arrivals(record)

    def had(name: str) -> float:
        return supply.get(name, 0)

    away = outcome(record, "refused") + outcome(record, "failed")
    return bool(
        away > max(2, 0.02 * came)
        or outcome(record, "challenged") > max(2, 0.1 * came)
        or had("waiting") > 5 + 0.02 * had("capacity")
        or lost_sound(record) > max(2, 0.005 * had("listeners"))
        or total(record, "errors") > max(1, 0.01 * came)
        or had("edges") < had("edges_wanted")
        or had("gates") < had("gates_wanted")
        or supply.get("restarts")
        or had("stage_late_ms") > 100
        or max(had("gate_lag_ms"), had("edge_lag_ms")) > 1_000
        or demand.get("unbelieved", 0) > 5 + 0.3 * (came + demand.get("pages", 0))
        or refused_early(record) > 20 + 0.5 * came
    )


def marked(rows: list[Record], name: str) -> float:
    """The share of attempts that have a mark."""
    examined = sum(number(record, "demand", "examined") for record in rows)
    count = sum(
        sum(row)
        for record in rows
        for marks, row in table(record, "cohorts").items()
        if marks != "-1" and int(marks) & MARKS[name]
    )
    return count / examined if examined else 0.0


def profile(rows: list[Record]) -> dict[str, float]:
    """Features of some spans."""
    names = ("arrivals", "known", "per_client", "clients_per_prefix", "top", "heads", "pageless",
             "regular", "early", "bad", "unsolved", "per_page", "solve_ms", "hostile")  # fmt: skip
    if not rows:
        return dict.fromkeys(names, 0.0) | {"known": -1.0}

    def summed(name: str) -> int:
        return sum(number(record, "demand", name) for record in rows)

    examined = summed("examined")
    clients = sum(different(record, "clients") for record in rows)
    prefixes = sum(different(record, "prefixes") for record in rows)
    busy = [record for record in rows if number(record, "demand", "examined") >= 50]
    most = sum(n - e for r in busy for _, n, e in _three(r["demand"].get("top_prefixes", []))[:10])
    heads: dict[int, int] = {}
    for record in rows:
        for key, n, error in _three(record["demand"].get("top_heads", [])):
            heads[key] = heads.get(key, 0) + n - error
    of_heads = sum(heads.values())
    entropy = sum(n / of_heads * math.log(of_heads / n) for n in heads.values() if n)
    came, pages = sum(map(arrivals, rows)), summed("pages")
    remembered = max(number(record, "demand", "history") for record in rows)
    return {
        "arrivals": lower_median([arrivals(record) for record in rows]),
        "known": summed("known") / max(1, examined) if remembered >= 200 else -1.0,
        "per_client": examined / clients if clients else 0.0,
        "clients_per_prefix": clients / prefixes if prefixes else 0.0,
        "top": min(1.0, most / sum(r["demand"]["examined"] for r in busy)) if busy else -1.0,
        "heads": math.exp(entropy) if of_heads else 0.0,
        **{name: marked(rows, name) for name in ("pageless", "regular", "early", "bad")},
        "unsolved": marked(rows, "unsolved"),
        "per_page": came / pages if pages else 0.0,
        "solve_ms": quantile(rows, "solves_ms", 0.5),
        "hostile": lower_median([refused_early(record, kernel=False) for record in rows]),
    }


def _three(rows: list[list[int]]) -> list[tuple[int, int, int]]:
    return [(row[0], row[1], row[2] if len(row) > 2 else 0) for row in rows]


class Usual:
    """What is usual, and where that comes from."""

    def __init__(self, evening: Record) -> None:
        own: list[Record] = evening["counted"]
        calm = [record for _, rows in evening["earlier"] for record in rows if not rough(record)]
        first = next((at for at, record in enumerate(own) if rough(record)), len(own))
        before = own[: max(0, first - 12)]
        self.source, self.rows = "none", []
        if len(calm) >= 6:
            self.source, self.rows = "earlier", calm
        elif len(before) >= 6:
            self.source, self.rows = "evening", before
        self.spaces = len(evening["earlier"]) if self.source == "earlier" else 0
        self.common = {name: marked(self.rows, name) for name in MARKS}
        if not self.rows:
            self.common["pageless"] = self._pageless_at_first(own)
        self.profile = profile(self.rows)
        noise = sorted(map(refused_early, self.rows))
        high = noise[math.ceil(0.95 * len(noise)) - 1] if noise else 0.0
        self.hostile_from = max(20.0, 5 * high)
        held = [
            number(record, "supply", "capacity") / record["supply"]["edges"]
            for record in [*self.rows, *own]
            if number(record, "supply", "edges")
        ]
        self.per_edge = max(held, default=0.0)
        self.spared = 2 * max(0.03, self._odd_on_any_evening())
        self._weigh_bad_tickets(own)

    def _odd_on_any_evening(self) -> float:
        """Of all quiet attempts, those that look like machines."""
        odd = every = 0.0
        for record in self.rows:
            scale = arrivals(record) / (number(record, "demand", "examined") or 1)
            for marks, row in table(record, "cohorts").items():
                every += scale * sum(row)
                if self.looks(marks, number(record, "demand", "history")) == "suspects":
                    odd += scale * sum(row)
        return odd / every if every else 0.0

    def score(self, marks: int, remembered: int, common: dict[str, float]) -> float:
        value = 0.0
        for name, bit in MARKS.items():
            if name == "new" and remembered < 200:
                continue
            weight = (THERE if marks & bit else MISSING).get(name, 0.0)
            usual = common[name]
            if name in {"beside", "akin"}:
                usual = max(usual, 0.5 * ((common["pageless"] + common["strange"]) / 0.25) ** 2)
            value += weight * max(0.0, 1 - usual / 0.5)
        return value

    @staticmethod
    def _pageless_at_first(own: list[Record]) -> float:
        """Of the first 30 browsers' attempts, those without a page of ours."""
        browsers = without = 0
        for record in own[:12]:
            for marks, row in table(record, "cohorts").items():
                if marks == "-1" or int(marks) & (MARKS["strange"] | MARKS["bad"]):
                    continue
                browsers += sum(row)
                without += sum(row) if int(marks) & MARKS["pageless"] else 0
            if browsers >= 30:
                return without / browsers
        return 0.0

    def looks(self, marks: str, remembered: int, common: dict[str, float] | None = None) -> str:
        if marks == "-1":
            return "unclear"
        value = self.score(int(marks), remembered, common or self.common)
        return "suspects" if value >= 2.2 else "people" if value <= 0.7 else "unclear"

    def _weigh_bad_tickets(self, own: list[Record]) -> None:
        """A bad ticket says nothing of who came, if those who show one are like people."""
        quiet_new = self.common["new"] if self.rows else 1.0
        self._weigh_new_prefixes(own)
        blind = self.common | {"bad": 1.0, "new": 0.5}
        sums = {True: [0, 0, 0], False: [0, 0, 0]}
        spans = calm = clocks = 0
        for record in own:
            seen = False
            for marks, row in table(record, "cohorts").items():
                bits = 0 if marks == "-1" else int(marks)
                if bits & MARKS["bad"] and not bits & (MARKS["pageless"] | MARKS["strange"]):
                    clocks += sum(row) if bits & MARKS["regular"] else 0
                    calm += sum(row)
                if self.looks(marks, number(record, "demand", "history"), blind) != "people":
                    continue
                bad, count = bool(int(marks) & MARKS["bad"]), sum(row)
                seen = seen or (bad and count > 0)
                sums[bad][0] += count
                sums[bad][1] += 0 if int(marks) & MARKS["new"] else count
                sums[bad][2] += count if int(marks) & MARKS["again"] else 0
            spans += seen
        (shown, known, again), (others, others_known, _) = sums[True], sums[False]
        if not shown:
            return
        remembered = max(number(record, "demand", "history") for record in own)
        if remembered >= 200 and others:
            alike = known / shown >= max(0.5 * others_known / others, 0.3 * (1 - quiet_new))
        else:
            alike = shown / spans <= 10 * max(self.profile["arrivals"], 10)
        if alike and again / shown < 0.92 and clocks <= 0.4 * calm:
            self.common = self.common | {"bad": 1.0}

    def _weigh_new_prefixes(self, own: list[Record]) -> None:
        """Where far fewer than usual come from known prefixes, a new one weighs more."""
        came = known = 0
        for record in own:
            for marks, row in table(record, "cohorts").items():
                if marks != "-1" and not int(marks) & MARKS["again"]:
                    came += sum(row)
                    known += 0 if int(marks) & MARKS["new"] else sum(row)
        usual = 1 - self.common["new"] if self.rows else 0.0
        remembered = max(number(record, "demand", "history") for record in own)
        if remembered >= 200 and usual >= 0.15 and known < 0.25 * usual * came:
            self.common = self.common | {"new": -1.1}


def figures_of(evening: Record) -> Record:
    """Every figure of the report."""
    if __package__:
        from bench import incident_spans
    else:
        import incident_spans

    return incident_spans.report(evening, Usual(evening))
