"""The headline plot of the page: utility against privacy, whole and enlarged."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from genobench.report import svg
from genobench.report.headline import (
    PRIVACY,
    UTILITY,
    Box,
    Point,
    axis_label,
    extent,
    focus,
    inside,
    place,
    points,
)
from genobench.report.stats import Interval
from genobench.report.svg import Scale
from genobench.report.tables import Block
from genobench.task import MetricCard

# width and height in CSS pixels, at which 1 unit of the text is 1 px
ALONE, WHOLE, ENLARGED = (640, 430), (400, 430), (760, 430)


def headline(block: Block) -> list[Markup]:
    """Utility against privacy: all models, then the generators enlarged; empty without values."""
    found = points(block)
    if not found:
        return []
    cards = {t.task.name: t.headline for t in block.tables}
    axes = (cards[PRIVACY], cards[UTILITY])
    near_box = focus(found)
    near = [p for p in found if inside(p, near_box)]
    title = f"All of them ({block.name})"
    if len(near) == len(found):
        return [_panel(title, ALONE, axes, extent(found), found, [], None)]
    enlarged = f"Enlarged ({block.name})"
    return [
        _panel(title, WHOLE, axes, extent(found), found, near, near_box),
        _panel(enlarged, ENLARGED, axes, near_box, near, [], None),
    ]


def _panel(
    title: str,
    size: tuple[int, int],
    axes: tuple[MetricCard, MetricCard],
    frame: Box,
    found: Sequence[Point],
    unnamed: Sequence[Point],
    inset: Box | None,
) -> Markup:
    width, height = size
    x = Scale(frame[0], frame[2], 70, width - 8)
    y = Scale(frame[1], frame[3], height - 44, 12)
    body = [*_axis_x(x, y.start, y.end, axes[0]), *axis_y(y, x.start, x.end, axes[1])]
    if inset is not None:
        body.append(
            svg.path(
                "inset",
                f"M{svg.px(x(inset[0]))} {svg.px(y(inset[1]))}H{svg.px(x(inset[2]))}"
                f"V{svg.px(y(inset[3]))}H{svg.px(x(inset[0]))}z",
            )
        )
    for p in found:
        body += _cross(p, x, y)
    body += [svg.marker(p.role, x(p.privacy.value), y(p.utility.value)) for p in found]
    named = [p for p in found if p not in unnamed]
    named.sort(key=lambda p: (-p.utility.value, p.model))
    marks = [(p.model, x(p.privacy.value), y(p.utility.value)) for p in named]
    body += names(marks, _taken(found, x, y), (x.start, y.end, x.end + 8, y.start))
    return svg.svg("plot", size, f"{title}: {axes[1].title} against {axes[0].title}, "
                f"{len(found)} models; the numbers are in the tables below", body)  # fmt: skip


def _axis_x(x: Scale, bottom: float, top: float, card: MetricCard) -> list[Markup]:
    body = [svg.line("axis", x.start, bottom, x.end, bottom)]
    for t, text in svg.labels(svg.ticks(x.low, x.high, 8)):
        body += [svg.line("axis", x(t), bottom, x(t), bottom + 4),
                 svg.text(x(t), bottom + 17, text, "", "middle")]  # fmt: skip
    if card.better == "target" and x.holds(card.target):
        body.append(svg.line("best", x(card.target), bottom, x(card.target), top))
    middle = (x.start + x.end) / 2
    return [*body, svg.text(middle, bottom + 37, axis_label(card), "name", "middle")]


def axis_y(y: Scale, left: float, right: float, card: MetricCard) -> list[Markup]:
    body = [svg.line("axis", left, y.start, left, y.end)]
    for t, text in svg.labels(svg.ticks(y.low, y.high, 8)):
        body += [svg.line("axis", left - 4, y(t), left, y(t)),
                 svg.text(left - 8, y(t) + 4, text, "", "end")]  # fmt: skip
    if card.better == "target" and y.holds(card.target):
        body.append(svg.line("best", left, y(card.target), right, y(card.target)))
    middle = (y.start + y.end) / 2
    turned = Markup(
        '<text class="name" text-anchor="middle" transform="translate(13 {}) rotate(-90)">{}</text>'
    ).format(svg.px(middle), axis_label(card))
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
            drawn.append(svg.line(f"{kind} {p.role}", a, at_y, b, at_y))
        if not math.isnan(along.low):
            a, b = y.clipped(along.low), y.clipped(along.high)
            drawn.append(svg.line(f"{kind} {p.role}", at_x, a, at_x, b))
    return drawn


def _taken(found: Sequence[Point], x: Scale, y: Scale) -> list[Box]:
    """Where markers and intervals over people are drawn."""
    taken: list[Box] = []
    for p in found:
        a, b = x(p.privacy.value), y(p.utility.value)
        taken.append((a - 6, b - 6, a + 6, b + 6))
        if not math.isnan(p.privacy.people.low):
            low, high = (x.clipped(e) for e in p.privacy.people)
            taken.append((low, b - 3.5, high, b + 3.5))
        if not math.isnan(p.utility.people.low):
            low, high = (y.clipped(e) for e in p.utility.people)
            taken.append((a - 3.5, high, a + 3.5, low))
    return taken


def names(
    marks: Sequence[tuple[str, float, float]], taken: Sequence[Box], frame: Box
) -> list[Markup]:
    """Names beside their markers, with a line to those that had to go further."""
    sizes = [(svg.LETTER * len(name) + 5, 12.0) for name, _, _ in marks]
    at = [(a, b) for _, a, b in marks]
    offsets = place(at, sizes, taken, frame, radii=(9, 14, 20, 28, 38, 50, 64))
    lines, texts = [], []
    for (name, a, b), (dx, dy) in zip(marks, offsets, strict=True):
        if math.hypot(dx, dy) > 16:
            lines.append(svg.line("leader", a, b, a + dx, b + dy))
        texts.append(svg.text(a + dx, b + dy + 4, name, "of", "end" if dx < 0 else ""))
    return [*lines, *texts]
