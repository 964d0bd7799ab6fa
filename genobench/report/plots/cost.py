"""What a generator costs against what it is worth: seconds of fitting, headline of a task."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from genobench.report.headline import axis_label, place
from genobench.report.plots.medium import Medium, letters_colour, role_colour, save, styled
from genobench.report.plots.panels import Drawn, stems
from genobench.report.shown import LEAST, Worth, frame, lines, worth
from genobench.report.tables import Block, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PER_FIGURE = 4  # tasks
NAMED = 6  # models at most that are named at their points; more have numbers, and a key below
GREY = "#555555"


def figures(block: Block, models: Collection[str], folder: Path, medium: Medium) -> Iterator[Drawn]:
    """A panel per task."""
    from matplotlib import pyplot as plt

    tables = [t for t in block.tables if worth(t, models)]
    parts = [tables[i : i + PER_FIGURE] for i in range(0, len(tables), PER_FIGURE)]
    for stem, part in zip(stems("cost-quality", len(parts)), parts, strict=True):
        columns = min(2, len(part))
        rows = -(-len(part) // columns)
        with styled(medium):
            wide, high = medium.size(rows, 2 * columns - 1)
            if medium.panel:
                high = min(medium.height, rows * 2.4 + 0.5)
            figure, panels = plt.subplots(
                rows, columns, figsize=(wide, high), layout=medium.layout, squeeze=False
            )
            shown = [worth(t, models) for t in part]
            names = _names(sorted({w.model for found in shown for w in found}))
            for axes in list(panels.flat)[len(part) :]:
                axes.remove()
            for axes, table, found in zip(panels.flat, part, shown, strict=False):
                _draw(axes, table, found, medium)
            if len(names) > NAMED:
                _key(figure, names, medium)
            figure.canvas.draw()
            for axes, found in zip(panels.flat, shown, strict=False):
                (_number if len(names) > NAMED else _name)(axes, found, names, medium)
            paths = save(figure, folder / stem, medium)
        yield Drawn(stem, tuple(paths), _caption(block, part, shown))


def _names(models: list[str]) -> dict[str, str]:
    """What stands at the points: the names, or numbers where many would cover one another."""
    return {m: m if len(models) <= NAMED else str(i) for i, m in enumerate(models, 1)}


def _key(figure: Figure, names: Mapping[str, str], medium: Medium) -> None:
    """Which number is which model."""
    from matplotlib.lines import Line2D

    key = [f"{number} {model}" for model, number in names.items()]
    figure.legend(
        [Line2D([], [], linestyle="")] * len(key), key, loc="outside lower center", frameon=False,
        ncols=min(7, len(key)), handlelength=0, handletextpad=0, columnspacing=1.2,
        labelcolor=letters_colour("entrant"), fontsize=medium.font - 0.5,
    )  # fmt: skip


def _draw(axes: Axes, table: Table, found: list[Worth], medium: Medium) -> None:
    colour = role_colour("entrant")
    for w in found:
        axes.errorbar(
            w.seconds, w.value, yerr=[[w.value - w.low], [w.high - w.value]], ecolor=colour,
            elinewidth=medium.line * 0.7, fmt="none", alpha=0.6,
        )  # fmt: skip
        axes.scatter(
            w.seconds, w.value, color=colour, edgecolor="white", linewidth=0.4,
            s=medium.dot * 1.8, zorder=3,
        )  # fmt: skip
    axes.set_xscale("log")
    _frame(axes, table, found)
    _controls(axes, table, medium)
    axes.set_xlabel("seconds of fitting")
    axes.set_ylabel(axis_label(table.headline).replace(" (", "\n(", 1))
    axes.set_title(table.task.title, fontweight="bold")


def _frame(axes: Axes, table: Table, found: list[Worth]) -> None:
    """Room for names on both sides, and a tick for every 1, 2 and 5 of a decade."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    seconds = [w.seconds for w in found]
    room = (max(seconds) / min(seconds)) ** 0.22 * 1.3
    axes.set_xlim(min(seconds) / room, max(seconds) * room)
    few = max(seconds) * room**2 < 1000 * min(seconds)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if few else (1,)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(frame(table))


def _controls(axes: Axes, table: Table, medium: Medium) -> None:
    """Floor and ceiling as lines, named above them; the lower one below, where there is room."""
    low, high = axes.get_ylim()
    found = lines(table, table.headline, low, high)
    for model, value in found.items():
        role = table.by_model[model].role
        axes.axhline(value, color=role_colour(role), linewidth=0.7 * medium.line, ls=":", zorder=0)
        upper = value == max(found.values()) or value - low < 0.07 * (high - low)
        axes.annotate(
            model, (0, value), (2, 2 if upper else -2), xycoords=axes.get_yaxis_transform(),
            textcoords="offset points", va="bottom" if upper else "top", fontstyle="italic",
            fontsize=medium.font - 1, color=letters_colour(role), annotation_clip=False,
        )  # fmt: skip


