"""Drawings of the page as inline SVG: headline plot, intervals, profiles, learning curves.

Colours come from the page's style sheet by class, so that one drawing serves light and dark.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from genobench.report.figures import Point, points
from genobench.report.numerals import number
from genobench.report.stats import Interval, Summary
from genobench.report.tables import Block, Record, Row, Table
from genobench.task import MetricCard

# width and height of drawings in CSS pixels, at which 1 unit of their text is 1 px
PANEL = (470, 330)
FOREST = (190, 22)
BAR = (64, 7)
CURVE = (230, 140)
PROFILE_WIDTH, PROFILE_ROW, TITLE = 230, 17, 42
LETTER = 6.6  # mean width of a letter at the 11 px that names are set in
CURVE_POINTS = 40  # more cannot be told apart at this size
SENSE = {"higher": "higher is better", "lower": "lower is better"}
Box = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True)
class Scale:
    """Linear map of values [low, high] onto pixels [start, end]."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, x: float) -> float:
        share = (x - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return self.start + share * (self.end - self.start)

    def clipped(self, x: float) -> float:
        """As the scale, but not beyond its ends."""
        return self(min(max(x, self.low), self.high))

    def holds(self, x: float) -> bool:
        return self.low <= x <= self.high


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """At most ``most`` round numbers in [low, high], at steps of 1, 2 or 5 times a power of ten."""
    if not high > low:
        return [low]
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    step = next(s * power for s in (1, 2, 5, 10, 20) if (high - low) / (s * power) <= most - 1)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]


def label(x: float) -> str:
    """A number in as few digits as it needs, with a true minus."""
    return f"{round(x, 6) + 0.0:g}".replace("-", "−")


def labels(at: Sequence[float]) -> list[tuple[float, str]]:
    """Ticks with as many decimals as their step needs, all the same."""
    step = at[1] - at[0] if len(at) > 1 else 0.0
    decimals = max(0, -math.floor(math.log10(step) + 1e-9)) if step > 0 else 0
    if step == 0 or decimals > 4 or max(map(abs, at)) >= 1e5:
        return [(t, label(t)) for t in at]
    return [(t, f"{round(t, decimals) + 0.0:,.{decimals}f}".replace("-", "−")) for t in at]


def px(x: float) -> str:
    """A coordinate, to a tenth of a pixel."""
    return f"{round(x, 1) + 0.0:g}"


def sense(card: MetricCard) -> str:
    """Where better lies."""
    return SENSE.get(card.better, f"best at {label(card.target)}")


def _svg(kind: str, size: tuple[float, float], title: str, body: Iterable[Markup]) -> Markup:
    """A drawing that is read out as its title."""
    width, height = map(px, size)
    return Markup(
        '<svg class="{}" viewBox="0 0 {} {}" width="{}" height="{}" role="img" '
        'aria-label="{}">{}</svg>'
    ).format(kind, width, height, width, height, title, Markup("").join(body))


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "") -> Markup:
    end = f' text-anchor="{anchor}"' if anchor else ""
    of = f' class="{kind}"' if kind else ""
    return Markup(f'<text x="{px(x)}" y="{px(y)}"{of}{end}>{escape(text)}</text>')


def _path(kind: str, *steps: str) -> Markup:
    """``kind`` is made of words of this file and of one of the four roles: nothing to escape."""
    return Markup(f'<path class="{kind}" d="{"".join(steps)}"/>')


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> Markup:
    return _path(kind, f"M{px(x1)} {px(y1)}L{px(x2)} {px(y2)}")


def marker(role: str, x: float, y: float, size: float = 4.5) -> Markup:
    """One shape per role, so that colour is not the only difference."""
    kind = f"mark {role}"
    if role == "floor":
        return _path(kind, f"M{px(x - size)} {px(y - size)}h{px(2 * size)}v{px(2 * size)}"
                           f"h{px(-2 * size)}z")  # fmt: skip
    if role == "leak":
        up, side = size * 1.25, size * 1.25
        return _path(kind, f"M{px(x)} {px(y - up)}L{px(x + side)} {px(y + up * 0.8)}"
                           f"H{px(x - side)}z")  # fmt: skip
    if role == "ceiling":
        far = size * 1.35
        return _path(kind, f"M{px(x)} {px(y - far)}l{px(far)} {px(far)}l{px(-far)} {px(far)}"
                           f"l{px(-far)} {px(-far)}z")  # fmt: skip
    return Markup(f'<circle class="{kind}" cx="{px(x)}" cy="{px(y)}" r="{px(size)}"/>')


