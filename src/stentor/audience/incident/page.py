"""The public page of an incident: one HTML document without script. Pure."""

import base64
import hashlib
import html
from datetime import UTC, datetime

from stentor.audience.incident.charts import charts_of, earlier
from stentor.audience.incident.evidence import CAUSES
from stentor.audience.incident.page_style import STYLE
from stentor.audience.incident.plots import Plot, clock, draw, number
from stentor.audience.incident.report import Proof, Report

NAMES = {"crowd": "Crowd", "attack": "Attack", "fault": "Our own fault", "undecided": "Undecided"}
_PLAIN = {
    "crowd": "more people than could be held",
    "attack": "an attack",
    "fault": "a fault of our own",
}
_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""The Content-Security-Policy of the page: its own style, and nothing else."""
_SPAN_MS = 10_000
FAINT = 0.05
"""Lines of evidence below this strength are folded away."""


def headline(report: Report) -> str:
    """What the evidence leads to, in a sentence that is no verdict."""
    if report.leading == ["nothing"]:
        return "Nothing was rough for more than a moment."
    if not report.leading:
        return "The evidence does not tell what it was."
    names = [_PLAIN[cause] for cause in report.leading]
    if len(names) == 1:
        return f"The evidence speaks for {names[0]}."
    return f"The evidence speaks for {', '.join(names[:-1])} and {names[-1]} at once."


def page_of(report: Report) -> bytes:
    """The document."""
    title = html.escape(f"What happened at the door: {report.title}")
    day = datetime.fromtimestamp(
        (report.started_ms or report.scheduled_ms or report.rough_from_ms) / 1_000, UTC
    )
    body = "".join(
        [
            _lead(report, f"{day.day} {day:%B %Y}"),
            _promises(report),
            _what_if(report),
            '<section aria-labelledby="minutes"><h2 id="minutes">Minute by minute</h2>',
            _times(report),
            *(_draw(report, plot) for plot in charts_of(report)),
            "</section>",
            _evidence(report),
            _features(report),
            _unknown(report),
            _check(report),
        ]
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="robots" content="noindex"><title>{title}</title><style>{STYLE}</style></head>'
        f'<body><header><a href="/s/{html.escape(report.space)}">The Space</a></header>'
        f"<main>{body}</main></body></html>\n"
    ).encode()


def _draw(report: Report, plot: Plot) -> str:
    return draw(plot, report.series.from_ms, _SPAN_MS, report.started_ms)


def _times(report: Report) -> str:
    if not report.started_ms:
        return "<p>All times are UTC. The programme did not begin.</p>"
    start = clock(report.started_ms)
    return f"<p>All times are UTC. The upright line is the start at {start}.</p>"


def _lead(report: Report, day: str) -> str:
    shares = {name: getattr(report.shares, name) for name in (*CAUSES, "undecided")}
    parts, at = [], 0.0
    for name, share in shares.items():
        parts.append(f'<rect class="c-{name}" x="{at:.2f}" width="{share * 100:.2f}" height="10"/>')
        at += share * 100
    rows = "".join(
        f'<li><i class="c-{name} stack"></i><b>{round(share * 100)} %</b> {NAMES[name]}</li>'
        for name, share in shares.items()
    )
    minutes = report.rough * _SPAN_MS / 60_000
    when = (
        f"Shares of the {number(minutes)} minutes between {clock(report.rough_from_ms)} and "
        f"{clock(report.rough_until_ms)} UTC in which anything was rough."
        if report.rough
        else "No ten seconds of this evening were rough."
    )
    bar = (
        f'<svg class="shares" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        f'{"".join(parts)}</svg><ul class="keys big">{rows}</ul>'
        if report.rough
        else ""
    )
    return (
        f'<p class="over">What happened at the door</p><h1>{html.escape(report.title)}</h1>'
        f'<p class="meta">{html.escape(report.host)}, {day}</p>'
        f'<section class="lead"><p class="says">{headline(report)}</p>{bar}'
        f"<p>{when} This is evidence, not a verdict: every figure below can be recomputed from "
        f"the log, and what cannot be known is listed.</p></section>"
    )


def _promises(report: Report) -> str:
    rows = []
    for one in report.promises:
        kept = {True: "kept", False: "broken", None: ""}[one.kept]
        figure = number(one.figure) + (f" {one.unit}" if one.unit and one.figure >= 0 else "")
        mark = f'<span class="{kept}">{kept}</span>' if kept else ""
        rows.append(
            f'<tr><th scope="row">{html.escape(one.sentence)}</th><td>{figure}</td>'
            f"<td>{mark}</td></tr>"
        )
    return (
        '<section aria-labelledby="promises"><h2 id="promises">Promises, in numbers</h2>'
        '<div class="wide" tabindex="0"><table><thead><tr><th scope="col">Of what</th>'
        '<th scope="col">How much</th><th scope="col">Promise</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div></section>"
    )


def _what_if(report: Report) -> str:
    rows = "".join(
        f'<tr><th scope="row">{html.escape(one.sentence)}</th>'
        f"<td>{number(one.over_spans * _SPAN_MS / 60_000)} min</td>"
        f"<td>{number(round(one.waiting_peak))}</td></tr>"
        for one in report.counterfactuals
    )
    return (
        '<section aria-labelledby="if"><h2 id="if">What if</h2><p>The evening played again from '
        "the ledger, by the door's rule, with something left out: for how long would more have "
        "wanted in than could be held, and how many would have waited at most?</p>"
        '<div class="wide" tabindex="0"><table><thead><tr><th scope="col">Played</th>'
        '<th scope="col">Full for</th><th scope="col">Waiting</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div></section>"
    )


def _evidence(report: Report) -> str:
    blocks = []
    for cause in CAUSES:
        proofs = sorted(
            (one for one in report.proofs if one.key.startswith(cause)),
            key=lambda one: -one.strength,
        )
        share = getattr(report.shares, cause)
        strong = "".join(_proof(one) for one in proofs if one.strength >= FAINT)
        faint = "".join(_proof(one) for one in proofs if one.strength < FAINT)
        nothing = "<p>No line of evidence has any strength.</p>" if not strong else ""
        count = sum(one.strength < FAINT for one in proofs)
        rest = (
            f"<details><summary>{count} lines without strength</summary><ul>{faint}</ul></details>"
        )
        blocks.append(
            f'<div class="cause"><h3><i class="c-{cause} stack"></i>{NAMES[cause]} '
            f"<b>{round(share * 100)} %</b></h3>{nothing}<ul>{strong}</ul>"
            f"{rest if faint else ''}</div>"
        )
    return (
        '<section aria-labelledby="evidence"><h2 id="evidence">Evidence, side by side</h2>'
        "<p>Each line has a strength between 0 and 1 in every ten seconds. What stands here is "
        "its mean over the rough ones. The strongest line speaks for its cause.</p>"
        f'<div class="causes">{"".join(blocks)}</div></section>'
    )


def measured(figure: float, unit: str) -> str:
    """A figure with its unit."""
    return f"{figure * 100:.0f} %" if unit == "share" else f"{number(figure)} {unit}".strip()


def _proof(one: Proof) -> str:
    usual = f", usually {number(one.usual)}" if one.usual >= 0 else ""
    cause = one.key.partition(".")[0]
    return (
        f"<li><p>{html.escape(one.sentence)}</p>"
        f'<p class="meta"><svg class="bar c-{cause}" viewBox="0 0 100 8" aria-hidden="true">'
        f'<rect class="grid" width="100" height="8"/>'
        f'<rect width="{one.strength * 100:.0f}" height="8"/></svg> '
        f"{one.strength:.2f}; at most {measured(one.figure, one.unit)}{usual}; from "
        f"{html.escape(one.feature)}</p></li>"
    )


_FEATURES = (
    ("known", "From prefixes seen in earlier Spaces", "share"),
    ("per_client", "Attempts per client", ""),
    ("clients_per_prefix", "Clients per prefix", ""),
    ("top", "Of the ten busiest prefixes", "share"),
    ("heads", "Different browsers, effectively", ""),
    ("pageless", "Without having loaded the page", "share"),
    ("regular", "Back after the same time as before", "share"),
    ("early", "Back sooner than told", "share"),
    ("bad", "With a bad ticket", "share"),
    ("unsolved", "Without a solution", "share"),
    ("per_page", "Attempts per page given", ""),
    ("solve_ms", "Time to compute a challenge, median", "ms"),
    ("hostile", "Refused before being understood, in 10 s", ""),
)


def _features(report: Report) -> str:
    def shown(value: float, unit: str) -> str:
        if value < 0:
            return "unknown"
        return f"{value * 100:.0f} %" if unit == "share" else f"{number(value)} {unit}".strip()

    rows = "".join(
        f'<tr><th scope="row">{text}</th>'
        f"<td>{shown(getattr(report.features, name), unit)}</td>"
        f"<td>{shown(getattr(report.usual, name), unit) if report.quiet_spans else '-'}</td></tr>"
        for name, text, unit in _FEATURES
    )
    source = {
        "earlier": f"Usual are {number(report.quiet_spans)} quiet spans of ten seconds of "
        f"{earlier(report.quiet_spaces)}.",
        "evening": f"Usual are the first {number(report.quiet_spans)} spans of this evening.",
        "none": "There is nothing to compare with.",
    }[report.quiet_source]
    return (
        '<section aria-labelledby="features"><h2 id="features">Those who came, and those who '
        f'usually come</h2><p>{source}</p><div class="wide" tabindex="0"><table><thead><tr>'
        '<th scope="col">Of all attempts</th><th scope="col">While rough</th>'
        f'<th scope="col">Usual</th></tr></thead><tbody>{rows}</tbody></table></div></section>'
    )


def _unknown(report: Report) -> str:
    items = "".join(f"<li>{html.escape(one)}</li>" for one in report.unknown)
    return (
        '<section aria-labelledby="unknown"><h2 id="unknown">What is not known</h2>'
        f"<ul>{items}</ul></section>"
    )


def _check(report: Report) -> str:
    agree = sum(anchor.agrees for anchor in report.anchors)
    return (
        '<section aria-labelledby="check"><h2 id="check">To check it</h2>'
        f"<p>Space <code>{html.escape(report.space)}</code>, method {report.method}. The log has "
        f"{number(report.log_records)} records, head <code>{report.log_head}</code>. The join "
        f"ledger has {number(report.ledger_records)} records, head "
        f"<code>{report.ledger_head}</code>; {agree} of {len(report.anchors)} anchors in the log "
        "agree with it.</p></section>"
    )
