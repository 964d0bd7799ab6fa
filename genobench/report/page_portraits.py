"""Portraits of samples as inline SVG: each panel with its axes, its texts and its legend.

Kinds, colours, steps and images are of forms that `portrait.read` has checked: only words are
escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from markupsafe import Markup, escape

from genobench.report import svg
from genobench.report.portrait import GUIDE, INK, SIDE, Panel, Portrait, Shape

# in CSS pixels, at which 1 unit of the text is 1 px
LEFT, TOP, WIDE, HIGH = 42, 20, 178, 132
LINE = 13
TICKS = 5  # at most, along either axis
KEYS = {"solid": "—", "dashed": "┄", "dots": "●", "faint": "○"}


def panels(portrait: Portrait, model: str) -> list[Markup]:
    """The figures of one sample."""
    return [_panel(panel, model) for panel in portrait]


def _panel(panel: Panel, model: str) -> Markup:
    wide = HIGH if panel.square else WIDE
    keys = _keys([s for s in panel.shapes if s.label], LEFT + wide + 10)
    bottom = TOP + HIGH
    body = [svg.text(LEFT, 11, panel.title, "name")]
    body.append(svg.path("axis", f"M{LEFT} {TOP}V{bottom}H{LEFT + wide}"))
    body.append(_inside(panel, wide))
    x = [(LEFT + at * wide / SIDE, label) for at, label in _fewer(panel.x_ticks)]
    below_axis = "".join(f'<text x="{round(at)}">{escape(label)}</text>' for at, label in x)
    y = [(TOP + at * HIGH / SIDE, label) for at, label in _fewer(panel.y_ticks)]
    lower = f'<g text-anchor="middle" transform="translate(0 {bottom + 14})">'
    body.append(Markup(f"{lower}{below_axis}</g>"))
    body.append(svg.column(LEFT - 5, [(round(at + 4), label) for at, label in y]))
    middle, below = LEFT + wide / 2, bottom + (28 if x else 14)
    body.append(svg.text(middle, below, panel.x, "", "middle"))
    if panel.y:
        turned = f'<g transform="translate(10 {TOP + HIGH // 2}) rotate(-90)">'
        body.append(Markup(f"{turned}{svg.text(0, 0, panel.y, '', 'middle')}</g>"))
    for note in panel.notes:
        at = LEFT + note.x * wide / SIDE, TOP + note.y * HIGH / SIDE
        body.append(svg.text(*at, note.text, "of", note.anchor))
    for i, row in enumerate(keys):
        body.append(Markup(f'<text x="0" y="{below + LINE * (i + 1) + 3}">{row}</text>'))
    size = (LEFT + wide + 10, below + LINE * len(keys) + 8)
    return svg.svg("panel", size, f"{panel.title} of {model}", body)


def _inside(panel: Panel, wide: int) -> Markup:
    """What is drawn between the axes, cut off at them."""
    body = [_shape(shape) for shape in panel.shapes if shape.steps]
    if panel.image:
        source = f"data:image/png;base64,{panel.image}"
        body.insert(
            0,
            f'<image href="{source}" width="{SIDE}" height="{SIDE}" preserveAspectRatio="none"/>',
        )
    return Markup(
        f'<svg class="inside" x="{LEFT}" y="{TOP}" width="{wide}" height="{HIGH}" '
        f'viewBox="0 0 {SIDE} {SIDE}" preserveAspectRatio="none">{"".join(body)}</svg>'
    )


def _shape(shape: Shape) -> str:
    """A path of the drawing."""
    if shape.colour in (INK, GUIDE):
        return f'<path class="{shape.kind} {shape.colour}" d="{shape.steps}"/>'
    return f'<path class="{shape.kind}" stroke="{shape.colour}" d="{shape.steps}"/>'


def _fewer(ticks: Sequence[tuple[int, str]]) -> Sequence[tuple[int, str]]:
    """Every second, third, ... where there are too many."""
    return ticks[:: -(-len(ticks) // TICKS) or 1]


def _keys(shapes: Iterable[Shape], room: float) -> list[str]:
    """The legend in rows that fit."""
    rows: list[list[str]] = [[]]
    used = 0.0
    for shape in shapes:
        wide = svg.LETTER * 0.86 * (len(shape.label) + 4)
        if rows[-1] and used + wide > room:
            rows.append([])
            used = 0.0
        used += wide
        colour = f"key-{shape.colour}" if shape.colour in (INK, GUIDE) else shape.colour
        kind = f'class="{colour}"' if shape.colour in (INK, GUIDE) else f'fill="{colour}"'
        key = f"<tspan {kind}>{KEYS[shape.kind]}</tspan> {escape(shape.label)}"
        rows[-1].append(f"{key}\N{NO-BREAK SPACE} ")
    return ["".join(row) for row in rows if row]
