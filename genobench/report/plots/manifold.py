"""Precision and recall over k, beside those of real people at the same k."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from genobench.cohort import Genotypes
from genobench.metrics.manifold import manifold_curve
from genobench.report.plots.cohorts import Made, People
from genobench.report.plots.medium import REAL, SERIES
from genobench.report.plots.panels import Family, letters, named
from genobench.report.plots.yardsticks import MOST, curve_ks, halves_of
from genobench.seeds import rng

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Halves = tuple[Genotypes, Genotypes]


class Curves(NamedTuple):
    """Shares at every k: of synthetic people, and of real people in their place."""

    ks: tuple[int, ...]
    precision: list[float]
    recall: list[float]
    real_precision: list[float]
    real_recall: list[float]
    n: int


def curves(made: Made, people: People) -> Curves:
    """The curves between which the fidelity task measures areas: halves against halves."""
    synthetic, real = people.alike(made)
    whole = len(real) == people.split.test.n
    seed = people.reference_seed("fidelity") if whole else made.score_seed("fidelity")
    few = rng(seed, "fidelity", "few").permutation(len(real))[:MOST]
    one, two = halves_of(synthetic[: len(few)]), halves_of(real[few])
    ks = curve_ks(len(two[0]))
    own = [manifold_curve(s, r, ks=ks) for s, r in zip(one, two, strict=True)]
    other = [manifold_curve(two[1], two[0], ks=ks), manifold_curve(two[0], two[1], ks=ks)]
    found = [
        [float(np.mean([getattr(half[i], what).value for half in pair])) for i in range(len(ks))]
        for pair in (own, other)
        for what in ("precision", "recall")
    ]
    return Curves(ks, found[0], found[1], found[2], found[3], len(two[0]))


def draw(axes: Axes, made: Made, people: People) -> None:
    """Precision solid, recall dashed; real people in black."""
    found = curves(made, people)
    lines = (
        (found.real_precision, REAL, "-", "precision, real", "o"),
        (found.real_recall, REAL, "--", "recall, real", "o"),
        (found.precision, SERIES[0], "-", "precision, synthetic", "s"),
        (found.recall, SERIES[5], "--", "recall, synthetic", "^"),
    )
    size = letters(axes) * 0.35
    for values, colour, style, label, mark in lines:
        axes.plot(
            found.ks, values, color=colour, linestyle=style, label=label, marker=mark,
            markersize=size,
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_xticks(found.ks, [str(k) for k in found.ks])
    axes.set_xticks([], minor=True)
    axes.set_ylim(-0.03, 1.03)


def caption(made: Sequence[Made], people: People) -> str:
    n = min(people.split.test.n, MOST, *(one.cohort.n for one in made)) // 2
    return (
        f"Share of synthetic people inside the balls of real people (precision) and of real "
        f"people inside those of synthetic people (recall), where a ball reaches the k-th nearest "
        f"of {n:,} people; mean over two halves ({named(made)}). Black: one half of the test "
        "people in the place of synthetic people. Below the black curves people are unlike real "
        "ones, or kinds of people are missing; above them, people are typical only, or memorised."
    )


def _obstacle(people: People) -> str:
    few = people.split.test.n // 2 <= 3
    return "too few test people have a third neighbour in their half" if few else ""


FAMILY = Family("precision-recall", draw, caption, "neighbours k", "share", _obstacle)
