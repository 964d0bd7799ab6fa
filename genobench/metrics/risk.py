"""How well predictions sort people by risk, and whether the risks claimed are true.

Every statistic is computed under many weightings of the people at once; comparing predictors under
the same weightings pairs them.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.special import expit

from genobench.cohort import Labels
from genobench.metrics.intervals import Interval, normal
from genobench.metrics.prediction import Floats, Kind

Statistic = Callable[[Floats, Labels, Floats], Floats]
RESAMPLES = 200
TOP = 0.1  # share of people called at high risk


def resamples(labels: Labels, kind: Kind, rng: np.random.Generator) -> Floats:
    """(1 + RESAMPLES, h) weights of people: 1 each, then bootstrap samples.

    For a binary trait cases and controls are drawn apart: how common they are is no property of a
    predictor.
    """
    strata = np.zeros(len(labels)) if kind == "quantitative" else labels
    people = np.ones((1 + RESAMPLES, len(labels)))
    for stratum in np.unique(strata):
        rows = np.flatnonzero(strata == stratum)
        drawn = rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), size=RESAMPLES)
        people[1:, rows] = drawn
    return people


def draw_variance(values: Floats, *, overlap: float) -> float:
    """Variance, from who was drawn to train on, of one value minus the mean of others.

    Parameters
    ----------
    values
        (k,) of predictors trained on k draws from the same people; 0 for k = 1, which cannot tell.
    overlap
        Share of those people that each draw takes. Draws have it in common on average, so that
        they differ by less than samples of new people would, and err together.
    """
    k = len(values)
    if k == 1:
        return 0.0
    fresh = float(values.var(ddof=1)) / (1 - overlap)
    return fresh * (1 + overlap + (1 - overlap) / k)


def against(
    statistic: Statistic,
    scores: Floats,
    others: Floats,
    labels: Labels,
    people: Floats,
    *,
    overlap: float = 0.0,
) -> tuple[Interval, Interval]:
    """A statistic of one predictor, and minus its mean over other predictors.

    Parameters
    ----------
    statistic
        One of those below.
    scores
        (h,).
    others
        (k, h): the same predictor fitted k times in another way, as in `performance.mean_gap`.
    labels
        (h,).
    people
        (b, h) from `resamples`.
    overlap
        As in `draw_variance`, of the others.

    Returns
    -------
    Two intervals from the bootstrap's standard error; that of the difference has `draw_variance` in
    it. NaN where the statistic is.
    """
    own = statistic(scores, labels, people)
    each = np.stack([statistic(other, labels, people) for other in others])
    between = draw_variance(each[:, 0], overlap=overlap)
    return _interval(own), _interval(own - each.mean(0), between)


def log_odds_ratio(scores: Floats, labels: Labels, people: Floats) -> Floats:
    """(b,) log odds ratio per standard deviation of the score among controls.

    From a logistic regression on the score (Khera 2018, Nature Genetics 50:1219, reports it so);
    0 for a score that does not vary.

    Parameters
    ----------
    scores, labels
        (h,), binary.
    people
        (b, h) weights.
    """
    weights = people * (labels == 0)
    total = weights.sum(1)
    mean = weights @ scores / total
    variance = np.maximum(weights @ (scores - scores.mean()) ** 2 / total, 0)
    variance = np.maximum(variance - (mean - scores.mean()) ** 2, 0)
    ratio: Floats = np.nan_to_num(calibration_slopes(scores, labels, people)) * np.sqrt(variance)
    return ratio


def top_lift(scores: Floats, labels: Labels, people: Floats) -> Floats:
    """(b,) share of cases in the tenth of people with the highest scores, over that in everybody.

    Of people tied at the edge of the tenth each counts in part. Arguments as `log_odds_ratio`.
    """
    weight, cases = _tie_groups(scores, labels, people)
    before = np.cumsum(weight, axis=1) - weight
    room = TOP * weight.sum(1, keepdims=True)
    share = np.clip((room - before) / np.maximum(weight, 1e-300), 0, 1)
    lift: Floats = (share * cases).sum(1) / room[:, 0] / _prevalence(weight, cases)
    return lift


def precision_lift(scores: Floats, labels: Labels, people: Floats) -> Floats:
    """(b,) average precision over the share of cases: 1 for chance.

    Average precision is the sum of precision times the step in recall over the distinct scores, the
    highest first (as in scikit-learn). Arguments as `log_odds_ratio`.
    """
    weight, cases = _tie_groups(scores, labels, people)
    precision = np.cumsum(cases, axis=1) / np.maximum(np.cumsum(weight, axis=1), 1e-300)
    average = (precision * cases).sum(1) / cases.sum(1)
    lift: Floats = average / _prevalence(weight, cases)
    return lift


def calibration_slopes(logits: Floats, labels: Labels, people: Floats) -> Floats:
    """(b,) slope of a logistic regression on the predicted logit, free intercept; NaN if constant.

    Arguments as `log_odds_ratio`.
    """
    spread = float(logits.std())
    if spread < 1e-12:
        return np.full(len(people), math.nan)
    slope: Floats = logistic_lines((logits - logits.mean()) / spread, labels, people)[0] / spread
    return slope


def linear_slopes(predictions: Floats, labels: Labels, people: Floats) -> Floats:
    """(b,) least-squares slope of a quantitative trait on its prediction; NaN if constant."""
    if float(predictions.std()) < 1e-12:
        return np.full(len(people), math.nan)
    x, y = predictions - predictions.mean(), labels - labels.mean(dtype=np.float64)
    total = people.sum(1)
    mean_x, mean_y = people @ x / total, people @ y / total
    slope: Floats = (people @ (x * y) / total - mean_x * mean_y) / (
        people @ x**2 / total - mean_x**2
    )
    return slope


def logit_intercepts(logits: Floats, labels: Labels, people: Floats) -> Floats:
    """(b,) calibration in the large: intercept of a logistic regression with the logit as offset.

    Above 0 the risks claimed are too low (Van Calster 2019, BMC Medicine 17:230). Arguments as
    `log_odds_ratio`.
    """
    intercept = np.zeros(len(people))
    cases = people @ labels.astype(np.float64)
    for _ in range(50):
        p = expit(intercept[:, None] + logits)
        slope = np.maximum((people * (p * (1 - p))).sum(1), 1e-9)
        step = np.clip((cases - (people * p).sum(1)) / slope, -2, 2)
        intercept = intercept + step
        if np.abs(step).max() < 1e-9:
            break
    return intercept


def linear_intercepts(predictions: Floats, labels: Labels, people: Floats) -> Floats:
    """(b,) mean of trait minus prediction, in standard deviations of the trait."""
    residual: Floats = people @ (labels - predictions) / people.sum(1)
    return residual / float(labels.std(dtype=np.float64))


def prior_shift(source: Labels, target: Labels, kind: Kind) -> float:
    """What to add to a prediction of people in whom the trait is more, or less, common.

    Difference of the logits of the shares of cases (Saerens 2002, Neural Computation 14:21), or of
    the means of a quantitative trait. NaN when a binary source has a single class.
    """
    one, two = float(source.mean(dtype=np.float64)), float(target.mean(dtype=np.float64))
    if kind == "quantitative":
        return two - one
    if not (0 < one < 1 and 0 < two < 1):
        return math.nan
    return math.log(two / (1 - two)) - math.log(one / (1 - one))


def logistic_lines(x: Floats, labels: Labels, people: Floats) -> tuple[Floats, Floats]:
    """Logistic regressions of a binary trait on one variable, by Newton's method.

    Parameters
    ----------
    x, labels
        (h,); x of mean about 0 and variance about 1.
    people
        (b, h) weights, one regression each.

    Returns
    -------
    (b,) slopes and (b,) their standard errors. A ridge of 1e-6 keeps them finite where x separates
    cases from controls.
    """
    theta = np.zeros((2, len(people)))
    observed = people @ labels, people @ (labels * x)
    for _ in range(30):
        p = expit(theta[0][:, None] + theta[1][:, None] * x)
        weight = people * p
        score = observed[0] - weight.sum(1), observed[1] - weight @ x
        weight *= 1 - p
        a, b, d = weight.sum(1) + 1e-6, weight @ x, weight @ x**2 + 1e-6
        determinant = a * d - b * b
        step = np.stack([d * score[0] - b * score[1], a * score[1] - b * score[0]]) / determinant
        theta += np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-9:
            break
    return theta[1], np.sqrt(a / determinant)


def _interval(values: Floats, extra_variance: float = 0.0) -> Interval:
    """First value, with the spread of the others as its standard error."""
    if not np.isfinite(values).all():
        return Interval(float(values[0]))
    return normal(float(values[0]), math.sqrt(float(values[1:].var(ddof=1)) + extra_variance))


def _tie_groups(scores: Floats, labels: Labels, people: Floats) -> tuple[Floats, Floats]:
    """(b, groups) weight of people, and of cases, at each distinct score, the highest first."""
    order = np.argsort(-scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=math.inf))
    sorted_people = people[:, order]
    weight = np.add.reduceat(sorted_people, starts, axis=1)
    return weight, np.add.reduceat(sorted_people * labels[order], starts, axis=1)


def _prevalence(weight: Floats, cases: Floats) -> Floats:
    share: Floats = cases.sum(1) / weight.sum(1)
    return share
