"""Does the verdict of precision and recall depend on k and on the number of people?

Published numbers take one k at one n. Here are all of four k at three n, each beside the real
curve: the control people in the place of synthetic ones. That curve is far below 1 at small k,
rises with k and with n, and is what a perfect generator would show.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from genobench import seeds
from genobench.cohort import Cohort, Genotypes
from genobench.data.split import Split
from genobench.errors import GenobenchError
from genobench.metrics.genotypes import comparable
from genobench.metrics.intervals import Interval
from genobench.metrics.manifold_grid import Grid, fitting, grid, part_radii, shortfall
from genobench.task import Estimate, Reference, Task, timed

KS = (3, 5, 10, 50)
DIVISORS = (4, 2, 1)  # of the number of people: a quarter, a half, all
FEWEST = 40
MOST = 5_000


class KSensitivity(Task):
    """Precision and recall over k and n, and how far they fall below the real curve."""

    def prepare(self, split: Split, *, seed: int) -> dict[str, NDArray[Any]]:
        """The real curve, and the radii around the test people."""
        n = min(split.test.n, split.control.n, MOST)
        if n < FEWEST:
            raise GenobenchError(
                f"k_sensitivity: {n} test or control people, {FEWEST} are the least"
            )
        return _real_curve(split, n)

    def score(self, synthetic: Cohort, reference: Reference, *, seed: int) -> dict[str, Estimate]:
        """Estimates; combinations where k is not below the number of people are left out."""
        split = reference.split
        comparable(synthetic.genotypes, split.test.genotypes, at_least=FEWEST)
        facts = dict(reference.statistics)
        n = min(synthetic.n, int(facts["people"][-1]))
        if n < int(facts["people"][-1]):
            facts = _real_curve(split, n)
        return timed(lambda: _measured(synthetic.genotypes, split, facts, n), n)


def _real_curve(split: Split, n: int) -> dict[str, NDArray[Any]]:
    """The control people as if they were synthetic, and what they were held against."""
    real = _drawn(split.test.genotypes, n)
    radii = {f"radii_{d}": part_radii(real, d, KS) for d in DIVISORS}
    curve = grid(
        _drawn(split.control.genotypes, n), real, ks=KS, divisors=DIVISORS,
        real_radii=list(radii.values()),
    )  # fmt: skip
    return {**radii, **vars(curve)}


def _measured(
    synthetic: Genotypes, split: Split, facts: dict[str, NDArray[Any]], n: int
) -> dict[str, Interval]:
    made = grid(
        _drawn(synthetic, n), _drawn(split.test.genotypes, n), ks=KS, divisors=DIVISORS,
        real_radii=[facts[f"radii_{d}"] for d in DIVISORS],
    )  # fmt: skip
    real = Grid(facts["people"], facts["precise"], facts["recalled"])
    found: dict[str, Interval] = {}
    for row, divisor in enumerate(DIVISORS):
        for column, k in enumerate(fitting(KS, n // divisor)):
            for what in ("precision", "recall"):
                at = f"{what}_k{k}_n{divisor}"
                found[at] = getattr(made, what)(row, column)
                found[f"real_{at}"] = getattr(real, what)(row, column)
    for what in ("precision", "recall"):
        names = [name for name in found if name.startswith(what)]
        found[f"{what}_shortfall"] = shortfall(
            [found[name] for name in names], [found[f"real_{name}"] for name in names]
        )
    return found


def _drawn(genotypes: Genotypes, n: int) -> Genotypes:
    """``n`` people in random order, the same for the same people whatever the seed of a run.

    The real curve must not differ from a score of these very people by another draw.
    """
    order = seeds.rng(0, "k_sensitivity", "people").permutation(len(genotypes))
    drawn: Genotypes = np.ascontiguousarray(genotypes[order[:n]])
    return drawn
