"""Can a polygenic predictor be trained on synthetic people in place of real ones?

Train on synthetic, test on real (TSTR): four predictors are fitted on the synthetic cohort alone
and scored on test people, beside the same predictors fitted on as many training people (TRTR). The
joint ridge is also asked how it sorts and states risks, whether the synthetic labels obey a real
predictor (TRTS) and each other, and what synthetic people add to few real ones.
"""

from __future__ import annotations

import math
import time

import numpy as np

from genobench.cohort import Cohort
from genobench.data.split import Split
from genobench.errors import GenobenchError
from genobench.metrics import risk
from genobench.metrics.genotypes import checked
from genobench.metrics.intervals import Interval
from genobench.metrics.moments import times
from genobench.metrics.performance import (
    apart,
    calibration_slope,
    label_lift,
    mean_gap,
    performance,
)
from genobench.metrics.prediction import Floats, Ridge, cross_fitted
from genobench.seeds import rng
from genobench.task import Estimate, Reference, Task

from ._predictors import (
    FRACTIONS,
    JOINT,
    PREDICTORS,
    WITHIN,
    Facts,
    kind_of,
    predictions,
    real_facts,
    real_few,
    stratified,
)

SHUFFLES = 39  # the best of them is 2.5 % from the top
LARGEST = 50.0  # log odds ratio; beyond it is a handful of people whom a score separates

_Pair = tuple[Interval, Interval]


class PrsUtility(Task):
    """Marginal score, ridge, LDpred-inf and boosted trees: synthetic against real people."""

    def prepare(self, split: Split, *, seed: int) -> Facts:
        """What real training people teach: predictions of the test people, and joint effects.

        A generator's cohort is as large as the training set, that of the `real` control as the
        control group; the gap is always taken at equal size.
        """
        facts = real_few(split, seed=seed)
        for n in {split.train.n, min(split.control.n, split.train.n)}:
            facts |= real_facts(split, n, seed=seed)
        return facts

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
        facts = dict(reference.statistics)
        if f"trtr_{n}" not in facts:
            facts |= real_facts(split, n, seed=seed)
        real, kind, overlap = facts[f"trtr_{n}"], trait.kind, n / split.train.n
        measure = "auc" if kind == "binary" else "r"
        draw = rng(seed, "prs_utility", "bootstrap")
        ridge = Ridge.of(synthetic.genotypes)
        scores, seconds = predictions(synthetic, test, ridge, seed=seed)
        found = _Found(test.n)
        for k, name in enumerate(PREDICTORS):
            own = performance(scores[k], trait.values, kind)
            found.add(f"{name}_{measure}", own, seconds[k])
            gap = mean_gap(scores[k], real[:, k], trait.values, kind, rng=draw, overlap=overlap)
            found.add(f"{name}_gap", gap)
        shuffled = _shuffled(synthetic, test, ridge, seed=seed)
        found.add("label_lift", label_lift(scores[JOINT], shuffled, trait.values, kind))
        found.add("calibration_slope", calibration_slope(scores[JOINT], trait.values, kind))
        _risks(found, scores[JOINT], real[:, JOINT], synthetic, split, draw)
        _consistency(found, synthetic, split, facts, seed=seed)
        _augmentation(found, synthetic, split, facts, seed=seed)
        return found.estimates


