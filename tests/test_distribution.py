"""MMD and Frechet distance: naive sums, closed forms, calibration, validity."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from genobench.cohort import Genotypes
from genobench.errors import GenobenchError
from genobench.metrics.distribution import frechet, mean_discrepancy, median_distance


def _independent(g: Genotypes, seed: int = 0) -> Genotypes:
    rng = np.random.default_rng(seed)
    return rng.binomial(2, g.mean(axis=0) / 2, g.shape).astype(np.int8)


def _squared(made: Genotypes, real: Genotypes, bandwidth: float = 0) -> Any:
    width = bandwidth or median_distance(real)
    return mean_discrepancy(
        made, real, bandwidth=width, rng=np.random.default_rng(0), permutations=100
    )


def test_median_distance_is_scipys(make_cohort: Any) -> None:
    """The median of scipy's pairwise city-block distances; 1 where most people are identical."""
    distance = pytest.importorskip("scipy.spatial.distance")
    g = make_cohort(60, 40, 1).genotypes
    assert median_distance(g) == np.median(distance.pdist(g.astype(float), "cityblock"))
    assert median_distance(np.ones((9, 3), np.int8)) == 1


def test_discrepancy_is_the_sum_of_its_definition() -> None:
    """Gretton's equation 3, pair by pair in plain Python."""
    rng = np.random.default_rng(0)
    made, real = (rng.integers(0, 3, (7, 5)).astype(np.int8) for _ in range(2))

    def kernel(x: Any, y: Any) -> float:
        return math.exp(-sum(abs(int(a) - int(b)) for a, b in zip(x, y, strict=True)) / 2.5)

    n = 7
    off = [(i, j) for i in range(n) for j in range(n) if i != j]
    within = sum(kernel(g[i], g[j]) for g in (made, real) for i, j in off)
    across = sum(kernel(x, y) for x in made for y in real)
    expected = within / (n * (n - 1)) - 2 * across / n**2
    assert _squared(made, real, 2.5)[0].value == pytest.approx(expected, rel=1e-6)


def test_fresh_people_average_zero_and_p_is_uniform(make_cohort: Any) -> None:
    """Unbiased; p below .1 and above .9 about as often as it should; intervals hold 0."""
    found = [
        _squared(make_cohort(120, 64, 2 * s).genotypes, make_cohort(120, 64, 2 * s + 1).genotypes)
        for s in range(40)
    ]
    values, p = np.array([i.value for i, _ in found]), np.array([i.value for _, i in found])
    assert abs(values.mean()) < 3 * values.std() / math.sqrt(len(values))
    assert sum(i.low < 0 < i.high for i, _ in found) >= 36
    assert 0.35 < p.mean() < 0.65
    assert (p < 0.1).sum() <= 10
    assert (p > 0.9).sum() <= 10


def test_lost_ld_and_repeats_are_found(make_cohort: Any) -> None:
    """Independent sites and 20 repeated people: far above 0, the least p that can be."""
    train, test = (make_cohort(300, 128, s).genotypes for s in (1, 2))
    for made in (_independent(train), train[np.arange(300) % 20]):
        squared, p = _squared(made, test)
        assert squared.low > 0
        assert p.value == pytest.approx(1 / 101)


def test_a_fixed_bandwidth_is_blind_and_the_median_is_not(make_cohort: Any) -> None:
    """With the bandwidth of one allele, the usual default, lost LD gives next to nothing.

    All kernel values are 0 then, but for people who repeat: 2/n with the diagonal kept.
    """
    train, test = (make_cohort(300, 256, s).genotypes for s in (1, 2))
    made = _independent(train)
    assert abs(_squared(made, test, 1.0)[0].value) < 1e-6
    assert _squared(made, test)[0].value > 1e-3


def test_discrepancy_rises_with_noise_and_mixture(make_cohort: Any) -> None:
    """Calls redrawn from 0 to 1, and more and more people with all calls redrawn."""
    train, test = (make_cohort(400, 128, s).genotypes for s in (1, 2))
    redrawn, order = _independent(train), np.random.default_rng(3).random(train.shape)
    for noise in (order, np.broadcast_to(order[:, :1], order.shape)):
        values = [
            _squared(np.where(noise < q, redrawn, train).astype(np.int8), test)[0].value
            for q in (0, 0.3, 0.6, 1)
        ]
        assert values == sorted(values)
        assert values[-1] > 0.001


