"""AUC, DeLong's variance and paired difference, TPR at FPR, against independent computations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binomtest, norm
from sklearn.metrics import roc_auc_score

from genobench.errors import GenobenchError
from genobench.metrics.auc import (
    auc,
    auc_contrast,
    auc_interval,
    clopper_pearson,
    delong,
    detectable_auc,
    tpr_at_fpr,
)

Floats = NDArray[np.float64]


def components(scores: Floats, labels: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """AUCs and covariance by the definition: every case against every control."""
    x, y = scores[:, labels, None], scores[:, None, ~labels]
    kernel = (x > y) + 0.5 * (x == y)  # (p, cases, controls)
    v1, v0 = kernel.mean(2), kernel.mean(1)
    covariance = np.cov(v1) / v1.shape[1] + np.cov(v0) / v0.shape[1]
    return kernel.mean((1, 2)), np.atleast_2d(covariance)


@pytest.mark.parametrize("levels", [3, 10, 10_000])
def test_equals_the_definition(levels: int) -> None:
    """AUC as scikit-learn's, covariance as from all pairs, with few and with many ties."""
    rng = np.random.default_rng(levels)
    labels = rng.random(157) < 0.3
    scores = rng.integers(0, levels, (3, 157)) + labels * rng.random((3, 1)) * levels // 3
    values, covariance = components(scores, labels)
    got, got_covariance = delong(scores, labels)
    np.testing.assert_allclose(got, [roc_auc_score(labels, s) for s in scores], atol=1e-12)
    np.testing.assert_allclose(got, values, atol=1e-12)
    np.testing.assert_allclose(got_covariance, covariance, atol=1e-14)
    assert auc(scores[0], labels) == pytest.approx(got[0], abs=1e-12)


def test_by_hand() -> None:
    """Cases 3 1, controls 2 0: three of four pairs in order; the variance on paper."""
    scores, labels = np.array([3.0, 1.0, 2.0, 0.0]), np.array([1, 1, 0, 0])
    # components: cases 1 and .5, controls .5 and 1; both variances are .125, halved and added
    value, low, high = auc_interval(scores, labels)
    assert value == 0.75
    assert low == pytest.approx(0.75 - 1.959964 * np.sqrt(0.125), abs=1e-6)
    assert high == 1.0
    paired = auc_contrast(np.stack([scores, -scores]), labels, (1, -1))
    assert paired.value == pytest.approx(0.5)
    assert paired.high - 0.5 == pytest.approx(2 * 1.959964 * np.sqrt(0.125), abs=1e-6)


def test_paired_interval_is_narrower() -> None:
    """Two nearly equal predictors differ with less error than either is known."""
    rng = np.random.default_rng(0)
    labels = rng.random(400) < 0.5
    first = rng.normal(size=400) + labels
    second = first + rng.normal(size=400) * 0.2
    paired = auc_contrast(np.stack([first, second]), labels, (1, -1))
    single = auc_interval(first, labels)
    assert paired.high - paired.low < 0.3 * (single.high - single.low)
    assert paired.value == pytest.approx(auc(first, labels) - auc(second, labels))


def test_interval_covers() -> None:
    """Of 400 samples with a true AUC of Phi(1 / sqrt 2), 95 % of the intervals hold it."""
    rng = np.random.default_rng(1)
    labels = np.arange(160) < 60
    held = 0
    for _ in range(400):
        _, low, high = auc_interval(rng.normal(size=160) + labels, labels)
        held += low <= 0.760250 <= high
    assert 0.92 <= held / 400 <= 0.98


def test_families_of_one_and_of_two() -> None:
    """People without relatives: DeLong's error; everybody twice: the error of half the people."""
    rng = np.random.default_rng(2)
    labels = np.arange(200) < 80
    scores = rng.normal(size=200) + labels
    plain = delong([scores], labels)[1][0, 0]
    alone = delong([scores], labels, np.arange(200))[1][0, 0]
    assert alone == pytest.approx(plain, rel=0.02)
    twice = delong([np.tile(scores, 2)], np.tile(labels, 2), np.tile(np.arange(200), 2))[1][0, 0]
    assert twice == pytest.approx(plain, rel=0.02)
    assert delong([np.tile(scores, 2)], np.tile(labels, 2))[1][0, 0] < 0.55 * plain


def test_apart_and_tied() -> None:
    """Classes fully apart still have an interval; a constant score has .5 and no doubt."""
    labels = np.arange(20) < 10
    assert auc_interval(labels, labels) == pytest.approx((1, 0.691503, 1), abs=1e-6)
    assert auc_interval(~labels, labels) == pytest.approx((0, 0, 0.308497), abs=1e-6)
    assert auc_interval(np.zeros(20), labels) == (0.5, 0.5, 0.5)


def test_tpr_at_fpr() -> None:
    """With 200 controls 1 % allows two false positives; a third ties and is called not at all."""
    controls = np.concatenate([np.full(195, 0.0), [1.0, 1.0, 5.0, 6.0, 7.0]])
    cases = np.array([8.0, 5.5, 5.0, 1.0])
    scores = np.concatenate([cases, controls])
    value, low, high = tpr_at_fpr(scores, np.arange(204) < 4, fpr=0.01)
    assert value == 0.5
    exact = binomtest(2, 4).proportion_ci(method="exact")
    assert (low, high) == pytest.approx((exact.low, exact.high))
    # two of the six controls at the top may be called, and so a third of the three cases there
    tied = np.concatenate([np.ones(3), np.zeros(1), np.ones(6), np.zeros(194)])
    assert tpr_at_fpr(tied, np.arange(204) < 4).value == pytest.approx(0.25)


@given(st.integers(1, 60), st.floats(0, 1))
def test_clopper_pearson_is_exact(n: int, share: float) -> None:
    """As scipy's exact interval."""
    hits = round(share * n)
    exact = binomtest(hits, n).proportion_ci(method="exact")
    assert clopper_pearson(hits, n) == pytest.approx((exact.low, exact.high), abs=1e-9)


def test_bad_input_is_named() -> None:
    """One class, unequal lengths, scores that are no numbers."""
    with pytest.raises(GenobenchError, match="one class"):
        auc(np.arange(4), np.ones(4))
    with pytest.raises(GenobenchError, match="do not go with"):
        auc(np.arange(4), np.ones(5))
    with pytest.raises(GenobenchError, match="1 scores are not finite"):
        auc([0.0, np.nan], [0, 1])


def test_detectable_auc_has_its_power() -> None:
    """Scores of that true AUC are detected in 80 % of 1,000 samples, corrected for three tests."""
    rng = np.random.default_rng(3)
    labels = np.arange(400) < 200
    smallest = detectable_auc(200, 200, tests=3)
    error = np.sqrt(401 / 12) / 200
    assert smallest == pytest.approx(0.5 + (2.393980 + 0.841621) * error, abs=1e-6)
    shift = np.sqrt(2) * norm.ppf(smallest)
    detected = [
        auc_interval(rng.normal(size=400) + shift * labels, labels, level=1 - 0.05 / 3).low > 0.5
        for _ in range(1000)
    ]
    assert np.mean(detected) == pytest.approx(0.8, abs=0.04)
    assert detectable_auc(200, 200) < smallest < detectable_auc(50, 50, tests=3)
    assert detectable_auc(2, 2, tests=3) == 1
    with pytest.raises(GenobenchError, match="cases, controls and a test"):
        detectable_auc(0, 5)
