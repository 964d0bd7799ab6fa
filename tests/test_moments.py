"""Many people are widened a few at a time: the same numbers, in a fraction of the memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from genobench.cohort import Cohort, Genotypes, Labels
from genobench.metrics import moments, polygenic, prediction, structure
from genobench.metrics.moments import Moments
from genobench.metrics.prediction import Kind, Ridge

Floats = NDArray[np.float64]
KINDS: tuple[Kind, ...] = ("binary", "quantitative")
Pair = tuple[Cohort, Cohort]


@pytest.fixture(scope="module", params=KINDS)
def pair(request: pytest.FixtureRequest, make_cohort: Callable[..., Cohort]) -> Pair:
    """Train and test people, 96 SNPs, one of them constant and one there twice."""
    everybody = make_cohort(1400, 96, 1, kind=request.param)
    g = np.array(everybody.genotypes)
    g[:, 7], g[:, 20] = 2, g[:, 21]
    everybody = Cohort(g, everybody.variants, everybody.samples, everybody.trait)
    return everybody.take(slice(0, 900)), everybody.take(slice(900, None))


@pytest.fixture
def blocked(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Call it, and everybody is too many; blocks end within the people."""

    def lower() -> None:
        monkeypatch.setattr(moments, "WHOLE", 0)
        monkeypatch.setattr(moments, "CELLS", 10_000)

    return lower


def kind_of(cohort: Cohort) -> Kind:
    """Kind of the cohort's trait."""
    assert cohort.trait is not None
    return cohort.trait.kind


def test_large_is_told_by_the_bytes_of_a_float64_copy() -> None:
    """What published boards hold is not large, a biobank is."""
    assert not moments.is_large(np.zeros((3_000, 2_048), np.int8))
    assert moments.is_large(np.broadcast_to(np.int8(0), (330_281, 2_048)))


