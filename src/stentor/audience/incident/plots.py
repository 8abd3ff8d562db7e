"""Small plots as inline SVG, each with its table, for a page without any script. Pure.

The drawing is stretched to the page's width; whatever is read stands beside it as text, so that it
has one size on a telephone and on a screen, and is there for those who do not see the drawing.
"""

import html
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec

WIDTH = 1000
HEIGHT = 200
COLUMNS_MAX = 360
"""Columns of a drawing: more are put together."""
ROWS_MAX = 40
"""Rows of a table: more are put together."""


class Layer(msgspec.Struct, frozen=True):
    """One row of numbers in a plot.

    Attributes:
        kind: `line`, `step`, `area`, `stack` (on top of the stacks before) or `mark` (bars).
        style: its class in the style sheet. fold: how several spans become one.
    """

    label: str
    style: str
    values: Sequence[float]
    kind: str = "line"
    fold: Callable[[Sequence[float]], float] = max


class Plot(msgspec.Struct, frozen=True):
    """A plot: what it shows, and in which unit."""

    key: str
    title: str
    says: str
    unit: str
    layers: list[Layer]
    whole: bool = True
    """Whether the axis counts in whole numbers."""


def draw(plot: Plot, from_ms: Sequence[int], span_ms: int, start_ms: int) -> str:
    """The figure as HTML.

    Args:
        start_ms: when the programme began (0: not at all), drawn as an upright line.
    """
    if not from_ms:
        return ""
    if not any(value > 0 for layer in plot.layers for value in layer.values):
        # Nothing is said better in words.
        return (
            f'<figure id="{plot.key}"><figcaption><h3>{html.escape(plot.title)}</h3>'
            f"<p>{html.escape(plot.says)}</p></figcaption></figure>"
        )
    begin, end = from_ms[0], from_ms[-1] + span_ms
    top = _ceiling(_highest(plot), whole=plot.whole)
    drawing = _drawing(plot, from_ms, span_ms, start_ms, top)
    keys = "".join(
        f'<li><i class="{layer.style} {layer.kind}"></i>{html.escape(layer.label)}</li>'
        for layer in plot.layers
    )
    return (
        f'<figure id="{plot.key}"><figcaption><h3>{html.escape(plot.title)}</h3>'
        f'<p>{html.escape(plot.says)}</p></figcaption><ul class="keys">{keys}</ul>'
        f'<div class="plot"><div class="ys" aria-hidden="true"><span>{number(top)}</span>'
        f"<span>{number(top / 2)}</span><span>0</span></div>"
        f'<div class="field">{drawing}</div><div class="xs" aria-hidden="true">'
        f"{_times(begin, end)}</div></div>{_table(plot, from_ms, span_ms)}</figure>"
    )


def number(value: float) -> str:
    """A number for people: at most three digits that matter, thousands set apart."""
    if value < 0:
        return "unknown"
    if value >= 100 or value == int(value):
        return f"{round(value):,}".replace(",", "\u202f")
    return f"{value:.2g}"


def clock(at_ms: int) -> str:
    """Hours and minutes, UTC."""
    return datetime.fromtimestamp(at_ms / 1_000, UTC).strftime("%H:%M")


def _drawing(plot: Plot, from_ms: Sequence[int], span_ms: int, start_ms: int, top: float) -> str:
    """The SVG element."""
    begin, end = from_ms[0], from_ms[-1] + span_ms
    width = -(-len(from_ms) // COLUMNS_MAX)
    xs = [(at - begin) / (end - begin) * WIDTH for at in from_ms[::width]]
    step = WIDTH * span_ms * width / (end - begin)
    shapes, ground = [], [0.0] * len(xs)
    for layer in plot.layers:
        values = _fold(layer, width)
        if layer.kind == "stack":
            upper = [a + b for a, b in zip(ground, values, strict=True)]
            shapes.append(_area(xs, step, ground, upper, top, layer.style))
            ground = upper
        elif layer.kind == "area":
            shapes.append(_area(xs, step, [0.0] * len(xs), values, top, layer.style))
        elif layer.kind == "mark":
            shapes.append(_bars(xs, step, values, top, layer.style))
        else:
            shapes.append(_line(xs, step, values, top, layer.style))
    grid = "".join(f'<path class="grid" d="M0 {HEIGHT * part:g}H{WIDTH}"/>' for part in (0, 0.5, 1))
    begun = ""
    if begin < start_ms < end:
        x = (start_ms - begin) / (end - begin) * WIDTH
        begun = f'<path class="start" d="M{x:.1f} 0V{HEIGHT}"/>'
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="{html.escape(plot.says)}">{grid}{"".join(shapes)}{begun}</svg>'
    )


