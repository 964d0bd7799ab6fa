"""The headline plot as data: which part of it is enlarged, and where names go."""

from __future__ import annotations

import itertools
import math

import numpy as np

from genobench.report.headline import BEYOND, Box, Point, focus, inside, place
from genobench.report.stats import Interval, Summary


def point(model: str, role: str, x: float, y: float, arm: float = 0.02) -> Point:
    """A model at a level of attack and a utility, with intervals as long upright as asked."""
    utility = Summary(y, Interval(y - arm, y + arm))
    return Point(model, role, utility, Summary(x, Interval(x - 0.02, x + 0.02)))


def test_enlarged_is_where_most_generators_are() -> None:
    """Those near each other, and the ceiling; one far out stays in the whole picture."""
    near = [point(f"g{i}", "entrant", 0.53 + 0.01 * i, -0.02 + 0.004 * i) for i in range(6)]
    found = [*near, point("real", "ceiling", 0.5, 0.0), point("far", "entrant", 0.91, -0.17),
             point("copy", "leak", 1.0, 0.0)]  # fmt: skip
    box = focus(found)
    assert [p.model for p in found if not inside(p, box)] == ["far", "copy"]
    assert box[2] - box[0] < 0.2


def test_long_intervals_do_not_flatten_what_is_enlarged() -> None:
    """The frame ends at so many spreads of the markers; that of one marker alone, at its bars."""
    heights = [0.004 * i for i in range(6)]
    found = [point(f"g{i}", "entrant", 0.6, y, arm=0.3) for i, y in enumerate(heights)]
    _, bottom, _, top = focus(found)
    room = BEYOND * 0.02
    assert -room - 0.03 < bottom < 0.0
    assert 0.02 < top < 0.02 + room + 0.03
    _, bottom, _, top = focus(found[:1])
    assert bottom < -0.3
    assert top > 0.3


def test_lines_to_names_run_through_no_name() -> None:
    """A dozen markers in a heap, the highest first: no line runs through another's name."""
    draw = np.random.default_rng(0)
    marks = [
        (float(x), float(y))
        for x, y in sorted(draw.normal(200, 18, size=(12, 2)).tolist(), key=lambda m: -m[1])
    ]
    size = (50.0, 10.0)
    taken = [(x - 4, y - 4, x + 4, y + 4) for x, y in marks]
    offsets = place(marks, [size] * 12, taken, (0.0, 0.0, 400.0, 400.0))
    names, lines = [], []
    for (x, y), (dx, dy) in zip(marks, offsets, strict=True):
        left, low = x + dx - (size[0] if dx < 0 else 0), y + dy - size[1] / 2
        names.append((left, low, left + size[0], low + size[1]))
        lines.append((x, y, x + dx, y + dy) if math.hypot(dx, dy) > 11 else None)
    struck = [
        (i, j)
        for (i, line), (j, name) in itertools.product(enumerate(lines), enumerate(names))
        if line and i != j and runs_through(line, name)
    ]
    assert sum(line is not None for line in lines) > 3
    assert not struck


def runs_through(line: Box, name: Box) -> bool:
    """Whether a line from a point to a point has points well within a box."""
    t = np.linspace(0, 1, 200)
    x, y = line[0] + t * (line[2] - line[0]), line[1] + t * (line[3] - line[1])
    within = (x > name[0] + 2) & (x < name[2] - 2) & (y > name[1] + 2) & (y < name[3] - 2)
    return bool(within.any())
