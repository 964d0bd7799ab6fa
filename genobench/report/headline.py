"""The headline plot as data: utility against privacy, what is enlarged, and where names go."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genobench.report.stats import Floats, Summary
from genobench.report.tables import Block
from genobench.task import MetricCard

FIGURE = "utility-privacy"  # file name
UTILITY, PRIVACY = "prs_utility", "privacy"  # tasks of the vertical and of the horizontal axis
Box = tuple[float, float, float, float]  # left, low, right, high
NAMES = 20.0  # how much worse it is to cover a name than a bar
CROSSING = 60.0  # how much farther a name goes lest its line crosses another, or a name
BEYOND = 0.6  # of the markers' spread: how far beyond them the enlarged frame goes at most
ALONG = np.linspace(0.05, 0.95, 19)  # where it is looked whether a line runs through a name
FAR = 3.0  # quartile distances from the quartiles at which a model is not enlarged (Tukey 1977)


@dataclass(frozen=True)
class Point:
    """One model in the figure."""

    model: str
    role: str
    utility: Summary
    privacy: Summary


def points(block: Block, utility: str = UTILITY, privacy: str = PRIVACY) -> list[Point]:
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
    """Frame around generators and ceiling, wide enough for the whole of any marker in it.

    Those far out are left out, and long intervals run out of it: enlarged for their sake, the
    others would stay a heap.
    """
    frame = extent(_together([p for p in found if p.role in ("entrant", "ceiling")]) or found)
    near = [p for p in found if inside(p, frame)]
    left, right = _around_markers(frame[::2], [p.privacy.value for p in near])
    bottom, top = _around_markers(frame[1::2], [p.utility.value for p in near])
    return left, bottom, right, top


def _around_markers(side: tuple[float, float], values: Sequence[float]) -> tuple[float, float]:
    """One side of a frame, from its edge with intervals to what markers within need of it."""
    first, last = min(values), max(values)
    most, least = BEYOND * (last - first) or math.inf, 0.04 * (side[1] - side[0])
    low, high = max(side[0], first - most), min(side[1], last + most)
    return min(low, first - least), max(high, last + least)


def _together(found: Sequence[Point]) -> list[Point]:
    """Those that are not far out on either axis; quartiles apart by an interval at least."""
    kept = list(found)
    for side in ("privacy", "utility"):
        summaries: list[Summary] = [getattr(p, side) for p in found]
        if not summaries:
            break
        low, high = np.quantile([s.value for s in summaries], [0.25, 0.75])
        widths = [s.people.high - s.people.low for s in summaries if not math.isnan(s.people.low)]
        room = FAR * max(high - low, float(np.median(widths)) / 2 if widths else 0.0)
        kept = [p for p in kept if low - room <= getattr(p, side).value <= high + room]
    return kept


def inside(p: Point, frame: Box) -> bool:
    """Whether a model's marker lies in the frame."""
    return frame[0] <= p.privacy.value <= frame[2] and frame[1] <= p.utility.value <= frame[3]


def _crossings(start: tuple[float, float], ends: Floats, lines: Sequence[Box]) -> Floats:
    """How many of ``lines``, from a point to a point, each line from ``start`` crosses."""
    count = np.zeros(len(ends))
    here = np.array(start)
    for line in lines:
        one, other = np.array(line).reshape(2, 2)
        apart = _side(here, ends, one) * _side(here, ends, other) < 0
        count += apart & (_side(one, other, here) * _side(one, other, ends) < 0)
    return count


def _struck(start: tuple[float, float], ends: Floats, names: Sequence[Box]) -> Floats:
    """How many of the names each line from ``start`` runs through."""
    here = np.array(start)
    along = here + ALONG[:, None, None] * (ends - here)  # (steps, lines, 2)
    count = np.zeros(len(ends))
    for name in names:
        count += _within(along, name).any(axis=0)
    return count


def _covered(boxes: Floats, lines: Sequence[Box]) -> Floats:
    """How many of ``lines``, from a point to a point, run through each box."""
    count = np.zeros(len(boxes))
    for line in lines:
        one, other = np.array(line).reshape(2, 2)
        along = (one + ALONG[:, None] * (other - one))[:, None]  # (steps, 1, 2)
        count += _within(along, boxes.T).any(axis=0)
    return count


def _within(points: Floats, box: Box | Floats) -> NDArray[np.bool_]:
    """Which of (..., 2) points lie in a box, or each in its own."""
    x, y = points[..., 0], points[..., 1]
    return np.asarray((x > box[0]) & (x < box[2]) & (y > box[1]) & (y < box[3]))


def _side(a: Floats, b: Floats, c: Floats) -> Floats:
    """On which side of the line from a to b c lies: the sign tells."""
    ab, ac = b - a, c - a
    return np.asarray(ab[..., 0] * ac[..., 1] - ab[..., 1] * ac[..., 0])


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
    leaders: list[Box] = []
    around = np.array(_around(radii))
    far = np.hypot(*around.T)
    led = far > radii[1]  # farther from its marker than that, a name needs a line to it
    for (x, y), (width, height) in zip(marks, sizes, strict=True):
        left = x + around[:, 0] * unit - np.where(around[:, 0] < 0, width, 0)
        low = y + around[:, 1] * unit - height / 2
        boxes = np.stack([left, low, left + width, low + height], axis=1)
        within = (boxes[:, :2] > frame[:2]).all(axis=1) & (boxes[:, 2:] < frame[2:]).all(axis=1)
        crowding = (_overlap(boxes, taken) + NAMES * _overlap(boxes, names)) / unit**2
        ends = np.stack([x + around[:, 0] * unit, y + around[:, 1] * unit], axis=1)
        crossed = CROSSING * led * _crossings((x, y), ends, leaders)
        struck = led * _struck((x, y), ends, names) + _covered(boxes, leaders)
        cost = np.round(crowding + far + crossed + CROSSING * struck + 1e6 * ~within, 3)
        best = int(np.lexsort((around[:, 1], around[:, 0], cost))[0])
        names.append(tuple(boxes[best].tolist()))
        if led[best]:
            leaders.append((x, y, *ends[best].tolist()))
        found.append(tuple(around[best].tolist()))
    return found


def _around(radii: Sequence[float]) -> list[tuple[float, float]]:
    turns = [angle / 8 * math.pi for angle in range(16)]
    return [(r * math.cos(turn), r * math.sin(turn)) for r in radii for turn in turns]


def _overlap(boxes: NDArray[np.float64], others: Sequence[Box]) -> NDArray[np.float64]:
    """(boxes,) area that each of (boxes, 4) has in common with all others together."""
    there = np.array(others, dtype=np.float64).reshape(-1, 4)
    low = np.maximum(boxes[:, None, :2], there[:, :2])
    high = np.minimum(boxes[:, None, 2:], there[:, 2:])
    sides = (high - low).clip(min=0)
    return np.asarray((sides[..., 0] * sides[..., 1]).sum(axis=1))
