"""Small drawings of the page: intervals of a column, profile of a model, learning curves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from genobench.report import svg
from genobench.report.learning import DRAWN
from genobench.report.numerals import number
from genobench.report.stats import Summary
from genobench.report.svg import Scale
from genobench.report.tables import Record, Row, Table
from genobench.task import MetricCard

# width and height of drawings in CSS pixels, at which 1 unit of their text is 1 px
FOREST = (190, 22)
BAR = (64, 7)
CURVE = (230, 140)
PROFILE_WIDTH, PROFILE_ROW, TITLE = 230, 17, 42
CURVE_POINTS = 40  # more cannot be told apart at this size


def _ends(s: Summary) -> list[float]:
    return [e for e in (s.value, *s.people, *s.seeds) if math.isfinite(e)]


def forest_scale(table: Table, metric: MetricCard) -> Scale:
    """Wide enough for the intervals of generators and ceiling, and for controls not far from them.

    What lies further out, as a label-blind floor or a copy may, is drawn as an arrow at the edge.
    """
    drawn = {r.model: r.cells[metric.name].summary for r in table.rows}
    main = [r.model for r in table.rows if r.role in ("entrant", "ceiling")]
    ends = [e for m in main for e in _ends(drawn[m])]
    ends = ends or [e for s in drawn.values() for e in _ends(s)] or [0.0, 1.0]
    low, high = min(ends), max(ends)
    span = high - low
    ends += [s.value for s in drawn.values() if low - span < s.value < high + span]
    room = 0.06 * (max(ends) - min(ends)) or 0.05
    return Scale(min(ends) - room, max(ends) + room, 8, FOREST[0] - 8)


def _value(table: Table, metric: MetricCard, model: str) -> float:
    """Value of one row; NaN where there is none."""
    found = (r.cells[metric.name].summary.value for r in table.rows if r.model == model)
    return next(found, math.nan)


def guided(table: Table, metric: MetricCard, scale: Scale) -> list[str]:
    """Controls that a line stands for: the floor and the ceiling, as far as the axis holds them."""
    controls = [m for m in (table.floor, table.ceiling) if m]
    return [m for m in controls if scale.holds(_value(table, metric, m))]


def _guides(table: Table, metric: MetricCard, scale: Scale) -> Markup:
    at = [scale(_value(table, metric, m)) for m in guided(table, metric, scale)]
    return Markup("").join(svg.line("at", x, 0, x, FOREST[1]) for x in at)


def forest_axis(table: Table, metric: MetricCard, scale: Scale) -> Markup:
    """The axis that all intervals of a column share."""
    width, height = FOREST[0], 20
    body = [svg.line("axis", scale.start, height - 0.5, scale.end, height - 0.5)]
    for t, text in svg.labels(svg.ticks(scale.low, scale.high, 5)):
        body += [svg.line("axis", scale(t), height - 4, scale(t), height),
                 svg.text(scale(t), height - 7, text, "", "middle")]  # fmt: skip
    title = f"Axis from {number(scale.low)} to {number(scale.high)}"
    return svg.svg("forest", (width, height), title, body)


def forest(table: Table, row: Row, metric: MetricCard, scale: Scale) -> Markup:
    """Value of one model with both of its intervals."""
    width, height = FOREST
    s, middle = row.cells[metric.name].summary, height / 2
    body = [_guides(table, metric, scale)]
    if math.isnan(s.value):
        return svg.svg("forest", FOREST, "not measured", body)
    if scale.holds(s.value):
        for kind, ends in (("people", s.people), ("seeds", s.seeds)):
            if not math.isnan(ends.low):
                a, b = scale.clipped(ends.low), scale.clipped(ends.high)
                body.append(svg.line(f"{kind} {row.role}", a, middle, b, middle))
        body.append(svg.marker(row.role, scale(s.value), middle, 3.8))
    else:
        right = s.value > scale.high
        x, step = (width - 3, -6) if right else (3, 6)
        body.append(svg.path(f"mark {row.role}", f"M{x} {svg.px(middle)}l{step} -4v8z"))
    both = f", 95 % {number(s.both.low)} to {number(s.both.high)}" if s.measured else ""
    return svg.svg("forest", FOREST, f"{number(s.value)}{both}", body)


def bar(s: Summary, scale: Scale) -> Markup:
    """Value and interval over people and seeds together, small enough to stand under a number.

    There are thousands: page.css gives them their size, and their dots height and radius.
    """
    if math.isnan(s.value) or not scale.high > scale.low:
        return Markup("")
    y, body = BAR[1] / 2, Markup("")
    if s.measured:
        a, b = scale.clipped(s.both.low), scale.clipped(s.both.high)
        body = Markup(f'<path d="M{svg.px(a)} {svg.px(y)}H{svg.px(b)}"/>')
    dot = f'<circle cx="{svg.px(scale.clipped(s.value))}"/>'
    return Markup(f'<svg class="bar" aria-hidden="true">{body}{dot}</svg>')


def bar_scale(table: Table, metric: MetricCard) -> Scale:
    """Wide enough for every value of a column, and the intervals of generators and ceiling."""
    ends = [e for r in table.rows for s in [r.cells[metric.name].summary]
            for e in ((s.value, *s.both) if r.role in ("entrant", "ceiling") else (s.value,))
            if math.isfinite(e)] or [0.0]  # fmt: skip
    return Scale(min(ends), max(ends), 3, BAR[0] - 3)


def profile(table: Table, row: Row) -> Markup:
    """Every metric of one model on the scale on which the floor is 0 and the ceiling 1."""
    found = [m for m in table.metrics if math.isfinite(row.cells[m.name].rescaled.value)]
    if not found:
        return Markup("")
    titles = [
        m.title if len(m.title) <= TITLE else f"{m.title[: TITLE - 1].rstrip(' ,')}…" for m in found
    ]
    left = svg.LETTER * max(map(len, titles)) + 12
    width, height = left + PROFILE_WIDTH, 26 + PROFILE_ROW * len(found)
    scale = Scale(-0.5, 1.5, left + 10, width - 10)
    body, rows = [], []
    for x, control in ((0, table.floor), (1, table.ceiling)):
        body += [svg.line("at", scale(x), 18, scale(x), height - 4),
                 svg.text(scale(x), 12, f"{control} = {x}", "", "middle")]  # fmt: skip
    for i, (metric, title) in enumerate(zip(found, titles, strict=True)):
        y = 30 + PROFILE_ROW * i
        rows += [svg.text(left, y + 4, title), *_rescaled(row, metric, scale, y)]
    body.append(svg.group("end", rows))
    title = f"{table.task.title}: metrics of {row.model}, rescaled so that {table.floor} is 0 and "
    return svg.svg("profile", (width, height), f"{title}{table.ceiling} is 1", body)


def _rescaled(row: Row, metric: MetricCard, scale: Scale, y: float) -> list[Markup]:
    """Value with its interval, or an arrow where it lies beyond the drawing."""
    r, body = row.cells[metric.name].rescaled, []
    if math.isfinite(r.interval.low):
        low, high = scale.clipped(r.interval.low), scale.clipped(r.interval.high)
        body.append(svg.line(f"people {row.role}", low, y, high, y))
    if scale.holds(r.value):
        return [*body, svg.marker(row.role, scale(r.value), y, 3.8)]
    x, step = (scale.end + 6, -6) if r.value > scale.high else (scale.start - 6, 6)
    return [*body, svg.path(f"mark {row.role}", f"M{svg.px(x)} {svg.px(y)}l{step} -4v8z")]


def curves(records: Sequence[Record]) -> list[Markup]:
    """What generators reported while they learned, one drawing per quantity, a line per seed."""
    lines: dict[tuple[str, str], list[list[tuple[float, float]]]] = {}
    for record in records[:DRAWN]:
        for names, line in _reported(record.get("learning") or []).items():
            lines.setdefault(names, []).append(line)
    return [_curve(*names, found) for names, found in lines.items()]


def _reported(
    learning: Sequence[Mapping[str, float | None]],
) -> dict[tuple[str, str], list[tuple[float, float]]]:
    """Points by (quantity, what it is drawn against): the step of its stage, or seconds."""
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for entry in learning:
        steps = [k for k in entry if k == "step" or k.endswith("_step")]
        for name, y in entry.items():
            if name in steps or name == "seconds":
                continue
            stage = [k for k in steps if name.startswith(k.removesuffix("step"))]
            against = stage[0] if stage else steps[0] if steps else "seconds"
            x = entry.get(against)
            if x is not None and y is not None and math.isfinite(x) and math.isfinite(y):
                found.setdefault((name, against), []).append((float(x), float(y)))
    return {names: _thinned(line) for names, line in found.items() if len(line) > 1}


def _thinned(line: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most `CURVE_POINTS`, evenly, with both ends."""
    if len(line) <= CURVE_POINTS:
        return line
    step = (len(line) - 1) / (CURVE_POINTS - 1)
    return [line[round(i * step)] for i in range(CURVE_POINTS)]