def headline(block: Block) -> list[Markup]:
    """Utility against privacy: all models, then the generators enlarged; empty without values."""
    found = points(block)
    if not found:
        return []
    cards = {t.task.name: t.headline for t in block.tables}
    axes = (cards["privacy"], cards["prs_utility"])
    near_box = _frame([p for p in found if p.role in ("entrant", "ceiling")] or found)
    near = [p for p in found if _inside(p, near_box)]
    drawn = [_panel(f"All of them ({block.name})", axes, _frame(found), found, near, near_box)]
    if len(near) < len(found):
        drawn.append(_panel(f"Enlarged ({block.name})", axes, near_box, near, [], None))
    return drawn


def _frame(found: Sequence[Point], margin: float = 0.12) -> Box:
    """Values around markers and their intervals over people: x low, y low, x high, y high."""
    sides = []
    for s in ([p.privacy for p in found], [p.utility for p in found]):
        ends = [e for x in s for e in (x.value, *x.people) if not math.isnan(e)]
        room = margin * (max(ends) - min(ends)) or 0.05
        sides.append((min(ends) - room, max(ends) + room))
    (left, right), (low, high) = sides
    return left, low, right, high


def _inside(p: Point, box: Box) -> bool:
    x, y = p.privacy.value, p.utility.value
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]


def _panel(
    title: str,
    axes: tuple[MetricCard, MetricCard],
    frame: Box,
    found: Sequence[Point],
    unnamed: Sequence[Point],
    inset: Box | None,
) -> Markup:
    width, height = PANEL
    x = Scale(frame[0], frame[2], 70, width - 8)
    y = Scale(frame[1], frame[3], height - 44, 12)
    body = [*_axis_x(x, y.start, y.end, axes[0]), *_axis_y(y, x.start, x.end, axes[1])]
    if inset is not None:
        body.append(
            _path(
                "inset",
                f"M{px(x(inset[0]))} {px(y(inset[1]))}H{px(x(inset[2]))}"
                f"V{px(y(inset[3]))}H{px(x(inset[0]))}z",
            )
        )
    for p in found:
        body += _cross(p, x, y)
    body += [marker(p.role, x(p.privacy.value), y(p.utility.value)) for p in found]
    body += _names([p for p in found if p not in unnamed], found, x, y)
    return _svg("plot", PANEL, f"{title}: {axes[1].title} against {axes[0].title}, "
                f"{len(found)} models; the numbers are in the tables below", body)  # fmt: skip


def _axis_x(x: Scale, bottom: float, top: float, card: MetricCard) -> list[Markup]:
    body = [_line("axis", x.start, bottom, x.end, bottom)]
    for t, text in labels(ticks(x.low, x.high, 8)):
        body += [_line("axis", x(t), bottom, x(t), bottom + 4),
                 _text(x(t), bottom + 17, text, "", "middle")]  # fmt: skip
    if card.better == "target" and x.holds(card.target):
        body.append(_line("best", x(card.target), bottom, x(card.target), top))
    middle = (x.start + x.end) / 2
    return [*body, _text(middle, bottom + 37, f"{card.title} ({sense(card)})", "name", "middle")]


def _axis_y(y: Scale, left: float, right: float, card: MetricCard) -> list[Markup]:
    body = [_line("axis", left, y.start, left, y.end)]
    for t, text in labels(ticks(y.low, y.high, 8)):
        body += [_line("axis", left - 4, y(t), left, y(t)),
                 _text(left - 8, y(t) + 4, text, "", "end")]  # fmt: skip
    if card.better == "target" and y.holds(card.target):
        body.append(_line("best", left, y(card.target), right, y(card.target)))
    middle = (y.start + y.end) / 2
    turned = Markup(
        '<text class="name" text-anchor="middle" transform="translate(13 {}) rotate(-90)">{} ({})'
        "</text>"
    ).format(px(middle), card.title, sense(card))
    return [*body, turned]


