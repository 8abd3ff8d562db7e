"""Sums, promises and series of an incident report again, for `incident_recount.py`."""

from collections import Counter
from typing import Any

if __package__:
    from bench import incident_figures as figures
else:
    import incident_figures as figures

Record = dict[str, Any]


def of(evening: Record, spans: list[Any], usual: figures.Usual) -> Record:
    """All figures that are plain sums, and where they come from."""
    rows: list[Record] = evening["counted"]
    bad = [span for span in spans if span.rough]
    came = sum(map(figures.arrivals, rows))
    causes: Counter[str] = Counter()
    for record in rows:
        causes.update(figures.table(record, "outcomes"))

    def most(half: str, name: str) -> float:
        return max(figures.number(record, half, name) for record in rows)

    names = ("space", "title", "host", "scheduled_ms", "started_ms", "ended_ms", "log_records",
             "log_head", "ledger_records", "ledger_head", "anchors", "steps", "gaps")  # fmt: skip
    return {
        **{name: evening[name] for name in names},
        "spans": len(spans),
        "rough": len(bad),
        "rough_from_ms": bad[0].record["from_ms"] if bad else 0,
        "rough_until_ms": max((s.record["from_ms"] + s.record["span_ms"] for s in bad), default=0),
        "outcomes": {
            name: sum(figures.outcome(record, name) for record in rows) for name in figures.OUTCOMES
        },
        "causes": dict(causes),
        "binding": dict(Counter(span.supply.get("binding", "") for span in bad)),
        "funnel": {
            "page": summed(rows, "pages"),
            "join": came,
            "ticket": summed(rows, "tickets"),
            "first_byte": summed(rows, "begun", "supply"),
            "sixty_seconds": summed(rows, "stayed", "supply"),
            "renewal": summed(rows, "renewals"),
        },
        "peak_arrivals": max(map(figures.arrivals, rows)),
        "peak_listeners": most("supply", "listeners"),
        "peak_waiting": most("supply", "waiting"),
        "quiet_source": usual.source,
        "quiet_spans": len(usual.rows),
        "quiet_spaces": usual.spaces,
        "features": figures.profile([span.record for span in bad]),
        "usual": usual.profile,
        "examined_share": summed(rows, "examined") / came if came else 1.0,
        "promises": promises(evening, rows),
        "series": series(spans),
    }


def summed(rows: list[Record], name: str, half: str = "demand") -> int:
    return sum(figures.number(record, half, name) for record in rows)


def promises(evening: Record, rows: list[Record]) -> list[Record]:
    silent = {
        whose: sum(g["to_ms"] - g["from_ms"] for g in evening["gaps"] if g["whose"] == whose)
        for whose in ("stage", "disk")
    }
    begun = evening["started_ms"] and evening["scheduled_ms"]
    late = evening["started_ms"] - evening["scheduled_ms"] if begun else -1
    held = {
        "stage": silent["stage"],
        "disk": silent["disk"],
        "stalls": sum(map(figures.lost_sound, rows)),
        "errors": sum(figures.total(record, "errors") for record in rows),
        "failed": sum(figures.outcome(record, "failed") for record in rows),
    }
    told = {
        "refused": sum(figures.outcome(record, "refused") for record in rows),
        "placed": summed(rows, "issued"),
        "claimed": summed(rows, "claimed"),
        "lapsed": summed(rows, "lapsed"),
        "wait_median": figures.quantile(rows, "waits_ms", 0.5) / 1_000,
        "wait_high": figures.quantile(rows, "waits_ms", 0.9) / 1_000,
        "wait_most": figures.quantile(rows, "waits_ms", 0.99) / 1_000,
    }
    return [
        {"key": "start", "figure": late, "kept": late <= 1_000 if begun else None},
        *({"key": key, "figure": value, "kept": value <= 0} for key, value in held.items()),
        *({"key": key, "figure": value, "kept": None} for key, value in told.items()),
    ]


def series(spans: list[Any]) -> Record:
    rows = [span.record for span in spans]
    out: Record = {
        "from_ms": [record["from_ms"] for record in rows],
        "arrivals": [span.came for span in spans],
        "expected": [span.expected for span in spans],
        **{kind: [span.all[kind] for span in spans] for kind in ("people", "suspects", "unclear")},
        "hostile": [span.hostile for span in spans],
        "usual": [span.usual for span in spans],
        "unheard": [figures.lost_sound(record) for record in rows],
        "stage_gap_ms": [span.gap["stage"] for span in spans],
        "disk_gap_ms": [span.gap["disk"] for span in spans],
        "rough": [span.rough for span in spans],
        "clients": [figures.different(record, "clients") for record in rows],
        "prefixes": [figures.different(record, "prefixes") for record in rows],
    }
    for name in figures.OUTCOMES:
        out[name] = [figures.outcome(record, name) for record in rows]
    for name in ("step", "capacity", "listeners", "waiting"):
        out[name] = [figures.number(record, "supply", name) for record in rows]
    return out