class _Found:
    """Estimates as they are made, each with the time since the one before."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.estimates: dict[str, Estimate] = {}
        self.last = time.perf_counter()

    def add(self, name: str, interval: Interval, seconds: float = 0.0, n: int = 0) -> None:
        """Take ``interval`` over ``n`` people (0: the test people).

        ``seconds`` were spent on it elsewhere.
        """
        spent = seconds + time.perf_counter() - self.last
        self.estimates[name] = Estimate(*interval, n=n or self.n, seconds=spent)
        self.last = time.perf_counter()


def _risks(
    found: _Found,
    scores: Floats,
    real: Floats,
    synthetic: Cohort,
    split: Split,
    draw: np.random.Generator,
) -> None:
    """Calibration of the joint ridge and, of a binary trait, how it sorts people by risk.

    ``scores`` (h,) come from the synthetic people, ``real`` (k, h) from as many training people.
    """
    y, kind = split.test.labels, kind_of(split.test)
    people = risk.resamples(y, kind, draw)
    overlap = min(synthetic.n / split.train.n, 1.0)

    def measured(statistic: risk.Statistic, own: Floats, other: Floats) -> _Pair:
        return risk.against(statistic, own, other, y, people, overlap=overlap)

    slopes = risk.calibration_slopes if kind == "binary" else risk.linear_slopes
    found.add("calibration_slope_gap", measured(slopes, scores, real)[1])
    moved = scores + risk.prior_shift(synthetic.labels, y, kind)
    expected = real + risk.prior_shift(split.train.labels, y, kind)
    intercepts = risk.logit_intercepts if kind == "binary" else risk.linear_intercepts
    own = gap = Interval(math.nan)
    if np.isfinite(moved).all():
        own, gap = measured(intercepts, moved, expected)
    found.add("calibration_intercept", own)
    found.add("calibration_intercept_gap", gap)
    if kind == "quantitative":
        return
    own, gap = measured(risk.log_odds_ratio, scores, real)
    found.add("odds_ratio", Interval(*(math.exp(min(x, LARGEST)) for x in own)))
    found.add("odds_ratio_gap", gap)
    for name, statistic in (("top_lift", risk.top_lift), ("ap_lift", risk.precision_lift)):
        own, gap = measured(statistic, scores, real)
        found.add(name, own)
        found.add(f"{name}_gap", gap)


def _consistency(
    found: _Found, synthetic: Cohort, split: Split, facts: Facts, *, seed: int
) -> None:
    """Do the synthetic labels obey a predictor of real people, and one of other synthetic people?

    Both against what the same training people's predictor reaches in test people.
    """
    kind, draw = kind_of(synthetic), rng(seed, "prs_utility", "consistency")
    test, g, y = split.test, synthetic.genotypes, synthetic.labels
    n = min(synthetic.n, split.train.n)
    overlap = n / split.train.n
    joint = facts[f"joint_{n}"]
    scores = times(g, joint[:, :-1].T) + joint[:, -1]
    real = facts[f"trtr_{n}"][:, JOINT]
    gap = apart(scores.T, y, real, test.labels, kind, rng=draw)
    found.add("trts_gap", gap, n=synthetic.n)
    if synthetic.n > min(n, WITHIN):
        rows = stratified(synthetic, min(n, WITHIN), draw)
        g, y = g[rows], y[rows]
    inside = cross_fitted(g, y, kind, rng=draw)
    each = np.array([performance(r, test.labels, kind).value for r in real])
    gap = apart(
        inside[None],
        y,
        facts[f"fold_{n}"],
        test.labels,
        kind,
        rng=draw,
        extra_variance=risk.draw_variance(each, overlap=overlap),
    )
    found.add("inside_gap", gap, n=len(y))


def _augmentation(
    found: _Found, synthetic: Cohort, split: Split, facts: Facts, *, seed: int
) -> None:
    """Gain of a joint ridge on few real people from adding synthetic ones.

    As many synthetic people as there are control people at most, so that the `real` control shows
    what as many new people would have added.
    """
    draw = rng(seed, "prs_utility", "augmentation")
    rows = np.arange(synthetic.n)
    if synthetic.n > split.control.n:
        rows = stratified(synthetic, split.control.n, draw)
    added, labels = synthetic.genotypes[rows], synthetic.labels[rows]
    kind, test = kind_of(split.test), split.test
    for fraction in FRACTIONS:
        percent = round(100 * fraction)
        few = split.train.take(facts[f"few_{percent}"])
        ridge = Ridge.of(np.concatenate([few.genotypes, added]))
        both = np.concatenate([few.labels, labels])
        scores = ridge.predict(*ridge.fit(both, kind), test.genotypes)
        alone = facts[f"few_{percent}_alone"][None]
        gain = mean_gap(scores, alone, test.labels, kind, rng=draw)
        found.add(f"augment_{percent}", gain)


def _shuffled(source: Cohort, test: Cohort, ridge: Ridge, *, seed: int) -> Floats:
    """(SHUFFLES, h) scores of the joint predictor fitted to shuffled labels of the same people."""
    draw, kind = rng(seed, "prs_utility", "shuffle"), kind_of(source)
    fits = (ridge.fit(draw.permutation(source.labels), kind) for _ in range(SHUFFLES))
    return np.stack([ridge.predict(*fit, test.genotypes) for fit in fits])