def _cross(p: Point, x: Scale, y: Scale) -> list[Markup]:
    """Thick: over people; thin: over seeds. Bars end where the frame ends."""
    at_x, at_y = x(p.privacy.value), y(p.utility.value)
    drawn = []
    for kind in ("people", "seeds"):
        across: Interval = getattr(p.privacy, kind)
        along: Interval = getattr(p.utility, kind)
        if not math.isnan(across.low):
            a, b = x.clipped(across.low), x.clipped(across.high)
            drawn.append(_line(f"{kind} {p.role}", a, at_y, b, at_y))
        if not math.isnan(along.low):
            a, b = y.clipped(along.low), y.clipped(along.high)
            drawn.append(_line(f"{kind} {p.role}", at_x, a, at_x, b))
    return drawn


def _names(named: Sequence[Point], found: Sequence[Point], x: Scale, y: Scale) -> list[Markup]:
    """Each name where it covers the fewest marks, bars and names, tried around its marker."""
    taken = []
    for p in found:
        a, b = x(p.privacy.value), y(p.utility.value)
        taken.append((a - 6, b - 6, a + 6, b + 6))
        if not math.isnan(p.privacy.people.low):
            low, high = (x.clipped(e) for e in p.privacy.people)
            taken.append((low, b - 3.5, high, b + 3.5))
        if not math.isnan(p.utility.people.low):
            low, high = (y.clipped(e) for e in p.utility.people)
            taken.append((a - 3.5, high, a + 3.5, low))
    drawn = []
    for p in sorted(named, key=lambda p: (-p.utility.value, p.model)):
        a, b, size = x(p.privacy.value), y(p.utility.value), LETTER * len(p.model)
        best: tuple[float, int, Box] | None = None
        for i, (dx, dy) in enumerate(_OFFSETS):
            cost = 2 * math.hypot(dx, dy)
            if best is not None and cost >= best[0]:
                break  # offsets come from near to far
            left = a + dx - (size if dx < 0 else 0)
            box = (left, b + dy - 6, left + size, b + dy + 6)
            inside = x.start < box[0] and box[2] < x.end + 8 and y.end < box[1] and box[3] < y.start
            cost += 1e6 * (not inside) + sum(_overlap(box, other) for other in taken)
            if best is None or round(cost, 3) < best[0]:
                best = round(cost, 3), i, box
        assert best is not None
        _, i, box = best
        taken.append(box)
        dx, dy = _OFFSETS[i]
        if math.hypot(dx, dy) > 16:
            drawn.append(_line("leader", a, b, box[2] if dx < 0 else box[0], b + dy))
        link = _text(box[2] if dx < 0 else box[0], b + dy + 4, p.model, "", "end" if dx < 0 else "")
        drawn.append(link)
    return drawn


_OFFSETS = [
    (radius * math.cos(angle / 8 * math.pi), radius * math.sin(angle / 8 * math.pi))
    for radius in (9, 14, 20, 28, 38, 50, 64)
    for angle in range(16)
]


def _overlap(a: Box, b: Box) -> float:
    """Common area of two boxes."""
    if a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]:
        return 0.0
    return (min(a[2], b[2]) - max(a[0], b[0])) * (min(a[3], b[3]) - max(a[1], b[1]))


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
    return Markup("").join(_line("at", x, 0, x, FOREST[1]) for x in at)


def forest_axis(table: Table, metric: MetricCard, scale: Scale) -> Markup:
    """The axis that all intervals of a column share."""
    width, height = FOREST[0], 20
    body = [_line("axis", scale.start, height - 0.5, scale.end, height - 0.5)]
    for t, text in labels(ticks(scale.low, scale.high, 5)):
        body += [_line("axis", scale(t), height - 4, scale(t), height),
                 _text(scale(t), height - 7, text, "", "middle")]  # fmt: skip
    title = f"Axis from {number(scale.low)} to {number(scale.high)}"
    return _svg("forest", (width, height), title, body)