def _curve(name: str, against: str, lines: Sequence[Sequence[tuple[float, float]]]) -> Markup:
    width, height = CURVE
    xs, ys = [p[0] for line in lines for p in line], [p[1] for line in lines for p in line]
    room = 0.06 * (max(ys) - min(ys)) or 0.05
    x = Scale(min(0.0, *xs), max(xs), 46, width - 8)
    y = Scale(min(ys) - room, max(ys) + room, height - 34, 20)
    body = [svg.text(46, 11, name.replace("_", " "), "name")]
    body += [svg.line("axis", x.start, y.start, x.end, y.start)]
    body += [svg.line("axis", x.start, y.start, x.start, y.end)]
    for t, text in svg.labels(svg.ticks(x.low, x.high, 5)):
        body.append(svg.text(x(t), y.start + 14, text, "", "middle"))
    for t, text in svg.labels(svg.ticks(y.low, y.high, 5)):
        body.append(svg.text(x.start - 5, y(t) + 4, text, "", "end"))
    middle = (x.start + x.end) / 2
    body.append(svg.text(middle, height - 4, against.rpartition("_")[2], "", "middle"))
    for line in lines:
        steps = " ".join(f"{svg.px(x(a))},{svg.px(y(b))}" for a, b in line)
        body.append(Markup('<polyline class="line" points="{}"/>').format(steps))
    return svg.svg("curve", CURVE, f"{name.replace('_', ' ')} against {against.replace('_', ' ')}, "
                f"{len(lines)} training seeds", body)  # fmt: skip
