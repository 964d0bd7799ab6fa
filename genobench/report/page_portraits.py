"""Portraits of samples as inline SVG: each panel with its axes, its texts and its legend."""

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
    below_axis = Markup("").join(
        Markup(f'<text x="{svg.px(round(at))}">{escape(label)}</text>') for at, label in x
    )
    y = [(TOP + at * HIGH / SIDE, label) for at, label in _fewer(panel.y_ticks)]
    body.append(
        Markup('<g text-anchor="middle" transform="translate(0 {})">{}</g>').format(
            bottom + 14, below_axis
        )
    )
    body.append(svg.column(LEFT - 5, [(round(at + 4), label) for at, label in y]))
    middle, below = LEFT + wide / 2, bottom + (28 if x else 14)
    body.append(svg.text(middle, below, panel.x, "", "middle"))
    if panel.y:
        turned = Markup('<g transform="translate(10 {}) rotate(-90)">{}</g>')
        body.append(turned.format(TOP + HIGH // 2, svg.text(0, 0, panel.y, "", "middle")))
    for note in panel.notes:
        at = LEFT + note.x * wide / SIDE, TOP + note.y * HIGH / SIDE
        body.append(svg.text(*at, note.text, "of", note.anchor))
    for i, row in enumerate(keys):
        body.append(Markup('<text x="0" y="{}">{}</text>').format(below + LINE * (i + 1) + 3, row))
    size = (LEFT + wide + 10, below + LINE * len(keys) + 8)
    return svg.svg("panel", size, f"{panel.title} of {model}", body)


def _inside(panel: Panel, wide: int) -> Markup:
    """What is drawn between the axes, cut off at them."""
    body = [_shape(shape) for shape in panel.shapes if shape.steps]
    if panel.image:
        source = f"data:image/png;base64,{panel.image}"
        body.insert(0, Markup('<image href="{}" width="{}" height="{}" preserveAspectRatio="none"/>'
                              ).format(source, SIDE, SIDE))  # fmt: skip
    return Markup(
        '<svg class="inside" x="{}" y="{}" width="{}" height="{}" viewBox="0 0 {} {}" '
        'preserveAspectRatio="none">{}</svg>'
    ).format(LEFT, TOP, wide, HIGH, SIDE, SIDE, Markup("").join(body))


def _shape(shape: Shape) -> Markup:
    """Kind, colour and steps are of forms that `portrait.read` has checked: nothing to escape."""
    if shape.colour in (INK, GUIDE):
        return Markup(f'<path class="{shape.kind} {shape.colour}" d="{shape.steps}"/>')
    return Markup(f'<path class="{shape.kind}" stroke="{shape.colour}" d="{shape.steps}"/>')


def _fewer(ticks: Sequence[tuple[int, str]]) -> Sequence[tuple[int, str]]:
    """Every second, third, ... where there are too many."""
    return ticks[:: -(-len(ticks) // TICKS) or 1]


def _keys(shapes: Iterable[Shape], room: float) -> list[Markup]:
    """The legend in rows that fit."""
    rows: list[list[Markup]] = [[]]
    used = 0.0
    for shape in shapes:
        wide = svg.LETTER * 0.86 * (len(shape.label) + 4)
        if rows[-1] and used + wide > room:
            rows.append([])
            used = 0.0
        used += wide
        kind = Markup('class="key-{}"' if shape.colour in (INK, GUIDE) else 'fill="{}"')
        key = Markup("<tspan {}>{}</tspan> {}\N{NO-BREAK SPACE} ")
        rows[-1].append(key.format(kind.format(shape.colour), KEYS[shape.kind], shape.label))
    return [Markup("").join(row) for row in rows if row]
