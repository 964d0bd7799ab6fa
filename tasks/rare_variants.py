"""What becomes of rare variants? All that matters, by the frequency of the rarer allele.

Averages over variants are made by the common ones. Here everything is told apart by four bins of
minor-allele frequency: how many copies there are, which sites no longer vary, genotypes, LD with
the neighbours, and what the bin alone is worth to a predictor of the trait.
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
from genobench.metrics import frequency, ld, rare
from genobench.metrics.genotypes import comparable
from genobench.metrics.intervals import Interval
from genobench.metrics.maf_bins import FEWEST as FEWEST_VARIANTS
from genobench.metrics.maf_bins import is_rare, maf_bins, touching
from genobench.metrics.performance import mean_gap
from genobench.task import Estimate, Reference, Task, timed

from ._linkage import LOCAL, local_pairs
from ._ridge import drawn, ridge_scores

FEWEST = 40  # people
SEEN = 1e-9  # a frequency above it belongs to an allele that somebody carries

Columns = NDArray[np.bool_]


class RareVariants(Task):
    """Frequency, lost sites, genotypes, LD and utility in four bins of minor-allele frequency."""

    def prepare(self, split: Split, *, seed: int) -> dict[str, NDArray[Any]]:
        """Bins from the validation people, and the test people's LD."""
        if split.test.n < FEWEST:
            raise GenobenchError(
                f"rare_variants: {split.test.n} test people, {FEWEST} are the least"
            )
        by = frequency.allele_frequency(split.validation.genotypes)
        real, which = split.test.genotypes, local_pairs(split.test)
        band = ld.r2_band(real, reach=LOCAL)
        halves = seeds.rng(seed, "rare_variants", "halves")
        reliable = {
            f"reliability_{name}": np.array(
                [ld.reliability(real, _around(which.valid, inside), rng=halves)]
            )
            for name, inside in maf_bins(by).items()
        }
        return {"bin_frequency": by, "r2": band, "valid": which.valid, **reliable}

    def score(self, synthetic: Cohort, reference: Reference, *, seed: int) -> dict[str, Estimate]:
        """Estimates; bins with fewer than five variants are left out.

        As many synthetic as test people are compared, except by predictors, which train on all.
        """
        split, facts = reference.split, reference.statistics
        test = split.test
        comparable(synthetic.genotypes, test.genotypes, at_least=FEWEST)
        n = min(synthetic.n, test.n)
        draw = seeds.rng(seed, "rare_variants", "people")
        made, real = (
            g[draw.permutation(len(g))[:n]] for g in (synthetic.genotypes, test.genotypes)
        )
        by = facts["bin_frequency"]
        flip = by > 0.5
        bins = maf_bins(by)
        few = is_rare(by)
        groups: list[Callable[[], Mapping[str, Interval]]] = [
            lambda: _overall(made, real, flip, few),
            lambda: _frequencies(made, real, flip, bins),
            lambda: _linkage(made, bins, facts),
            lambda: _utility(synthetic, split, bins, seed),
        ]
        return {k: e for measure in groups for k, e in timed(measure, n).items()}


def _overall(made: Genotypes, real: Genotypes, flip: Columns, few: Columns) -> dict[str, Interval]:
    """All variants with a MAF of at most 5 %; empty when there are fewer than five."""
    if few.sum() < FEWEST_VARIANTS:
        return dict.fromkeys(("rare_ratio", "burden_sd_ratio"), Interval(np.nan))
    sides = made[:, few], real[:, few]
    return {
        "rare_ratio": rare.minor_ratio(*sides, flip=flip[few]),
        "burden_sd_ratio": rare.burden_spread(*sides, flip=flip[few]),
    }


def _frequencies(
    made: Genotypes, real: Genotypes, flip: Columns, bins: Mapping[str, Columns]
) -> dict[str, Interval]:
    found: dict[str, Interval] = {}
    for name, inside in bins.items():
        sides = made[:, inside], real[:, inside]
        found[f"copies_{name}"] = rare.minor_ratio(*sides, flip=flip[inside])
        found[f"lost_{name}"] = frequency.new_monomorphic(*sides, maf=SEEN)
        found[f"genotype_tv_{name}"] = frequency.genotype_variation(*sides)
    return found


def _linkage(
    made: Genotypes, bins: Mapping[str, Columns], facts: Mapping[str, NDArray[Any]]
) -> dict[str, Interval]:
    """Correlation of r2 over pairs with a variant of the bin; empty where real people differ."""
    band = ld.r2_band(made, reach=LOCAL)
    found: dict[str, Interval] = {}
    for name, inside in bins.items():
        informative = float(facts[f"reliability_{name}"][0]) >= ld.INFORMATIVE
        pairs = _around(facts["valid"], inside)
        found[f"ld_r2_corr_{name}"] = (
            ld.r2_correlation(band, facts["r2"], pairs) if informative else Interval(np.nan)
        )
    return found


def _utility(
    synthetic: Cohort, split: Split, bins: Mapping[str, Columns], seed: int
) -> dict[str, Interval]:
    """Joint ridge on the variants of a bin alone, against as many training people."""
    train, test = split.train, split.test
    if synthetic.trait is None or test.trait is None or train.trait is None:
        return {}
    kind, draw = test.trait.kind, seeds.rng(seed, "rare_variants", "bootstrap")
    peers = drawn(train, synthetic.n, seed=seed)
    found: dict[str, Interval] = {}
    for name, inside in bins.items():
        own, theirs = (ridge_scores(source, test, inside) for source in (synthetic, peers))
        found[f"joint_gap_{name}"] = mean_gap(own, theirs[None], test.labels, kind, rng=draw)
    return found


def _around(valid: Columns, inside: Columns) -> ld.Pairs:
    """Pairs with a variant of the bin; how far apart they are plays no part."""
    pairs = touching(valid, inside)
    return ld.Pairs(pairs, np.zeros(pairs.shape))
