"""GWAS against GWAS: regression by hand, planted effects, worked examples."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression

from genobench.cohort import Cohort
from genobench.metrics import association
from genobench.metrics.association import Scan
from genobench.metrics.prediction import Floats


def scan(beta: Floats, error: float = 1.0) -> Scan:
    """A scan of these effects, all of one standard error."""
    z = beta / error
    return Scan(z, 2 * stats.norm.sf(np.abs(z)), beta)


def noisy(true: Floats, seed: int) -> Scan:
    """Scan of effects measured with error 1."""
    return scan(true + np.random.default_rng(seed).normal(size=len(true)))


TRUE = np.random.default_rng(0).normal(0, 2, 4000)


def test_scan_is_a_regression(make_cohort: Callable[..., Cohort]) -> None:
    """P values of least squares, with and without covariates; constant SNPs have none."""
    cohort = make_cohort(300, 20, 3, kind="quantitative")
    g = np.array(cohort.genotypes)
    g[:, 4] = 1
    found = Scan.of(g, cohort.labels, np.zeros((300, 0)), "quantitative")
    line = stats.linregress(g[:, 3], cohort.labels)
    assert found.p[3] == pytest.approx(line.pvalue, rel=1e-6)
    assert found.beta[3] == pytest.approx(line.slope, rel=1e-5)
    assert (found.z[4], found.p[4], found.beta[4]) == (0, 1, 0)
    covariate = np.random.default_rng(0).normal(size=(300, 1)) + g[:, [3]]
    design = np.column_stack([np.ones(300), covariate, g[:, 3]])
    coefficients, residual = np.linalg.lstsq(design, cohort.labels.astype(float), rcond=None)[:2]
    error = math.sqrt(residual[0] / 297 * np.linalg.inv(design.T @ design)[2, 2])
    adjusted = Scan.of(g, cohort.labels, covariate, "quantitative")
    assert adjusted.beta[3] == pytest.approx(coefficients[2], rel=1e-5)
    assert adjusted.p[3] == pytest.approx(2 * stats.t.sf(abs(coefficients[2] / error), 297))
    assert adjusted.information[3] == pytest.approx((adjusted.z[3] / adjusted.beta[3]) ** 2)


def test_binary_effects_are_log_odds_ratios(make_cohort: Callable[..., Cohort]) -> None:
    """To first order, as from logistic regression."""
    cohort = make_cohort(3000, 20, 3)
    found = Scan.of(cohort.genotypes, cohort.labels, np.zeros((3000, 0)), "binary")
    j = int(np.argsort(np.abs(found.z))[10])  # of middling effect
    model = LogisticRegression(C=1e12, tol=1e-10).fit(cohort.genotypes[:, [j]], cohort.labels)
    assert found.beta[j] == pytest.approx(model.coef_[0, 0], rel=0.05, abs=0.005)


def test_labels_without_variation_find_nothing(toy: Cohort) -> None:
    """One class, or covariates that leave nothing to test: no association, no crash."""
    for labels, c in ((np.ones(400, np.float32), 0), (toy.labels, 400)):
        found = Scan.of(toy.genotypes, labels, np.zeros((400, c)), "binary")
        assert not found.z.any()
        assert (found.p == 1).all()
        assert not found.information.any()


def test_z_correlation() -> None:
    """Two noisy scans correlate by their reliability, 4 / 5 here; nothing correlates 0."""
    value, low, high = association.z_correlation(noisy(TRUE, 1), noisy(TRUE, 2))
    assert value == pytest.approx(0.8, abs=0.03)
    assert low < 0.8 < high
    null = association.z_correlation(noisy(0 * TRUE, 1), noisy(TRUE, 2))
    assert null.low < 0 < null.high
    assert association.z_correlation(scan(0 * TRUE), noisy(TRUE, 2)).value == 0
    assert math.isnan(association.z_correlation(noisy(TRUE, 2), scan(0 * TRUE)).value)


def test_effect_slope_is_freed_of_noise() -> None:
    """Other real people show 1 where plain regression shows .8; doubled effects show 2."""
    real = noisy(TRUE, 2)
    for factor in (0.5, 1.0, 2.0):
        value, low, high = association.effect_slope(noisy(factor * TRUE, 1), real)
        assert value == pytest.approx(factor, abs=0.06)
        assert low < factor < high
    plain = noisy(TRUE, 1).beta @ real.beta / (real.beta @ real.beta)
    assert plain == pytest.approx(0.8, abs=0.03)
    assert math.isnan(association.effect_slope(real, noisy(0 * TRUE, 5)).value)


def test_the_counted_allele_does_not_matter() -> None:
    """Turning the sign of an effect in both scans changes nothing."""
    sign = np.where(np.arange(len(TRUE)) % 3, 1, -1)
    one, two = noisy(TRUE, 1), noisy(TRUE, 2)
    other = [Scan(sign * s.z, s.p, sign * s.beta) for s in (one, two)]
    for measure in (association.z_correlation, association.effect_slope, association.lambda_ratio):
        assert measure(*other) == pytest.approx(measure(one, two))
    assert association.hit_recall(*other, at=0.01) == association.hit_recall(one, two, at=0.01)


def test_hits_by_hand() -> None:
    """Four real hits: one found, one missed, one with the other sign, one found."""
    real = scan(np.array([6.0, 6, -7, 8, 0.5, 2.5]))
    made = scan(np.array([6.0, 1, 9, 7, 6, 6]))
    assert association.hit_recall(made, real, at=5e-8).value == 0.5
    # five synthetic hits: the third has the other sign, the fifth is not replicated
    assert association.false_discoveries(made, real, at=5e-8).value == 0.4
    none = scan(np.zeros(6))
    assert association.hit_recall(none, real, at=5e-8).value == 0
    assert math.isnan(association.hit_recall(real, none, at=5e-8).value)
    assert math.isnan(association.false_discoveries(none, real, at=5e-8).value)


def test_level_of_a_hit() -> None:
    """5e-8 where ten SNPs reach it, .05 over their number otherwise."""
    assert association.level(scan(np.full(10, 6.0))) == 5e-8
    assert association.level(scan(np.append(np.full(9, 6.0), 1))) == pytest.approx(0.005)


def test_lambda_ratio() -> None:
    """The median chi-square of doubled z-scores is four times as high."""
    real = noisy(TRUE, 1)
    assert association.lambda_ratio(scan(2 * real.beta), real).value == pytest.approx(4)
    null = association.lambda_ratio(noisy(0 * TRUE, 1), noisy(0 * TRUE, 2))
    assert null.low < 1 < null.high
    assert math.isnan(association.lambda_ratio(real, scan(0 * TRUE)).value)


def test_jackknife_of_a_median() -> None:
    """Over many pairs of null scans the interval holds the truth about as often as it says."""
    held = 0
    for seed in range(100):
        found = association.lambda_ratio(
            noisy(np.zeros(400), seed), noisy(np.zeros(400), 500 + seed)
        )
        held += found.low < 1 < found.high
    assert held >= 85


def test_implied_effects() -> None:
    """A SNP in full LD with a causal one shows its effect, an unlinked one shows nothing."""
    rng = np.random.default_rng(0)
    causal, other = rng.binomial(2, 0.3, (2, 4000)).astype(np.int8)
    g = np.stack([causal, 2 - causal, other], axis=1)
    implied = association.implied_effects(np.array([0.5, 0, 0]), g, [slice(0, 3)])
    own = 0.5 * causal.std()
    assert implied == pytest.approx([own, -own, 0], abs=0.02)
    apart = association.implied_effects(
        np.array([0.5, 0, 0]), g, [slice(0, 1), slice(1, 2), slice(2, 3)]
    )
    assert apart == pytest.approx([own, 0, 0], abs=1e-6)
    assert association.causal_correlation(scan(implied), implied).value == pytest.approx(1)


def test_causal_ranking() -> None:
    """1 where every causal SNP has the larger effect, .5 for equal ones, NaN with too few."""
    causal = np.arange(100) % 10 == 0
    assert association.causal_ranking(np.where(causal, -2.0, 1.0), causal).value == 1
    assert association.causal_ranking(np.ones(100), causal).value == 0.5
    assert math.isnan(association.causal_ranking(np.ones(100), np.arange(100) < 4).value)


def test_adjusted_labels_are_uncorrelated() -> None:
    """Residuals of least squares."""
    rng = np.random.default_rng(0)
    c = rng.normal(size=(200, 3))
    labels = (c[:, 0] + rng.normal(size=200) > 0).astype(np.float32)
    left = association.adjusted(labels, c)
    assert np.abs(c.T @ left).max() < 1e-4
    assert left.sum() == pytest.approx(0, abs=1e-4)
    assert not association.adjusted(np.ones(200, np.float32), c).any()
