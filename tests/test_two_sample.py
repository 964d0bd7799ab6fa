"""The two-sample test: fresh people at .5, flaws found, repeated and copied people."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from genobench.cohort import Genotypes
from genobench.errors import GenobenchError
from genobench.metrics.auc import auc
from genobench.metrics.two_sample import runs, two_sample_auc


def _independent(g: Genotypes, seed: int = 0) -> Genotypes:
    rng = np.random.default_rng(seed)
    return rng.binomial(2, g.mean(axis=0) / 2, g.shape).astype(np.int8)


def test_few_snps_where_people_repeat_by_nature(make_cohort: Any) -> None:
    """6 SNPs, most rows in both sets many times over: fresh people still average .5."""
    values = [
        two_sample_auc(
            make_cohort(150, 6, 2 * seed).genotypes,
            make_cohort(150, 6, 2 * seed + 1).genotypes,
            seed=seed,
        ).value
        for seed in range(6)
    ]
    assert np.mean(values) == pytest.approx(0.5, abs=0.04)


def test_fresh_people_are_not_told_apart(make_cohort: Any) -> None:
    """.5 on average over 10 pairs of samples, and inside at least 8 of the intervals."""
    found = [
        two_sample_auc(
            make_cohort(200, 64, 2 * seed).genotypes,
            make_cohort(200, 64, 2 * seed + 1).genotypes,
            seed=seed,
        )
        for seed in range(10)
    ]
    assert np.mean([i.value for i in found]) == pytest.approx(0.5, abs=0.03)
    assert sum(i.low < 0.5 < i.high for i in found) >= 8


def test_independent_sites_are_told_apart(make_cohort: Any) -> None:
    """LD-rich data: `hwe` near 1, which logistic regression cannot see."""
    linear = pytest.importorskip("sklearn.linear_model")
    train, test = (make_cohort(400, 128, s).genotypes for s in (1, 2))
    hwe = _independent(train)
    assert two_sample_auc(hwe, test, seed=0).low > 0.98
    x, y = np.concatenate([hwe, test]), np.repeat([1, 0], 400)
    half = np.arange(800) % 2 == 0
    model = linear.LogisticRegression(C=0.01, max_iter=500).fit(x[half], y[half])
    assert auc(model.decision_function(x[~half]), y[~half]) < 0.65


def test_auc_rises_with_noise(make_cohort: Any) -> None:
    """The more calls are redrawn, the better they are told apart."""
    train, test = (make_cohort(300, 64, s).genotypes for s in (1, 2))
    redrawn, order = _independent(train), np.random.default_rng(5).random(train.shape)
    values = [
        two_sample_auc(np.where(order < q, redrawn, train).astype(np.int8), test, seed=0).value
        for q in (0, 0.3, 1)
    ]
    assert values == sorted(values)
    assert values[-1] > 0.95


def test_repeated_people_are_told_apart(make_cohort: Any) -> None:
    """30 people copied over and over cannot pass for a cohort."""
    train, test = (make_cohort(300, 64, s).genotypes for s in (1, 2))
    assert two_sample_auc(train[np.arange(300) % 30], test, seed=0).low > 0.95


def test_copies_of_test_people_fall_below_one_half(make_cohort: Any) -> None:
    """Leaked evaluation people do not pass for fresh ones: the interval excludes .5 from below."""
    test = make_cohort(200, 64, 1).genotypes
    assert two_sample_auc(np.random.default_rng(0).permutation(test), test, seed=0).high < 0.5


def test_one_person_for_all(make_cohort: Any) -> None:
    """A cohort of one real person's copies is told apart; two cohorts of that person are not."""
    real = make_cohort(60, 32, 1).genotypes
    alone = np.tile(real[:1], (60, 1))
    assert two_sample_auc(alone, real, seed=0).value > 0.95
    assert two_sample_auc(alone, alone, seed=0).value == 0.5


def test_wide_data_keep_runs_of_neighbours(make_cohort: Any) -> None:
    """Of 10,000 SNPs 2,048 are looked at, 64 in a row; lost LD is still found in a quarter."""
    columns = runs(10_000, 2048, np.random.default_rng(0))
    assert len(columns) == 2048
    assert (np.diff(columns.reshape(-1, 64), axis=1) == 1).all()
    assert (columns.reshape(-1, 64)[:, 0] % 64 == 0).all()
    assert runs(100, 2048, np.random.default_rng(0)).tolist() == list(range(100))
    train, test = (make_cohort(200, 256, s).genotypes for s in (1, 2))
    found = two_sample_auc(_independent(train), test, seed=0, most_variants=64)
    assert found.low > 0.9


def test_same_seed_same_value_and_counted_allele_does_not_matter(make_cohort: Any) -> None:
    """Deterministic; trees split either way round after flipping alleles."""
    made, real = (make_cohort(100, 32, s).genotypes for s in (1, 2))
    first = two_sample_auc(made, real, seed=3)
    assert two_sample_auc(made, real, seed=3) == first
    assert two_sample_auc(made, real, seed=4) != first
    hwe = _independent(made)
    flipped = [(2 - g).astype(np.int8) for g in (hwe, real)]
    a, b = two_sample_auc(hwe, real, seed=3), two_sample_auc(flipped[0], flipped[1], seed=3)
    assert a.value == pytest.approx(b.value, abs=0.05)


def test_bad_input_is_named(make_cohort: Any) -> None:
    """Unequal numbers, other variants, missing calls, too few people, impossible folds."""
    g = make_cohort(40, 16, 1).genotypes
    missing = g.copy()
    missing[0, 0] = -1
    for made, real, words in (
        (g[:30], g, "equal numbers"),
        (g[:, :5], g, "5 variants"),
        (missing, g, "missing call"),
        (g[:8], g[:8], "needs 10"),
    ):
        with pytest.raises(GenobenchError, match=words):
            two_sample_auc(made, real, seed=0)
    with pytest.raises(GenobenchError, match="folds = 1"):
        two_sample_auc(g, g, seed=0, folds=1)
