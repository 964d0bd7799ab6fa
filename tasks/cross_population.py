"""Trained on one population, judged on another: what of the generator's work carries over?

For data prepared with ``--train-population`` and ``--test-population``. The real training people
are the yardstick: a synthetic stand-in should be as far from the other population as they are,
variant by variant, should share as much LD with it, and should train a polygenic predictor that
is as portable as one trained on them. The `real` control is people of the other population, and
shows what training at home is worth.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genobench import seeds
from genobench.cohort import Cohort, Genotypes
from genobench.data.split import Split
from genobench.errors import GenobenchError
from genobench.metrics import ld, portability
from genobench.metrics.genotypes import comparable
from genobench.metrics.intervals import Interval
from genobench.metrics.performance import mean_gap, performance
from genobench.task import Estimate, Reference, Task, populations, timed

from ._linkage import LOCAL, local_pairs
from ._ridge import drawn, ridge_scores

FEWEST = 40  # people


class CrossPopulation(Task):
    """Frequencies, LD and polygenic prediction, seen from another population."""

    def prepare(self, split: Split, *, seed: int) -> dict[str, NDArray[Any]]:
        """What training people predict of the other population; empty when there is no other."""
        train, test = split.train, split.test
        if not populations(test) or populations(train) == populations(test):
            return {}
        if test.n < FEWEST:
            raise GenobenchError(f"cross_population: {test.n} test people, {FEWEST} are the least")
        return {"trtr": ridge_scores(train, test), "home": ridge_scores(split.control, test)}

    def score(self, synthetic: Cohort, reference: Reference, *, seed: int) -> dict[str, Estimate]:
        """Estimates; empty when the test people are of the training people's population.

        Real training people are drawn down to the number of synthetic ones wherever numbers
        matter; the two that train at home are as many as the smaller side.
        """
        split, facts = reference.split, reference.statistics
        if not facts:
            return {}
        comparable(synthetic.genotypes, split.test.genotypes, at_least=FEWEST)
        trait = split.test.trait
        if trait is None or synthetic.trait is None or synthetic.trait.kind != trait.kind:
            raise GenobenchError("cross_population: synthetic and test people need the same trait")
        groups: tuple[Callable[[], Mapping[str, Interval]], ...] = (
            lambda: _utility(synthetic, split, facts, seed),
            lambda: _frequencies(synthetic.genotypes, split),
            lambda: _linkage(synthetic.genotypes, split, seed),
        )
        return {k: e for measure in groups for k, e in timed(measure, split.test.n).items()}


def _utility(
    synthetic: Cohort, split: Split, facts: Mapping[str, NDArray[Any]], seed: int
) -> dict[str, Interval]:
    """Joint ridge: trained on synthetic people, on real ones, and on the other population's."""
    test, draw = split.test, seeds.rng(seed, "cross_population", "bootstrap")
    assert test.trait is not None
    kind, labels = test.trait.kind, test.labels
    own, real, home = ridge_scores(synthetic, test), facts["trtr"], facts["home"]
    if synthetic.n < split.train.n:
        real = ridge_scores(drawn(split.train, synthetic.n, seed=seed), test)
    level = min(synthetic.n, split.control.n)
    equal = ridge_scores(drawn(synthetic, level, seed=seed), test)
    if level < split.control.n:
        home = ridge_scores(drawn(split.control, level, seed=seed), test)
    return {
        "joint_gap": mean_gap(own, real[None], labels, kind, rng=draw),
        "joint_auc" if kind == "binary" else "joint_r": performance(own, labels, kind),
        "home_gap": mean_gap(equal, home[None], labels, kind, rng=draw),
    }


def _frequencies(made: Genotypes, split: Split) -> dict[str, Interval]:
    """Against the validation people: of the training population, and not learned from."""
    own, other = split.validation.genotypes, split.test.genotypes
    return {
        "fst_ratio": portability.fst_ratio(made, own, other),
        "difference_slope": portability.difference_slope(made, own, other),
    }


def _linkage(made: Genotypes, split: Split, seed: int) -> dict[str, Interval]:
    """Agreement of LD with the other population's; empty where it has no reliable LD."""
    train, test = split.train.genotypes, split.test
    n = min(len(made), len(train))
    draw = seeds.rng(seed, "cross_population", "people")
    which = local_pairs(test)
    halves = seeds.rng(seed, "cross_population", "halves")
    if ld.reliability(test.genotypes, which, rng=halves) < ld.INFORMATIVE:
        return dict.fromkeys(("ld_corr", "ld_gap"), Interval(np.nan))
    one, two = (
        ld.r2_band(g if len(g) == n else g[draw.permutation(len(g))[:n]], reach=LOCAL)
        for g in (made, train)
    )
    other = ld.r2_band(test.genotypes, reach=LOCAL)
    return {
        "ld_corr": ld.r2_correlation(one, other, which),
        "ld_gap": portability.ld_gap(one, two, other, which),
    }
