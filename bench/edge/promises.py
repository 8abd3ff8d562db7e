"""What is promised of an edge, as figures with bounds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.edge.fanout import Row

RATE = 4_000
FLASH = 10_000
MANY = 10_000


@dataclass(frozen=True, slots=True)
class Promise:
    """One figure and its bound."""

    name: str
    text: str
    value: float
    bound: float
    at_most: bool = True

    @property
    def kept(self) -> bool:
        """Whether the figure is within the bound."""
        return self.value <= self.bound if self.at_most else self.value >= self.bound

    def as_json(self) -> dict[str, Any]:
        """For a program."""
        sign = "<=" if self.at_most else ">="
        return {"value": round(self.value, 4), "bound": f"{sign} {self.bound:g}", "ok": self.kept}

    def as_row(self) -> tuple[str, str, bool | None]:
        """For a person."""
        sign = "at most" if self.at_most else "at least"
        value = f"{self.value:,.0f}" if self.value >= 1_000 else f"{self.value:.4g}"
        return self.text, f"{value} ({sign} {self.bound:,g})", self.kept


def of_fanout(rows: list[Row]) -> list[Promise]:
    """What listening costs."""
    found = {(row.server, row.interval_ms): row for row in rows if row.listeners == MANY}
    plain = {key: row for key, row in found.items() if not row.tls}
    promises = []
    half = plain.get(("stentor", 500))
    for rival, bound in (("c", 1.15), ("icecast", 0.77)):
        other = plain.get((rival, 500))
        if half and other:
            ratio = half.cpu_s_per_1000 / other.cpu_s_per_1000
            promises.append(
                Promise(f"cpu_ratio_{rival}", f"Processor time, of that of {rival}", ratio, bound)
            )
    if half:
        kept = half.beyond_p99_ms
        promises += [
            Promise("rss_kb_per_listener", "kB of memory a listener", half.rss_kb_per_listener, 1),
            Promise("delay_p99_ms", "Delay beyond the interval, p99, ms", kept, 25),
        ]
    for interval_ms, bound in ((1_000, 0.010), (2_000, 0.005)):
        row = plain.get(("stentor", interval_ms))
        if row:
            name, cost = f"cpu_s_per_1000_at_{interval_ms}_ms", row.cpu_s_per_1000
            text = f"CPU-s for 1,000 listener-seconds every {interval_ms // 1_000} s"
            promises.append(Promise(name, text, cost, bound))
    ours = [row for row in rows if row.server == "stentor"]
    if ours:
        most = sum(row.stalls + row.lost for row in ours)
        promises.append(Promise("stalls", "Stalls and lost listeners in all rows", most, 0))
    return promises


def of_joins(rows: list[dict[str, Any]]) -> list[Promise]:
    """What joining costs."""
    promises = []
    for row in rows:
        if row["server"] != "stentor" or "ttfb_p99_ms" not in row:
            continue
        late = row["ttfb_p99_ms"] if row["joined"] == row["listeners"] else float("inf")
        at_once = row["per_s"] == FLASH
        name = "ttfb_flash_p99_ms" if at_once else "ttfb_p99_ms"
        text = f"First byte p99 when {row['listeners']:,} join at {row['per_s']:,}/s, ms"
        promises.append(Promise(name, text, late, 250 if at_once else 50))
    rates = {row["server"]: row["per_core"] for row in rows if "per_core" in row}
    if rates:
        ratio = rates["stentor"] / rates["nginx"]
        promises += [
            Promise("join_per_core", "Joins per core", rates["stentor"], 10_000, at_most=False),
            Promise("join_ratio_nginx", "Joins, of nginx's static page", ratio, 0.6, at_most=False),
        ]
    return promises


def of_tls(rows: list[Row], handshakes: list[dict[str, Any]]) -> list[Promise]:
    """What TLS costs."""
    handshakes = [row for row in handshakes if row["server"] == "stentor"]
    at = {row.tls: row for row in rows if (row.server, row.interval_ms) == ("stentor", 500)}
    secure, plain = at[True], at[False]
    new = min(row["per_core"] for row in handshakes if row["resumed_share"] < 0.5)
    ratio = secure.cpu_s_per_1000 / plain.cpu_s_per_1000
    return [
        Promise("tls_cpu_ratio", "Processor time with TLS, of that without", ratio, 1.3),
        Promise("tls_rss_kb", "kB a listener with TLS", secure.rss_kb_per_listener, 20),
        Promise("tls_handshakes_per_core", "New handshakes per core", new, 3_000, at_most=False),
    ]


def as_json(promises: list[Promise]) -> Mapping[str, Any]:
    """All of them by name."""
    return {promise.name: promise.as_json() for promise in promises}
