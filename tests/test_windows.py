"""Window configurations and three-point correlations: hand-worked, naive loops, validity."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest

from genobench.cohort import Genotypes
from genobench.errors import GenobenchError
from genobench.metrics import agreement
from genobench.metrics import windows as wd
from genobench.metrics.frequency import allele_frequency

ONE_CHROMOSOME = np.zeros(128, np.int64)


def _independent(g: Genotypes, seed: int = 0) -> Genotypes:
    rng = np.random.default_rng(seed)
    return rng.binomial(2, g.mean(axis=0) / 2, g.shape).astype(np.int8)


def _halves(g: Genotypes) -> tuple[Genotypes, Genotypes]:
    return g[: len(g) // 2], g[len(g) // 2 : len(g) // 2 * 2]


def _cut(m: int, length: int) -> wd.Windows:
    return wd.windows(np.zeros(m, np.int64), length=length, rng=np.random.default_rng(0))


def _variation(made: Genotypes, real: Genotypes, length: int) -> Any:
    return wd.window_variation(_halves(made), _halves(real), _cut(real.shape[1], length))


def _tied_people(n: int, seed: int) -> Genotypes:
    """Blocks of four SNPs: three independent, the fourth their sum modulo 3; no LD in pairs."""
    rng = np.random.default_rng(seed)
    g = rng.integers(0, 3, (n, 32, 4))
    g[..., 3] = g[..., :3].sum(axis=2) % 3
    return g.reshape(n, 128).astype(np.int8)


def test_windows_by_hand() -> None:
    """Two chromosomes of 5 and 7 SNPs, windows of 3: what is left over belongs to none."""
    chromosome = np.repeat([1, 2], [5, 7])
    which = wd.windows(chromosome, length=3, rng=np.random.default_rng(0))
    assert which.first.tolist() == [0, 5, 8]
    drawn = wd.windows(np.zeros(900, int), length=3, rng=np.random.default_rng(0), most=20)
    assert len(drawn.first) == 20
    assert (np.diff(drawn.first) >= 3).all()
    assert len(wd.windows(chromosome, length=8, rng=np.random.default_rng(0)).first) == 0
    with pytest.raises(GenobenchError, match="windows of 11"):
        _cut(64, 11)


def test_configurations_are_counted_as_python_counts(make_cohort: Any) -> None:
    """The same multiset of configurations as a Counter of tuples."""
    g = make_cohort(60, 16, 1).genotypes
    which = _cut(16, 4)
    counts = wd.configurations(g, which)
    assert counts.shape == (4, 81)
    for row, first in zip(counts, which.first, strict=True):
        expected = Counter(tuple(person[first : first + 4].tolist()) for person in g)
        assert sorted(row[row > 0]) == sorted(expected.values())
        assert sum(row) == 60


def test_variation_by_hand() -> None:
    """One window of one SNP, halves of four people: S = (1/2 + 1/4) / 2, R = 1/4."""

    def column(*x: int) -> Genotypes:
        return np.array(x, np.int8)[:, None]

    real = column(0, 0, 1, 1), column(0, 0, 0, 1)
    made = column(0, 0, 2, 2), column(0, 0, 1, 1)
    found = wd.window_variation(made, real, _cut(1, 1))
    assert found.value == pytest.approx((3 / 8 - 1 / 4) / (3 / 4))


@pytest.mark.parametrize("length", [4, 8])
def test_fresh_people_average_zero(make_cohort: Any, length: int) -> None:
    """The bias of small samples is gone: 0 on average, inside 25 of 30 intervals or more."""
    pairs = (
        [make_cohort(200, 128, seed).genotypes for seed in (2 * pair, 2 * pair + 1)]
        for pair in range(30)
    )
    found = [_variation(made, real, length) for made, real in pairs]
    assert np.mean([i.value for i in found]) == pytest.approx(0, abs=0.008)
    assert sum(i.low < 0 < i.high for i in found) >= 25


def test_lost_haplotypes_are_found_and_noise_lies_between(make_cohort: Any) -> None:
    """From 0 to near 1 as calls are redrawn, longer windows further."""
    train, test = (make_cohort(600, 128, s).genotypes for s in (1, 2))
    redrawn, order = _independent(train), np.random.default_rng(3).random(train.shape)
    for length, most in ((4, 0.25), (8, 0.4)):
        values = [
            _variation(np.where(order < q, redrawn, train).astype(np.int8), test, length).value
            for q in (0, 0.1, 0.4, 1)
        ]
        assert values == sorted(values)
        assert abs(values[0]) < 0.03
        assert values[-1] > most


def test_mixtures_of_real_and_wrong_people_fall_in_order(make_cohort: Any) -> None:
    """The larger the share of independent-site people, the further from real."""
    train, test = (make_cohort(600, 128, s).genotypes for s in (1, 2))
    wrong = _independent(train)
    rows = np.random.default_rng(0).random(600)
    values = [
        _variation(np.where((rows < q)[:, None], wrong, train), test, 4).value
        for q in (0, 0.3, 0.6, 1)
    ]
    assert values == sorted(values)


def test_windows_see_what_pairs_do_not() -> None:
    """Four SNPs tied together, every pair and triple independent: only 4-SNP windows tell."""
    real, fresh = _tied_people(600, 1), _tied_people(600, 2)
    uniform = np.random.default_rng(4).integers(0, 3, real.shape).astype(np.int8)
    assert _variation(uniform, real, 4).low > 0.4
    assert abs(_variation(fresh, real, 4).value) < 0.03
    assert np.abs(np.corrcoef(real.T) - np.eye(128)).max() < 0.2


def test_third_moments_are_numpys(make_cohort: Any) -> None:
    """Mean of the product of three deviations, triple by triple."""
    g = make_cohort(80, 40, 1).genotypes
    moments = wd.third_moments(g)
    deviation = g - g.mean(axis=0)
    for row, d in enumerate(wd.STEPS):
        for j in range(40):
            wanted = 0.0
            if j + 2 * d < 40:
                wanted = np.mean(deviation[:, j] * deviation[:, j + d] * deviation[:, j + 2 * d])
            assert moments[row, j] == pytest.approx(wanted, abs=1e-6)


def test_triples_by_hand() -> None:
    """Two chromosomes, one rare SNP: the triples that are left."""
    chromosome = np.array([1, 1, 1, 1, 1, 2, 2, 2])
    frequency = np.array([0.5, 0.5, 0.5, 0.995, 0.5, 0.5, 0.5, 0.5])
    valid = wd.triples(chromosome, frequency)
    assert np.argwhere(valid).tolist() == [[0, 0], [0, 5], [1, 0]]


def test_three_point_correlations_of_fresh_people_and_of_independent_sites(
    make_cohort: Any,
) -> None:
    """Fresh: agree, slope 1. Independent sites: none. Noise between."""
    train, test = (make_cohort(1500, 128, s).genotypes for s in (1, 2))
    valid = wd.triples(ONE_CHROMOSOME, allele_frequency(test))
    one, two = (wd.third_moments(h) for h in _halves(test))
    reliable = agreement.reliability(one, two, valid, origin=True)
    assert reliable > 0.8
    real = wd.third_moments(test)
    redrawn, order = _independent(train), np.random.default_rng(3).random(train.shape)
    slopes = []
    for q in (0, 0.2, 0.5, 1):
        made = wd.third_moments(np.where(order < q, redrawn, train).astype(np.int8))
        slopes.append(agreement.slope(made, real, valid, reliable=reliable, origin=True))
    assert slopes[0].low < 1 < slopes[0].high
    assert [s.value for s in slopes] == sorted((s.value for s in slopes), reverse=True)
    assert slopes[-1].high < 0.1
    fresh = wd.third_moments(train)
    assert agreement.correlation(fresh, real, valid, origin=True).value > 0.8


def test_order_of_people_and_counted_allele_do_not_matter(make_cohort: Any) -> None:
    """Shuffled halves, other alleles counted, other memory order: the same values."""
    made, real = (make_cohort(200, 64, s).genotypes for s in (1, 2))
    rng, flip = np.random.default_rng(0), np.arange(64) % 3 == 0

    def other(g: Genotypes) -> Genotypes:
        mixed = np.concatenate([rng.permutation(half) for half in _halves(g)])
        return np.asfortranarray(np.where(flip, 2 - mixed, mixed).astype(np.int8))

    assert _variation(other(made), other(real), 4).value == pytest.approx(
        _variation(made, real, 4).value
    )
    valid = wd.triples(ONE_CHROMOSOME[:64], allele_frequency(real))
    found = [
        agreement.correlation(
            wd.third_moments(f(made)), wd.third_moments(f(real)), valid, origin=True
        ).value
        for f in (lambda g: g, other)
    ]
    assert found[0] == pytest.approx(found[1], rel=1e-4)


def test_too_few_snps_give_no_number(make_cohort: Any) -> None:
    """Three SNPs hold no window of four, one SNP no triple: NaN, no crash."""
    g = make_cohort(40, 3, 1).genotypes
    assert math.isnan(_variation(g, g, 4).value)
    moments = wd.third_moments(g[:, :1])
    assert not moments.any()
    assert not wd.triples(ONE_CHROMOSOME[:1], np.array([0.5])).any()


def test_bad_input_is_named(make_cohort: Any) -> None:
    """Halves of other sizes, other variants, missing calls."""
    g = make_cohort(40, 16, 1).genotypes
    which, missing = _cut(16, 4), g.copy()
    missing[3, 2] = -1
    with pytest.raises(GenobenchError, match="same people count"):
        wd.window_variation((g[:10], g[:20]), (g[:20], g[20:]), which)
    with pytest.raises(GenobenchError, match="8 variants"):
        wd.window_variation((g[:20, :8], g[20:, :8]), (g[:20], g[20:]), which)
    with pytest.raises(GenobenchError, match="person 3, variant 2"):
        wd.third_moments(missing)
