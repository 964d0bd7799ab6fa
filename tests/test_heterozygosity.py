"""Heterozygosity, inbreeding, Hardy-Weinberg: hand-worked tables, closed forms, validity."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from genobench.cohort import Genotypes
from genobench.data.hardy_weinberg import chi_square
from genobench.errors import GenobenchError
from genobench.metrics import heterozygosity as hz
from genobench.metrics.frequency import genotype_counts

REAL = np.array([[0, 2, 1], [1, 2, 0], [2, 2, 1], [1, 2, 0]], dtype=np.int8)
MADE = np.array([[0, 2, 0], [0, 1, 0], [1, 1, 0], [1, 2, 0]], dtype=np.int8)

PAIRED: list[Any] = [
    hz.heterozygosity_ratio,
    hz.heterozygosity_spread,
    hz.inbreeding_rmse,
    hz.hardy_weinberg_excess,
]


def _independent(g: Genotypes, n: int, seed: int = 0) -> Genotypes:
    rng = np.random.default_rng(seed)
    return rng.binomial(2, g.mean(axis=0) / 2, (n, g.shape[1])).astype(np.int8)


def test_by_hand() -> None:
    """Three SNPs, four people: every number of this example is worked out on paper."""
    # observed 2+2+0 of 12 over expected .375+.375+0; real 2+0+2 of 12 over .5+0+.375
    assert hz.heterozygosity_ratio(MADE, REAL).value == pytest.approx((1 / 0.75) / (1 / 0.875))
    # F = 1 - .5/.5, 0 (constant), 1 - .5/.375 against 1 - .5/.375, 1 - .5/.375, 0 (constant)
    assert hz.inbreeding(genotype_counts(REAL).sum(axis=0)) == pytest.approx([0, 0, -1 / 3])
    assert hz.inbreeding(genotype_counts(MADE).sum(axis=0)) == pytest.approx([-1 / 3, -1 / 3, 0])
    # SNPs 1 and 3 vary in real people
    assert hz.inbreeding_rmse(MADE, REAL).value == pytest.approx(1 / 3)


def test_inbreeding_is_the_root_of_chi_square_over_n(make_cohort: Any) -> None:
    """n F^2 is the chi-square of Hardy-Weinberg quality control."""
    g = make_cohort(300, 64, 1).genotypes
    counts = genotype_counts(g).sum(axis=0)
    f = hz.inbreeding(counts)
    assert 300 * f**2 == pytest.approx(chi_square(counts.T.astype(np.int64)), rel=1e-9)


def test_excess_by_hand() -> None:
    """100 people all heterozygous at one SNP of four: a quarter of the SNPs is out."""
    rng = np.random.default_rng(1)
    real = rng.binomial(2, 0.5, (100, 4)).astype(np.int8)
    exact = np.repeat(np.array([0, 1, 1, 2], np.int8), 25)[:, None]  # 25, 50, 25
    real[:] = exact
    made = real.copy()
    made[:, 2] = 1
    assert hz.hardy_weinberg_excess(made, real).value == pytest.approx(0.25)
    assert hz.hardy_weinberg_excess(real, made).value == pytest.approx(-0.25)


def test_fresh_people_pass(make_cohort: Any) -> None:
    """Over 40 pairs of samples most intervals hold the truth, and F differs as chance has it."""
    hits, f2 = np.zeros(3), []
    for seed in range(40):
        one, two = (make_cohort(250, 64, 2 * seed + i).genotypes for i in (0, 1))
        ratio, spread = hz.heterozygosity_ratio(one, two), hz.heterozygosity_spread(one, two)
        excess = hz.hardy_weinberg_excess(one, two)
        hits += [ratio.low < 1 < ratio.high, spread.low < 1 < spread.high, excess.low < 0]
        f2.append(hz.inbreeding_rmse(one, two).value ** 2)
    assert (hits[:2] >= 34).all()
    assert hits[2] >= 36
    assert np.mean(f2) == pytest.approx(2 / 250, rel=0.15)


def test_independent_sites_are_found(make_cohort: Any) -> None:
    """`hwe` has people who are too much alike, and heterozygotes where populations had none."""
    train, test = (make_cohort(1000, 128, s, populations=3).genotypes for s in (1, 2))
    hwe = _independent(train, 1000)
    assert hz.heterozygosity_spread(hwe, test).high < 0.8
    assert hz.heterozygosity_ratio(hwe, train).low > 1
    fresh = hz.heterozygosity_spread(train, test)
    assert fresh.low < 1 < fresh.high


def test_populations_mixed_away_are_found() -> None:
    """Wahlund: two populations put sites out of equilibrium, independent sites are back in it."""
    rng = np.random.default_rng(0)
    p = rng.uniform(0.2, 0.8, (2, 80))
    real, fresh = (rng.binomial(2, p[np.arange(400) % 2]).astype(np.int8) for _ in range(2))
    made = _independent(real, 400)
    assert hz.hardy_weinberg_excess(made, real).high < 0
    assert abs(hz.hardy_weinberg_excess(fresh, real).value) < 0.1
    assert hz.inbreeding_rmse(made, real).low > hz.inbreeding_rmse(fresh, real).high
    assert hz.heterozygosity_ratio(made, real).low > 1


def test_wrongly_rounded_genotypes_are_found(make_cohort: Any) -> None:
    """Half of the SNPs with a third of their homozygotes made heterozygous, half the reverse.

    The mean over sites hardly moves; F site by site and the share out of equilibrium do.
    """
    train, test = (make_cohort(600, 128, s).genotypes for s in (1, 2))
    rng = np.random.default_rng(0)
    change = rng.random(train.shape) < 1 / 3
    more = np.where(change & (train != 1), 1, train)
    fewer = np.where(change & (train == 1), rng.choice([0, 2], train.shape), train)
    made = np.where(np.arange(128) % 2, more, fewer).astype(np.int8)
    fresh = hz.inbreeding_rmse(train, test)
    assert hz.inbreeding_rmse(made, test).low > 2 * fresh.high
    assert hz.hardy_weinberg_excess(made, test).low > 0.4
    assert hz.hardy_weinberg_excess(train, test).high < 0.2


def test_error_grows_with_blur(make_cohort: Any) -> None:
    """The more calls become homozygous, the further F is from real."""
    real = make_cohort(400, 64, 1).genotypes
    order = np.random.default_rng(0).random(real.shape)
    blurred = [np.where((order < q) & (real == 1), 0, real).astype(np.int8) for q in (0, 0.3, 0.8)]
    values = [hz.inbreeding_rmse(g, real).value for g in blurred]
    assert values == sorted(values)
    assert values[0] == 0
    assert values[-1] > 0.3


@pytest.mark.parametrize("metric", PAIRED, ids=lambda f: f.__name__)
def test_order_of_people_and_counted_allele_do_not_matter(metric: Any, make_cohort: Any) -> None:
    """The same value after shuffling people, counting other alleles, in another memory order."""
    made, real = (make_cohort(250, 64, s).genotypes for s in (1, 2))
    value = metric(made, real).value
    shuffled = np.asfortranarray(np.random.default_rng(0).permutation(made))
    assert metric(shuffled, real).value == pytest.approx(value, rel=1e-6)
    flip = np.arange(64) % 3 == 0
    flipped = [np.where(flip, 2 - g, g).astype(np.int8) for g in (made, real)]
    assert metric(*flipped).value == pytest.approx(value, rel=1e-6)


@given(arrays(np.int8, (6, 5), elements=st.integers(0, 2)), st.integers(0, 10))
@settings(max_examples=50, deadline=None)
def test_a_sample_against_itself_shows_no_difference(g: Genotypes, seed: int) -> None:
    """No difference from its own shuffled self, whatever the genotypes."""
    made = np.random.default_rng(seed).permutation(g)
    ratio = hz.heterozygosity_ratio(made, g).value
    assert ratio == pytest.approx(1) or (math.isnan(ratio) and not (g == 1).any())
    rmse = hz.inbreeding_rmse(made, g).value
    assert rmse == pytest.approx(0, abs=1e-9) or math.isnan(rmse)
    assert hz.hardy_weinberg_excess(made, g).value == 0


def test_constant_cohorts_give_no_number_instead_of_a_wrong_one() -> None:
    """No heterozygote, no common SNP: NaN, not 0 and not a warning."""
    flat = np.zeros((10, 6), np.int8)
    for metric in PAIRED[:3]:
        assert math.isnan(metric(flat, flat).value)
    assert hz.hardy_weinberg_excess(flat, flat).value == 0


@pytest.mark.parametrize("metric", PAIRED, ids=lambda f: f.__name__)
def test_bad_input_is_named(metric: Any) -> None:
    """Other variants, missing calls, nobody; other numbers where power matters."""
    good = np.array([[0, 1, 2]] * 8, np.int8)
    missing = good.copy()
    missing[2, 1] = -1
    for made, words in (
        (good[:, :2], "2 variants"),
        (missing, "person 2, variant 1"),
        (good[:0], "0 people"),
    ):
        with pytest.raises(GenobenchError, match=words):
            metric(made, good)
    with pytest.raises(GenobenchError, match="equal numbers"):
        hz.hardy_weinberg_excess(good[:6], good)
