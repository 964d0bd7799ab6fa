"""The headline plot as data: utility against privacy, what is enlarged, and where names go."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from genobench.report.stats import Summary
from genobench.report.tables import Block
from genobench.task import MetricCard

Box = tuple[float, float, float, float]  # left, low, right, high
NAMES = 20.0  # how much worse it is to cover a name than a bar


@dataclass(frozen=True)
class Point:
    """One model in the figure."""

    model: str
    role: str
    utility: Summary
    privacy: Summary


def points(block: Block, utility: str = "prs_utility", privacy: str = "privacy") -> list[Point]:
    """Models with a headline value in both tasks."""
    tables = {t.task.name: t for t in block.tables}
    if not {utility, privacy} <= set(tables):
        return []
    one, two = tables[utility], tables[privacy]
    others = {r.model: r.cells[two.headline.name].summary for r in two.rows}
    found = [
        Point(r.model, r.role, r.cells[one.headline.name].summary, others[r.model])
        for r in one.rows
        if r.model in others
    ]
    return [p for p in found if not math.isnan(p.utility.value + p.privacy.value)]


def sense(card: MetricCard) -> str:
    """Where better lies."""
    words = {"higher": "higher is better", "lower": "lower is better"}
    return words.get(card.better, f"best at {card.target:g}")


def axis_label(card: MetricCard) -> str:
    """Title of a metric and where better lies."""
    return f"{card.title} ({sense(card)})"


def extent(found: Sequence[Point], margin: float = 0.14) -> Box:
    """Frame around markers and their intervals over people, with room for names."""
    sides = []
    for s in ([p.privacy for p in found], [p.utility for p in found]):
        ends = [e for x in s for e in (x.value, *x.people) if not math.isnan(e)]
        low, high = min(ends), max(ends)
        room = margin * (high - low) or 0.05
        sides.append((low - room, high + room))
    (left, right), (bottom, top) = sides
    return left, bottom, right, top


def focus(found: Sequence[Point]) -> Box:
    """Frame around generators and ceiling, wide enough for the whole of any marker in it."""
    frame = extent([p for p in found if p.role in ("entrant", "ceiling")] or found)
    left, bottom, right, top = frame
    room, height = 0.04 * (right - left), 0.04 * (top - bottom)
    for x, y in ((p.privacy.value, p.utility.value) for p in found if inside(p, frame)):
        left, right = min(left, x - room), max(right, x + room)
        bottom, top = min(bottom, y - height), max(top, y + height)
    return left, bottom, right, top


def inside(p: Point, frame: Box) -> bool:
    """Whether a model's marker lies in the frame."""
    return frame[0] <= p.privacy.value <= frame[2] and frame[1] <= p.utility.value <= frame[3]


def place(
    marks: Sequence[tuple[float, float]],
    sizes: Sequence[tuple[float, float]],
    taken: Sequence[Box],
    frame: Box,
    *,
    unit: float = 1.0,
    radii: Sequence[float] = (7, 11, 16, 22, 30, 40, 52, 66, 82),
) -> list[tuple[float, float]]:
    """Where each name covers the fewest marks, bars and names, tried around its marker.

    Parameters
    ----------
    marks, sizes
        Position of each marker; width and height of its name. Names are placed in this order.
    taken
        What is drawn already.
    frame
        What a name must stay in.
    unit
        Of ``radii``, in the unit of everything else.

    Returns
    -------
    Offsets (dx, dy) in ``unit``, from the marker to the middle of the name's nearer side: the
    right one where dx is negative.
    """
    names: list[Box] = []
    found = []
    for (x, y), (width, height) in zip(marks, sizes, strict=True):
        tried = []
        for dx, dy in _around(radii):
            left = x + dx * unit - (width if dx < 0 else 0)
            low = y + dy * unit - height / 2
            box = (left, low, left + width, low + height)
            within = frame[0] < box[0] and box[2] < frame[2] and frame[1] < box[1]
            within = within and box[3] < frame[3]
            crowding = sum(_overlap(box, other) for other in taken) / unit**2
            crowding += NAMES * sum(_overlap(box, other) for other in names) / unit**2
            cost = crowding + math.hypot(dx, dy) + 1e6 * (not within)
            tried.append((round(cost, 3), dx, dy, box))
        _, dx, dy, box = min(tried)
        names.append(box)
        found.append((dx, dy))
    return found


def _around(radii: Sequence[float]) -> list[tuple[float, float]]:
    turns = [angle / 8 * math.pi for angle in range(16)]
    return [(r * math.cos(turn), r * math.sin(turn)) for r in radii for turn in turns]


def _overlap(a: Box, b: Box) -> float:
    """Common area of two boxes."""
    wide, tall = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return max(0.0, wide) * max(0.0, tall)
