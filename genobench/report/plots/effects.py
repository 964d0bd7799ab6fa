"""Effects of single SNPs on the trait: a GWAS of synthetic people against one of test people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Genotypes, Labels
from genobench.metrics import association
from genobench.metrics.association import Scan
from genobench.metrics.prediction import Floats
from genobench.metrics.structure import Axes as Components
from genobench.metrics.structure import project
from genobench.report.plots.cohorts import FEWEST, Made, People
from genobench.report.plots.medium import role_colour
from genobench.report.plots.panels import Family, dot, equal_limits, named
from genobench.seeds import rng
from genobench.task import Statistics

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Effects(NamedTuple):
    """(m,) each, and the slope that allows for the noise in the real effects.

    An effect is NaN where the rarer allele is counted fewer than `FEWEST` times in either sample.
    """

    real: Floats
    synthetic: Floats
    hit: Floats  # 1 where the test people's scan is significant
    slope: float
    correlation: float


def effects(made: Made, people: People) -> Effects:
    """What the association task compares: equal numbers of people, the same covariates."""
    facts, test = people.facts("association"), people.split.test
    n, seed = min(made.cohort.n, test.n), made.score_seed("association")
    real, there = Scan(*facts["scan"]), test.genotypes
    if n < test.n:
        rows = _rows(test.n, n, rng(seed, "association", "real"))
        there = test.genotypes[rows]
        real = _scan(there, test.labels[rows], people, facts)
    rows = _rows(made.cohort.n, n, rng(seed, "association", "synthetic"))
    own = _scan(made.cohort.genotypes[rows], made.cohort.labels[rows], people, facts)
    hit = (real.p < association.level(real)).astype(np.float64)
    slope, corr = association.effect_slope(own, real), association.z_correlation(own, real)
    rare = _rare(there) | _rare(made.cohort.genotypes[rows])
    one, two = (np.where(rare, np.nan, beta) for beta in (real.beta, own.beta))
    return Effects(one, two, hit, slope.value, corr.value)


def _rare(genotypes: Genotypes) -> NDArray[np.bool_]:
    """(m,) whether the rarer allele is counted fewer than `FEWEST` times."""
    counted = genotypes.sum(axis=0, dtype=np.int64)
    found: NDArray[np.bool_] = np.minimum(counted, 2 * len(genotypes) - counted) < FEWEST
    return found


def draw(axes: Axes, made: Made, people: People) -> None:
    """One point per SNP; the line has the slope of the metric."""
    found = effects(made, people)
    axes.axline((0, 0), slope=1, color="#888888", linewidth=0.6)
    colour = role_colour(made.role)
    for which, label, fill in ((found.hit == 0, "not significant", "none"),
                               (found.hit == 1, "significant in test people", "full")):  # fmt: skip
        axes.scatter(
            found.real[which], found.synthetic[which], s=dot(axes), linewidth=0.4,
            facecolor=colour if fill == "full" else "none", edgecolor=colour, rasterized=True,
            label=label,
        )  # fmt: skip
    if np.isfinite(found.slope):
        axes.axline((0, 0), slope=found.slope, color=colour, linestyle="--")
    axes.text(
        0.04, 0.96, f"slope {found.slope:.2f}\nr(z) {found.correlation:.2f}",
        transform=axes.transAxes, va="top",
    )  # fmt: skip


def caption(made: Sequence[Made], people: People) -> str:
    n = min(people.split.test.n, *(one.cohort.n for one in made))
    kind = "log odds ratios" if people.kind == "binary" else "betas"
    return (
        f"Effects ({kind} per allele) of {people.split.train.m:,} SNPs in a GWAS of {n:,} "
        f"synthetic people ({named(made)}) against one of as many test people, with the "
        "same axes of ancestry as covariates; SNPs whose rarer allele is counted fewer than "
        f"{FEWEST} times are not drawn; filled where the test people's is significant. The "
        "dashed line has the slope that allows for noise in the real effects: 1 as strong as "
        "real, below 1 diluted. r(z) is the correlation of the z-scores."
    )


def _scan(genotypes: Genotypes, labels: Labels, people: People, facts: Statistics) -> Scan:
    columns = facts["columns"]
    placed: Floats = np.zeros((len(genotypes), 0))
    if len(columns):
        axes = Components(facts["mean"], facts["scale"], facts["components"])
        placed = project(np.ascontiguousarray(genotypes[:, columns]), axes)
    return Scan.of(genotypes, labels, placed, people.kind)


def _rows(people: int, n: int, draw: np.random.Generator) -> NDArray[np.int64]:
    """``n`` of the rows, in their order; all when there are no more."""
    return np.sort(draw.choice(people, n, replace=False)) if n < people else np.arange(people)


def _obstacle(people: People) -> str:
    return "" if people.split.test.trait is not None else "these people have no trait"


FAMILY = Family(
    "effects", draw, caption, "effect in test people", "in synthetic people", _obstacle,
    square=True, finish=equal_limits,
)  # fmt: skip
