"""The headline figure: how useful a synthetic cohort is against how much it leaks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genobench.errors import GenobenchError
from genobench.report.stats import Summary
from genobench.report.tables import Block
from genobench.task import MetricCard

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FIGURE = "utility-privacy"  # file name
WIDTH, HEIGHT = 7.1, 3.1  # inches: both columns of a two-column page
# Okabe and Ito's palette, apart for all common kinds of colour blindness
_STYLE = {
    "entrant": ("o", "#0072B2", "generator"),
    "ceiling": ("*", "#009E73", "ceiling"),
    "floor": ("s", "#999999", "floor"),
    "leak": ("X", "#D55E00", "leak"),
}

Box = tuple[float, float, float, float]  # left, low, right, high, in dots


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


def write_headline(
    block: Block, folder: Path, utility: str = "prs_utility", privacy: str = "privacy"
) -> list[Path]:
    """Draw the headline figure of one data set as PNG and PDF into ``folder``.

    Thick bars are 95 % intervals over the people measured on, thin ones with caps those over
    training seeds; a bar may leave the frame, a marker never does. The right panel enlarges the
    generators and the ceiling: next to copies and label-blind floors they are otherwise one spot.

    Raises
    ------
    GenobenchError
        When no model has a value in both tasks.
    """
    found = points(block, utility, privacy)
    if not found:
        raise GenobenchError(f"{block.name}: no model was scored in both {utility} and {privacy}")
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    cards = {t.task.name: t.headline for t in block.tables}
    style: dict[Any, Any] = {
        "font.size": 7,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "pdf.fonttype": 42,
    }
    with mpl.rc_context(style):
        figure, panels = plt.subplots(1, 2, figsize=(WIDTH, HEIGHT), layout="constrained")
        focus = _focus(found)
        near = [p for p in found if _inside(p, focus)]
        for axes, shown, extent in zip(panels, (found, near), (_extent(found), focus), strict=True):
            _draw(axes, shown)
            axes.set(xlim=extent[::2], ylim=extent[1::2], xlabel=_label(cards[privacy]))
            for card, line in ((cards[privacy], axes.axvline), (cards[utility], axes.axhline)):
                if card.better == "target":
                    line(card.target, color="#555555", linewidth=0.5, linestyle=":", zorder=0)
        panels[0].set_ylabel(_label(cards[utility]))
        panels[0].indicate_inset(
            (focus[0], focus[1], focus[2] - focus[0], focus[3] - focus[1]),
            edgecolor="#555555", linewidth=0.5,
        )  # fmt: skip
        figure.legend(*panels[0].get_legend_handles_labels(), frameon=False, ncols=len(_STYLE),
                      loc="outside upper center", handletextpad=0.2, columnspacing=1.0)  # fmt: skip
        figure.canvas.draw()
        _place_labels(panels[0], [p for p in found if p not in near], found)
        _place_labels(panels[1], near, near)
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / f"{FIGURE}.{ending}" for ending in ("png", "pdf")]
        for path in paths:
            stamp = {"CreationDate": None} if path.suffix == ".pdf" else None
            figure.savefig(path, dpi=300, metadata=stamp)
        plt.close(figure)
    return paths


def _label(card: MetricCard) -> str:
    sense = {"higher": "higher is better", "lower": "lower is better"}
    return f"{card.title} ({sense.get(card.better, f'best at {card.target:g}')})"


def _draw(axes: Axes, found: list[Point]) -> None:
    seen: set[str] = set()
    for p in found:
        marker, colour, label = _STYLE[p.role]
        x, y = p.privacy, p.utility
        for low, high, thick in ((x.people, y.people, 2.2), (x.seeds, y.seeds, 0.7)):
            cap = 0 if thick > 1 else 1.8
            bars: dict[str, Any] = {"ecolor": colour, "elinewidth": thick, "capsize": cap}
            axes.errorbar(
                x.value, y.value, xerr=_arms(x.value, low), yerr=_arms(y.value, high),
                fmt="none", alpha=0.35 if thick > 1 else 0.9, capthick=0.7, **bars,
            )  # fmt: skip
        axes.scatter(
            x.value, y.value, marker=marker, s=70 if marker == "*" else 28, color=colour,
            edgecolor="white", linewidth=0.5, zorder=3, label=None if label in seen else label,
        )  # fmt: skip
        seen.add(label)


def _extent(found: list[Point], margin: float = 0.14) -> Box:
    """Frame around markers and their intervals over people, with room for names."""
    sides = []
    for s in ([p.privacy for p in found], [p.utility for p in found]):
        ends = [e for x in s for e in (x.value, *x.people) if not math.isnan(e)]
        low, high = min(ends), max(ends)
        room = margin * (high - low) or 0.05
        sides.append((low - room, high + room))
    (left, right), (bottom, top) = sides
    return left, bottom, right, top


def _focus(found: list[Point]) -> Box:
    """Frame around generators and ceiling, wide enough for the whole of any marker in it."""
    frame = _extent([p for p in found if p.role in ("entrant", "ceiling")] or found)
    left, bottom, right, top = frame
    room, height = 0.04 * (right - left), 0.04 * (top - bottom)
    for x, y in ((p.privacy.value, p.utility.value) for p in found if _inside(p, frame)):
        left, right = min(left, x - room), max(right, x + room)
        bottom, top = min(bottom, y - height), max(top, y + height)
    return left, bottom, right, top


def _inside(p: Point, frame: Box) -> bool:
    return frame[0] <= p.privacy.value <= frame[2] and frame[1] <= p.utility.value <= frame[3]


def _arms(value: float, ends: tuple[float, float]) -> list[list[float]] | None:
    """Lengths below and above the value, or None without an interval."""
    if math.isnan(ends[0]) or math.isnan(ends[1]):
        return None
    return [[max(0.0, value - ends[0])], [max(0.0, ends[1] - value)]]


def _place_labels(axes: Axes, named: list[Point], found: list[Point]) -> None:
    """Each name where it covers the fewest marks, bars and names, tried around its marker."""
    figure = axes.get_figure()
    assert figure is not None
    scale = figure.dpi / 72
    dots = [_dot(axes, p) for p in found]
    taken = [_around(x, y, 4 * scale) for x, y in dots]
    taken += [box for p in found for box in _bars(axes, p, scale)]
    frame = axes.get_window_extent()
    for p in sorted(named, key=lambda p: -p.utility.value):
        x, y = _dot(axes, p)
        text = axes.text(0, 0, p.model, fontsize=6)
        size = text.get_window_extent()
        text.remove()
        tried = []
        for dx, dy in _OFFSETS:
            left = x + dx * scale - (size.width if dx < 0 else 0)
            low = y + dy * scale - size.height / 2
            box = (left, low, left + size.width, low + size.height)
            inside = frame.x0 + 2 < box[0] and box[2] < frame.x1 and box[1] > frame.y0 + 2
            crowding = sum(_overlap(box, other) for other in taken) / scale**2
            tried.append((crowding + math.hypot(dx, dy) + 1e6 * (not inside), dx, dy, box))
        _, dx, dy, box = min(tried)
        taken.append(box)
        line = {"arrowstyle": "-", "lw": 0.4, "color": "#555555", "shrinkA": 0, "shrinkB": 3}
        axes.annotate(
            p.model, (p.privacy.value, p.utility.value), (dx, dy), textcoords="offset points",
            ha="right" if dx < 0 else "left", va="center_baseline", fontsize=6,
            arrowprops=line if math.hypot(dx, dy) > 13 else None,
        )  # fmt: skip


_OFFSETS = [
    (radius * math.cos(angle / 8 * math.pi), radius * math.sin(angle / 8 * math.pi))
    for radius in (7, 11, 16, 22, 30, 40)
    for angle in range(16)
]


def _dot(axes: Axes, p: Point) -> tuple[float, float]:
    """Where a model's marker is, in dots."""
    x, y = axes.transData.transform((p.privacy.value, p.utility.value))
    return float(x), float(y)


def _around(x: float, y: float, half: float) -> Box:
    return x - half, y - half, x + half, y + half


def _bars(axes: Axes, p: Point, scale: float) -> list[Box]:
    """Where the intervals of one model are drawn."""
    boxes = []
    for ends in (p.privacy.people, p.privacy.seeds):
        if not math.isnan(ends.low):
            (a, y), (b, _) = (axes.transData.transform((e, p.utility.value)) for e in ends)
            boxes.append((a, y - scale, b, y + scale))
    for ends in (p.utility.people, p.utility.seeds):
        if not math.isnan(ends.low):
            (x, a), (_, b) = (axes.transData.transform((p.privacy.value, e)) for e in ends)
            boxes.append((x - scale, a, x + scale, b))
    return boxes


def _overlap(a: Box, b: Box) -> float:
    """Common area of two boxes."""
    wide, tall = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return max(0.0, wide) * max(0.0, tall)
