"""The figure of learning curves: one panel per generator and quantity, one line per seed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genobench.errors import GenobenchError
from genobench.report.learning import DRAWN, Learned, learned
from genobench.report.redraw import KEY, digest, is_drawn
from genobench.report.tables import Block

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FIGURE = "learning"  # file name
COLUMNS = 4
WIDTH, HEIGHT = 7.1, 1.45  # inches: both columns of a two-column page; of a row of panels
_LINE, _BEST = "#0072B2", "#D55E00"


def write_learning(block: Block, folder: Path) -> Path:
    """Draw what was validated on one data set against the share of fit time, as PNG.

    Every panel has an axis of its own, since losses of different models have no common unit. A
    dot marks the best value, the state that is kept. A figure that shows the same is left as it is.

    Raises
    ------
    GenobenchError
        When no record of the data set holds a learning curve.
    """
    found = learned(block)
    if not found:
        raise GenobenchError(f"{block.name}: no record holds a learning curve")
    path = folder / f"{FIGURE}.png"
    shows = digest([(line.model, line.quantity, line.curves[:DRAWN]) for line in found], __file__)
    if is_drawn([path], shows):
        return path
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    rows = -(-len(found) // COLUMNS)
    style: dict[Any, Any] = {
        "font.size": 6,
        "axes.titlesize": 6.5,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    with mpl.rc_context(style):
        figure, grid = plt.subplots(
            rows, COLUMNS, figsize=(WIDTH, HEIGHT * rows), layout="constrained", sharex=True,
            squeeze=False,
        )  # fmt: skip
        panels: Sequence[Axes] = list(grid.flat)
        for axes, line in zip(panels, found, strict=False):
            _draw(axes, line)
        for axes in panels[len(found) :]:
            axes.set_visible(False)
        for axes in panels[max(0, len(found) - COLUMNS) : len(found)]:
            axes.tick_params(labelbottom=True)
        figure.supxlabel("share of fit time", fontsize=7)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # laid out once
        folder.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=200, metadata={KEY: shows})
        plt.close(figure)
    return path


def _draw(axes: Axes, line: Learned) -> None:
    """Lines of the first seeds; each best value as a dot."""
    for curve in line.curves[:DRAWN]:
        axes.plot(*zip(*curve.points, strict=True), color=_LINE, linewidth=0.8, alpha=0.8)
        axes.plot(*curve.best, "o", color=_BEST, markersize=2.5)
    axes.set_title(f"{line.model}\n{line.quantity.replace('_', ' ')}")
    axes.set_xlim(0, 1)
