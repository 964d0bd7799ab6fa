"""Scales, ticks and shapes as inline SVG.

Colours come from the page's style sheet by class, so that one drawing serves light and dark.
Words are escaped where they go into a shape. Kinds are words of these files and one of the four
roles, and bodies are shapes: nothing to escape.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

LETTER = 6.6  # mean width of a letter at the 11 px that names are set in


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


def svg(kind: str, size: tuple[float, float], title: str, body: Iterable[Markup]) -> Markup:
    """A drawing that is read out as its title."""
    width, height = map(px, size)
    return Markup(
        f'<svg class="{kind}" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{escape(title)}">{"".join(body)}</svg>'
    )


def text(x: float, y: float, words: str, kind: str = "", anchor: str = "") -> Markup:
    end = f' text-anchor="{anchor}"' if anchor else ""
    of = f' class="{kind}"' if kind else ""
    return Markup(f'<text x="{px(x)}" y="{px(y)}"{of}{end}>{escape(words)}</text>')


def column(x: float, lines: Iterable[tuple[float, str]]) -> Markup:
    """Texts below each other, each with its y, that end at x."""
    body = "".join(f'<text y="{px(y)}">{escape(words)}</text>' for y, words in lines)
    return Markup(f'<g text-anchor="end" transform="translate({px(x)})">{body}</g>')


def path(kind: str, *steps: str) -> Markup:
    return Markup(f'<path class="{kind}" d="{"".join(steps)}"/>')


def line(kind: str, x1: float, y1: float, x2: float, y2: float) -> Markup:
    if y1 == y2:
        return path(kind, f"M{px(x1)} {px(y1)}H{px(x2)}")
    return path(kind, f"M{px(x1)} {px(y1)}{f'V{px(y2)}' if x1 == x2 else f'L{px(x2)} {px(y2)}'}")


def marker(role: str, x: float, y: float, size: float = 4.5) -> Markup:
    """One shape per role, so that colour is not the only difference."""
    return _shape(f' class="mark {role}"', role, x, y, size)


def marks(role: str, at: Iterable[tuple[float, float]], size: float = 4.5) -> Markup:
    """Many of one role, in fewer letters than one by one: the round ends of lines of no length."""
    if role not in ("floor", "leak", "ceiling"):
        steps = "".join(f"M{px(x)} {px(y)}h0" for x, y in at)
        return Markup(f'<path class="spots {role}" stroke-width="{px(2 * size)}" d="{steps}"/>')
    shapes = "".join(_shape("", role, x, y, size) for x, y in at)
    return Markup(f'<g class="mark {role}">{shapes}</g>')


def _shape(kind: str, role: str, x: float, y: float, size: float) -> Markup:
    if role == "floor":
        wide = px(2 * size)
        steps = f"M{px(x - size)} {px(y - size)}h{wide}v{wide}h-{wide}z"
    elif role == "leak":
        side = size * 1.25
        steps = f"M{px(x)} {px(y - side)}L{px(x + side)} {px(y + side * 0.8)}H{px(x - side)}z"
    elif role == "ceiling":
        far = px(size * 1.35)
        steps = f"M{px(x)} {px(y - size * 1.35)}l{far} {far}l-{far} {far}l-{far} -{far}z"
    else:
        return Markup(f'<circle{kind} cx="{px(x)}" cy="{px(y)}" r="{px(size)}"/>')
    return Markup(f'<path{kind} d="{steps}"/>')
