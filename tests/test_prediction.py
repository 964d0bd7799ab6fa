"""Predictors and what is measured of them, against scikit-learn and closed forms."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.linear_model import Ridge as SklearnRidge
from sklearn.model_selection import LeaveOneOut, cross_val_predict

from genobench.cohort import Cohort
from genobench.metrics import performance, prediction
from genobench.metrics.auc import auc, auc_interval
from genobench.metrics.prediction import Kind, Ridge

KINDS: tuple[Kind, ...] = ("binary", "quantitative")


@pytest.fixture(scope="module", params=KINDS)
def pair(request: pytest.FixtureRequest, make_cohort: Callable[..., Cohort]) -> tuple[Cohort, ...]:
    """Train and test people of either kind of trait, 96 SNPs."""
    everybody = make_cohort(1400, 96, 1, kind=request.param)
    return everybody.take(slice(0, 900)), everybody.take(slice(900, None))


def kind_of(cohort: Cohort) -> Kind:
    """Kind of the cohort's trait."""
    assert cohort.trait is not None
    return cohort.trait.kind


def test_marginal_effects_are_univariate_regressions(pair: tuple[Cohort, ...]) -> None:
    """Each effect as from a least-squares fit of one SNP; a constant SNP has none."""
    train, test = pair
    g = train.genotypes.copy()
    g[:, 5] = 1
    effects = [np.polyfit(g[:, j], train.labels, 1)[0] if j != 5 else 0 for j in range(96)]
    got = prediction.marginal_scores(g, train.labels, test.genotypes)
    np.testing.assert_allclose(got, test.genotypes @ np.array(effects), rtol=1e-6, atol=1e-9)