@pytest.mark.parametrize("cells", [1, 1_000, 1 << 22])
def test_moments_are_numpys(pair: Pair, monkeypatch: pytest.MonkeyPatch, cells: int) -> None:
    """Means, covariances and correlations; a constant SNP has variance 0 and correlates with none.

    Sums are whole numbers, so that the size of the blocks changes no bit.
    """
    monkeypatch.setattr(moments, "CELLS", cells)
    g = pair[0].genotypes
    found = Moments.of(g)
    np.testing.assert_array_equal(found.mean, g.mean(0, dtype=float))
    np.testing.assert_allclose(found.covariance, np.cov(g.T, bias=True), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(found.deviation, g.std(0, dtype=float), rtol=1e-13)
    varies = g.std(0) > 0
    expected = np.corrcoef(g[:, varies].T)
    np.testing.assert_allclose(
        found.correlation[varies][:, varies], expected, rtol=1e-12, atol=1e-14
    )
    assert not found.correlation[7].any()
    assert found.covariance[7, 7] == 0
    mean, variance = moments.mean_and_variance(g)
    np.testing.assert_array_equal(mean, found.mean)
    np.testing.assert_array_equal(variance, found.covariance.diagonal())


def test_sums_stay_exact_among_many_people(monkeypatch: pytest.MonkeyPatch) -> None:
    """One allele in 60,000 people is neither lost nor rounded."""
    g = np.full((60_000, 2), 2, np.int8)
    g[-1, 0] = 1
    found = Moments.of(g)
    share = 1 / 60_000
    assert found.covariance[0, 0] == pytest.approx(share * (1 - share), rel=1e-12)
    assert found.covariance[1, 1] == 0


@pytest.mark.parametrize("order", ["C", "F"])
def test_products(pair: Pair, blocked: Callable[[], None], order: str) -> None:
    """With one or more weights per SNP, or one per person, in either memory order."""
    blocked()
    g = np.asarray(pair[0].genotypes, order="C" if order == "C" else "F")
    rng = np.random.default_rng(0)
    x, one, more, per_person = (
        g.astype(np.float64),
        rng.normal(size=96),
        rng.normal(size=(3, 96)).T,
        rng.normal(size=900),
    )
    np.testing.assert_allclose(moments.times(g, one), x @ one, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(moments.times(g, more), x @ more, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(moments.summed(per_person, g), per_person @ x, rtol=1e-11)


def test_left_vectors_stand_for_the_array(pair: Pair, blocked: Callable[[], None]) -> None:
    """Products, scaled columns, transpose and squares, as of the decomposition that is held."""
    train, _ = pair
    blocked()
    ridge = Ridge.of(train.genotypes)
    left = ridge.left
    assert isinstance(left, moments.LeftVectors)
    held: Floats = left @ np.eye(left.shape[1])
    assert left.shape == held.shape
    np.testing.assert_allclose(held.T @ held, np.eye(len(ridge.singular)), atol=1e-9)
    x = (train.genotypes - ridge.mean) / ridge.scale
    np.testing.assert_allclose((held * ridge.singular) @ ridge.right.T, x, atol=1e-6)
    y, weights = train.labels.astype(np.float64), np.linspace(1, 2, left.shape[1])
    np.testing.assert_allclose(left.T @ y, held.T @ y, atol=1e-10)
    np.testing.assert_allclose((left * weights) @ weights, held @ weights**2, atol=1e-10)
    two = np.stack([weights, 1 / weights], axis=1)
    np.testing.assert_allclose(left.squared_times(two), held**2 @ two, atol=1e-12)


def predicted(train: Genotypes, labels: Labels, test: Genotypes, kind: Kind) -> dict[str, Floats]:
    """Scores of the test people by each predictor that has a way for many people."""
    ridge = Ridge.of(train)
    return {
        "marginal": prediction.marginal_scores(train, labels, test),
        "ridge": ridge.predict(*ridge.fit(labels, kind), test),
        "trees": prediction.tree_scores(train, labels, test, kind=kind, seed=0),
        "ldpred": polygenic.ldpred_scores(train, labels, test),
    }


def test_many_people_are_predicted_alike(pair: Pair, blocked: Callable[[], None]) -> None:
    """To 1e-8 as by arrays held whole; LDpred-inf to float32, in which these are."""
    train, test = pair
    args = train.genotypes, train.labels, test.genotypes, kind_of(train)
    whole = predicted(*args)
    blocked()
    found = predicted(*args)
    for name, tolerance in {"marginal": 1e-8, "ridge": 1e-8, "trees": 0, "ldpred": 1e-4}.items():
        size = np.abs(whole[name]).max()
        np.testing.assert_allclose(
            found[name], whole[name], rtol=0, atol=tolerance * size, err_msg=name
        )


def test_ldpred_of_many_is_a_closed_form(
    pair: Pair, blocked: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """(D + M / (n h2))^-1 times the marginal effects, in float64."""
    blocked()
    monkeypatch.setattr(polygenic, "heritability", lambda *_, **__: 0.25)
    g, y = pair[0].genotypes, pair[0].labels.astype(np.float64)
    x = (g - g.mean(0)) / np.where(g.std(0) > 0, g.std(0), 1)
    d = x.T @ x / len(x) + 95 / (900 * 0.25) * np.eye(96)
    expected = np.linalg.solve(d, x.T @ (y - y.mean()) / y.std() / len(x))
    found = polygenic.ldpred_inf(g, pair[0].labels, [slice(0, 96)])
    np.testing.assert_allclose(found, expected, atol=1e-10)


@pytest.mark.parametrize("what", ["one label", "one genotype"])
def test_nothing_to_learn(pair: Pair, blocked: Callable[[], None], what: str) -> None:
    """Labels or genotypes that do not vary leave constant scores, without a warning."""
    blocked()
    train, test = pair
    g = np.ones_like(train.genotypes) if what == "one genotype" else train.genotypes
    labels = np.ones_like(train.labels) if what == "one label" else train.labels
    for name, scores in predicted(g, labels, test.genotypes, kind_of(train)).items():
        assert np.ptp(scores) < 1e-6, name


def test_more_variants_than_people_are_decomposed_whole(
    make_cohort: Callable[..., Cohort], blocked: Callable[[], None]
) -> None:
    """Blocks of people would spare nothing there."""
    blocked()
    assert isinstance(Ridge.of(make_cohort(40, 100, 2).genotypes).left, np.ndarray)


def test_axes_and_places_on_them(make_cohort: Callable[..., Cohort]) -> None:
    """Those of many people are those of all at once, to float32."""
    g = make_cohort(600, 96, 4, populations=3).genotypes
    axes = structure.fit_axes(g, components=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(moments, "WHOLE", 0)
        patch.setattr(moments, "CELLS", 10_000)
        found = structure.fit_axes(g, components=2)
        placed = structure.project(g, found)
    np.testing.assert_allclose(found.components, axes.components, atol=1e-4)
    np.testing.assert_allclose(found.scale, axes.scale, rtol=1e-5)
    np.testing.assert_allclose(placed, structure.project(g, axes), atol=1e-3)


def test_no_copy_of_all_people_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fits and predictions take less than a float32 copy of the people alone would."""
    monkeypatch.setattr(moments, "WHOLE", 0)
    monkeypatch.setattr(moments, "CELLS", 1 << 14)
    monkeypatch.setattr(prediction, "PENALTIES", np.array([0.01, 0.1]))
    monkeypatch.setattr(prediction, "DEPTHS", (1,))
    rng = np.random.default_rng(0)
    g = rng.binomial(2, 0.3, (8_000, 128)).astype(np.int8)
    y = (rng.random(len(g)) < 0.5).astype(np.float32)  # trees soon give up
    predicted(g[:500], y[:500], g[:500], "binary")  # compiles, and imports what it needs
    tracemalloc.start()
    try:
        predicted(g, y, g, "binary")
        structure.project(g, structure.fit_axes(g))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * g.nbytes
