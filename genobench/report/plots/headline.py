"""The headline figure: how useful a synthetic cohort is against how much it leaks."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genobench.errors import GenobenchError
from genobench.report import headline
from genobench.report.headline import (
    FIGURE,
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
from genobench.report.plots import medium as media
from genobench.report.plots.medium import (
    COLUMN,
    Medium,
    role_colour,
    role_label,
    role_marker,
    save,
    styled,
)
from genobench.report.redraw import KEY, digest, is_drawn
from genobench.report.tables import Block
from genobench.task import MetricCard

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from genobench.report.plots.panels import Drawn

HEIGHT = 3.1  # inches, on a page
CROWD = 8  # models near each other, from which the enlarged panel takes more room
GREY = "#555555"


def write_headline(block: Block, folder: Path) -> list[Path]:
    """Draw the headline figure of a data set's page as PNG and PDF into ``folder``.

    Thick bars are 95 % intervals over the people measured on, thin ones with caps those over
    training seeds; a bar may leave the frame, a marker never does. The right panel enlarges the
    generators and the ceiling: next to copies and label-blind floors they are otherwise one spot.
    What is there and shows the same is left as it is.

    Raises
    ------
    GenobenchError
        When no model has a value in both tasks.
    """
    found = points(block)
    if not found:
        raise GenobenchError(f"{block.name}: no model was scored in both {UTILITY} and {PRIVACY}")
    paths = [folder / f"{FIGURE}.{ending}" for ending in ("png", "pdf")]
    shows = digest((found, _cards(block)), __file__, headline.__file__, media.__file__)
    if not is_drawn(paths, shows):
        with styled(COLUMN):
            save(_figure(found, _cards(block), COLUMN), folder / FIGURE, COLUMN, {KEY: shows})
    return paths


def figures(block: Block, models: Collection[str], folder: Path, medium: Medium) -> Iterator[Drawn]:
    """The same of some models, for a paper or a slide; nothing where none was scored in both."""
    from genobench.report.plots.panels import Drawn  # and what cohorts are measured with

    found = [p for p in points(block) if p.model in models]
    if found:
        with styled(medium):
            paths = save(_figure(found, _cards(block), medium), folder / FIGURE, medium)
        yield Drawn(FIGURE, tuple(paths), _caption(block, found))


def _cards(block: Block) -> tuple[MetricCard, MetricCard]:
    """Headlines of the vertical and of the horizontal axis."""
    cards = {t.task.name: t.headline for t in block.tables}
    return cards[UTILITY], cards[PRIVACY]


def _figure(found: list[Point], cards: tuple[MetricCard, MetricCard], medium: Medium) -> Figure:
    from matplotlib import pyplot as plt

    enlarged = focus(found)
    near = [p for p in found if inside(p, enlarged)]
    if len(near) == len(found):
        return _one_panel(found, cards, medium)
    crowded = len(near) > CROWD
    high = HEIGHT * (1.25 if crowded else 1) if medium.panel else medium.height
    figure, panels = plt.subplots(
        1, 2, figsize=(medium.width, high), layout="constrained",
        width_ratios=(1, 2 if crowded else 1),
    )  # fmt: skip
    frames = (extent(found), enlarged)
    for axes, shown, box in zip(panels, (found, near), frames, strict=True):
        _framed(axes, shown, box, cards, medium)
    panels[0].set_ylabel(axis_label(cards[0]))
    panels[0].indicate_inset(
        (enlarged[0], enlarged[1], enlarged[2] - enlarged[0], enlarged[3] - enlarged[1]),
        edgecolor=GREY, linewidth=0.5,
    )  # fmt: skip
    _legend(figure, panels[0])
    figure.canvas.draw()
    _place_labels(panels[0], [p for p in found if p not in near], found, medium)
    _place_labels(panels[1], near, near, medium)
    return figure


def _one_panel(found: list[Point], cards: tuple[MetricCard, MetricCard], medium: Medium) -> Figure:
    """Where there is nothing to enlarge."""
    from matplotlib import pyplot as plt

    high = HEIGHT if medium.panel else medium.height
    figure, axes = plt.subplots(figsize=(medium.width, high), layout="constrained")
    _framed(axes, found, extent(found), cards, medium)
    axes.set_ylabel(axis_label(cards[0]))
    _legend(figure, axes)
    figure.canvas.draw()
    _place_labels(axes, found, found, medium)
    return figure


def _framed(
    axes: Axes, shown: list[Point], box: Box, cards: tuple[MetricCard, MetricCard], medium: Medium
) -> None:
    """Models within a frame, and what is aimed at."""
    upright, level = cards
    _draw(axes, shown, medium)
    axes.set(xlim=box[::2], ylim=box[1::2], xlabel=axis_label(level))
    for card, line in ((level, axes.axvline), (upright, axes.axhline)):
        if card.better == "target":
            line(card.target, color=GREY, linewidth=0.5, linestyle=":", zorder=0)


def _legend(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, ncols=len(labels),
                  loc="outside upper center", handletextpad=0.2, columnspacing=1.0)  # fmt: skip


def _draw(axes: Axes, found: list[Point], medium: Medium) -> None:
    seen: set[str] = set()
    unit = medium.font / COLUMN.font
    for p in found:
        colour, label = role_colour(p.role), role_label(p.role)
        x, y = p.privacy, p.utility
        for low, high, thick in ((x.people, y.people, True), (x.seeds, y.seeds, False)):
            bars: dict[str, Any] = {
                "ecolor": colour,
                "elinewidth": (2.2 if thick else 0.7) * unit,
                "capsize": 0 if thick else 1.8 * unit,
                "capthick": 0.7 * unit,
            }
            axes.errorbar(
                x.value, y.value, xerr=_arms(x.value, low), yerr=_arms(y.value, high),
                fmt="none", alpha=0.35 if thick else 0.9, **bars,
            )  # fmt: skip
        size = (70 if p.role == "ceiling" else 28) * unit**2
        axes.scatter(
            x.value, y.value, marker=role_marker(p.role), s=size, color=colour,
            edgecolor="white", linewidth=0.5 * unit, zorder=3,
            label=None if label in seen else label,
        )  # fmt: skip
        seen.add(label)


def _arms(value: float, ends: tuple[float, float]) -> list[list[float]] | None:
    """Lengths below and above the value, or None without an interval."""
    if math.isnan(ends[0]) or math.isnan(ends[1]):
        return None
    return [[max(0.0, value - ends[0])], [max(0.0, ends[1] - value)]]


def _place_labels(axes: Axes, named: list[Point], found: list[Point], medium: Medium) -> None:
    """Names beside their markers, with a line to those that had to go further."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    letters, unit = medium.font - 0.5, medium.font / COLUMN.font
    scale = figure.dpi / 72 * unit
    taken = [(x - 4 * scale, y - 4 * scale, x + 4 * scale, y + 4 * scale)
             for x, y in (_dot(axes, p) for p in found)]  # fmt: skip
    taken += [box for p in found for box in _bars(axes, p, scale)]
    named = sorted(named, key=lambda p: -p.utility.value)
    sizes = []
    for p in named:
        text = axes.text(0, 0, p.model, fontsize=letters)
        size = text.get_window_extent()
        text.remove()
        sizes.append((size.width, size.height))
    room = axes.get_window_extent()
    frame = (room.x0 + 2, room.y0 + 2, room.x1, math.inf)  # above the axes there is nothing
    marks = [_dot(axes, p) for p in named]
    for p, (dx, dy) in zip(named, place(marks, sizes, taken, frame, unit=scale), strict=True):
        line = {"arrowstyle": "-", "lw": 0.4 * unit, "color": GREY, "shrinkA": 0, "shrinkB": 3}
        axes.annotate(
            p.model, (p.privacy.value, p.utility.value), (dx * unit, dy * unit),
            textcoords="offset points", ha="right" if dx < 0 else "left", va="center_baseline",
            fontsize=letters, arrowprops=line if math.hypot(dx, dy) > 13 else None,
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


def _caption(block: Block, found: list[Point]) -> str:
    upright, level = _cards(block)
    seeds, frame = len(block.seeds), focus(found)
    both = any(not inside(p, frame) for p in found)
    enlarges = " The right panel enlarges the frame in the left one." if both else ""
    return (
        f"Utility ({axis_label(upright)}) against privacy ({axis_label(level)}) of {len(found)} "
        f"models on {block.name}, means over {seeds} training seed{'s' if seeds > 1 else ''}. "
        "Thick bars are 95 % intervals over the people measured on, thin ones with caps those "
        f"over training seeds; dotted lines are what is aimed at.{enlarges}"
    )
