"""Populations: scikit-learn, Weir and Cockerham worked by hand, calibration, validity."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from genobench.cohort import Genotypes
from genobench.errors import GenobenchError
from genobench.metrics import ancestry as an
from genobench.metrics.frequency import genotype_counts
from genobench.metrics.structure import fit_axes, project


def _three(n: int, seed: int, m: int = 200) -> tuple[Genotypes, an.Codes]:
    """People of three populations, FST about .1, half of them of the first."""
    p = np.clip(np.random.default_rng(99).normal(0.5, 0.17, (3, m)), 0.05, 0.95)
    rng = np.random.default_rng(seed)
    code = rng.choice(3, n, p=[0.5, 0.3, 0.2])
    return rng.binomial(2, p[code]).astype(np.int8), code


def _counts(g: Genotypes) -> Any:
    return genotype_counts(g).sum(axis=0)


def test_places_are_scikit_learns() -> None:
    """Linear discriminant analysis with equal priors on the same components."""
    discriminant = pytest.importorskip("sklearn.discriminant_analysis")
    g, code = _three(400, 1, m=60)
    fresh, _ = _three(400, 2, m=60)
    axes = fit_axes(g, components=6)
    model = discriminant.LinearDiscriminantAnalysis(priors=[1 / 3] * 3)
    model.fit(project(g, axes), code)
    found = an.fit_populations(g, code, components=6).place(fresh)
    assert (found == model.predict(project(fresh, axes))).mean() > 0.995


def test_new_people_are_placed_where_they_come_from() -> None:
    """People who took no part in fitting, nearly all of them."""
    fitted = an.fit_populations(*_three(300, 1))
    fresh, code = _three(500, 2)
    assert fitted.count == 3
    assert (fitted.place(fresh) == code).mean() > 0.98


def test_weir_cockerham_by_hand() -> None:
    """Two populations fixed for different alleles: 1. Four and four people: 1/12 over 5/16.

    Frequencies 3/4 and 1/4, no heterozygote and two: s2 = 1/8, mean heterozygosity 1/4, so that
    a = 1/8 - (3/16 - 1/16) / 3 = 1/12, b = 4/3 (3/16 - 7/64) = 5/48, c = 1/8.
    """
    zero, two = np.zeros((5, 1), np.int8), np.full((5, 1), 2, np.int8)
    assert an.fst_interval(an.weir_cockerham(_counts(zero), _counts(two))).value == 1
    one = np.array([2, 2, 2, 0], np.int8)[:, None]
    other = np.array([1, 1, 0, 0], np.int8)[:, None]
    parts = an.weir_cockerham(_counts(one), _counts(other))
    assert parts == pytest.approx(np.array([[1 / 12, 5 / 16]]))
    assert an.fst_interval(parts).value == pytest.approx(4 / 15)


def test_fst_of_simulated_populations_is_what_was_simulated() -> None:
    """Balding and Nichols with F = .05, 10 times: the estimates average .05."""
    rng, f, found = np.random.default_rng(0), 0.05, []
    for _ in range(10):
        ancestral, shape = rng.uniform(0.1, 0.9, 2000), (1 - f) / f
        p = rng.beta(ancestral * shape, (1 - ancestral) * shape, (2, 2000))
        one, two = (rng.binomial(2, row, (100, 2000)).astype(np.int8) for row in p)
        found.append(an.fst_interval(an.weir_cockerham(_counts(one), _counts(two))))
    assert np.mean([i.value for i in found]) == pytest.approx(f, abs=0.002)
    assert sum(i.low < f < i.high for i in found) >= 7


def test_fresh_people_pass() -> None:
    """FST 0 on average and in its interval; few people would have to come from elsewhere."""
    fitted = an.fit_populations(*_three(300, 1))
    hits, values = 0, []
    for seed in range(20):
        made, real = _three(400, 100 + seed)[0], _three(400, 200 + seed)[0]
        placed = fitted.place(made), fitted.place(real)
        fst = an.population_fst(made, real, *placed)
        hits += fst.low < 0 < fst.high
        values.append(fst.value)
        assert an.share_variation(*placed, count=3).value < 0.12
    assert hits >= 16
    assert np.mean(values) == pytest.approx(0, abs=0.0005)


def test_wrong_frequencies_inside_populations_are_found() -> None:
    """More and more calls of the right people redrawn from everybody: FST rises, in order."""
    fitted = an.fit_populations(*_three(600, 1))
    (train, _), (real, _) = _three(600, 2), _three(600, 3)
    rng = np.random.default_rng(0)
    mixed = rng.binomial(2, train.mean(axis=0) / 2, train.shape).astype(np.int8)
    order, values = rng.random(train.shape), []
    for q in (0, 0.3, 0.6):
        made = np.where(order < q, mixed, train).astype(np.int8)
        values.append(an.population_fst(made, real, fitted.place(made), fitted.place(real)))
    assert [v.value for v in values] == sorted(v.value for v in values)
    assert values[0].low < 0.001
    assert values[-1].low > 0.005


def test_a_lost_population_is_found() -> None:
    """A fifth of the people is missing: shares differ by a fifth, FST does not see it."""
    fitted = an.fit_populations(*_three(600, 1))
    (train, code), (real, home) = _three(800, 2), _three(600, 3)
    made = train[code != 2][:600]
    placed = fitted.place(made), fitted.place(real)
    shares = an.share_variation(*placed, count=3)
    assert shares.value == pytest.approx((home == 2).mean(), abs=0.05)
    assert shares.low > 0.1
    assert abs(an.population_fst(made, real, *placed).value) < 0.002


def test_independent_sites_fall_into_the_middle() -> None:
    """Without structure the shares are far off."""
    fitted = an.fit_populations(*_three(600, 1))
    train, real = _three(600, 2)[0], _three(600, 3)[0]
    hwe = np.random.default_rng(0).binomial(2, train.mean(axis=0) / 2, train.shape)
    placed = fitted.place(hwe.astype(np.int8)), fitted.place(real)
    assert an.share_variation(*placed, count=3).low > 0.1


def test_order_and_counted_allele_do_not_matter() -> None:
    """Flipped in fitting and in use, shuffled, in another memory order: the same numbers."""
    (train, code), (made, _), (real, _) = (_three(300, s, m=80) for s in (1, 2, 3))
    flip = np.arange(80) % 3 == 0
    rows = np.random.default_rng(0).permutation(300)
    found = []
    for change in (
        lambda g: g,
        lambda g: np.asfortranarray(np.where(flip, 2 - g, g).astype(np.int8)),
    ):
        fitted = an.fit_populations(change(train), code)
        one, two = change(made), change(real)
        placed = fitted.place(one), fitted.place(two)
        found.append(an.population_fst(one, two, *placed).value)
        found.append(an.population_fst(one[rows], two, placed[0][rows], placed[1]).value)
        assert an.share_variation(placed[0][rows], placed[1], count=3).value == pytest.approx(
            an.share_variation(*placed, count=3).value
        )
    assert found == pytest.approx([found[0]] * 4, rel=1e-6)


def test_small_populations_are_left_out() -> None:
    """Fewer than ten people on a side: not compared; with none left, no number."""
    g = _three(60, 1)[0]
    placed = np.repeat([0, 1], [55, 5])
    whole = an.population_fst(g, g, placed, placed)
    assert whole.value == pytest.approx(
        an.fst_interval(an.weir_cockerham(_counts(g[:55]), _counts(g[:55]))).value
    )
    assert math.isnan(an.population_fst(g[:9], g, placed[:9], placed).value)


def test_constant_snps_do_no_harm() -> None:
    """Monomorphic on both sides: nothing added; everywhere: no number."""
    g, code = _three(200, 1, m=40)
    padded = np.concatenate([g, np.zeros((200, 10), np.int8)], axis=1)
    one, two = (
        an.population_fst(x[:100], x[100:], code[:100], code[100:]).value for x in (g, padded)
    )
    assert one == pytest.approx(two)
    flat, everybody = np.zeros((40, 5), np.int8), np.zeros(40, np.int64)
    assert math.isnan(an.population_fst(flat, flat, everybody, everybody).value)


def test_bad_input_is_named() -> None:
    """One population, other variants, too few people for FST."""
    g, code = _three(60, 1, m=30)
    with pytest.raises(GenobenchError, match="two populations"):
        an.fit_populations(g, np.zeros(60, np.int64))
    with pytest.raises(GenobenchError, match="two populations"):
        an.fit_populations(g, code[:50])
    with pytest.raises(GenobenchError, match="20 variants, but populations on 30"):
        an.fit_populations(g, code).place(g[:, :20])
    with pytest.raises(GenobenchError, match="FST of"):
        an.weir_cockerham(_counts(g[:1]), _counts(g))
