"""Can boosted trees tell synthetic people from real ones?"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Genotypes
from genobench.errors import GenobenchError
from genobench.metrics.auc import delong
from genobench.metrics.genotypes import comparable
from genobench.metrics.intervals import Interval, clipped, normal

# Depth 6 reaches interactions of neighbouring SNPs: LD is invisible to linear classifiers. Small
# steps and row and column sampling keep the trees from memorising the 1,000 people that are typical
# here; three dosages need no finer histogram.
SETTINGS: dict[str, Any] = {
    "objective": "binary:logistic",
    "tree_method": "hist",
    "max_bin": 4,
    "max_depth": 6,
    "eta": 0.1,
    "subsample": 0.8,
    "colsample_bytree": 0.5,
    "min_child_weight": 2.0,
    "verbosity": 0,
}
TREES = 120


def two_sample_auc(
    synthetic: Genotypes,
    real: Genotypes,
    *,
    seed: int,
    folds: int = 5,
    threads: int = 1,
    most_variants: int = 2048,
) -> Interval:
    """AUC of XGBoost, cross-validated, at telling synthetic (1) from real (0) people.

    .5: no difference that these trees can see; 1: told apart without error. The mean over folds of
    the AUC in each, with DeLong's variance over the people of the folds, enlarged for the training
    people that folds share (1 / folds becomes 1 / folds + test / training people; without it the
    interval of fresh real people misses .5 one time in seven).

    Repeated rows. Folds are dealt without looking at labels or rows, the only way in which a second
    real sample averages .5 also where few SNPs make people repeat by nature. So a person repeated
    in the synthetic cohort is recognised in other folds: 50 people copied 20 times are told apart,
    as they should be (with all repeats in one fold they would come near .5), and so is a real
    sample drawn with replacement. A copy of a *real person of this test* is learnt as real and
    taken for it: copies of evaluation people push the AUC below .5. An interval below .5 therefore
    means leaked evaluation people, and so may a value near .5 that leaks and flaws make together:
    count the identical rows beside it.

    Parameters
    ----------
    synthetic, real
        (n, m) int8 each, the same n.
    seed
        Of folds and trees.
    folds
        At least 2; each needs two people of either kind.
    threads
        XGBoost's threads.
    most_variants
        Of more SNPs than this, runs of 64 neighbours are drawn by seed, so that their LD stays.

    Raises
    ------
    GenobenchError
        On different numbers of people or variants, or too few people for the folds.

    References
    ----------
    Lopez-Paz and Oquab 2017, arXiv:1610.06545; Nadeau and Bengio 2003, Machine Learning 52:239.
    """
    import xgboost

    if folds < 2 or threads < 1:
        raise GenobenchError(f"folds = {folds}, threads = {threads}: 2 and 1 are the least")
    comparable(synthetic, real, at_least=2 * folds)
    if len(synthetic) != len(real):
        raise GenobenchError(f"equal numbers of people are needed: {len(synthetic)}, {len(real)}")
    rng = np.random.default_rng(seed)
    columns = runs(real.shape[1], most_variants, rng)
    people = np.concatenate([synthetic, real])[:, columns]
    is_synthetic = np.repeat([1, 0], len(real))
    fold = np.concatenate([rng.permutation(len(real)) % folds for _ in range(2)])
    values, variances = [], []
    for k in range(folds):
        rows, held = fold != k, fold == k
        model = xgboost.train(
            {**SETTINGS, "nthread": threads, "seed": seed % 2**31},
            xgboost.QuantileDMatrix(
                people[rows].astype(np.float32),
                label=is_synthetic[rows],
                nthread=threads,
                max_bin=SETTINGS["max_bin"],
            ),
            num_boost_round=TREES,
        )
        score = model.inplace_predict(people[held].astype(np.float32))[None]
        value, covariance = delong(score, is_synthetic[held])
        values.append(float(value[0]))
        variances.append(float(covariance[0, 0]))
    error = math.sqrt(float(np.mean(variances)) * (1 / folds + 1 / (folds - 1)))
    return clipped(normal(float(np.mean(values)), error), 0.0, 1.0)


def runs(m: int, most: int, rng: np.random.Generator, *, length: int = 64) -> NDArray[np.intp]:
    """At most ``most`` of m column numbers in genome order, in whole runs of neighbours."""
    if m <= most:
        return np.arange(m)
    run = np.arange(m) // length
    whole = m // length  # a shorter last run is left out
    chosen = rng.choice(whole, max(1, min(most // length, whole)), replace=False)
    return np.flatnonzero(np.isin(run, chosen))
