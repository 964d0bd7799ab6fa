"""LD metrics: numpy.corrcoef, closed forms, hand-worked curves, validity."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from genobench.cohort import Cohort, Genotypes
from genobench.errors import GenobenchError
from genobench.metrics import ld
from genobench.metrics.frequency import allele_frequency


def _pairs(cohort: Cohort, reach: int) -> ld.Pairs:
    return ld.pairs(
        chromosome=cohort.variants["chrom"].astype(np.int64).to_numpy(),
        position=cohort.variants["pos"].to_numpy(np.int64),
        frequency=allele_frequency(cohort.genotypes),
        reach=reach,
    )


def _everything(m: int, reach: int) -> ld.Pairs:
    """All pairs of one chromosome at even distances."""
    ones, steps = np.zeros(m, np.int64), np.arange(m)
    return ld.pairs(chromosome=ones, position=steps, frequency=np.full(m, 0.5), reach=reach)


def _independent(g: Genotypes, n: int, seed: int = 0) -> Genotypes:
    rng = np.random.default_rng(seed)
    return rng.binomial(2, g.mean(axis=0) / 2, (n, g.shape[1])).astype(np.int8)


@pytest.mark.parametrize(("m", "reach"), [(64, 7), (600, 5), (300, 290), (5, 64)])
def test_band_is_corrcoef_squared_less_its_bias(make_cohort: Any, m: int, reach: int) -> None:
    """Every pair equals numpy.corrcoef, in one block of columns and across several."""
    g = make_cohort(150, m, 1).genotypes
    varies = g.min(axis=0) < g.max(axis=0)
    g = np.where(varies, g, np.arange(len(g))[:, None] % 3).astype(np.int8)  # numpy needs variance
    r2 = np.corrcoef(g.T) ** 2
    r2 = r2 - (1 - r2) / (len(g) - 2)
    band = ld.r2_band(g, reach=reach)
    assert band.shape == (min(reach, m - 1), m)
    for d in range(1, len(band) + 1):
        np.testing.assert_allclose(band[d - 1, : m - d], np.diagonal(r2, d), atol=2e-5)
        assert not band[d - 1, m - d :].any()


@pytest.mark.parametrize("reach", [1, 9, 69])
def test_sums_are_exact_in_any_number_of_pieces(
    make_cohort: Any, reach: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole numbers as from integer products, also with few people and few SNPs at a time."""
    g = make_cohort(150, 70, 1).genotypes
    products = g.T.astype(np.int64) @ g
    whole = ld.band_sums(g, reach=reach)
    assert (whole[0] == 150).all()
    np.testing.assert_array_equal(whole[1], g.sum(axis=0))
    for d in range(reach + 1):
        np.testing.assert_array_equal(whole[2 + d, : 70 - d], np.diagonal(products, d))
    for name, value in (("CELLS", 1), ("SNPS", 7), ("EXACT", 4)):
        monkeypatch.setattr(ld, name, value)
        np.testing.assert_array_equal(ld.band_sums(g, reach=reach), whole)


def test_unlinked_snps_average_zero() -> None:
    """The bias 1/n is gone: the mean over 5,000 independent pairs is within 4 standard errors."""
    g = np.random.default_rng(0).binomial(2, 0.3, (50, 101)).astype(np.int8)
    valid = _everything(101, 100).valid
    values = ld.r2_band(g, reach=100)[valid]
    assert len(values) == 5050
    assert abs(values.mean()) < 4 * values.std() / math.sqrt(len(values))
    assert values.mean() + 1 / 48 > 0.015  # what it would have been


def test_constant_snp_is_linked_with_nothing() -> None:
    """0 beside a constant column, 1 between equal or opposite ones, no warning."""
    x = np.array([0, 1, 2, 1, 0, 2, 1, 0], np.int8)
    g = np.stack([x, np.ones(8, np.int8), x, 2 - x], axis=1)
    band = ld.r2_band(g, reach=3)
    np.testing.assert_allclose(band[0], [0, 0, 1, 0], atol=1e-6)
    np.testing.assert_allclose(band[1], [1, 0, 0, 0], atol=1e-6)


def test_pairs_by_hand() -> None:
    """Two chromosomes, one rare SNP: the pairs that are left, and their distances."""
    which = ld.pairs(
        chromosome=np.array([1, 1, 1, 2, 2]),
        position=np.array([10, 30, 70, 5, 6]),
        frequency=np.array([0.5, 0.5, 0.995, 0.3, 0.3]),
        reach=3,
    )
    assert np.argwhere(which.valid).tolist() == [[0, 0], [0, 3]]
    assert which.distance[0, [0, 3]].tolist() == [20, 1]


def test_without_positions_distance_is_the_number_of_snps_between() -> None:
    """A map full of zeros still gives a decay curve."""
    which = ld.pairs(
        chromosome=np.ones(6, np.int64),
        position=np.zeros(6, np.int64),
        frequency=np.full(6, 0.5),
        reach=3,
    )
    assert which.distance[which.valid].tolist() == [1] * 5 + [2] * 4 + [3] * 3


