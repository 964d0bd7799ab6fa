"""Principal components by population: real people as densities, synthetic people as points.

No real person is drawn as a point: cells with fewer than five are left blank, rows of a sample
that equal a real person's are taken out, and controls made of real people are counted by cell too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Cohort, Genotypes
from genobench.metrics.ancestry import Populations, fit_populations
from genobench.metrics.neighbours import minimum
from genobench.metrics.structure import Axes as Components
from genobench.metrics.structure import fit_axes, project
from genobench.report.plots.cohorts import FEWEST, Made, People
from genobench.report.plots.medium import SERIES
from genobench.report.plots.panels import Family, dot, named
from genobench.report.plots.yardsticks import RESIDENTS
from genobench.task import populations as labelled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CELLS = (6, 22)  # along either axis, by the number of people
POINTS = 400  # synthetic people of a panel
MOST = len(SERIES)  # populations that have a colour of their own
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Ground:
    """What all panels share: axes, populations, and real people per cell (see `Overlay`)."""

    names: tuple[str, ...]
    axes: Components
    fitted: Populations | None
    edges: tuple[Floats, Floats]
    real: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Overlay:
    """What one panel shows; everything by population.

    Attributes
    ----------
    ground
        ``names`` of populations, one of no name where none are labelled; ``edges`` the ends of
        cells along either axis; ``real`` (populations, cells, cells) people per cell, 0 where there
        are fewer than `FEWEST`.
    points
        (p, 2) synthetic people; none where the sample is of real people.
    cells
        As ``ground.real``, of such a sample; None otherwise.
    placed
        (p,) population of each of the points.
    left_out
        Synthetic people who equal a real person.
    """

    ground: Ground
    points: Floats
    placed: NDArray[np.int64]
    cells: NDArray[np.int64] | None
    left_out: int


def counted(
    scores: Floats, codes: NDArray[np.int64], count: int, edges: tuple[Floats, Floats]
) -> NDArray[np.int64]:
    """(count, cells, cells) people of each population per cell; fewer than `FEWEST` become 0."""
    found: NDArray[np.int64] = np.stack(
        [np.histogramdd(scores[codes == p], bins=edges)[0] for p in range(count)]
    ).astype(np.int64)
    found[found < FEWEST] = 0
    return found


def ground(people: People) -> Ground:
    """Axes fitted on training people; test and control people as counts per cell."""
    split, known = people.split, _known(people.split.train)
    axes = _fitted_axes(people)
    scores = project(np.concatenate([split.test.genotypes, split.control.genotypes]), axes)
    edges = _edges(scores)
    codes = np.concatenate([_codes(part, known) for part in (split.test, split.control)])
    shown = counted(scores, codes, len(known), edges)
    return Ground(known, axes, _fitted(split.train, known), edges, shown)


def overlay(made: Made, people: People) -> Overlay:
    """One cohort on the common ground; at most `POINTS` of its people."""
    return people.once(f"overlay of {made.model}", lambda: _overlay(made, people))


def _overlay(made: Made, people: People) -> Overlay:
    under = people.once("ground", lambda: ground(people))
    synthetic = np.ascontiguousarray(people.alike(made)[0])
    own, nobody = _placed(synthetic, under.fitted), np.zeros((0, 2))
    if made.is_of_people:
        cells = counted(project(synthetic, under.axes), own, len(under.names), under.edges)
        return Overlay(under, nobody, own[:0], cells, 0)
    new = ~_equals_somebody(synthetic, people)
    at = project(synthetic[new], under.axes)[:POINTS] if new.any() else nobody
    return Overlay(under, at, own[new][:POINTS], None, int((~new).sum()))


def draw(axes: Axes, made: Made, people: People) -> None:
    """Cells of real people below, synthetic people above them."""
    from matplotlib.colors import LinearSegmentedColormap

    found = overlay(made, people)
    under = found.ground
    for p, name in enumerate(under.names):
        shade = LinearSegmentedColormap.from_list("people", [SERIES[p] + "30", SERIES[p] + "99"])
        counts = np.where(under.real[p] > 0, under.real[p], np.nan)
        axes.pcolormesh(*under.edges, counts.T, cmap=shade, linewidth=0, rasterized=True)
        size = dot(axes)
        own = found.placed == p
        axes.scatter(
            found.points[own, 0], found.points[own, 1], s=size, color=SERIES[p],
            edgecolor="black", linewidth=0.25, label=name or None,
        )  # fmt: skip
        if found.cells is not None:
            _bubbles(axes, found.cells[p], under.edges, SERIES[p], size)
    axes.set(xlim=under.edges[0][[0, -1]], ylim=under.edges[1][[0, -1]])


def _bubbles(
    axes: Axes,
    counts: NDArray[np.int64],
    edges: tuple[Floats, Floats],
    colour: str,
    size: float,
) -> None:
    """Counts of a sample of real people, at the middle of each cell."""
    i, j = np.nonzero(counts)
    x, y = ((edge[:-1] + edge[1:]) / 2 for edge in edges)
    axes.scatter(
        x[i], y[j], s=size * np.sqrt(counts[i, j]), marker="D", facecolor="none",
        edgecolor=colour, linewidth=0.6,
    )  # fmt: skip


def caption(made: Sequence[Made], people: People) -> str:
    n = people.split.test.n + people.split.control.n
    found = [overlay(one, people) for one in made]
    left = sum(o.left_out for o in found)
    names = [name for name in found[0].ground.names if name]
    of = f" of {len(names)} populations" if names else ""
    text = (
        f"First two principal components of the training people. Shaded cells: {n:,} test and "
        f"control people{of}, darker where more, blank where fewer than {FEWEST} of a population. "
        f"Points: up to {POINTS} synthetic people ({named(made)})"
        + (", in the colour of the population they are placed in" if names else "")
        + f"; cohorts made of real people are shown by cell only (diamonds, {FEWEST} people or "
        "more). Points where no cell is shaded are unlike real people; shaded cells without "
        "points are kinds of people that are missing."
    )
    if left:
        many = f"{left:,}" if left >= FEWEST else f"Fewer than {FEWEST}"
        text += f" {many} synthetic people who equal a real person are left out."
    return text


def _known(train: Cohort) -> tuple[str, ...]:
    """Populations with enough people to place others by, the largest; one without name if none."""
    names = labelled(train)
    sizes = {name: int((train.samples["population"] == name).sum()) for name in names}
    kept = sorted((name for name in names if sizes[name] >= RESIDENTS), key=lambda x: -sizes[x])
    return tuple(sorted(kept[:MOST])) if len(kept) > 1 else ("",)


def _fitted(train: Cohort, known: tuple[str, ...]) -> Populations | None:
    if len(known) == 1:
        return None
    label = train.samples["population"].astype(str).to_numpy()
    rows = np.isin(label, known)
    codes = np.searchsorted(known, label[rows]).astype(np.int64)
    return fit_populations(np.ascontiguousarray(train.genotypes[rows]), codes)


def _codes(part: Cohort, known: tuple[str, ...]) -> NDArray[np.int64]:
    """Population of real people as labelled; -1 of another."""
    if len(known) == 1:
        return np.zeros(part.n, np.int64)
    label = part.samples["population"].astype(str).to_numpy()
    codes = np.searchsorted(known, label).clip(max=len(known) - 1)
    return np.where(np.isin(label, known), codes, -1)


def _placed(genotypes: Genotypes, fitted: Populations | None) -> NDArray[np.int64]:
    return np.zeros(len(genotypes), np.int64) if fitted is None else fitted.place(genotypes)


def _equals_somebody(synthetic: Genotypes, people: People) -> NDArray[np.bool_]:
    """(s,) whether the row is that of any real person."""
    split = people.split
    found = np.zeros(len(synthetic), bool)
    for part in (split.train, split.validation, split.test, split.control):
        found |= minimum(synthetic, part.genotypes) == 0
    return found


def _edges(scores: Floats) -> tuple[Floats, Floats]:
    """A grid over the real people, with some room; its ends are no single person's position."""
    cells = int(np.clip(np.sqrt(len(scores) / FEWEST), *CELLS))
    ends = []
    for column in scores.T:
        low, high = np.quantile(column, [0.01, 0.99])
        room = 0.35 * (high - low) or 1.0
        ends.append(np.linspace(low - room, high + room, cells + 1))
    return ends[0], ends[1]


def _fitted_axes(people: People) -> Components:
    return people.once(
        "axes of ancestry", lambda: fit_axes(people.split.train.genotypes, components=2)
    )


def _obstacle(people: People) -> str:
    few = _fitted_axes(people).components.shape[1] < 2
    return "the training people differ along one axis alone" if few else ""


FAMILY = Family("pca", draw, caption, "PC 1", "PC 2", _obstacle)
