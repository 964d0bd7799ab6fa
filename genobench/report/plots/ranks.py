"""Ranks of the generators with their intervals, and who cannot be told from whom."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from genobench.report.plots.medium import REAL, Medium, role_colour, save, styled
from genobench.report.plots.panels import Drawn, stems
from genobench.report.shown import Place, places, tied
from genobench.report.tables import Block, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def figures(block: Block, models: Collection[str], folder: Path, medium: Medium) -> Iterator[Drawn]:
    """A panel per task."""
    from matplotlib import pyplot as plt

    tables = [t for t in block.tables if places(t, models)]
    parts = [tables[i : i + 4] for i in range(0, len(tables), 4)]
    for stem, part in zip(stems("ranks", len(parts)), parts, strict=True):
        tallest = max(len(places(t, models)) for t in part)
        with styled(medium):
            wide, high = medium.size(1, 1 if len(part) == 1 else len(part) + 1)
            if medium.panel:
                high = min(medium.height, (0.11 * tallest + 0.8) * medium.font / 6.5)
            figure, panels = plt.subplots(
                1, len(part), figsize=(wide, high), layout=medium.layout, squeeze=False
            )
            for axes, table in zip(panels.flat, part, strict=True):
                _draw(axes, table, places(table, models), medium)
            paths = save(figure, folder / stem, medium)
        yield Drawn(stem, tuple(paths), _caption(block, part, tallest))


def _ranked(table: Table) -> int:
    """Generators with a rank."""
    return len(places(table, table.by_model))


def _draw(axes: Axes, table: Table, found: list[Place], medium: Medium) -> None:
    """Ranks run to the number of all generators that have one, shown or not."""
    from matplotlib.ticker import MaxNLocator

    rows = range(len(found))
    colour = role_colour("entrant")
    axes.hlines(rows, [p.low for p in found], [p.high for p in found], color=colour)
    axes.scatter([p.rank for p in found], rows, color=colour, s=medium.dot * 1.6, zorder=3)
    widest = max(max(p.high for p in found), _ranked(table))
    groups, step = tied(found), 0.055 * widest
    for i, group in enumerate(groups):
        x = widest + 0.4 + step * (i + 1)
        axes.plot([x] * len(group), group, color=REAL, marker="o", markersize=2.4 * medium.line)
    axes.set_yticks(list(rows), [p.model for p in found])
    axes.set_ylim(len(found) - 0.4, -0.6)
    ticks = MaxNLocator(nbins=4, integer=True).tick_values(1, max(widest, 2))
    axes.set_xticks(sorted({1, *(int(t) for t in ticks if 1 < t <= widest)}) or [1])
    axes.set_xlim(0.5, widest + 0.5 + step * (len(groups) + 0.5 if groups else 0))
    axes.set_xlabel("rank")
    axes.set_title(f"{table.task.title}", fontweight="bold")


def _caption(block: Block, tables: list[Table], models: int) -> str:
    by = "; ".join(f"{t.task.title} by {t.headline.title}" for t in tables)
    ranked = max(map(_ranked, tables))
    shown = (
        f"{models} of {ranked} generators, ranked among all,"
        if models < ranked
        else (f"{'up to ' if len(tables) > 1 else ''}{ranked} generators")
    )
    return (
        f"Ranks (1 = best) of {shown} on {block.name}, over "
        f"{len(block.seeds)} training seed{'s' if len(block.seeds) > 1 else ''}: {by}. Lines are "
        "95 % intervals of the rank over people and seeds; generators with a dot on one black "
        "bar cannot be told apart. Controls are not ranked."
    )