def test_comparisons_are_numpys(make_cohort: Any) -> None:
    """Correlation, slope and RMSE equal numpy's on the list of valid pairs."""
    one, two = make_cohort(300, 64, 1), make_cohort(300, 64, 2)
    which = _pairs(one, 10)
    y, x = (ld.r2_band(c.genotypes, reach=10) for c in (two, one))
    a, b = x[which.valid].astype(float), y[which.valid].astype(float)
    assert ld.r2_correlation(y, x, which).value == pytest.approx(np.corrcoef(a, b)[0, 1])
    slope = np.polyfit(a, b, 1)[0]
    assert ld.r2_slope(y, x, which).value == pytest.approx(slope)
    assert ld.r2_slope(y, x, which, reliable=0.8).value == pytest.approx(slope / 0.8)
    assert ld.r2_rmse(y, x, which).value == pytest.approx(math.sqrt(np.mean((a - b) ** 2)))


def test_decay_by_hand() -> None:
    """Two bins: curves (.8, .2) and (.4, .3) differ by .5 of an area of 1."""
    real = np.array([[0.9, 0.7, 0.8, 0.0], [0.2, 0.2, 0.0, 0.0]], np.float32)
    made = np.array([[0.4, 0.4, 0.4, 0.0], [0.1, 0.5, 0.0, 0.0]], np.float32)
    bins = ld.decay_bins(_everything(4, 2), count=2)
    assert bins.tolist() == [[0, 0, 0, -1], [1, 1, -1, -1]]
    assert ld.decay_distance(made, real, bins).value == pytest.approx(0.5)
    assert ld.decay_area(made, real, bins) == pytest.approx(0.5)
    assert ld.decay_distance(real, real, bins).value == 0
    assert ld.decay_distance(np.zeros_like(real), real, bins).value == pytest.approx(1)


def test_fresh_people_keep_ld_and_independent_sites_lose_it(make_cohort: Any) -> None:
    """Fresh: correlation > .95, slope 1 inside its interval. Independent sites: none of it."""
    train, test = make_cohort(800, 256, 1), make_cohort(800, 256, 2)
    which, wide = _pairs(test, 16), _pairs(test, 64)
    reliable = ld.reliability(test.genotypes, which, rng=np.random.default_rng(0))
    real = ld.r2_band(test.genotypes, reach=64)
    bins = ld.decay_bins(wide)
    fresh = ld.r2_band(train.genotypes, reach=64)
    assert reliable > 0.95
    assert ld.r2_correlation(fresh[:16], real[:16], which).low > 0.95
    slope = ld.r2_slope(fresh[:16], real[:16], which, reliable=reliable)
    assert slope.low < 1 < slope.high
    assert ld.decay_distance(fresh, real, bins).value < 0.1
    hwe = ld.r2_band(_independent(train.genotypes, 800), reach=64)
    assert ld.r2_correlation(hwe[:16], real[:16], which).high < 0.15
    assert abs(ld.r2_slope(hwe[:16], real[:16], which, reliable=reliable).value) < 0.02
    assert ld.decay_distance(hwe, real, bins).value == pytest.approx(1, abs=0.05)
    assert (
        ld.r2_rmse(hwe[:16], real[:16], which).low > ld.r2_rmse(fresh[:16], real[:16], which).high
    )


def test_slope_correction_makes_small_real_samples_agree(make_cohort: Any) -> None:
    """With 60 noisy real people the raw slope is flattened; corrected it averages 1."""
    raw, corrected = [], []
    for seed in range(8):
        test, fresh = make_cohort(60, 128, 10 + seed), make_cohort(600, 128, 30 + seed)
        which = _pairs(test, 16)
        reliable = ld.reliability(test.genotypes, which, rng=np.random.default_rng(seed))
        made, real = (ld.r2_band(c.genotypes, reach=16) for c in (fresh, test))
        raw.append(ld.r2_slope(made, real, which).value)
        corrected.append(ld.r2_slope(made, real, which, reliable=reliable).value)
    assert np.mean(raw) < 0.95
    assert np.mean(corrected) == pytest.approx(1, abs=0.06)


def test_unlinked_real_people_are_uninformative(make_cohort: Any) -> None:
    """SNPs without LD: the reliability falls below the bar, with LD it is near 1."""
    cohort = make_cohort(500, 128, 1)
    which, rng = _pairs(cohort, 16), np.random.default_rng(0)
    clumped = _independent(cohort.genotypes, 500)
    assert ld.reliability(clumped, which, rng=rng) < ld.INFORMATIVE
    assert ld.reliability(cohort.genotypes, which, rng=rng) > 0.9


