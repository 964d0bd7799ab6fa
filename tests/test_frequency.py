"""Allele and genotype frequencies, intervals: closed forms, hand-worked tables, validity."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from genobench.cohort import Cohort, Genotypes
from genobench.data.split import Split
from genobench.errors import GenobenchError
from genobench.metrics import frequency as fq
from genobench.metrics.intervals import block_jackknife, block_sums, blocks, wilson

REAL = np.array([[0, 2, 1], [1, 2, 0], [2, 2, 1], [1, 2, 0]], dtype=np.int8)
MADE = np.array([[0, 2, 0], [0, 1, 0], [1, 1, 0], [1, 2, 0]], dtype=np.int8)

PAIRED: list[Any] = [
    fq.frequency_rmse,
    fq.frequency_correlation,
    fq.frequency_max_z,
    fq.new_monomorphic,
    fq.genotype_variation,
]


def _value(result: Any) -> float:
    return float(getattr(result, "value", result))


def _independent(g: Genotypes, n: int, seed: int = 0) -> Genotypes:
    rng = np.random.default_rng(seed)
    return rng.binomial(2, g.mean(axis=0) / 2, (n, g.shape[1])).astype(np.int8)


def test_frequencies_by_hand() -> None:
    """Three SNPs, four people: every number of this example is worked out on paper."""
    assert fq.allele_frequency(REAL).tolist() == [0.5, 1.0, 0.25]
    assert fq.allele_frequency(MADE).tolist() == [0.25, 0.75, 0.0]
    assert fq.frequency_rmse(MADE, REAL).value == pytest.approx(0.25)
    # .25, 1 - .75, 0 against .5, 1 - 1, .25: of the rarer allele of SNP 2
    assert fq.frequency_correlation(MADE, REAL).value == pytest.approx(0)
    # genotype tables (1,2,1) (0,0,4) (2,2,0) against (2,2,0) (0,2,2) (4,0,0), each over 4
    assert fq.genotype_variation(MADE, REAL).value == pytest.approx((0.25 + 0.5 + 0.5) / 3)
    # SNPs 1 and 3 vary in real people, SNP 3 no longer does
    assert fq.new_monomorphic(MADE, REAL).value == pytest.approx(0.5)


def test_correlation_is_pearsons_and_tells_little(make_cohort: Any) -> None:
    """scipy's r; independent sites lie within the interval of real people."""
    train, test = (make_cohort(1000, 128, seed).genotypes for seed in (1, 2))
    hwe = _independent(train, 1000)
    found = fq.frequency_correlation(hwe, test)
    rarer = fq.allele_frequency(test) <= 0.5
    one, two = (np.where(rarer, p, 1 - p) for p in map(fq.allele_frequency, (hwe, test)))
    wanted = scipy.stats.pearsonr(one, two).statistic
    assert found.value == pytest.approx(wanted)
    assert found.low < found.value < found.high
    assert found.value > fq.frequency_correlation(train, test).low


def test_correlation_needs_frequencies_that_differ() -> None:
    """One SNP, or none that varies, has no correlation."""
    for g in (REAL[:, :1], np.zeros((4, 3), np.int8)):
        assert math.isnan(fq.frequency_correlation(g, g).value)


def test_max_z_is_the_two_sample_t_statistic(toy_split: Split) -> None:
    """scipy's t test on the dosages of every SNP gives the same maximum."""
    stats = pytest.importorskip("scipy.stats")
    one, two = toy_split.train.genotypes, toy_split.test.genotypes
    t = stats.ttest_ind(one, two, axis=0).statistic
    assert fq.frequency_max_z(one, two) == pytest.approx(np.abs(t).max(), rel=1e-9)


def test_max_z_stays_finite_between_opposite_constants() -> None:
    """A SNP fixed for different alleles is as wrong as can be, yet the number can be stored."""
    zero, two = np.zeros((50, 2), np.int8), np.full((50, 2), 2, np.int8)
    assert fq.frequency_max_z(zero, zero) == 0
    assert 50 < fq.frequency_max_z(zero, two) < math.inf


