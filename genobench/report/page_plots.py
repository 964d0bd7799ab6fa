"""Small drawings of the page: intervals of a column, profile of a model, learning curves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache

from markupsafe import Markup

from genobench.report import svg
from genobench.report.learning import DRAWN
from genobench.report.numerals import number
from genobench.report.scale import Rescaled
from genobench.report.shown import lines, reach
from genobench.report.svg import Scale
from genobench.report.tables import Record, Row, Table
from genobench.task import MetricCard

# width and height of drawings in CSS pixels, at which 1 unit of their text is 1 px
FOREST = (190, 22)
CURVE = (230, 140)
PROFILE_WIDTH, PROFILE_ROW, TITLE = 230, 17, 52
CURVE_POINTS = 30  # more cannot be told apart at this size


def forest_scale(table: Table, metric: MetricCard) -> Scale:
    """As far as `reach` says; what lies further out is drawn as an arrow at the edge."""
    return Scale(*reach(table, metric), 8, FOREST[0] - 8)


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
    at = lines(table, metric, scale.low, scale.high).values()
    body = [svg.line("at", scale(value), 0, scale(value), height) for value in at]
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


def bar_scale(table: Table, metric: MetricCard) -> Scale:
    """Wide enough for every value of a column, and the intervals of generators and ceiling.

    The bars under the numbers are thousands: page.js draws them when a table is opened.
    """
    ends = [e for r in table.rows for s in [r.cells[metric.name].summary]
            for e in ((s.value, *s.both) if r.role in ("entrant", "ceiling") else (s.value,))
            if math.isfinite(e)] or [0.0]  # fmt: skip
    return Scale(min(ends), max(ends), 0, 1)


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
    body = []
    for x, control in ((0, table.floor), (1, table.ceiling)):
        body += [svg.line("at", scale(x), 18, scale(x), height - 4),
                 svg.text(scale(x), 12, f"{control} = {x}", "", "middle")]  # fmt: skip
    rows = [30 + PROFILE_ROW * i for i in range(len(found))]
    body.append(svg.column(left, [(y + 4, title) for y, title in zip(rows, titles, strict=True)]))
    values = [row.cells[metric.name].rescaled for metric in found]
    body += _ranges(row.role, values, rows, scale)
    title = f"{table.task.title}: metrics of {row.model}, rescaled so that {table.floor} is 0 and "
    return svg.svg("profile", (width, height), f"{title}{table.ceiling} is 1", body)


def _ranges(
    role: str, values: Sequence[Rescaled], rows: Sequence[float], scale: Scale
) -> list[Markup]:
    """Intervals, values, and arrows for what lies beyond the drawing: one shape of each kind."""
    ends, marked, arrows = [], [], []
    for r, y in zip(values, rows, strict=True):
        if math.isfinite(r.interval.low):
            low, high = scale.clipped(r.interval.low), scale.clipped(r.interval.high)
            ends.append(f"M{svg.px(low)} {svg.px(y)}H{svg.px(high)}")
        if scale.holds(r.value):
            marked.append((scale(r.value), y))
        else:
            x, step = (scale.end + 6, -6) if r.value > scale.high else (scale.start - 6, 6)
            arrows.append(f"M{svg.px(x)} {svg.px(y)}l{step} -4v8z")
    body = [svg.path(f"people {role}", *ends), svg.marks(role, marked, 3.8)]
    return [*body, svg.path(f"mark {role}", *arrows)] if arrows else body


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
        for names in _axes(tuple(entry)):
            y, x = entry[names[0]], entry.get(names[1])
            if x is not None and y is not None and math.isfinite(x) and math.isfinite(y):
                found.setdefault(names, []).append((float(x), float(y)))
    return {names: _thinned(line) for names, line in found.items() if len(line) > 1}


@cache
def _axes(reported: tuple[str, ...]) -> list[tuple[str, str]]:
    """Of the names in one report, each quantity and what it is drawn against."""
    steps = [k for k in reported if k == "step" or k.endswith("_step")]
    found = []
    for name in reported:
        if name not in steps and name != "seconds":
            stage = [k for k in steps if name.startswith(k.removesuffix("step"))]
            found.append((name, (stage or steps or ["seconds"])[0]))
    return found


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
    at = {a: svg.px(x(a)) for a in set(xs)}  # seeds report at the same steps
    for line in lines:
        steps = " ".join(f"{at[a]},{svg.px(y(b))}" for a, b in line)
        body.append(Markup(f'<polyline class="line" points="{steps}"/>'))
    return svg.svg("curve", CURVE, f"{name.replace('_', ' ')} against {against.replace('_', ' ')}, "
                f"{len(lines)} training seeds", body)  # fmt: skip