def _number(axes: Axes, found: list[Worth], names: Mapping[str, str], medium: Medium) -> None:
    """Numbers in larger markers; beside their points, at the end of a line, where points crowd."""
    wide, kept = 1.45 * medium.font, list[tuple[float, float]]()
    marks, beside = _marks(axes, found), []
    for w, x, y in marks:
        others = (math.hypot(x - a, y - b) for v, a, b in marks if v is not w)
        if min(others, default=math.inf) < 0.8 * wide * _dots(axes):
            beside.append(w)
            continue
        kept.append((x, y))
        axes.scatter(w.seconds, w.value, s=wide**2, color=role_colour("entrant"), zorder=4,
                     edgecolor="white", linewidth=0.4)  # fmt: skip
        axes.annotate(names[w.model], (w.seconds, w.value), color="white", ha="center",
                      va="center_baseline", fontsize=medium.font - 1, zorder=5)  # fmt: skip
    _name(axes, beside, names, medium, others=kept)


def _dots(axes: Axes) -> float:
    """To the point."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    return float(figure.dpi) / 72


def _marks(axes: Axes, found: list[Worth]) -> list[tuple[Worth, float, float]]:
    """Where each marker is in dots, from above."""
    found = sorted(found, key=lambda w: (-w.value, w.model))
    places = [axes.transData.transform((w.seconds, w.value)) for w in found]
    return [(w, float(x), float(y)) for w, (x, y) in zip(found, places, strict=True)]


def _name(
    axes: Axes,
    found: list[Worth],
    names: Mapping[str, str],
    medium: Medium,
    others: Sequence[tuple[float, float]] = (),
) -> None:
    """Names beside the markers, with a line to those that had to go further.

    ``others`` are large markers with numbers: beside them every name has its line.
    """
    from matplotlib.patheffects import withStroke

    scale, room = _dots(axes), axes.get_window_extent()
    placed = _marks(axes, found)
    found, marks = [w for w, _, _ in placed], [(x, y) for _, x, y in placed]
    sizes = [_extent(axes, names[w.model], medium) for w in found]
    half = 0.45 * medium.font * scale
    taken = [(x - 2 * half, y - 2 * half, x + 2 * half, y + 2 * half) for x, y in others]
    taken += [(x - half, y - half, x + half, y + half) for x, y in marks]
    taken += [text.get_window_extent().extents for text in axes.texts]
    for w, (x, _) in zip(found, marks, strict=True):
        low, high = (float(axes.transData.transform((1, end))[1]) for end in (w.low, w.high))
        taken.append((x - half / 4, low, x + half / 4, high))
    unit = scale * medium.font / 6.5
    frame = (room.x0 + half, room.y0, room.x1 + half, room.y1)
    spots = place(marks, sizes, taken, frame, unit=unit)
    for w, (dx, dy) in zip(found, spots, strict=True):
        line = {"arrowstyle": "-", "lw": 0.4, "color": GREY, "shrinkA": 0, "shrinkB": 2}
        axes.annotate(
            names[w.model], (w.seconds, w.value), (dx * unit / scale, dy * unit / scale),
            textcoords="offset points", ha="right" if dx < 0 else "left", va="center",
            fontsize=medium.font - 1, color=letters_colour("entrant"),
            path_effects=[withStroke(linewidth=medium.line * 1.6, foreground="white")],
            arrowprops=line if others or math.hypot(dx, dy) > 13 else None, zorder=6,
        )  # fmt: skip


def _extent(axes: Axes, name: str, medium: Medium) -> tuple[float, float]:
    """Width and height of a name in dots."""
    text = axes.text(0, 0, name, fontsize=medium.font - 1)
    size = text.get_window_extent()
    text.remove()
    return float(size.width), float(size.height)


def _caption(block: Block, tables: list[Table], shown: list[list[Worth]]) -> str:
    models = len({w.model for found in shown for w in found})
    by = "; ".join(f"{t.task.title}: {t.headline.title}" for t in tables)
    return (
        f"Seconds of fitting (mean over seeds, as measured on {', '.join(block.devices) or '?'}; "
        f"{LEAST:g} at least) against the headline of each task on {block.name}, "
        f"{models} generator{'s' if models > 1 else ''}: {by}. Bars are 95 % intervals over people "
        "and seeds, dotted lines the floor and the ceiling where they are near enough. Of two "
        "generators on one height the one further left costs less."
    )
