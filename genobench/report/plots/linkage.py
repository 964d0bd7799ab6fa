"""Linkage disequilibrium: a map of r2, real above and synthetic below, and its decay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from genobench.metrics import ld
from genobench.metrics.frequency import allele_frequency
from genobench.report.plots.cohorts import Made, People
from genobench.report.plots.medium import REAL, cohort_label, role_colour
from genobench.report.plots.panels import Family, letters, named
from genobench.report.plots.yardsticks import REACH, genome

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN = 64  # SNPs in the map
GAP = 20  # times as far: beyond, curves are broken, and over such a range the axis is logarithmic
Floats = NDArray[np.float64]


class Decay(NamedTuple):
    """Mean r2 by bin of distance."""

    distance: Floats
    real: Floats
    synthetic: Floats
    area: float  # between the curves, relative to the real one


def most_linked(people: People) -> slice:
    """The `SHOWN` neighbouring SNPs with the most r2 among the test people."""
    return people.once("most linked SNPs", lambda: _most_linked(people))


def _most_linked(people: People) -> slice:
    test = people.split.test
    width = min(SHOWN, test.m)
    band = ld.r2_band(test.genotypes, reach=width - 1)
    band = np.where(_pairs(people, width - 1).valid, band, 0)
    total = np.zeros(test.m - width + 1)
    for d, row in enumerate(band, 1):  # pairs d apart that begin at each of these SNPs
        sums = np.concatenate([[0.0], np.cumsum(row, dtype=np.float64)])
        total += sums[width - d :][: len(total)] - sums[: len(total)]
    first = int(total.argmax())
    return slice(first, first + width)


def triangles(made: Made, people: People, where: slice) -> Floats:
    """(w, w) r2 of the SNPs in ``where``: of test people above the diagonal, synthetic below."""
    synthetic, real = people.alike(made)
    width = where.stop - where.start
    square = np.eye(width)
    for genotypes, above in ((real, True), (synthetic, False)):
        band = ld.r2_band(np.ascontiguousarray(genotypes[:, where]), reach=width - 1)
        for d in range(1, width):
            j = np.arange(width - d)
            square[(j, j + d) if above else (j + d, j)] = band[d - 1, : width - d]
    return square


def draw_map(axes: Axes, made: Made, people: People) -> None:
    """One map; thin lines part chromosomes."""
    import seaborn as sns

    where = most_linked(people)
    square = triangles(made, people, where)
    sns.heatmap(
        square, ax=axes, vmin=0, vmax=1, cmap="mako_r", cbar=False, square=True,
        xticklabels=False, yticklabels=False, rasterized=True,
    )  # fmt: skip
    chromosome = genome(people.split.test)[0][where]
    for edge in np.flatnonzero(np.diff(chromosome)) + 1:
        axes.axhline(edge, color="#999999", linewidth=0.3)
        axes.axvline(edge, color="#999999", linewidth=0.3)
    axes.plot([0, len(square)], [0, len(square)], color=REAL, linewidth=0.5)
    size = letters(axes)
    for x, y, text in ((0.97, 0.97, "real"), (0.03, 0.03, "synthetic")):
        axes.text(
            x, y, text, transform=axes.transAxes, fontsize=size, ha="right" if x > 0.5 else "left",
            va="top" if y > 0.5 else "bottom",
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1},
        )  # fmt: skip


def colour_scale(figure: Figure, panels: Sequence[Axes]) -> None:
    """The scale that all maps share."""
    bar = figure.colorbar(panels[0].collections[0], ax=list(panels), shrink=0.6, aspect=30)
    bar.set_label("r²")


def map_caption(made: Sequence[Made], people: People) -> str:
    where = most_linked(people)
    n = min(people.split.test.n, *(one.cohort.n for one in made))
    return (
        f"r² (sampling bias removed) between SNPs {where.start + 1} to {where.stop} of "
        f"{people.split.train.m:,}, the neighbours with most of it among the test people: {n:,} "
        f"test people above the diagonal, as many synthetic people ({named(made)}) below; lines "
        "part chromosomes. The better the generator, the more alike the two triangles."
    )


def decay(made: Made, people: People) -> Decay:
    """The curves whose area the fidelity task measures."""
    synthetic, real = people.alike(made)
    which = _pairs(people, REACH)
    bins = ld.decay_bins(which)
    used = bins >= 0
    count = np.bincount(bins[used])
    bands = [ld.r2_of(ld.band_sums(g, reach=len(bins))) for g in (real, synthetic)]
    one, two, distance = (
        np.bincount(bins[used], values[used])[count > 0] / count[count > 0]
        for values in (*bands, which.distance)
    )
    return Decay(distance, one, two, ld.decay_area(bands[1], bands[0], bins))


def draw_decay(axes: Axes, made: Made, people: People) -> None:
    """Real in black, synthetic in the colour of its role."""
    found = decay(made, people)
    unit = _unit(people)[0]
    x = found.distance / unit
    gap = np.flatnonzero(x[1:] > GAP * x[:-1]) + 1  # no line says what lies between
    x, real, synthetic = (np.insert(v, gap, np.nan) for v in (x, found.real, found.synthetic))
    axes.plot(x, real, color=REAL, marker="o", markersize=2.2, label="test people")
    axes.plot(
        x, synthetic, color=role_colour(made.role), marker="s", markersize=2.2,
        linestyle="--", label=cohort_label(made.role),
    )  # fmt: skip
    if found.distance[0] > 0 and found.distance[-1] > GAP * found.distance[0]:
        axes.set_xscale("log")
    axes.set_ylim(bottom=min(-0.01, float(found.synthetic.min())))
    axes.text(0.97, 0.95, f"area {found.area:.2f}", transform=axes.transAxes, ha="right", va="top")


def decay_caption(made: Sequence[Made], people: People) -> str:
    n, pairs = people.split.test.n, int(_pairs(people, REACH).valid.sum())
    return (
        f"Mean r² (sampling bias removed) of {pairs:,} pairs of SNPs at most {REACH} SNPs apart "
        f"by {_unit(people)[1]}, in equal numbers of pairs per point, which stands at their mean "
        f"distance (lines are broken where the next is more than {GAP} times as far): {n:,} test "
        f"people (black) and synthetic people ({named(made)}; controls in the colours of their "
        "roles). The area between the curves is given relative to that under the real one: 0 the "
        "same LD, 1 none left."
    )


def _pairs(people: People, reach: int) -> ld.Pairs:
    test = people.split.test
    chromosome, position = genome(test)
    p = allele_frequency(test.genotypes)
    return ld.pairs(chromosome=chromosome, position=position, frequency=p, reach=reach)


def _unit(people: People) -> tuple[float, str]:
    """What distances are divided by, and what they then are."""
    position = genome(people.split.test)[1]
    spread = float(np.ptp(position))
    return (1000.0, "distance in kb") if spread > 1e4 else (1.0, "distance")


def _no_pairs(people: People) -> str:
    return "" if _pairs(people, REACH).valid.any() else "no two neighbouring SNPs are common"


MAP = Family("ld-map", draw_map, map_caption, "", "", finish=colour_scale)
DECAY = Family("ld-decay", draw_decay, decay_caption, "distance (kb)", "mean r²", _no_pairs)