def test_rare_slope_by_hand() -> None:
    """Other people choose SNP 2 of 5, minor allele not counted: 1/8 made over 2/8 real."""
    real = np.array([[1, 2, 1, 1, 1], [1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [1, 2, 1, 1, 1]], np.int8)
    made = real.copy()
    made[1, 1] = 2
    elsewhere = np.array([0.4, 0.9, 0.5, 0.3, 0.6])
    assert fq.fifth(elsewhere, 0).tolist() == [False, True, False, False, False]
    assert fq.minor_slope(made, real, bin_frequency=elsewhere).value == pytest.approx(0.5)


def test_rare_slope_catches_lost_rare_alleles(toy_split: Split) -> None:
    """A third of the rare alleles dropped shows as a slope near 2/3; fresh people show 1."""
    elsewhere = fq.allele_frequency(toy_split.validation.genotypes)
    fresh, real = toy_split.control.genotypes, toy_split.test.genotypes
    interval = fq.minor_slope(fresh, real, bin_frequency=elsewhere)
    assert interval.low < 1 < interval.high
    p = fq.allele_frequency(fresh)
    major = np.where(p > 0.5, 2, 0)
    drop = (np.random.default_rng(0).random(fresh.shape) < 1 / 3) & (fq.minor(p) < 0.3)
    lost = np.where(drop, major, fresh).astype(np.int8)
    assert fq.minor_slope(lost, real, bin_frequency=elsewhere).high < 0.85


def test_independent_sites_pass_frequencies(make_cohort: Any) -> None:
    """`hwe` looks right SNP by SNP: other metrics have to find it."""
    train, test = (make_cohort(1000, 128, seed).genotypes for seed in (1, 2))
    hwe = _independent(train, 1000)
    assert fq.frequency_rmse(hwe, test).value < 1.6 * fq.frequency_rmse(train, test).value
    assert fq.frequency_max_z(hwe, test) < 4.5


def test_fifths_share_out_all_snps() -> None:
    """Every SNP is in one fifth, rarest first, whichever allele is counted."""
    p = np.random.default_rng(0).random(103)
    chosen = np.array([fq.fifth(p, k) for k in range(5)])
    assert (chosen.sum(axis=0) == 1).all()
    assert np.ptp(chosen.sum(axis=1)) <= 1
    tops = [fq.minor(p)[row].max() for row in chosen]
    assert tops == sorted(tops)
    assert [int(fq.fifth(p[:1], k).sum()) for k in range(5)] == [1, 0, 1, 0, 0]
    with pytest.raises(GenobenchError, match="fifth 5"):
        fq.fifth(p, 5)


def test_matthew_effect_shows_in_the_fifth_where_it_is(toy_split: Split) -> None:
    """Alleles lost among the rarest two fifths leave the most common fifth at 1."""
    elsewhere = fq.allele_frequency(toy_split.validation.genotypes)
    fresh, real = toy_split.control.genotypes, toy_split.test.genotypes
    rare = fq.fifth(elsewhere, 0) | fq.fifth(elsewhere, 1)
    drop = (np.random.default_rng(0).random(fresh.shape) < 0.4) & rare
    lost = np.where(drop, np.where(elsewhere > 0.5, 2, 0), fresh).astype(np.int8)

    def slope(g: Genotypes, k: int) -> Any:
        return fq.minor_slope(g, real, bin_frequency=elsewhere, number=k)

    assert max(slope(lost, 0).high, slope(lost, 1).high) < 0.85
    assert slope(lost, 4) == slope(fresh, 4)
    assert slope(fresh, 4).low < 1.02
    assert slope(fresh, 4).high > 0.98


def test_rmse_of_two_real_samples_is_the_sampling_error(make_cohort: Any) -> None:
    """E[squared difference] = var(dosage)/4 (1/s + 1/n), within 15 % over 20 pairs of samples."""
    found, expected = [], []
    for seed in range(20):
        one, two = make_cohort(400, 128, 2 * seed), make_cohort(200, 128, 2 * seed + 1)
        found.append(fq.frequency_rmse(one.genotypes, two.genotypes).value ** 2)
        expected.append(np.mean(one.genotypes.var(axis=0) / 4) * (1 / 400 + 1 / 200))
    assert np.mean(found) == pytest.approx(np.mean(expected), rel=0.15)


def test_intervals_hold_the_truth_for_fresh_people(make_cohort: Any) -> None:
    """Ratios of two samples of one population: 95 % intervals hold 1 in 34 of 40 pairs or more."""
    elsewhere = fq.allele_frequency(make_cohort(400, 64, 999).genotypes)
    hits = np.zeros(5)
    for seed in range(40):
        one, two = (make_cohort(250, 64, 2 * seed + i).genotypes for i in (0, 1))
        found = [fq.minor_slope(one, two, bin_frequency=elsewhere, number=k) for k in range(5)]
        hits += [i.low < 1 < i.high for i in found]
    assert (hits >= 34).all()


def test_error_grows_with_blur(toy_split: Split) -> None:
    """Frequencies drift away as more and more calls are replaced by homozygotes."""
    real = toy_split.test.genotypes
    order = np.random.default_rng(0).random(real.shape)
    blurred = [np.where(order < q, 0, real).astype(np.int8) for q in (0, 0.1, 0.3, 0.6, 1)]
    for metric in (fq.frequency_rmse, fq.genotype_variation, fq.new_monomorphic):
        values = [metric(made, real).value for made in blurred]
        assert values == sorted(values)
        assert values[0] == 0
        assert values[-1] > 0.1


@pytest.mark.parametrize("metric", PAIRED, ids=lambda f: f.__name__)
def test_order_of_people_and_counted_allele_do_not_matter(metric: Any, toy_split: Split) -> None:
    """The same value after shuffling people and after counting the other alleles."""
    made, real = toy_split.control.genotypes, toy_split.test.genotypes
    value = _value(metric(made, real))
    shuffled = np.random.default_rng(0).permutation(made)
    assert _value(metric(shuffled, real)) == pytest.approx(value, rel=1e-6)
    flip = np.arange(made.shape[1]) % 3 == 0
    flipped = [np.where(flip, 2 - g, g).astype(np.int8) for g in (made, real)]
    assert _value(metric(*flipped)) == pytest.approx(value, rel=1e-6)


@given(arrays(np.int8, (6, 5), elements=st.integers(0, 2)), st.integers(0, 10))
@settings(max_examples=50, deadline=None)
def test_a_sample_against_itself_shows_no_difference(g: Genotypes, seed: int) -> None:
    """Zero distance to its own shuffled self, whatever the genotypes, constant columns included."""
    made = np.random.default_rng(seed).permutation(g)
    assert fq.frequency_rmse(made, g).value == pytest.approx(0, abs=1e-12)
    assert fq.frequency_max_z(made, g) == pytest.approx(0, abs=1e-9)
    assert fq.genotype_variation(made, g).value == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("metric", PAIRED, ids=lambda f: f.__name__)
def test_bad_input_is_named(metric: Any) -> None:
    """Other variants, missing calls, wrong dtype, nobody: an error that says which."""
    good = np.array([[0, 1, 2]] * 8, np.int8)
    missing = good.copy()
    missing[2, 1] = -1
    for made, words in (
        (good[:, :2], "2 variants"),
        (missing, "person 2, variant 1"),
        (good.astype(float), "int8"),
        (good[:0], "0 people"),
        (good[:, :0], "no variant"),
        (good + np.int8(1), "0, 1 or 2"),
    ):
        with pytest.raises(GenobenchError, match=words):
            metric(made, good)


def test_constant_cohorts_give_no_number_instead_of_a_wrong_one() -> None:
    """Nothing rare to lose: NaN, not 0 and not a warning."""
    flat = np.zeros((10, 6), np.int8)
    assert math.isnan(fq.new_monomorphic(flat, flat).value)
    assert math.isnan(fq.minor_slope(flat, flat, bin_frequency=np.zeros(6)).value)


def test_jackknife_of_a_mean_is_its_standard_error() -> None:
    """Delete-one jackknife of a mean of b blocks equals sd / sqrt(b), the closed form."""
    x = np.random.default_rng(0).normal(size=40)
    sums = block_sums(np.stack([x, np.ones(40)], axis=1), blocks(40, count=40))
    interval = block_jackknife(sums, lambda t: float(t[0] / t[1]))
    assert interval.value == pytest.approx(x.mean())
    half = 1.959964 * x.std(ddof=1) / math.sqrt(40)
    assert interval.high - interval.value == pytest.approx(half, rel=1e-6)
    assert math.isnan(block_jackknife(sums[:4], lambda t: float(t[0] / t[1])).low)


def test_blocks_are_contiguous_and_even() -> None:
    """Every SNP in one block, block sizes differ by one at most, few SNPs give few blocks."""
    sizes = np.bincount(blocks(107))
    assert len(sizes) == 20
    assert sizes.max() - sizes.min() <= 1
    assert (np.diff(blocks(107)) >= 0).all()
    assert blocks(3).tolist() == [0, 1, 2]


def test_wilson_against_scipy() -> None:
    """The score interval as scipy has it, and inside [0, 1] at the ends."""
    stats = pytest.importorskip("scipy.stats")
    for k, n in ((0, 20), (7, 31), (20, 20)):
        expected = stats.binomtest(k, n).proportion_ci(method="wilson")
        assert wilson(k, n)[1:] == pytest.approx((expected.low, expected.high), abs=1e-9)
    with pytest.raises(GenobenchError, match="proportion"):
        wilson(3, 2)


def test_fixture_has_what_the_tests_need(toy: Cohort, toy_split: Split) -> None:
    """The toy cohort varies at every SNP, has both classes and no person twice."""
    assert (toy.genotypes.min(axis=0) < toy.genotypes.max(axis=0)).all()
    assert 0.25 < toy.labels.mean() < 0.6
    everybody = [i for part in vars(toy_split).values() for i in part.samples["iid"]]
    assert len(set(everybody)) == 1000
