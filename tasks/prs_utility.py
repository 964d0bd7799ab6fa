"""Can a polygenic predictor be trained on synthetic people in place of real ones?

Train on synthetic, test on real (TSTR): three predictors are fitted on the synthetic cohort alone
and scored on test people, beside the same predictors fitted on as many training people (TRTR).
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Cohort
from genobench.data.split import Split
from genobench.errors import GenobenchError
from genobench.metrics.genotypes import checked
from genobench.metrics.intervals import Interval
from genobench.metrics.performance import calibration_slope, label_lift, mean_gap, performance
from genobench.metrics.prediction import Floats, Kind, Ridge, marginal_scores, tree_scores
from genobench.seeds import derive, rng
from genobench.task import Estimate, Reference, Task

PREDICTORS = ("prs", "joint", "xgb")
SHUFFLES = 39  # the best of them is 2.5 % from the top
REPEATS = 4  # draws of training people where a cohort is smaller than they are


class PrsUtility(Task):
    """Marginal score, joint ridge and boosted trees: synthetic against real training people."""

    def prepare(self, split: Split, *, seed: int) -> dict[str, NDArray[Any]]:
        """Predictions of the test people after training on real ones, at both sizes in use.

        A generator's cohort is as large as the training set, that of the `real` control as the
        control group; the gap is always taken at equal size.
        """
        return {
            f"trtr_{n}": real_predictions(split, n, seed=seed)
            for n in {split.train.n, min(split.control.n, split.train.n)}
        }

    def score(self, synthetic: Cohort, reference: Reference, *, seed: int) -> dict[str, Estimate]:
        """Performance per predictor, its gap to real training people, and what labels add.

        A synthetic cohort whose labels or genotypes do not vary teaches nothing: its predictions
        are constant, with an AUC of .5 or an r of 0.
        """
        split = reference.split
        test, trait = split.test, split.test.trait
        if trait is None or synthetic.trait is None or synthetic.trait.kind != trait.kind:
            raise GenobenchError("prs_utility: synthetic and test people need the same trait")
        checked(synthetic.genotypes, name="synthetic", at_least=10)
        if synthetic.m != test.m:
            raise GenobenchError(
                f"synthetic people have {synthetic.m} variants, the test people {test.m}"
            )
        n = min(synthetic.n, split.train.n)
        real = reference.statistics.get(f"trtr_{n}")
        if real is None:
            real = real_predictions(split, n, seed=seed)
        measure = "auc" if trait.kind == "binary" else "r"
        draw = rng(seed, "prs_utility", "bootstrap")
        ridge = Ridge.of(synthetic.genotypes)
        scores, seconds = predictions(synthetic, test, ridge, seed=seed)
        found = _Found(test.n)
        for k, name in enumerate(PREDICTORS):
            own = performance(scores[k], trait.values, trait.kind)
            found.add(f"{name}_{measure}", own, seconds[k])
            gap = mean_gap(scores[k], real[:, k], trait.values, trait.kind, rng=draw)
            found.add(f"{name}_gap", gap)
        shuffled = _shuffled(synthetic, test, ridge, seed=seed)
        found.add("label_lift", label_lift(scores[1], shuffled, trait.values, trait.kind))
        found.add("calibration_slope", calibration_slope(scores[1], trait.values, trait.kind))
        return found.estimates


class _Found:
    """Estimates as they are made, each with the time since the one before."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.estimates: dict[str, Estimate] = {}
        self.last = time.perf_counter()

    def add(self, name: str, interval: Interval, seconds: float = 0.0) -> None:
        """Take ``interval``; ``seconds`` were spent on it elsewhere."""
        spent = seconds + time.perf_counter() - self.last
        self.estimates[name] = Estimate(*interval, n=self.n, seconds=spent)
        self.last = time.perf_counter()


def real_predictions(split: Split, n: int, *, seed: int) -> Floats:
    """(k, 3, h) predictions of the test people after training on ``n`` training people.

    All of them, once; or `REPEATS` draws of fewer, with the share of cases as it is.
    """
    train = split.train
    if n == train.n:
        sources = [train]
    else:
        draw = rng(seed, "prs_utility", "trtr", n)
        sources = [train.take(_drawn(train, n, draw)) for _ in range(REPEATS)]
    return np.stack(
        [predictions(s, split.test, Ridge.of(s.genotypes), seed=seed)[0] for s in sources]
    )


def predictions(
    source: Cohort, test: Cohort, ridge: Ridge, *, seed: int
) -> tuple[Floats, list[float]]:
    """(3, h) scores of the test people by each of `PREDICTORS`, and what each took in seconds.

    ``ridge`` is the decomposition of the source's genotypes.
    """
    kind, labels = _kind(source), source.labels
    g, h = source.genotypes, test.genotypes
    clock = [time.perf_counter()]
    scores = [marginal_scores(g, labels, h)]
    clock.append(time.perf_counter())
    scores.append(ridge.predict(*ridge.fit(labels, kind), h))
    clock.append(time.perf_counter())
    inner = derive(seed, "prs_utility", "xgb")
    scores.append(tree_scores(g, labels, h, kind=kind, seed=inner))
    clock.append(time.perf_counter())
    return np.stack(scores), np.diff(clock).tolist()


def _shuffled(source: Cohort, test: Cohort, ridge: Ridge, *, seed: int) -> Floats:
    """(SHUFFLES, h) scores of the joint predictor fitted to shuffled labels of the same people."""
    draw, kind = rng(seed, "prs_utility", "shuffle"), _kind(source)
    fits = (ridge.fit(draw.permutation(source.labels), kind) for _ in range(SHUFFLES))
    return np.stack([ridge.predict(*fit, test.genotypes) for fit in fits])


def _kind(cohort: Cohort) -> Kind:
    if cohort.trait is None:
        raise GenobenchError("prs_utility: these people have no trait: name one with --trait")
    return cohort.trait.kind


def _drawn(cohort: Cohort, n: int, draw: np.random.Generator) -> NDArray[np.int64]:
    """``n`` rows; of a binary trait as large a share of either class as in ``cohort``."""
    if _kind(cohort) == "quantitative":
        return np.sort(draw.choice(cohort.n, n, replace=False))
    cases, controls = np.flatnonzero(cohort.labels == 1), np.flatnonzero(cohort.labels == 0)
    n1 = min(max(round(n * len(cases) / cohort.n), n - len(controls)), len(cases))
    parts = [draw.choice(cases, n1, replace=False), draw.choice(controls, n - n1, replace=False)]
    return np.sort(np.concatenate(parts))
