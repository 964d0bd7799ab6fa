"""Sorting people by risk and stating it: against scikit-learn, closed forms and worked examples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import average_precision_score

from genobench.cohort import Labels
from genobench.metrics import risk
from genobench.metrics.prediction import Floats

STATISTICS = (
    risk.log_odds_ratio,
    risk.top_lift,
    risk.precision_lift,
    risk.calibration_slopes,
    risk.logit_intercepts,
)


def people(n: int = 600, seed: int = 0, *, claimed: float = 1.0) -> tuple[Floats, Labels]:
    """Logits, rounded so that there are ties and ``claimed`` times too strong, and labels."""
    rng = np.random.default_rng(seed)
    true = rng.normal(-0.8, 1.0, n)
    labels = (rng.random(n) < expit(true)).astype(np.float32)
    return np.round(claimed * true, 1), labels


def ones(labels: Labels) -> Floats:
    """One weighting: everybody once."""
    return np.ones((1, len(labels)))


@pytest.mark.parametrize("statistic", STATISTICS)
def test_a_weight_is_a_repetition(statistic: risk.Statistic) -> None:
    """A person of weight w counts as w people, one of weight 0 as nobody."""
    scores, labels = people()
    weights = np.random.default_rng(1).integers(0, 4, len(labels))
    again = np.repeat(np.arange(len(labels)), weights)
    weighted = statistic(scores, labels, weights[None].astype(float))
    repeated = statistic(scores[again], labels[again], ones(labels[again]))
    np.testing.assert_allclose(weighted, repeated, rtol=1e-6)


def test_odds_ratio_is_scikit_learns() -> None:
    """Unpenalised logistic coefficient times the standard deviation among controls."""
    scores, labels = people()
    model = LogisticRegression(C=1e12, tol=1e-10).fit(scores[:, None], labels)
    expected = model.coef_[0, 0] * scores[labels == 0].std()
    assert risk.log_odds_ratio(scores, labels, ones(labels))[0] == pytest.approx(expected, abs=1e-4)
    assert risk.log_odds_ratio(np.zeros(600), labels, ones(labels))[0] == 0


def test_top_lift_by_hand() -> None:
    """Of 20 people 4 are cases; both of the highest two are: 1 / .2. Ties count in part."""
    scores = np.arange(20.0)
    labels: Labels = np.zeros(20, np.float32)
    labels[[19, 18, 3, 1]] = 1
    assert risk.top_lift(scores, labels, ones(labels))[0] == pytest.approx(5)
    tied = np.minimum(scores, 16)  # the top 4, with 2 cases, share the 2 places
    assert risk.top_lift(tied, labels, ones(labels))[0] == pytest.approx(2.5)
    assert risk.top_lift(np.zeros(20), labels, ones(labels))[0] == pytest.approx(1)


def test_average_precision_is_scikit_learns() -> None:
    """Ties included; over the share of cases."""
    scores, labels = people()
    expected = average_precision_score(labels, scores) / labels.mean()
    assert risk.precision_lift(scores, labels, ones(labels))[0] == pytest.approx(expected, rel=1e-6)
    chance = risk.precision_lift(np.zeros(600), labels, ones(labels))[0]
    assert chance == pytest.approx(1)


def test_calibration_finds_what_was_claimed() -> None:
    """A predictor twice too strong has slope .5, one shifted by .7 has intercept -.7."""
    scores, labels = people(20_000, claimed=2.0)
    slope = risk.calibration_slopes(scores, labels, ones(labels))[0]
    model = LogisticRegression(C=1e12, tol=1e-10).fit(scores[:, None], labels)
    assert slope == pytest.approx(model.coef_[0, 0], abs=1e-4)
    assert slope == pytest.approx(0.5, abs=0.03)
    scores, labels = people(20_000)
    exact = risk.logit_intercepts(scores + 0.7, labels, ones(labels))[0]
    assert exact == pytest.approx(-0.7, abs=0.05)
    # by definition the risks then add up to the cases
    assert expit(scores + 0.7 + exact).sum() == pytest.approx(labels.sum(), rel=1e-9)
    assert math.isnan(risk.calibration_slopes(np.zeros(5), labels[:5], ones(labels[:5]))[0])


def test_linear_calibration() -> None:
    """Least squares with weights; the intercept is in standard deviations of the trait."""
    rng = np.random.default_rng(0)
    x = rng.normal(3, 2, 400)
    y = (0.5 * x + rng.normal(size=400)).astype(np.float32)
    weights = rng.integers(0, 3, (2, 400)).astype(float)
    for w, slope in zip(weights, risk.linear_slopes(x, y, weights), strict=True):
        line = LinearRegression().fit(x[:, None], y, sample_weight=w)
        assert slope == pytest.approx(line.coef_[0], rel=1e-5)
    intercept = risk.linear_intercepts(x, y, np.ones((1, 400)))[0]
    assert intercept == pytest.approx((y.mean() - x.mean()) / y.std(), rel=1e-5)
    assert math.isnan(risk.linear_slopes(np.zeros(400), y, weights)[0])


def test_prior_shift_undoes_another_prevalence() -> None:
    """Half the synthetic people are cases, three of ten test people: no miscalibration by that."""
    rng = np.random.default_rng(0)
    labels = (rng.random(40_000) < 0.3).astype(np.float32)
    x = rng.normal(size=40_000) + labels  # two normals: the logit at prior 1/2 is x - 1/2
    source: Labels = np.array([0, 1], np.float32)
    shift = risk.prior_shift(source, labels, "binary")
    assert shift == pytest.approx(logit(labels.mean(dtype=float)))
    assert risk.logit_intercepts(x - 0.5, labels, ones(labels))[0] < -0.7
    assert risk.logit_intercepts(x - 0.5 + shift, labels, ones(labels))[0] == pytest.approx(
        0, abs=0.04
    )
    three: Labels = np.array([0, 1, 1, 1], np.float32)
    assert risk.prior_shift(three, source, "binary") == pytest.approx(-math.log(3))
    assert math.isnan(risk.prior_shift(np.ones(3, np.float32), labels, "binary"))
    assert risk.prior_shift(source, labels, "quantitative") == pytest.approx(labels.mean() - 0.5)


def test_resamples_keep_the_classes() -> None:
    """The first row is everybody; bootstrap samples have as many cases and controls."""
    _, labels = people(200)
    weights = risk.resamples(labels, "binary", np.random.default_rng(0))
    assert weights.shape == (1 + risk.RESAMPLES, 200)
    np.testing.assert_array_equal(weights[0], 1)
    np.testing.assert_array_equal(weights @ labels, labels.sum())
    np.testing.assert_array_equal(weights.sum(1), 200)


def test_bootstrap_error_agrees_with_wald() -> None:
    """The interval of the odds ratio is about as wide as the information matrix says."""
    scores, labels = people(2000)
    weights = risk.resamples(labels, "binary", np.random.default_rng(0))
    own, gap = risk.against(risk.log_odds_ratio, scores, scores[None], labels, weights)
    assert gap == pytest.approx((0, 0, 0), abs=1e-12)
    standard = (scores - scores.mean()) / scores.std()
    error = risk.logistic_lines(standard, labels, ones(labels))[1][0]
    control_sd = scores[labels == 0].std() / scores.std()
    assert (own.high - own.low) / 3.92 == pytest.approx(error * control_sd, rel=0.2)


def test_worse_predictors_lose() -> None:
    """Noise in the score lowers every measure of sorting, beyond the paired interval."""
    scores, labels = people(3000)
    weights = risk.resamples(labels, "binary", np.random.default_rng(0))
    noisy = scores + np.random.default_rng(2).normal(0, 1.5, 3000)
    for statistic in STATISTICS[:4]:
        _, gap = risk.against(statistic, noisy, scores[None], labels, weights)
        assert gap.high < 0, statistic.__name__


def test_draw_variance() -> None:
    """Means of fresh people minus those of overlapping draws of others: as simulated."""
    rng = np.random.default_rng(0)
    n, total, k = 40, 100, 4
    seen, claimed = [], []
    for _ in range(4000):
        pool = rng.normal(size=total)
        draws = np.array([rng.choice(pool, n, replace=False).mean() for _ in range(k)])
        seen.append(rng.normal(size=n).mean() - draws.mean())
        claimed.append(risk.draw_variance(draws, overlap=n / total))
    assert np.mean(claimed) == pytest.approx(np.var(seen), rel=0.08)
    assert risk.draw_variance(np.ones(1), overlap=1.0) == 0


def test_separated_classes_stay_finite() -> None:
    """Cases all above controls: a large odds ratio, no overflow."""
    labels = (np.arange(30) >= 15).astype(np.float32)
    scores = np.arange(30.0)
    found = risk.log_odds_ratio(scores, labels, ones(labels))[0]
    assert np.isfinite(found)
    assert found > 5