def test_order_and_counted_allele_do_not_matter(make_cohort: Any) -> None:
    """The same value after shuffling people, flipping alleles, in another memory order."""
    made, real = (make_cohort(90, 64, s).genotypes for s in (1, 2))
    flip = np.arange(64) % 3 == 0
    shuffled = np.asfortranarray(np.random.default_rng(0).permutation(made))
    flipped = [np.where(flip, 2 - g, g).astype(np.int8) for g in (shuffled, real)]
    assert _squared(flipped[0], flipped[1])[0].value == pytest.approx(
        _squared(made, real)[0].value, rel=1e-6
    )


def test_identical_people_are_not_told_apart() -> None:
    """Everybody the same on both sides: exactly 0, p 1."""
    g = np.ones((20, 4), np.int8)
    squared, p = _squared(g, g)
    assert squared.value == pytest.approx(0, abs=1e-12)
    assert p.value == 1


def test_frechet_closed_forms() -> None:
    """One axis: shift and scale; several axes with equal means: traces of commuting matrices."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 1))
    sd = x.std(ddof=1)
    moved = 3 * x + 2
    shift = (moved.mean() - x.mean()) ** 2
    assert frechet(moved, x) == pytest.approx((shift + (2 * sd) ** 2) / sd**2)
    white = rng.normal(size=(4000, 3))
    white = np.linalg.qr(white - white.mean(axis=0))[0] * math.sqrt(3999)  # covariance 1
    scale = np.array([2.0, 0.5, 1.0])
    assert frechet(white * scale, white) == pytest.approx(((scale - 1) ** 2).sum() / 3)
    assert frechet(white, white) == pytest.approx(0, abs=1e-9)
    assert frechet(white + 1, white) == pytest.approx(1)


def test_frechet_is_scipys(make_cohort: Any) -> None:
    """The same as with scipy's matrix square root, which takes another way."""
    linalg = pytest.importorskip("scipy.linalg")
    rng = np.random.default_rng(1)
    mix = rng.normal(size=(4, 4))
    one, two = rng.normal(size=(80, 4)) @ mix, rng.normal(0.2, 1.5, size=(70, 4))
    c1, c2 = np.cov(one.T), np.cov(two.T)
    root = linalg.sqrtm(c1 @ c2).real
    expected = ((one.mean(0) - two.mean(0)) ** 2).sum() + np.trace(c1 + c2 - 2 * root)
    assert frechet(one, two) == pytest.approx(expected / np.trace(c2))
    assert frechet(one @ mix, two @ mix) != pytest.approx(frechet(one, two))
    turn = linalg.qr(mix)[0]
    assert frechet(one @ turn, two @ turn) == pytest.approx(frechet(one, two))


def test_frechet_of_flat_clouds_is_finite() -> None:
    """Synthetic people all alike, or fewer people than axes: a number, not NaN."""
    rng = np.random.default_rng(0)
    real = rng.normal(size=(30, 5))
    assert frechet(np.zeros((10, 5)), real) == pytest.approx(
        1 + (real.mean(axis=0) ** 2).sum() / real.var(axis=0, ddof=1).sum()
    )
    assert 0 < frechet(rng.normal(size=(3, 5)), rng.normal(size=(4, 5))) < math.inf


def test_bad_input_is_named(make_cohort: Any) -> None:
    """Unequal numbers, no bandwidth, other axes, clouds that do not vary."""
    g = make_cohort(20, 16, 1).genotypes
    with pytest.raises(GenobenchError, match="equal numbers"):
        _squared(g[:10], g)
    with pytest.raises(GenobenchError, match="bandwidth 0"):
        mean_discrepancy(g, g, bandwidth=0, rng=np.random.default_rng(0))
    with pytest.raises(GenobenchError, match="needs 3"):
        _squared(g[:2], g[:2], 1.0)
    scores = np.random.default_rng(0).normal(size=(9, 3))
    with pytest.raises(GenobenchError, match="different axes"):
        frechet(scores[:, :2], scores)
    with pytest.raises(GenobenchError, match="at least 2"):
        frechet(scores[:1], scores)
    with pytest.raises(GenobenchError, match="do not vary"):
        frechet(scores, np.zeros((9, 3)))
