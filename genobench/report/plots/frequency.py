"""Minor-allele frequencies, synthetic against real, with the slope in each fifth of the SNPs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from genobench.metrics.frequency import allele_frequency, fifth, minor_slope
from genobench.report.plots.cohorts import FEWEST, Made, People
from genobench.report.plots.medium import SERIES
from genobench.report.plots.panels import Family, dot, named

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FIFTHS = {0: "rarest", 1: "second", 2: "third", 3: "fourth", 4: "commonest"}


@dataclass(frozen=True, eq=False)
class Frequencies:
    """(m,) each: minor-allele frequencies, the SNP's fifth, whether enough people carry it."""

    real: NDArray[np.float64]
    synthetic: NDArray[np.float64]
    number: NDArray[np.int64]
    shown: NDArray[np.bool_]
    slopes: tuple[float, ...]  # of the five fifths


def frequencies(made: Made, people: People) -> Frequencies:
    """What the fidelity task compares; the validation people choose fifths and minor alleles."""
    synthetic, real = people.alike(made)
    other = allele_frequency(people.split.validation.genotypes)
    number = np.zeros(len(other), np.int64)
    for i in FIFTHS:
        number[fifth(other, i)] = i
    pair = [np.where(other > 0.5, 1 - p, p) for p in map(allele_frequency, (real, synthetic))]
    slopes = [minor_slope(synthetic, real, bin_frequency=other, number=i).value for i in FIFTHS]
    rarer = 2 * len(real) * np.minimum(pair[0], 1 - pair[0])
    return Frequencies(pair[0], pair[1], number, rarer >= FEWEST, tuple(slopes))


def draw(axes: Axes, made: Made, people: People) -> None:
    """One point per SNP; the slope in each fifth in words."""
    found = frequencies(made, people)
    axes.axline((0, 0), slope=1, color="#888888", linewidth=0.6, zorder=0)
    for i, name in FIFTHS.items():
        own = (found.number == i) & found.shown
        axes.scatter(
            found.real[own], found.synthetic[own], s=dot(axes), color=SERIES[i], linewidth=0,
            label=f"{name} fifth", rasterized=True,
        )  # fmt: skip
    low, high = 0.0, 0.56
    axes.set(xlim=(low, high), ylim=(low, high))
    text = "\n".join(f"{name} {found.slopes[i]:.2f}" for i, name in FIFTHS.items())
    axes.text(0.96, 0.03, f"slopes\n{text}", transform=axes.transAxes, ha="right", va="bottom")


def caption(made: Sequence[Made], people: People) -> str:
    n = min(people.split.test.n, *(one.cohort.n for one in made))
    return (
        f"Minor-allele frequencies of {people.split.train.m:,} SNPs in {n:,} synthetic people "
        f"({named(made)}) against as many test people; SNPs whose minor allele is counted fewer "
        f"than {FEWEST} times among the test people are not drawn. Fifths of the SNPs by frequency "
        "are formed on the validation people; the slope in each is printed. On the diagonal "
        "frequencies are kept; a slope below 1 among the rarest says that rare alleles were lost."
    )


FAMILY = Family(
    "allele-frequencies", draw, caption, "frequency in test people", "in synthetic people",
    square=True,
)  # fmt: skip
