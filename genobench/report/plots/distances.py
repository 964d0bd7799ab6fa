"""How near the nearest training person is: to synthetic people, and to people held out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from genobench.metrics.neighbours import minimum
from genobench.report.plots.cohorts import FEWEST, Made, People
from genobench.report.plots.medium import REAL, cohort_label, role_colour
from genobench.report.plots.panels import Family, named

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Distances(NamedTuple):
    """Shares of people at most so far from the nearest training person, by whole distance."""

    at: NDArray[np.int64]
    synthetic: NDArray[np.float64]
    held_out: NDArray[np.float64]
    medians: tuple[float, float]


def cumulative(distance: NDArray[np.int32], top: int) -> NDArray[np.float64]:
    """(top + 1,) share of people at distance 0, 1, ... or less.

    NaN below and above the curve, and where it would set apart fewer than `FEWEST` people: the
    nearest few, or the farthest few.
    """
    counts = np.bincount(distance, minlength=top + 1).cumsum()[: top + 1]
    n = len(distance)
    hidden = counts < FEWEST
    if ((counts > n - FEWEST) & (counts < n)).any():  # where the last few are would show otherwise
        hidden |= counts > n - FEWEST
    return np.where(hidden, np.nan, counts / n)


def distances(made: Made, people: People) -> Distances:
    """Curves of the distances that the privacy task compares."""
    synthetic = minimum(made.cohort.genotypes, people.split.train.genotypes)
    held_out = np.asarray(people.facts("privacy")["holdout_to_train"])[:, 0]
    top = int(max(synthetic.max(), held_out.max()))
    medians = float(np.median(synthetic)), float(np.median(held_out))
    curves = np.stack([cumulative(d, top) for d in (synthetic, held_out)])
    rising = np.flatnonzero((curves < 1).any(axis=0))  # a line that went on would end at one person
    at = np.arange(min(rising.max(initial=0) + 1, top) + 1)
    return Distances(at, curves[0, at], curves[1, at], medians)


def draw(axes: Axes, made: Made, people: People) -> None:
    """Held-out people in black, synthetic ones in the colour of the role."""
    found = distances(made, people)
    colour = role_colour(made.role)
    axes.plot(found.at, found.held_out, color=REAL, linestyle="--", label="test people")
    axes.plot(found.at, found.synthetic, color=colour, label=cohort_label(made.role))
    axes.set_ylim(-0.03, 1.03)
    text = f"median {found.medians[0]:g}\ntest {found.medians[1]:g}"
    left = found.medians[0] + found.medians[1] > found.at[-1]
    axes.text(
        0.05 if left else 0.95, 0.5, text, transform=axes.transAxes, va="center",
        ha="left" if left else "right",
    )  # fmt: skip


def caption(made: Sequence[Made], people: People) -> str:
    split = people.split
    sizes = sorted({one.cohort.n for one in made})
    n = f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"
    return (
        f"Share of people within a distance (L1 over {split.train.m:,} SNPs) of the nearest of "
        f"{split.train.n:,} training people: of {n} synthetic people ({named(made)}; controls in "
        f"the colours of their roles) and, dashed, of {split.test.n:,} test people, whom no "
        f"generator has seen. Curves leave out the nearest and the farthest people where they are "
        f"fewer than {FEWEST}. A curve to the left of the dashed one points to copies; one that "
        "covers it says little of copied segments."
    )


FAMILY = Family("nearest-distance", draw, caption, "distance to training people", "share of people")