def _table(plot: Plot, from_ms: Sequence[int], span_ms: int) -> str:
    """The same numbers, minute by minute or coarser."""
    width = max(60_000 // span_ms, -(-len(from_ms) // ROWS_MAX))
    columns = [_fold(layer, width) for layer in plot.layers]
    head = "".join(f'<th scope="col">{html.escape(layer.label)}</th>' for layer in plot.layers)
    rows = []
    for at, begin in enumerate(from_ms[::width]):
        values = [round(column[at]) if plot.whole else column[at] for column in columns]
        cells = "".join(f"<td>{number(value)}</td>" for value in values)
        rows.append(f'<tr><th scope="row">{clock(begin)}</th>{cells}</tr>')
    minutes = width * span_ms / 60_000
    return (
        f'<details><summary>The same as a table</summary><div class="wide" tabindex="0"><table>'
        f"<caption>{html.escape(plot.title)}, {html.escape(plot.unit)}, "
        f"each row {minutes:g} min from that time (UTC)</caption>"
        f'<thead><tr><th scope="col">From</th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div></details>"
    )


def _fold(layer: Layer, width: int) -> list[float]:
    values = layer.values
    if width == 1:
        return [float(value) for value in values]
    return [layer.fold(values[at : at + width]) for at in range(0, len(values), width)]


def _highest(plot: Plot) -> float:
    width = -(-len(plot.layers[0].values) // COLUMNS_MAX)
    folded = [(layer.kind, _fold(layer, width)) for layer in plot.layers]
    stacks = [values for kind, values in folded if kind == "stack"]
    sums = [sum(column) for column in zip(*stacks, strict=True)]
    others = [value for kind, values in folded if kind != "stack" for value in values]
    return float(max([*sums, *others, 0.0]))


def _ceiling(value: float, *, whole: bool) -> float:
    """The next number above that is easy to read."""
    size = 1.0
    while size * 10 <= value:
        size *= 10
    while size > value > 0 and not whole:
        size /= 10
    steps = (1.0, 2.0, 4.0, 6.0, 8.0, 10.0)
    even = [step * size for step in steps if not whole or step * size != 1.0]
    return next((one for one in even if one >= value), 10 * size)


def _y(value: float, top: float) -> str:
    return f"{HEIGHT - HEIGHT * min(1.0, max(0.0, value) / top):.1f}"


def _line(xs: Sequence[float], step: float, values: Sequence[float], top: float, style: str) -> str:
    """A line of steps, broken where there is no value (-1) or no record."""
    path, before = [], -WIDTH * 1.0
    for x, value in zip(xs, values, strict=True):
        if value < 0:
            before = -WIDTH * 1.0
            continue
        joined = x - before < step * 1.5
        path.append(f"{'L' if joined else 'M'}{x:.1f} {_y(value, top)}H{x + step:.1f}")
        before = x
    return f'<path class="line {style}" d="{"".join(path)}"/>'


def _area(
    xs: Sequence[float],
    step: float,
    lower: Sequence[float],
    upper: Sequence[float],
    top: float,
    style: str,
) -> str:
    path = [
        f"M{x:.1f} {_y(low, top)}V{_y(high, top)}H{x + step + 0.3:.1f}V{_y(low, top)}Z"
        for x, low, high in zip(xs, lower, upper, strict=True)
        if high > low
    ]
    return f'<path class="area {style}" d="{"".join(path)}"/>'


def _bars(xs: Sequence[float], step: float, values: Sequence[float], top: float, style: str) -> str:
    """Bars that can be seen however narrow a span is."""
    width = max(step, 3.0)
    path = [
        f"M{x:.1f} {HEIGHT}V{_y(max(value, top / 40), top)}H{x + width:.1f}V{HEIGHT}Z"
        for x, value in zip(xs, values, strict=True)
        if value > 0
    ]
    return f'<path class="area {style}" d="{"".join(path)}"/>'


def _times(begin: int, end: int) -> str:
    places = [begin + (end - begin) * part // 4 for part in range(5)]
    return "".join(f"<span>{clock(at)}</span>" for at in places)