def test_ld_falls_steadily_as_calls_are_redrawn(make_cohort: Any) -> None:
    """Noise from 0 to 1: slope falls, RMSE and decay distance rise."""
    test, train = make_cohort(600, 128, 1), make_cohort(600, 128, 2).genotypes
    which = _pairs(test, 16)
    real, bins = ld.r2_band(test.genotypes, reach=16), ld.decay_bins(which)
    order = np.random.default_rng(0).random(train.shape)
    redrawn = _independent(train, 600, seed=1)
    bands = [
        ld.r2_band(np.where(order < q, redrawn, train).astype(np.int8), reach=16)
        for q in (0, 0.15, 0.4, 0.7, 1)
    ]
    slopes = [ld.r2_slope(b, real, which).value for b in bands]
    assert slopes == sorted(slopes, reverse=True)
    errors = [ld.r2_rmse(b, real, which).value for b in bands]
    assert errors == sorted(errors)
    areas = [ld.decay_distance(b, real, bins).value for b in bands]
    assert areas == sorted(areas)


def test_order_of_people_and_counted_allele_do_not_matter(make_cohort: Any) -> None:
    """r2 is the same after shuffling people and after counting other alleles."""
    g = make_cohort(200, 64, 1).genotypes
    flipped = np.where(np.arange(64) % 2, 2 - g, g).astype(np.int8)
    shuffled = np.random.default_rng(0).permutation(g)
    band = ld.r2_band(g, reach=20)
    np.testing.assert_allclose(ld.r2_band(flipped, reach=20), band, atol=2e-6)
    np.testing.assert_allclose(ld.r2_band(shuffled, reach=20), band, atol=2e-6)


def test_far_r2_sees_structure_lost_and_repeats(make_cohort: Any) -> None:
    """Between chromosomes: independent sites lose it, 30 repeated people gain, fresh agree."""
    train, test = (make_cohort(1000, 256, s, populations=3) for s in (1, 2))
    chromosome = test.variants["chrom"].astype(np.int64).to_numpy()

    def excess(g: Genotypes) -> Any:
        columns = np.random.default_rng(0)
        return ld.far_excess(g, test.genotypes, chromosome=chromosome, rng=columns)

    assert excess(train.genotypes[np.arange(1000) % 30]).low > 0.01
    assert excess(_independent(train.genotypes, 1000)).high < 0
    fresh = excess(train.genotypes)
    assert fresh.low < 0 < fresh.high
    assert abs(fresh.value) < 0.0005


@pytest.mark.parametrize("single", [False, True])
def test_far_r2_is_corrcoef_of_far_pairs(make_cohort: Any, single: bool) -> None:
    """Corrected r2 over pairs on two chromosomes, or 20 of 40 SNPs apart on one, as in numpy."""
    one, two = (make_cohort(n, 40, s).genotypes for n, s in ((150, 1), (170, 2)))
    chromosome = np.ones(40, np.int64) if single else np.repeat([1, 2], 20)
    means = []
    for g in (one, two):
        r2 = np.corrcoef(g.T) ** 2
        r2 = r2 - (1 - r2) / (len(g) - 2)
        means.append(r2[np.triu_indices(40, 20)].mean() if single else r2[:20, 20:].mean())
    found = ld.far_excess(one, two, chromosome=chromosome, rng=np.random.default_rng(0))
    assert found.value == pytest.approx(means[0] - means[1], abs=1e-6)


def test_bad_input_is_named(make_cohort: Any) -> None:
    """Too few people, missing calls, maps and bands of other lengths."""
    cohort = make_cohort(20, 16, 1)
    which = _pairs(cohort, 4)
    band = ld.r2_band(cohort.genotypes, reach=4)
    missing = cohort.genotypes.copy()
    missing[0, 3] = -1
    with pytest.raises(GenobenchError, match="person 0, variant 3"):
        ld.r2_band(missing, reach=2)
    with pytest.raises(GenobenchError, match="needs 4"):
        ld.r2_band(cohort.genotypes[:3], reach=2)
    with pytest.raises(GenobenchError, match="different SNPs"):
        ld.r2_rmse(band[:, :8], band, which)
    with pytest.raises(GenobenchError, match="one value for each of 16"):
        ld.pairs(
            chromosome=np.ones(3, int),
            position=np.ones(16, int),
            frequency=np.full(16, 0.5),
            reach=2,
        )
    with pytest.raises(GenobenchError, match="reliability"):
        ld.r2_slope(band, band, which, reliable=0.0)


def test_one_snp_has_no_pairs() -> None:
    """m = 1: no pair, no number, no crash."""
    g = np.random.default_rng(0).binomial(2, 0.5, (30, 1)).astype(np.int8)
    which = _everything(1, 16)
    band = ld.r2_band(g, reach=16)
    assert band.shape == (0, 1)
    assert math.isnan(ld.r2_correlation(band, band, which).value)
    assert math.isnan(ld.r2_rmse(band, band, which).value)
    assert math.isnan(ld.decay_distance(band, band, ld.decay_bins(which)).value)
    assert ld.reliability(g, which, rng=np.random.default_rng(0)) == 0
    many = np.random.default_rng(0).binomial(2, 0.5, (50, 1)).astype(np.int8)
    alone = np.ones(1, np.int64)
    excess = ld.far_excess(many, many, chromosome=alone, rng=np.random.default_rng(0))
    assert math.isnan(excess.value)
