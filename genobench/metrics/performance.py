"""How well predictions of a trait fit people whom the predictor has not seen.

AUC for a binary trait, Pearson's r for a quantitative one; every comparison of predictors is paired
over the same people.
"""

from __future__ import annotations

import math

import numpy as np

from genobench.cohort import Labels
from genobench.metrics.auc import auc_contrast, auc_interval
from genobench.metrics.intervals import Z95, Interval, normal
from genobench.metrics.prediction import Floats, Kind
from genobench.metrics.risk import draw_variance, logistic_lines


def performance(scores: Floats, labels: Labels, kind: Kind) -> Interval:
    """AUC with DeLong's interval, or Pearson's r with Fisher's; a constant score has .5 or 0.

    Parameters
    ----------
    scores, labels
        (h,) of people whom the predictor has not seen.
    """
    if kind == "binary":
        return auc_interval(scores, labels)
    n = len(labels)
    r = float(_correlations(scores[None], labels, np.ones((1, n)))[0, 0])
    if n < 4:
        return Interval(r)
    z, margin = math.atanh(max(min(r, 1 - 1e-12), -1 + 1e-12)), Z95 / math.sqrt(n - 3)
    return Interval(r, math.tanh(z - margin), math.tanh(z + margin))


def contrast(
    scores: Floats,
    labels: Labels,
    weights: Floats,
    kind: Kind,
    *,
    rng: np.random.Generator,
    extra_variance: float = 0.0,
) -> Interval:
    """Weighted sum of the performances of several scores on the same people.

    Parameters
    ----------
    scores
        (p, h), one row per predictor.
    labels
        (h,).
    weights
        (p,); ``(1, -1)`` is the paired difference.
    rng
        Draws the 500 bootstrap samples of people for a quantitative trait; a binary one has
        DeLong's covariance.
    extra_variance
        From another source than the people scored.
    """
    if kind == "binary":
        return auc_contrast(scores, labels, weights, extra_variance=extra_variance)
    n = len(labels)
    people = rng.multinomial(n, np.full(n, 1 / n), size=500).astype(np.float64)
    value = float(_correlations(scores, labels, np.ones((1, n)))[0] @ weights)
    spread = _correlations(scores, labels, people) @ weights
    return normal(value, math.sqrt(float(spread.var(ddof=1)) + extra_variance))


def mean_gap(
    scores: Floats,
    others: Floats,
    labels: Labels,
    kind: Kind,
    *,
    rng: np.random.Generator,
    overlap: float = 0.0,
) -> Interval:
    """Performance of one predictor minus the mean performance of others, on the same people.

    Parameters
    ----------
    scores
        (h,).
    others
        (k, h), k >= 1: the same predictor fitted k times in another way, such as to draws of real
        people or to shuffled labels.
    overlap
        Share of the same people that each of several draws takes.

    Returns
    -------
    Interval
        Its variance is that over the people scored; for k > 1 also how far apart such fits land by
        chance (`risk.draw_variance`).
    """
    k = len(others)
    each = np.array([performance(other, labels, kind).value for other in others])
    between = draw_variance(each, overlap=overlap)
    weights = np.concatenate([[1.0], np.full(k, -1 / k)])
    every = np.vstack([scores[None], others])
    return contrast(every, labels, weights, kind, rng=rng, extra_variance=between)


def apart(
    scores: Floats,
    labels: Labels,
    others: Floats,
    other_labels: Labels,
    kind: Kind,
    *,
    rng: np.random.Generator,
    extra_variance: float = 0.0,
) -> Interval:
    """Mean performance of some predictors on some people minus that of others on other people.

    Parameters
    ----------
    scores, labels
        (k, n), (n,); k >= 1.
    others, other_labels
        (j, h), (h,); j >= 1.
    rng, extra_variance
        As in `contrast`.

    Returns
    -------
    Interval
        The variances over the two groups of people add up. NaN where labels of a binary trait are
        of one class.
    """
    value, variance = 0.0, extra_variance
    for sign, each, y in ((1, scores, labels), (-1, others, other_labels)):
        if np.ptp(y) == 0:
            return Interval(math.nan)
        mean = contrast(each, y, np.full(len(each), 1 / len(each)), kind, rng=rng)
        value += sign * mean.value
        variance += ((mean.high - mean.low) / (2 * Z95)) ** 2
    return normal(value, math.sqrt(variance))


def label_lift(scores: Floats, shuffled: Floats, labels: Labels, kind: Kind) -> Interval:
    """Performance of a predictor minus the mean of those fitted to shuffled labels.

    Parameters
    ----------
    scores
        (h,).
    shuffled
        (k, h), fitted to the same people after shuffling their labels.

    Returns
    -------
    Interval
        From the best to the worst shuffle: a permutation test, exact at the level 1 / (k + 1) a
        side. The lower end is above 0 when no shuffle did as well. Strong LD lets shuffles land far
        from chance on either side, which is why errors over the people scored would not do.
    """
    own = performance(scores, labels, kind).value
    each = np.array([performance(other, labels, kind).value for other in shuffled])
    return Interval(*(float(own - x) for x in (each.mean(), each.max(), each.min())))


def calibration_slope(predictor: Floats, labels: Labels, kind: Kind) -> Interval:
    """Slope of the trait on the linear predictor (a logit when binary), free intercept.

    Below 1 the predictor claims more than it knows. NaN where it is constant. Wald interval.
    """
    spread = float(predictor.std())
    if spread < 1e-12:
        return Interval(math.nan)
    x = (predictor - predictor.mean()) / spread
    if kind == "quantitative":
        y = labels - labels.mean(dtype=np.float64)
        value = float(x @ y) / len(y)  # x has mean square 1
        residual = y - x * value
        error = math.sqrt(float(residual @ residual) / max(len(y) - 2, 1) / len(y))
    else:
        slopes, errors = logistic_lines(x, labels, np.ones((1, len(x))))
        value, error = float(slopes[0]), float(errors[0])
    return normal(value / spread, error / spread)


def _correlations(scores: Floats, labels: Labels, people: Floats) -> Floats:
    """(b, p) Pearson r of each score (p, h) under each weighting of the people (b, h)."""
    y = labels.astype(np.float64) - labels.mean(dtype=np.float64)
    s = scores - scores.mean(1, keepdims=True)
    total = people.sum(1, keepdims=True)
    mean_s, mean_y = people @ s.T / total, (people @ y)[:, None] / total
    covariance = people @ (s * y).T / total - mean_s * mean_y
    variance = (people @ (s**2).T / total - mean_s**2) * (
        (people @ y**2)[:, None] / total - mean_y**2
    )
    floor = 1e-24 * max(float((s**2).max(initial=0) * (y**2).max(initial=0)), 1e-300)
    r: Floats = np.divide(
        covariance,
        np.sqrt(np.maximum(variance, 1e-300)),
        out=np.zeros_like(covariance),
        where=variance > floor,
    )
    return r