def forest(table: Table, row: Row, metric: MetricCard, scale: Scale) -> Markup:
    """Value of one model with both of its intervals."""
    width, height = FOREST
    s, middle = row.cells[metric.name].summary, height / 2
    body = [_guides(table, metric, scale)]
    if math.isnan(s.value):
        return _svg("forest", FOREST, "not measured", body)
    if scale.holds(s.value):
        for kind, ends in (("people", s.people), ("seeds", s.seeds)):
            if not math.isnan(ends.low):
                a, b = scale.clipped(ends.low), scale.clipped(ends.high)
                body.append(_line(f"{kind} {row.role}", a, middle, b, middle))
        body.append(marker(row.role, scale(s.value), middle, 3.8))
    else:
        right = s.value > scale.high
        x, step = (width - 3, -6) if right else (3, 6)
        body.append(_path(f"mark {row.role}", f"M{x} {px(middle)}l{step} -4v8z"))
    both = f", 95 % {number(s.both.low)} to {number(s.both.high)}" if s.measured else ""
    return _svg("forest", FOREST, f"{number(s.value)}{both}", body)


def bar(s: Summary, scale: Scale) -> Markup:
    """Value and interval over people and seeds together, small enough to stand under a number."""
    if math.isnan(s.value) or not scale.high > scale.low:
        return Markup("")
    width, height = BAR
    y, body = height / 2, Markup("")
    if s.measured:
        a, b = scale.clipped(s.both.low), scale.clipped(s.both.high)
        body = Markup(f'<path d="M{px(a)} {px(y)}H{px(b)}"/>')
    return Markup(
        f'<svg class="bar" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'aria-hidden="true">{body}<circle cx="{px(scale.clipped(s.value))}" cy="{px(y)}" r="2"/>'
        "</svg>"
    )


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
    left = LETTER * max(map(len, titles)) + 12
    width, height = left + PROFILE_WIDTH, 26 + PROFILE_ROW * len(found)
    scale = Scale(-0.5, 1.5, left + 10, width - 10)
    body = []
    for x, control in ((0, table.floor), (1, table.ceiling)):
        body += [_line("at", scale(x), 18, scale(x), height - 4),
                 _text(scale(x), 12, f"{control} = {x}", "", "middle")]  # fmt: skip
    for i, (metric, title) in enumerate(zip(found, titles, strict=True)):
        y = 30 + PROFILE_ROW * i
        body.append(_text(left, y + 4, title, "", "end"))
        body += _rescaled(row, metric, scale, y)
    title = f"{table.task.title}: metrics of {row.model}, rescaled so that {table.floor} is 0 and "
    return _svg("profile", (width, height), f"{title}{table.ceiling} is 1", body)


def _rescaled(row: Row, metric: MetricCard, scale: Scale, y: float) -> list[Markup]:
    """Value with its interval, or an arrow where it lies beyond the drawing."""
    r, body = row.cells[metric.name].rescaled, []
    if math.isfinite(r.interval.low):
        low, high = scale.clipped(r.interval.low), scale.clipped(r.interval.high)
        body.append(_line(f"people {row.role}", low, y, high, y))
    if scale.holds(r.value):
        return [*body, marker(row.role, scale(r.value), y, 3.8)]
    x, step = (scale.end + 6, -6) if r.value > scale.high else (scale.start - 6, 6)
    return [*body, _path(f"mark {row.role}", f"M{px(x)} {px(y)}l{step} -4v8z")]


def curves(records: Sequence[Record]) -> list[Markup]:
    """What generators reported while they learned, one drawing per quantity, a line per seed."""
    lines: dict[tuple[str, str], list[list[tuple[float, float]]]] = {}
    for record in records:
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
    body = [_text(46, 11, name.replace("_", " "), "name")]
    body += [_line("axis", x.start, y.start, x.end, y.start)]
    body += [_line("axis", x.start, y.start, x.start, y.end)]
    for t, text in labels(ticks(x.low, x.high, 5)):
        body.append(_text(x(t), y.start + 14, text, "", "middle"))
    for t, text in labels(ticks(y.low, y.high, 5)):
        body.append(_text(x.start - 5, y(t) + 4, text, "", "end"))
    middle = (x.start + x.end) / 2
    body.append(_text(middle, height - 4, against.rpartition("_")[2], "", "middle"))
    for line in lines:
        steps = " ".join(f"{px(x(a))},{px(y(b))}" for a, b in line)
        body.append(Markup('<polyline class="line" points="{}"/>').format(steps))
    return _svg("curve", CURVE, f"{name.replace('_', ' ')} against {against.replace('_', ' ')}, "
                f"{len(lines)} training seeds", body)  # fmt: skip
