"""Principal components and the distances on them: scikit-learn, scipy, closed forms, validity."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from genobench.cohort import Genotypes
from genobench.errors import GenobenchError
from genobench.metrics import structure as sc


def _independent(g: Genotypes, n: int) -> Genotypes:
    rng = np.random.default_rng(0)
    return rng.binomial(2, g.mean(axis=0) / 2, (n, g.shape[1])).astype(np.int8)


def _distance(one: sc.Scores, two: sc.Scores) -> float:
    return sc.sliced_wasserstein(one, two, rng=np.random.default_rng(0))


@pytest.mark.parametrize("m", [40, 200])
def test_axes_are_scikit_learns(make_cohort: Any, m: int) -> None:
    """Same scores as PCA on standardised dosages up to sign, for m < n and m > n."""
    decomposition = pytest.importorskip("sklearn.decomposition")
    g = make_cohort(100, m, 1).genotypes
    axes = sc.fit_axes(g, components=5)
    sd = g.std(axis=0)
    z = (g - g.mean(axis=0)) / np.where(sd > 0, sd, 1)
    expected = decomposition.PCA(5, svd_solver="full").fit_transform(z)
    np.testing.assert_allclose(np.abs(sc.project(g, axes)), np.abs(expected), atol=2e-3)
    np.testing.assert_allclose(axes.components.T @ axes.components, np.eye(5), atol=1e-4)


def test_first_axis_separates_populations(make_cohort: Any) -> None:
    """People never used in fitting fall on the side of their population."""
    fitted = make_cohort(400, 256, 1, populations=2)
    fresh = make_cohort(400, 256, 2, populations=2)
    first = sc.project(fresh.genotypes, sc.fit_axes(fitted.genotypes))[:, 0]
    home = fresh.samples["population"] == "P0"
    gap = abs(first[home].mean() - first[~home].mean())
    assert gap > 3 * (first[home].std() + first[~home].std()) / math.sqrt(len(first) / 2)


def test_wasserstein_by_hand() -> None:
    """On one axis every direction is that axis: a shift by one standard deviation costs 1."""
    real = np.arange(10.0)[:, None]
    assert _distance(real + real.std(), real) == pytest.approx(1)
    assert _distance(real[::-1], real) == 0


def test_wasserstein_is_scipys_along_each_direction() -> None:
    """The mean over the directions of scipy's one-dimensional distance."""
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(1)
    one, two = rng.normal(size=(60, 3)), rng.normal(0.3, 2, size=(60, 3))
    angles = np.random.default_rng(0).normal(size=(3, 64))
    angles /= np.linalg.norm(angles, axis=0)
    expected = np.mean([stats.wasserstein_distance(one @ a, two @ a) for a in angles.T])
    unit = math.sqrt(two.var(axis=0).mean())
    assert _distance(one, two) == pytest.approx(expected / unit)


def test_variance_ratio_by_hand() -> None:
    """Axes of ratio 4 and 1/16 have the geometric mean 1/2; a lost axis gives 0."""
    real = np.random.default_rng(0).normal(size=(50, 2))
    assert sc.variance_ratio(real * [2, 0.25], real) == pytest.approx(0.5)
    assert sc.variance_ratio(real * [2, 0], real) == 0


def test_fresh_people_match_and_independent_sites_do_not(make_cohort: Any) -> None:
    """On axes of other real people: fresh near (1, 0); `hwe` has lost most of the variance."""
    axes = sc.fit_axes(make_cohort(600, 128, 1).genotypes)
    train, test = (make_cohort(600, 128, s).genotypes for s in (2, 3))
    real, fresh = sc.project(test, axes), sc.project(train, axes)
    hwe = sc.project(_independent(train, 600), axes)
    rng = np.random.default_rng(0)
    ratio = sc.bootstrap(sc.variance_ratio, [fresh], [real], rng=rng, log=True)
    assert ratio.low < 1 < ratio.high
    assert sc.bootstrap(sc.variance_ratio, [hwe], [real], rng=rng, log=True).high < 0.5
    far = sc.bootstrap(_distance, [hwe], [real], rng=rng, repeats=20)
    near = sc.bootstrap(_distance, [fresh], [real], rng=rng, repeats=20)
    assert far.low > near.high
    missing = sc.project(train[make_cohort(600, 128, 2).samples["population"] == "P0"], axes)
    size = len(missing)
    assert _distance(missing, real[:size]) > 1.3 * _distance(fresh[:size], real[:size])


def test_people_used_in_fitting_lie_further_out(make_cohort: Any) -> None:
    """Why the task exchanges halves: on their own axes people vary more than new people do."""
    one, two = (make_cohort(60, 128, s).genotypes for s in (1, 2))
    axes = sc.fit_axes(one)
    assert sc.variance_ratio(sc.project(two, axes), sc.project(one, axes)) < 0.85


def test_distance_grows_with_noise(make_cohort: Any) -> None:
    """Monotone as calls are redrawn from 0 to 100 %."""
    axes = sc.fit_axes(make_cohort(500, 128, 1).genotypes)
    train, test = (make_cohort(500, 128, s).genotypes for s in (2, 3))
    redrawn, order = _independent(train, 500), np.random.default_rng(2).random(train.shape)
    real = sc.project(test, axes)
    clouds = [
        sc.project(np.where(order < q, redrawn, train).astype(np.int8), axes)
        for q in (0, 0.3, 0.6, 1)
    ]
    distances = [_distance(c, real) for c in clouds]
    assert distances == sorted(distances)
    ratios = [sc.variance_ratio(c, real) for c in clouds]
    assert ratios == sorted(ratios, reverse=True)


def test_counted_allele_and_order_do_not_matter(make_cohort: Any) -> None:
    """Counting the other allele on every third SNP, shuffling people: the same distances."""
    fit, made, real = (make_cohort(200, 64, s).genotypes for s in (1, 2, 3))
    flip = np.arange(64) % 3 == 0
    found = []
    for change in (lambda g: g, lambda g: np.where(flip, 2 - g, g).astype(np.int8)):
        axes = sc.fit_axes(change(fit))
        one, two = (sc.project(change(g), axes) for g in (made[::-1], real))
        found.append(sc.variance_ratio(one, two))
    assert found[0] == pytest.approx(found[1], rel=1e-4)


def test_bad_input_is_named(make_cohort: Any) -> None:
    """Identical people, other variants, unequal numbers, scores on other axes."""
    g = make_cohort(30, 16, 1).genotypes
    axes = sc.fit_axes(g, components=3)
    scores = sc.project(g, axes)
    with pytest.raises(GenobenchError, match="identical"):
        sc.fit_axes(np.ones((9, 4), np.int8))
    with pytest.raises(GenobenchError, match="8 variants, but axes of 16"):
        sc.project(g[:, :8], axes)
    with pytest.raises(GenobenchError, match="equal numbers"):
        _distance(scores[:20], scores)
    with pytest.raises(GenobenchError, match="different axes"):
        sc.variance_ratio(scores[:, :2], scores)
    with pytest.raises(GenobenchError, match="do not vary"):
        sc.variance_ratio(scores, np.zeros_like(scores))


def test_fewer_axes_where_people_span_fewer() -> None:
    """Three people span two axes; constant SNPs take part in none."""
    g = np.array([[0, 1, 1], [1, 1, 0], [2, 1, 2]], np.int8)
    axes = sc.fit_axes(g, components=10)
    assert axes.components.shape == (3, 2)
    assert not axes.components[1].any()
