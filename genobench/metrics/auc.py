"""Area under the ROC curve: mid-rank ties, DeLong's variance, paired differences, TPR at FPR.

DeLong, DeLong and Clarke-Pearson (Biometrics 1988) in the O(n log n) form of Sun and Xu
(IEEE Signal Processing Letters 2014).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy  # its `stats` is loaded when people are ranked: half a second that pages can spare
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv, ndtri

from genobench.errors import GenobenchError
from genobench.metrics.intervals import Interval

Floats = NDArray[np.float64]
LEVEL = 0.95


def auc(scores: ArrayLike, labels: ArrayLike) -> float:
    """P(score of a case > score of a control), a tie counting half.

    Parameters
    ----------
    scores
        (n,) finite; higher means more likely a case.
    labels
        (n,) true or 1 for cases, false or 0 for controls.

    Raises
    ------
    GenobenchError
        On unequal lengths, a score that is not finite, or labels of one class.
    """
    s, case = _checked(np.atleast_2d(np.asarray(scores)), labels)
    n1, n0 = int(case.sum()), int((~case).sum())
    rank_sum = scipy.stats.rankdata(s[0])[case].sum()
    return float((rank_sum - n1 * (n1 + 1) / 2) / (n1 * n0))


def delong(
    scores: ArrayLike, labels: ArrayLike, families: NDArray[Any] | None = None
) -> tuple[Floats, Floats]:
    """AUCs of several scores on the same people, and their covariance.

    Parameters
    ----------
    scores
        (p, n) finite.
    labels
        (n,) as in `auc`.
    families
        (n,) of each person, where people of one family are not independent; None: nobody has one.
        The components are then summed per family first (Obuchowski, Biometrics 1997).

    Returns
    -------
    (p,) AUCs and (p, p) covariance; the latter is NaN when a class has a single person.
    """
    s, case = _checked(scores, labels)
    n1, n0 = int(case.sum()), int((~case).sum())
    rankdata = scipy.stats.rankdata
    everyone = rankdata(s, axis=1)
    # structural components: the share of the other class that each person is ranked above
    v1 = (everyone[:, case] - rankdata(s[:, case], axis=1)) / n0
    v0 = 1 - (everyone[:, ~case] - rankdata(s[:, ~case], axis=1)) / n1
    aucs = v1.mean(1)
    if min(n1, n0) < 2:
        return aucs, np.full((len(s), len(s)), math.nan)
    if families is None:
        return aucs, np.atleast_2d(np.cov(v1)) / n1 + np.atleast_2d(np.cov(v0)) / n0
    influence = np.empty_like(s)
    influence[:, case] = (v1 - aucs[:, None]) / n1
    influence[:, ~case] = (v0 - aucs[:, None]) / n0
    _, family = np.unique(families, return_inverse=True)
    sums = np.stack([np.bincount(family.ravel(), part) for part in influence])
    count = sums.shape[1]
    return aucs, sums @ sums.T * (count / max(count - 1, 1))


def auc_interval(
    scores: ArrayLike,
    labels: ArrayLike,
    *,
    families: NDArray[Any] | None = None,
    level: float = LEVEL,
) -> Interval:
    """AUC with DeLong's interval; ``families`` as in `delong`.

    Classes that are fully apart have no DeLong variance. Then min(n1, n0) disjoint pairs are all in
    order, and the interval is Clopper and Pearson's for that many successes.
    """
    aucs, covariance = delong(np.atleast_2d(np.asarray(scores)), labels, families)
    value, variance = float(aucs[0]), float(covariance[0, 0])
    n1 = int(np.asarray(labels, bool).sum())
    n = np.size(labels)
    if value in (0.0, 1.0):
        pairs = min(n1, n - n1)
        low, high = clopper_pearson(round(value * pairs), pairs, level=level)
        return Interval(value, low, high)
    return normal_interval(value, variance, level=level, bounds=(0, 1))


def auc_contrast(
    scores: ArrayLike, labels: ArrayLike, weights: ArrayLike, *, extra_variance: float = 0.0
) -> Interval:
    """Weighted sum of AUCs measured on the same people; ``(1, -1)`` is the paired difference.

    Parameters
    ----------
    scores
        (p, n), one row per predictor.
    labels
        (n,) as in `auc`.
    weights
        (p,).
    extra_variance
        Variance from another source than the people, added to DeLong's.
    """
    aucs, covariance = delong(scores, labels)
    w = np.asarray(weights, float)
    variance = max(float(w @ covariance @ w), 0.0) + extra_variance
    return normal_interval(float(w @ aucs), variance)


def tpr_at_fpr(
    scores: ArrayLike, labels: ArrayLike, *, fpr: float = 0.01, level: float = LEVEL
) -> Interval:
    """Share of cases called when ``fpr`` of the controls are called, the highest scores first.

    Of the people tied at the threshold the share that fills up the false positives is called, the
    same of cases and of controls: the straight line of the ROC curve. The interval is Clopper and
    Pearson's over the cases, the threshold being held.
    """
    s, case = _checked(np.atleast_2d(np.asarray(scores)), labels)
    cases, controls = s[0, case], np.sort(s[0, ~case])[::-1]
    allowed = min(math.floor(fpr * controls.size + 1e-9), controls.size - 1)
    threshold = controls[allowed]
    filled = (allowed - (controls > threshold).sum()) / (controls == threshold).sum()
    hits = float((cases > threshold).sum() + filled * (cases == threshold).sum())
    low, high = clopper_pearson(hits, cases.size, level=level)
    return Interval(hits / cases.size, low, high)


def detectable_auc(
    cases: int, controls: int, *, tests: int = 1, level: float = LEVEL, power: float = 0.8
) -> float:
    """Smallest AUC above .5 that so many people would have shown.

    .5 + (z_(1 - alpha / 2k) + z_power) SE, with the standard error of an AUC of .5,
    sqrt((n1 + n0 + 1) / (12 n1 n0)) (Mann and Whitney 1947): a two-sided test at ``level``,
    corrected for ``tests`` of them. At most 1.

    Parameters
    ----------
    cases, controls
        Independent people of either class; relatives are worth less than they count.
    tests
        Attacks that were tried.
    level, power
        Of the interval, and the chance to detect that AUC.
    """
    if min(cases, controls, tests) < 1:
        raise GenobenchError("detectable AUC: it needs cases, controls and a test")
    error = math.sqrt((cases + controls + 1) / (12 * cases * controls))
    reach = float(ndtri(1 - (1 - level) / (2 * tests)) + ndtri(power))
    return min(1.0, 0.5 + reach * error)


def clopper_pearson(hits: float, n: int, *, level: float = LEVEL) -> tuple[float, float]:
    """Exact interval of a proportion (Clopper and Pearson, Biometrika 1934)."""
    tail = (1 - level) / 2
    low = float(betaincinv(hits, n - hits + 1, tail)) if hits > 0 else 0.0
    high = float(betaincinv(hits + 1, n - hits, 1 - tail)) if hits < n else 1.0
    return low, high


def normal_interval(
    value: float,
    variance: float,
    *,
    level: float = LEVEL,
    bounds: tuple[float, float] = (-math.inf, math.inf),
) -> Interval:
    """Interval with the normal interval ``value ± z sqrt(variance)``, clipped to ``bounds``."""
    margin = float(ndtri((1 + level) / 2)) * math.sqrt(variance)
    low, high = (min(max(edge, bounds[0]), bounds[1]) for edge in (value - margin, value + margin))
    return Interval(value, low, high)


def _checked(scores: ArrayLike, labels: ArrayLike) -> tuple[Floats, NDArray[Any]]:
    s = np.asarray(scores, np.float64)
    case = np.asarray(labels).astype(bool)
    if s.ndim != 2 or case.ndim != 1 or s.shape[1] != case.size:
        raise GenobenchError(f"AUC: scores {s.shape} do not go with labels {case.shape}")
    if not np.isfinite(s).all():
        raise GenobenchError(f"AUC: {int((~np.isfinite(s)).sum())} scores are not finite")
    if case.all() or not case.any():
        raise GenobenchError(f"AUC: {case.size} people of one class; it needs cases and controls")
    return s, case
