"""The predictors of the utility task, and what training people teach them.

Everything here looks at real people alone, or at one source at a time; it is prepared once and
shared by all cohorts that are held against it.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Cohort
from genobench.data.split import Split
from genobench.errors import GenobenchError
from genobench.metrics.polygenic import ldpred_scores
from genobench.metrics.prediction import (
    FOLDS,
    Floats,
    Kind,
    Ridge,
    folds,
    marginal_scores,
    tree_scores,
)
from genobench.seeds import derive, rng

from ._ridge import ridge_scores

PREDICTORS = ("prs", "joint", "ldpred", "xgb")
JOINT = PREDICTORS.index("joint")
REPEATS = 4  # draws of training people where a cohort is smaller than they are
FRACTIONS = (0.1, 0.25, 0.5, 1.0)  # of the training people, to which synthetic people are added
WITHIN = 20_000  # people looked at for what they say of each other

Facts = dict[str, NDArray[Any]]


def predictions(
    source: Cohort, test: Cohort, ridge: Ridge, *, seed: int
) -> tuple[Floats, list[float]]:
    """(4, h) scores of the test people by each of `PREDICTORS`, and what each took in seconds.

    ``ridge`` is the decomposition of the source's genotypes.
    """
    kind, labels = kind_of(source), source.labels
    g, h = source.genotypes, test.genotypes
    clock = [time.perf_counter()]
    scores = [marginal_scores(g, labels, h)]
    clock.append(time.perf_counter())
    scores.append(ridge.predict(*ridge.fit(labels, kind), h))
    clock.append(time.perf_counter())
    scores.append(ldpred_scores(g, labels, h))
    clock.append(time.perf_counter())
    inner = derive(seed, "prs_utility", "xgb")
    scores.append(tree_scores(g, labels, h, kind=kind, seed=inner))
    clock.append(time.perf_counter())
    return np.stack(scores), np.diff(clock).tolist()


def real_facts(split: Split, n: int, *, seed: int) -> Facts:
    """What ``n`` training people teach: all of them, or `REPEATS` draws of fewer.

    Returns
    -------
    ``trtr_n``
        (k, 4, h) predictions of the test people by each of `PREDICTORS`.
    ``joint_n``
        (k, m + 1) effects per copy, then the intercept, of the joint ridges.
    ``fold_n``
        (FOLDS, h) predictions of joint ridges that each lack a fifth of (at most `WITHIN` of) the
        first such people.
    """
    train = split.train
    sources = [train]
    if n < train.n:
        draw = rng(seed, "prs_utility", "trtr", n)
        sources = [train.take(stratified(train, n, draw)) for _ in range(REPEATS)]
    ridges = [Ridge.of(s.genotypes) for s in sources]
    draw = rng(seed, "prs_utility", "folds", n)
    some = sources[0] if n <= WITHIN else sources[0].take(stratified(sources[0], WITHIN, draw))
    fold = folds(some.labels, draw)
    lacking = [ridge_scores(some.take(fold != k), split.test) for k in range(FOLDS)]
    pairs = list(zip(sources, ridges, strict=True))
    return {
        f"trtr_{n}": np.stack([predictions(s, split.test, r, seed=seed)[0] for s, r in pairs]),
        f"joint_{n}": np.stack([_per_copy(r, s) for s, r in pairs]),
        f"fold_{n}": np.stack(lacking),
    }


def real_few(split: Split, *, seed: int) -> Facts:
    """Rows of a share of the training people, and what their joint ridge predicts, for each share.

    ``few_10`` (n,) and ``few_10_alone`` (h,) for a tenth of them, and so on for `FRACTIONS`.
    """
    facts: Facts = {}
    for fraction in FRACTIONS:
        name = f"few_{round(100 * fraction)}"
        rows = np.arange(split.train.n)
        if fraction < 1:
            n = min(max(round(fraction * split.train.n), 2), split.train.n)
            rows = stratified(split.train, n, rng(seed, "prs_utility", name))
        facts[name] = rows
        facts[f"{name}_alone"] = ridge_scores(split.train.take(rows), split.test)
    return facts


def _per_copy(ridge: Ridge, source: Cohort) -> Floats:
    """(m + 1,) effects of allele counts, and the intercept, of the joint ridge of ``source``."""
    effects, intercept = ridge.fit(source.labels, kind_of(source))
    per_copy = effects / ridge.scale
    return np.append(per_copy, intercept - ridge.mean @ per_copy)


def kind_of(cohort: Cohort) -> Kind:
    """Kind of these people's trait; an error without one."""
    if cohort.trait is None:
        raise GenobenchError("prs_utility: these people have no trait: name one with --trait")
    return cohort.trait.kind


def stratified(cohort: Cohort, n: int, draw: np.random.Generator) -> NDArray[np.int64]:
    """``n`` rows; of a binary trait as large a share of either class as in ``cohort``."""
    if kind_of(cohort) == "quantitative":
        return np.sort(draw.choice(cohort.n, n, replace=False))
    cases, controls = np.flatnonzero(cohort.labels == 1), np.flatnonzero(cohort.labels == 0)
    n1 = min(max(round(n * len(cases) / cohort.n), n - len(controls)), len(cases))
    parts = [draw.choice(cases, n1, replace=False), draw.choice(controls, n - n1, replace=False)]
    return np.sort(np.concatenate(parts))
