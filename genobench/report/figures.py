"""The headline figure: how useful a synthetic cohort is against how much it leaks."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genobench.errors import GenobenchError
from genobench.report import headline
from genobench.report.headline import (
    Box,
    Point,
    axis_label,
    extent,
    focus,
    inside,
    place,
    points,
)
from genobench.report.redraw import KEY, digest, is_drawn
from genobench.report.tables import Block

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FIGURE = "utility-privacy"  # file name
WIDTH, HEIGHT = 7.1, 3.1  # inches: both columns of a two-column page
CROWD = 8  # models near each other, from which the enlarged panel takes more room
# Okabe and Ito's palette, apart for all common kinds of colour blindness
_STYLE = {
    "entrant": ("o", "#0072B2", "generator"),
    "ceiling": ("*", "#009E73", "ceiling"),
    "floor": ("s", "#999999", "floor"),
    "leak": ("X", "#D55E00", "leak"),
}


def write_headline(
    block: Block, folder: Path, utility: str = "prs_utility", privacy: str = "privacy"
) -> list[Path]:
    """Draw the headline figure of one data set as PNG and PDF into ``folder``.

    Thick bars are 95 % intervals over the people measured on, thin ones with caps those over
    training seeds; a bar may leave the frame, a marker never does. The right panel enlarges the
    generators and the ceiling: next to copies and label-blind floors they are otherwise one spot.
    What is there and shows the same is left as it is.

    Raises
    ------
    GenobenchError
        When no model has a value in both tasks.
    """
    found = points(block, utility, privacy)
    if not found:
        raise GenobenchError(f"{block.name}: no model was scored in both {utility} and {privacy}")
    cards = {t.task.name: t.headline for t in block.tables}
    paths = [folder / f"{FIGURE}.{ending}" for ending in ("png", "pdf")]
    shows = digest((found, cards[utility], cards[privacy]), __file__, headline.__file__)
    if is_drawn(paths, shows):
        return paths
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    style: dict[Any, Any] = {
        "font.size": 7,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "pdf.fonttype": 42,
    }
    with mpl.rc_context(style):
        enlarged = focus(found)
        near = [p for p in found if inside(p, enlarged)]
        crowded = len(near) > CROWD
        figure, panels = plt.subplots(
            1, 2, figsize=(WIDTH, HEIGHT * (1.25 if crowded else 1)), layout="constrained",
            width_ratios=(1, 2 if crowded else 1),
        )  # fmt: skip
        frames = (extent(found), enlarged)
        for axes, shown, box in zip(panels, (found, near), frames, strict=True):
            _draw(axes, shown)
            axes.set(xlim=box[::2], ylim=box[1::2], xlabel=axis_label(cards[privacy]))
            for card, line in ((cards[privacy], axes.axvline), (cards[utility], axes.axhline)):
                if card.better == "target":
                    line(card.target, color="#555555", linewidth=0.5, linestyle=":", zorder=0)
        panels[0].set_ylabel(axis_label(cards[utility]))
        panels[0].indicate_inset(
            (enlarged[0], enlarged[1], enlarged[2] - enlarged[0], enlarged[3] - enlarged[1]),
            edgecolor="#555555", linewidth=0.5,
        )  # fmt: skip
        figure.legend(*panels[0].get_legend_handles_labels(), frameon=False, ncols=len(_STYLE),
                      loc="outside upper center", handletextpad=0.2, columnspacing=1.0)  # fmt: skip
        figure.canvas.draw()
        _place_labels(panels[0], [p for p in found if p not in near], found)
        _place_labels(panels[1], near, near)
        folder.mkdir(parents=True, exist_ok=True)
        for path in paths:
            stamp = {"CreationDate": None} if path.suffix == ".pdf" else {KEY: shows}
            figure.savefig(path, dpi=300, metadata=stamp)
        plt.close(figure)
    return paths


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


def _arms(value: float, ends: tuple[float, float]) -> list[list[float]] | None:
    """Lengths below and above the value, or None without an interval."""
    if math.isnan(ends[0]) or math.isnan(ends[1]):
        return None
    return [[max(0.0, value - ends[0])], [max(0.0, ends[1] - value)]]


def _place_labels(axes: Axes, named: list[Point], found: list[Point]) -> None:
    """Names beside their markers, with a line to those that had to go further."""
    figure = axes.get_figure()
    assert figure is not None
    scale = figure.dpi / 72
    taken = [(x - 4 * scale, y - 4 * scale, x + 4 * scale, y + 4 * scale)
             for x, y in (_dot(axes, p) for p in found)]  # fmt: skip
    taken += [box for p in found for box in _bars(axes, p, scale)]
    named = sorted(named, key=lambda p: -p.utility.value)
    sizes = []
    for p in named:
        text = axes.text(0, 0, p.model, fontsize=6)
        size = text.get_window_extent()
        text.remove()
        sizes.append((size.width, size.height))
    room = axes.get_window_extent()
    frame = (room.x0 + 2, room.y0 + 2, room.x1, math.inf)  # above the axes there is nothing
    marks = [_dot(axes, p) for p in named]
    for p, (dx, dy) in zip(named, place(marks, sizes, taken, frame, unit=scale), strict=True):
        line = {"arrowstyle": "-", "lw": 0.4, "color": "#555555", "shrinkA": 0, "shrinkB": 3}
        axes.annotate(
            p.model, (p.privacy.value, p.utility.value), (dx, dy), textcoords="offset points",
            ha="right" if dx < 0 else "left", va="center_baseline", fontsize=6,
            arrowprops=line if math.hypot(dx, dy) > 13 else None,
        )  # fmt: skip


def _dot(axes: Axes, p: Point) -> tuple[float, float]:
    """Where a model's marker is, in dots."""
    x, y = axes.transData.transform((p.privacy.value, p.utility.value))
    return float(x), float(y)


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
