"""Small multiples: one panel per model, at most eight in a figure, controls marked apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genobench.report.named import ROLES
from genobench.report.plots.cohorts import Made, People
from genobench.report.plots.medium import (
    MOST,
    Medium,
    letters_colour,
    role_colour,
    role_label,
    role_marker,
    save,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 4


@dataclass(frozen=True)
class Drawn:
    """A figure on disk: its name, its files, and the sentences beside it."""

    name: str
    paths: tuple[Path, ...]
    caption: str


@dataclass(frozen=True)
class Family:
    """Figures of one kind, with a panel for each synthetic cohort.

    Attributes
    ----------
    name
        Of the files.
    draw
        Puts one cohort into its axes.
    caption
        What is shown, of how many, and how to read it.
    x, y
        Labels of the axes.
    obstacle
        Why these people cannot be shown in that way; "" when they can.
    square
        Panels are as high as wide.
    finish
        What the whole figure needs beside the panels, such as a scale of colours.
    """

    name: str
    draw: Callable[[Axes, Made, People], None]
    caption: Callable[[Sequence[Made], People], str]
    x: str
    y: str
    obstacle: Callable[[People], str] = lambda people: ""
    square: bool = False
    finish: Callable[[Figure, Sequence[Axes]], None] | None = None

    @property
    def title(self) -> str:
        """The name as a heading."""
        words = [w.upper() if w in ("ld", "pca", "roc") else w for w in self.name.split("-")]
        return f"{words[0][0].upper()}{' '.join(words)[1:]}"


def pages(names: Sequence[Any]) -> list[Sequence[Any]]:
    """In parts of at most `MOST`, as equal as can be."""
    count = -(-len(names) // MOST)
    edges = [round(i * len(names) / count) for i in range(count + 1)] if count else [0]
    return [names[a:b] for a, b in pairwise(edges)]


def stems(name: str, count: int) -> list[str]:
    """Names of the files of ``count`` parts; one part has no number."""
    return [name] if count == 1 else [f"{name}-{i + 1}" for i in range(count)]


def draw_family(
    family: Family, made: Sequence[Made], people: People, folder: Path, medium: Medium
) -> Iterator[Drawn]:
    """Every part of one family, written."""
    parts = pages(made)
    for stem, part in zip(stems(family.name, len(parts)), parts, strict=True):
        with styled(medium):
            figure, panels = grid(len(part), medium)
            for axes, one in zip(panels, part, strict=True):
                family.draw(axes, one, people)
                head(axes, one.model, one.role)
                if family.square:
                    axes.set_box_aspect(1)
            outer_labels(panels, family.x, family.y)
            legend(figure, panels)
            if family.finish is not None:
                family.finish(figure, panels)
            paths = save(figure, folder / stem, medium)
        yield Drawn(stem, tuple(paths), family.caption(part, people))


def columns_of(count: int) -> int:
    """Panels in a row: at most `COLUMNS`, in rows as equal as can be."""
    rows = -(-count // COLUMNS)
    return -(-count // rows)


def grid(count: int, medium: Medium, *, share: bool = True) -> tuple[Figure, list[Axes]]:
    """A figure with ``count`` panels in rows of at most `COLUMNS`."""
    from matplotlib import pyplot as plt

    columns = columns_of(count)
    rows = -(-count // columns)
    figure, table = plt.subplots(
        rows, columns, figsize=medium.size(rows, columns), layout=medium.layout, squeeze=False,
        sharex=share, sharey=share,
    )  # fmt: skip
    flat = list(table.flat)
    for axes in flat[count:]:
        axes.remove()
    for axes in flat[max(0, count - columns) : count]:  # the lowest panel of each column
        axes.xaxis.set_tick_params(which="both", labelbottom=True)
    return figure, flat[:count]


def dot(axes: Axes) -> float:
    """Area of a marker among many, in proportion to the letters."""
    return (0.25 * letters(axes)) ** 2


def letters(axes: Axes) -> float:
    """Size of letters in points."""
    return float(axes.xaxis.label.get_fontsize())


def outer_labels(panels: Sequence[Axes], x: str, y: str) -> None:
    """Labels once per row and column, so that they never meet."""
    columns = columns_of(len(panels))
    for i, axes in enumerate(panels):
        axes.set_ylabel(y if i % columns == 0 else "")
        axes.set_xlabel(x if i + columns >= len(panels) else "")


def head(axes: Axes, model: str, role: str) -> None:
    """Name of a model; a control's frame and title are in the colour of its role."""
    if role == "entrant":
        axes.set_title(model, fontweight="bold")
        return
    axes.set_title(f"{model} ({role_label(role)})", color=letters_colour(role), fontstyle="italic")
    for side in axes.spines.values():
        side.set_color(role_colour(role))
        side.set_linestyle((0, (4, 2)))
        side.set_visible(True)


def legend(figure: Figure, panels: Sequence[Axes]) -> None:
    """One legend above all panels, in as many rows as the figure is too narrow for one."""
    from matplotlib.collections import PathCollection

    found: dict[str, Artist] = {}
    for axes in panels:
        for mark, label in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(label, mark)
    if found:
        letter = 0.6 * letters(panels[0]) / 72  # inches
        room = int(figure.get_figwidth() / (letter * (max(map(len, found)) + 6)))
        box = figure.legend(
            list(found.values()), list(found), frameon=False, ncols=max(1, min(room, len(found))),
            loc="outside upper center", handletextpad=0.5, columnspacing=1.4,
        )  # fmt: skip
        for handle in box.legend_handles:
            if isinstance(handle, PathCollection):  # points as small as in panels are no legend
                handle.set_sizes([0.5 * letters(panels[0]) ** 2])


def role_handles(roles: Sequence[str], medium: Medium) -> list[Any]:
    """Markers of the roles that occur, for a legend."""
    from matplotlib.lines import Line2D

    return [
        Line2D([], [], linestyle="", marker=role_marker(role), color=role_colour(role),
               label=role_label(role), markersize=0.9 * medium.font)
        for role in ROLES if role in roles
    ]  # fmt: skip


def equal_limits(figure: Figure, panels: Sequence[Axes]) -> None:
    """The same range on both axes of all panels, 0 in the middle."""
    ends = [abs(end) for axes in panels for end in (*axes.get_xlim(), *axes.get_ylim())]
    panels[0].set(xlim=(-max(ends), max(ends)), ylim=(-max(ends), max(ends)))


def named(made: Sequence[Made]) -> str:
    """Whose samples: training seeds of the cohorts shown, as a caption says it."""
    seeds = sorted({one.seed for one in made})
    several = "s" if len(seeds) > 1 else ""
    return f"training seed{several} {', '.join(map(str, seeds))}"