def test_ridge_equals_scikit_learn(
    pair: tuple[Cohort, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under one penalty: the same effects as scikit-learn's ridge, linear or logistic."""
    train, test = pair
    monkeypatch.setattr(prediction, "PENALTIES", np.array([0.05]))
    ridge = Ridge.of(train.genotypes)
    got = ridge.predict(*ridge.fit(train.labels, kind_of(train)), test.genotypes)
    x, h = ((c.genotypes - ridge.mean) / ridge.scale for c in pair)
    penalty = 0.05 * train.n
    if kind_of(train) == "quantitative":
        expected = SklearnRidge(alpha=penalty).fit(x, train.labels).predict(h)
    else:
        p = train.labels.mean(dtype=float)
        model = LogisticRegression(C=1 / (penalty * p * (1 - p)), tol=1e-8, max_iter=500)
        expected = model.fit(x, train.labels).decision_function(h)
    np.testing.assert_allclose(got, expected, atol=2e-3)


def test_penalty_minimises_the_leave_one_out_error(
    make_cohort: Callable[..., Cohort], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The closed form picks the penalty that refitting without each person in turn picks."""
    monkeypatch.setattr(prediction, "PENALTIES", prediction.PENALTIES[4::3])
    cohort = make_cohort(60, 30, 2, kind="quantitative", h2=0.3)
    ridge = Ridge.of(cohort.genotypes)
    x = (cohort.genotypes - ridge.mean) / ridge.scale
    y = cohort.labels.astype(float) - cohort.labels.mean(dtype=float)
    errors = []
    for penalty in prediction.PENALTIES * 60:
        predicted = cross_val_predict(SklearnRidge(alpha=penalty), x, y, cv=LeaveOneOut())
        errors.append(np.mean((y - predicted) ** 2))
    assert ridge._penalty(y) == pytest.approx(60 * prediction.PENALTIES[np.argmin(errors)])


def test_more_variants_than_people(make_cohort: Callable[..., Cohort]) -> None:
    """The decomposition through the people's Gram matrix gives back the genotypes."""
    g = make_cohort(40, 100, 2).genotypes
    ridge = Ridge.of(g)
    assert ridge.left.shape[1] <= 40
    back = (ridge.left * ridge.singular) @ ridge.right.T
    np.testing.assert_allclose(back, (g - ridge.mean) / ridge.scale, atol=1e-6)


def test_every_predictor_predicts(pair: tuple[Cohort, ...]) -> None:
    """All three are far above chance; the joint one beats the marginal one where LD is strong."""
    train, test = pair
    kind = kind_of(train)
    ridge = Ridge.of(train.genotypes)
    marginal, joint, trees = (
        performance.performance(s, test.labels, kind)
        for s in (
            prediction.marginal_scores(train.genotypes, train.labels, test.genotypes),
            ridge.predict(*ridge.fit(train.labels, kind), test.genotypes),
            prediction.tree_scores(
                train.genotypes, train.labels, test.genotypes, kind=kind, seed=1
            ),
        )
    )
    chance = 0.5 if kind == "binary" else 0.0
    assert min(marginal.low, joint.low, trees.low) > chance + 0.1
    assert joint.value > marginal.value


def test_trees_repeat_under_a_seed(pair: tuple[Cohort, ...]) -> None:
    """The same seed gives the same scores."""
    train, test = pair
    once, again = (
        prediction.tree_scores(
            train.genotypes, train.labels, test.genotypes, kind=kind_of(train), seed=2**62
        )
        for _ in range(2)
    )
    np.testing.assert_array_equal(once, again)


def test_depth_is_chosen_on_the_source(
    pair: tuple[Cohort, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The depth with the least loss among people held out of the source; test people have no say.

    An interaction without main effects needs depth 2; chosen on few people, it is grown on all.
    """
    train, test = pair
    rng = np.random.default_rng(0)
    g = rng.integers(0, 2, (2000, 12)).astype(np.int8)
    labels = (g[:, 0] ^ g[:, 1] ^ (rng.random(2000) < 0.1)).astype(np.float32)
    for tried in (20_000, 1000):
        monkeypatch.setattr(prediction, "TRIED_ON", tried)
        found = prediction.tree_scores(g[:1500], labels[:1500], g[1500:], kind="binary", seed=0)
        assert auc(found, labels[1500:]) > 0.85
    monkeypatch.setattr(prediction, "DEPTHS", (1,))
    stumps = prediction.tree_scores(g[:1500], labels[:1500], g[1500:], kind="binary", seed=0)
    assert auc(stumps, labels[1500:]) < 0.6
    monkeypatch.setattr(prediction, "DEPTHS", (2,))
    args = train.genotypes, train.labels, test.genotypes
    two = prediction.tree_scores(*args, kind=kind_of(train), seed=0)
    monkeypatch.setattr(prediction, "DEPTHS", (2, 20))  # 20 only overfits
    np.testing.assert_array_equal(two, prediction.tree_scores(*args, kind=kind_of(train), seed=0))


def test_folds_are_alike(pair: tuple[Cohort, ...]) -> None:
    """Of each five people next to each other in label order one per fold."""
    labels = pair[0].labels
    fold = prediction.folds(labels, np.random.default_rng(0))
    np.testing.assert_array_equal(np.bincount(fold), 180)
    means = np.array([labels[fold == k].mean() for k in range(5)])
    assert np.ptp(means) < 0.03
    if kind_of(pair[0]) == "quantitative":
        runs = fold[np.argsort(labels)].reshape(-1, 5)
        np.testing.assert_array_equal(np.sort(runs, axis=1), np.tile(np.arange(5), (180, 1)))


def test_cross_fitted_predictions_are_honest(pair: tuple[Cohort, ...]) -> None:
    """As good as on other people; labels without meaning are at chance, not below it."""
    train, test = pair
    kind = kind_of(train)
    ridge = Ridge.of(train.genotypes)
    other = performance.performance(
        ridge.predict(*ridge.fit(train.labels, kind), test.genotypes), test.labels, kind
    )
    own = prediction.cross_fitted(train.genotypes, train.labels, kind, rng=np.random.default_rng(0))
    within = performance.performance(own, train.labels, kind).value
    assert within == pytest.approx(other.value, abs=0.08)
    values = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        labels = rng.permutation(train.labels)
        scores = prediction.cross_fitted(train.genotypes, labels, kind, rng=rng)
        values.append(performance.performance(scores, labels, kind).value)
    assert np.mean(values) == pytest.approx(0.5 if kind == "binary" else 0, abs=0.03)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("what", ["one label", "one genotype"])
def test_nothing_to_learn(toy: Cohort, kind: Kind, what: str) -> None:
    """Labels or genotypes that do not vary: constant scores, AUC .5 or r 0, no warning."""
    g, labels = toy.genotypes, toy.labels
    if what == "one label":
        labels = np.ones_like(labels)
    else:
        g = np.ones_like(g)
    ridge = Ridge.of(g)
    for scores in (
        prediction.marginal_scores(g, labels, toy.genotypes),
        ridge.predict(*ridge.fit(labels, kind), toy.genotypes),
        prediction.tree_scores(g, labels, toy.genotypes, kind=kind, seed=0),
    ):
        assert np.ptp(scores) < 1e-6
        value = performance.performance(scores, toy.labels, kind).value
        assert value == pytest.approx(0.5 if kind == "binary" else 0)
        assert math.isnan(performance.calibration_slope(scores, toy.labels, kind).value)


def test_correlation_and_its_interval() -> None:
    """Pearson's r with Fisher's interval: r = .5 of 103 people holds .3393 to .6325."""
    x = np.random.default_rng(0).normal(size=(2, 103))
    x -= x.mean(1, keepdims=True)
    x[1] -= x[1] @ x[0] / (x[0] @ x[0]) * x[0]
    x /= x.std(1, keepdims=True)
    y = (0.5 * x[0] + math.sqrt(0.75) * x[1]).astype(np.float32)
    value, low, high = performance.performance(x[0], y, "quantitative")
    assert value == pytest.approx(0.5, abs=1e-6)
    assert (low, high) == pytest.approx((0.3393, 0.6325), abs=2e-4)


def test_bootstrap_agrees_with_theory() -> None:
    """The error of one r alone is (1 - r^2) / sqrt n; that of two equal predictors is 0."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=800)
    y = (x + rng.normal(size=800)).astype(np.float32)
    scores = np.stack([x, x])
    alone = performance.contrast(scores, y, np.array([1.0, 0.0]), "quantitative", rng=rng)
    theory = (1 - alone.value**2) / math.sqrt(800)
    assert (alone.high - alone.low) / (2 * 1.96) == pytest.approx(theory, rel=0.15)
    same = performance.contrast(scores, y, np.array([1.0, -1.0]), "quantitative", rng=rng)
    assert same == pytest.approx((0, 0, 0), abs=1e-9)


def test_mean_gap(pair: tuple[Cohort, ...]) -> None:
    """Against one other it is the paired difference; between several others it is wider."""
    rng = np.random.default_rng(0)
    labels: NDArray[np.float32] = (np.arange(300) % 2).astype(np.float32)
    own = rng.normal(size=300) + labels
    others = rng.normal(size=(5, 300)) + labels * np.linspace(0, 2, 5)[:, None]
    one = performance.mean_gap(own, others[:1], labels, "binary", rng=rng)
    assert one.value == pytest.approx(auc(own, labels) - auc(others[0], labels))
    several = performance.mean_gap(own, others, labels, "binary", rng=rng)
    mean = np.mean([auc(o, labels) for o in others])
    assert several.value == pytest.approx(auc(own, labels) - mean)
    single = auc_interval(own, labels)
    assert several.high - several.low > 2 * (single.high - single.low)


def test_apart() -> None:
    """Two groups of people: the difference of AUCs, with the sum of DeLong's variances."""
    rng = np.random.default_rng(0)
    one, two = ((np.arange(n) % 2).astype(np.float32) for n in (300, 500))
    scores, others = rng.normal(size=(1, 300)) + one, rng.normal(size=(3, 500)) + two / 2
    found = performance.apart(scores, one, others, two, "binary", rng=rng)
    mean = np.mean([auc(o, two) for o in others])
    assert found.value == pytest.approx(auc(scores[0], one) - mean)
    widths = [
        performance.contrast(s, y, np.full(len(s), 1 / len(s)), "binary", rng=rng)
        for s, y in ((scores, one), (others, two))
    ]
    expected = math.hypot(*(w.high - w.low for w in widths))
    assert found.high - found.low == pytest.approx(expected)
    wide = performance.apart(scores, one, others, two, "binary", rng=rng, extra_variance=1.0)
    assert wide.high - wide.low > 3.9
    single = np.ones(300, np.float32)
    assert math.isnan(performance.apart(scores, single, others, two, "binary", rng=rng).value)


def test_label_lift_is_a_permutation_test() -> None:
    """From the best shuffle to the worst one."""
    labels: NDArray[np.float32] = np.array([0, 0, 1, 1], np.float32)
    shuffled = np.array([[0, 1, 2, 3], [3, 2, 1, 0], [0, 0, 0, 0]], float)  # AUC 1, 0, .5
    lift = performance.label_lift(np.array([0.0, 2, 1, 3]), shuffled, labels, "binary")
    assert lift == pytest.approx((0.25, -0.25, 0.75))


def test_calibration_slope() -> None:
    """As from an unpenalised regression; a predictor that claims twice too much has slope .5."""
    rng = np.random.default_rng(0)
    logit = rng.normal(size=5000)
    y = (rng.random(5000) < 1 / (1 + np.exp(1 - logit))).astype(np.float32)
    slope = performance.calibration_slope(2 * logit, y, "binary")
    expected = LogisticRegression(C=1e12, tol=1e-10).fit(2 * logit[:, None], y).coef_[0, 0]
    assert slope.value == pytest.approx(expected, abs=1e-4)
    assert slope.low < 0.5 < slope.high
    value = (logit + rng.normal(size=5000)).astype(np.float32)
    slope = performance.calibration_slope(2 * logit, value, "quantitative")
    line = LinearRegression().fit(2 * logit[:, None], value)
    assert slope.value == pytest.approx(line.coef_[0], abs=1e-6)
    assert slope.low < 0.5 < slope.high
    apart = performance.calibration_slope(logit, (logit > 0).astype(np.float32), "binary")
    assert apart.value > 10
