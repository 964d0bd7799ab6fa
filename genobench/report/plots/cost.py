"""What a generator costs against what it is worth: seconds of fitting, headline of a task."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from genobench.report.headline import axis_label, place
from genobench.report.plots.medium import (
    Medium,
    letters_colour,
    role_colour,
    role_marker,
    save,
    styled,
)
from genobench.report.plots.panels import Drawn, role_handles, stems
from genobench.report.tables import Block, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEAST = 0.1  # seconds: what copies cost, and what nobody notices
PER_FIGURE = 4  # tasks


class Worth(NamedTuple):
    """One model: seconds (`LEAST` at least), the headline and the ends of its interval."""

    model: str
    role: str
    seconds: float
    value: float
    low: float
    high: float


def worth(table: Table, models: Collection[str]) -> list[Worth]:
    """Models that were scored and whose fit was timed."""
    found = []
    for row in table.rows:
        s = row.cells[table.headline.name].summary
        seconds = row.cost.fit_seconds
        if row.model in models and not math.isnan(s.value + seconds):
            ends = s.both if s.measured else (s.value, s.value)
            found.append(Worth(row.model, row.role, max(seconds, LEAST), s.value, *ends))
    return found


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
                high = min(medium.height, rows * 2.4 + 0.4)
            figure, panels = plt.subplots(
                rows, columns, figsize=(wide, high), layout=medium.layout, squeeze=False
            )
            shown = [worth(t, models) for t in part]
            for axes in list(panels.flat)[len(part) :]:
                axes.remove()
            roles = [w.role for found in shown for w in found]
            figure.legend(
                handles=role_handles(roles, medium), frameon=False, ncols=4,
                loc="outside upper center",
            )  # fmt: skip
            for axes, table, found in zip(panels.flat, part, shown, strict=False):
                _draw(axes, table, found, medium)
            figure.canvas.draw()
            for axes, found in zip(panels.flat, shown, strict=False):
                _name(axes, found, medium)
            paths = save(figure, folder / stem, medium)
        yield Drawn(stem, tuple(paths), _caption(block, part, shown))


def _draw(axes: Axes, table: Table, found: list[Worth], medium: Medium) -> None:
    for w in found:
        marker, colour = role_marker(w.role), role_colour(w.role)
        axes.errorbar(
            w.seconds, w.value, yerr=[[w.value - w.low], [w.high - w.value]], ecolor=colour,
            elinewidth=medium.line * 0.7, fmt="none", alpha=0.6,
        )  # fmt: skip
        axes.scatter(
            w.seconds, w.value, marker=marker, color=colour, edgecolor="white", linewidth=0.4,
            s=medium.dot * (3.2 if marker == "*" else 1.8), zorder=3,
        )  # fmt: skip
    axes.set_xscale("log")
    axes.margins(x=0.2, y=0.12)
    axes.set_xlabel("seconds of fitting")
    axes.set_ylabel(axis_label(table.headline).replace(" (", "\n(", 1))
    axes.set_title(table.task.title, fontweight="bold")


def _name(axes: Axes, found: list[Worth], medium: Medium) -> None:
    """Names beside the markers, with a line to those that had to go further."""
    from matplotlib.patheffects import withStroke

    figure = axes.get_figure(root=True)
    assert figure is not None
    scale, room = figure.dpi / 72, axes.get_window_extent()
    at = axes.transData.transform([(w.seconds, w.value) for w in found])
    marks = [(float(x), float(y)) for x, y in at]
    sizes = [_extent(axes, w.model, medium) for w in found]
    half = 0.45 * medium.font * scale
    taken = [(x - half, y - half, x + half, y + half) for x, y in marks]
    for w, (x, _) in zip(found, marks, strict=True):
        low, high = (float(axes.transData.transform((1, end))[1]) for end in (w.low, w.high))
        taken.append((x - half / 4, low, x + half / 4, high))
    unit = scale * medium.font / 6.5
    frame = (room.x0 + half, room.y0, room.x1 + half, room.y1)
    spots = place(marks, sizes, taken, frame, unit=unit)
    for w, (dx, dy) in zip(found, spots, strict=True):
        line = {"arrowstyle": "-", "lw": 0.4, "color": "#555555", "shrinkA": 0, "shrinkB": 2}
        axes.annotate(
            w.model, (w.seconds, w.value), (dx * unit / scale, dy * unit / scale),
            textcoords="offset points", ha="right" if dx < 0 else "left", va="center",
            fontsize=medium.font - 1, color=letters_colour(w.role),
            path_effects=[withStroke(linewidth=medium.line * 1.6, foreground="white")],
            arrowprops=line if math.hypot(dx, dy) > 13 else None,
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
        f"{LEAST:g} at least) against the headline of each task on {block.name}, {models} models: "
        f"{by}. Bars are 95 % intervals over people and seeds. Of two models on one height the one "
        "further left costs less."
    )
