"""Association tests against closed forms; the choice of SNPs sees training people alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import stats

from genobench.cohort import MISSING, Genotypes, Trait
from genobench.data.clump import clump, neighbour_r2
from genobench.data.gwas import Association, NullModel, principal_components, select
from genobench.data.split import split_people
from genobench.errors import GenobenchError


def _genotypes(n: int, m: int, *, seed: int = 0) -> Genotypes:
    draw = np.random.default_rng(seed)
    return draw.binomial(2, draw.uniform(0.1, 0.5, size=m), size=(n, m)).astype(np.int8)


def _binary(values: NDArray[np.bool_]) -> Trait:
    return Trait("disease", "binary", values.astype(np.float32))


def _variants(m: int, *, step: int = 1_000) -> pd.DataFrame:
    return pd.DataFrame({"chrom": "1", "pos": np.arange(m) * step})


def test_quantitative_p_is_that_of_ordinary_least_squares() -> None:
    """scipy's linregress without covariates; the t test of the full regression with them."""
    draw = np.random.default_rng(1)
    G = _genotypes(300, 20)
    y = (0.3 * G[:, 0] + draw.normal(size=300)).astype(np.float32)
    trait = Trait("height", "quantitative", y)
    plain = NullModel(trait).test(G)
    for j in range(20):
        fit = stats.linregress(G[:, j], y)
        assert plain.p[j] == pytest.approx(fit.pvalue, rel=1e-6)
        assert plain.beta[j] == pytest.approx(fit.slope, rel=1e-6)
    C = draw.normal(size=(300, 3)) + 0.5 * G[:, :1]
    adjusted = NullModel(trait, C).test(G)
    for j in range(20):
        p, beta = _least_squares(y.astype(float), np.column_stack([G[:, j], np.ones(300), C]))
        assert adjusted.p[j] == pytest.approx(p, rel=1e-6)
        assert adjusted.beta[j] == pytest.approx(beta, rel=1e-6)
        assert stats.norm.sf(abs(adjusted.z[j])) * 2 == pytest.approx(p, rel=1e-6)


def _least_squares(y: NDArray[np.float64], X: NDArray[np.float64]) -> tuple[float, float]:
    """p and coefficient of the first column, from the normal equations."""
    inverse = np.linalg.inv(X.T @ X)
    beta = inverse @ X.T @ y
    df = len(y) - X.shape[1]
    variance = ((y - X @ beta) ** 2).sum() / df
    return float(2 * stats.t.sf(abs(beta[0]) / np.sqrt(variance * inverse[0, 0]), df)), beta[0]


def test_binary_test_without_covariates_is_cochran_armitage() -> None:
    """The trend test from the 2 x 3 table of counts (Sasieni 1997)."""
    G = _genotypes(400, 15)
    y = np.random.default_rng(2).random(400) < 0.2 + 0.15 * G[:, 0]
    z = NullModel(_binary(y)).test(G).z
    n, cases = len(y), int(y.sum())
    for j in range(15):
        r = np.array([(G[y, j] == x).sum() for x in range(3)])
        s = np.array([(G[:, j] == x).sum() for x in range(3)])
        x = np.arange(3)
        top = n * (n * (r * x).sum() - cases * (s * x).sum()) ** 2
        bottom = cases * (n - cases) * (n * (s * x**2).sum() - (s * x).sum() ** 2)
        assert z[j] ** 2 == pytest.approx(top / bottom, rel=1e-6)


def test_binary_test_with_covariates_is_the_score_test_of_logistic_regression() -> None:
    """Score and information of the full model at the null fit, by hand."""
    draw = np.random.default_rng(3)
    G, C = _genotypes(500, 10), draw.normal(size=(500, 2))
    y = draw.random(500) < 1 / (1 + np.exp(1 - C[:, 0] - 0.4 * G[:, 0]))
    found = NullModel(_binary(y), C).test(G)
    X = np.column_stack([np.ones(500), C])
    beta = np.zeros(3)
    for _ in range(25):
        mean = 1 / (1 + np.exp(-X @ beta))
        beta += np.linalg.solve(X.T @ (X * (mean * (1 - mean))[:, None]), X.T @ (y - mean))
    w = mean * (1 - mean)
    for j in range(10):
        full = np.column_stack([G[:, j], X])
        information = full.T @ (full * w[:, None])
        score = G[:, j] @ (y - mean)
        variance = 1 / np.linalg.inv(information)[0, 0]
        assert found.z[j] == pytest.approx(score / np.sqrt(variance), rel=1e-6)
        assert found.beta[j] == pytest.approx(score / variance, rel=1e-6)


def test_only_the_named_people_are_looked_at() -> None:
    """Rows by index equal a copy of those rows; other people's genotypes change nothing."""
    G = _genotypes(300, 30)
    people = np.random.default_rng(0).permutation(300)[:120]
    y = np.random.default_rng(4).random(120) < 0.4
    model = NullModel(_binary(y))
    expected = model.test(G[people]).z
    others = np.setdiff1d(np.arange(300), people)
    G[others] = 2
    np.testing.assert_array_equal(model.test(G, people).z, expected)


def test_missing_calls_take_the_mean_and_empty_or_constant_snps_say_nothing() -> None:
    """A missing call has no say; z 0, p 1, beta 0 without variation."""
    G = _genotypes(200, 4)
    G[:, 1], G[:, 2] = MISSING, 1
    G[:50, 0] = MISSING
    y = np.random.default_rng(5).normal(size=200).astype(np.float32)
    found = NullModel(Trait("height", "quantitative", y)).test(G)
    assert found.beta[0] == pytest.approx(stats.linregress(G[50:, 0], y[50:]).slope, rel=1e-5)
    assert (found.z[1:3] == 0).all()
    assert (found.p[1:3] == 1).all()
    assert (found.beta[1:3] == 0).all()


def test_null_p_values_are_uniform_and_lambda_is_one() -> None:
    """No signal: Kolmogorov-Smirnov does not object; genomic control near 1."""
    G = _genotypes(500, 3_000)
    y = np.random.default_rng(6).random(500) < 0.3
    found = NullModel(_binary(y)).test(G)
    assert stats.kstest(found.p, "uniform").pvalue > 1e-3
    assert found.genomic_control == pytest.approx(1, abs=0.12)


def test_components_take_the_confounding_out() -> None:
    """Two populations of different prevalence: inflated without, calm with the component."""
    draw = np.random.default_rng(7)
    first = draw.uniform(0.1, 0.9, size=600)
    second = np.clip(first + draw.normal(scale=0.15, size=600), 0.02, 0.98)
    where = draw.random(800) < 0.5
    G = draw.binomial(2, np.where(where[:, None], first, second)).astype(np.int8)
    y = _binary(draw.random(800) < np.where(where, 0.2, 0.6))
    scores = principal_components(G, 2)
    assert abs(np.corrcoef(scores[:, 0], where)[0, 1]) > 0.98
    np.testing.assert_allclose(scores.std(axis=0), 1, rtol=1e-6)
    assert NullModel(y).test(G).genomic_control > 3
    assert NullModel(y, scores).test(G).genomic_control < 1.3


def test_components_equal_those_of_a_singular_value_decomposition() -> None:
    """Up to sign."""
    G = _genotypes(120, 40)
    G[:60, :10] = _genotypes(60, 10, seed=8) // 2
    X = (G - G.mean(axis=0)) / G.std(axis=0)
    U, singular, _ = np.linalg.svd(X, full_matrices=False)
    expected = U[:, :3] * np.sqrt(120)
    found = principal_components(G, 3)
    assert singular[2] > singular[3]
    assert (np.abs((found * expected).mean(axis=0)) > 0.999).all()


def _auc(score: NDArray[np.float64], label: NDArray[np.float32]) -> float:
    ranks = stats.rankdata(score)
    cases = label == 1
    k = int(cases.sum())
    return float((ranks[cases].sum() - k * (k + 1) / 2) / (k * (len(label) - k)))


def test_a_null_phenotype_cannot_be_predicted_unless_selection_saw_the_test_people() -> None:
    """Selection on everybody invents an AUC far above one half; on training people it does not."""
    leaky: list[float] = []
    honest: list[float] = []
    for seed in range(3):
        G = _genotypes(600, 5_000, seed=seed)
        trait = _binary(np.random.default_rng(100 + seed).random(600) < 0.5)
        split = split_people(trait, seed=seed)
        y_train = _binary(trait.values[split.train] == 1)
        for people, y, aucs in (
            (np.arange(600), trait, leaky),
            (split.train, y_train, honest),
        ):
            association = NullModel(y).test(G, people)
            chosen = select(G[people], _variants(5_000), association, 128)
            effects = NullModel(y_train).test(G[:, chosen], split.train).beta
            rest = np.concatenate([split.test, split.control])
            aucs.append(_auc(G[rest][:, chosen] @ effects, trait.values[rest]))
    assert np.mean(leaky) > 0.7
    assert abs(np.mean(honest) - 0.5) < 0.06


def test_selection_takes_the_strongest_in_genome_order() -> None:
    """Indices ascend; ties go to the first."""
    z = np.array([0.1, -5, 3, 3, 0.2])
    association = Association(z, np.ones(5), z)
    G = _genotypes(50, 5)
    assert select(G, _variants(5), association, 2).tolist() == [1, 2]
    assert select(G, _variants(5), association, 5).tolist() == [0, 1, 2, 3, 4]
    for k in (0, 6):
        with pytest.raises(GenobenchError, match=f"{k} SNPs were asked for, 5 are there"):
            select(G, _variants(5), association, k)


def test_clumping_keeps_the_best_of_each_block() -> None:
    """Blocks of four copies: one SNP each, the one with the largest z; far copies may stay."""
    G = np.repeat(_genotypes(400, 5), 4, axis=1)
    strength = np.random.default_rng(9).random(20)
    association = Association(strength, np.ones(20), strength)
    kept = select(G, _variants(20), association, 5, clump_r2=0.5)
    assert kept.tolist() == [4 * b + int(strength[4 * b : 4 * b + 4].argmax()) for b in range(5)]
    with pytest.raises(GenobenchError, match="5 are left after clumping"):
        select(G, _variants(20), association, 6, clump_r2=0.5)
    far = clump(G, _variants(20, step=300_000), strength, r2=0.5, window_kb=250)
    assert len(far) == 20
    assert clump(G, _variants(20), np.zeros(20), r2=0.5).tolist() == [0, 4, 8, 12, 16]


def test_kept_snps_are_below_the_limit_pairwise() -> None:
    """No two kept SNPs within the window exceed r2; every dropped one exceeds it with a kept."""
    draw = np.random.default_rng(10)
    walk = np.cumsum(draw.normal(size=(500, 60)), axis=1)
    G = np.digitize(walk, [-2.0, 2.0]).astype(np.int8)
    kept = clump(G, _variants(60), draw.random(60), r2=0.3)
    r2 = np.corrcoef(G.T) ** 2
    np.fill_diagonal(r2, 0)
    assert (r2[np.ix_(kept, kept)] <= 0.3).all()
    dropped = np.setdiff1d(np.arange(60), kept)
    assert (r2[np.ix_(dropped, kept)].max(axis=1) > 0.3).all()


def test_neighbour_r2_is_the_mean_over_pairs_on_one_chromosome() -> None:
    """Against numpy's corrcoef; chromosome borders and constant SNPs left out."""
    G = _genotypes(300, 6)
    G[:, 1], G[:, 4] = G[:, 0], 1
    variants = _variants(6).assign(chrom=["1", "1", "1", "2", "2", "2"])
    expected = np.mean([1.0, np.corrcoef(G[:, 1], G[:, 2])[0, 1] ** 2])
    assert neighbour_r2(G, variants) == pytest.approx(expected, rel=1e-4)


def test_what_leaves_nothing_to_test_is_named() -> None:
    """One class; a covariate that is the trait; covariates of other people."""
    y = np.arange(40) < 20
    with pytest.raises(GenobenchError, match="leave nothing to test"):
        NullModel(_binary(np.zeros(40, dtype=bool)))
    with pytest.raises(GenobenchError, match="separate cases from controls"):
        NullModel(_binary(y), y[:, None].astype(float))
    with pytest.raises(GenobenchError, match="39 rows of covariates for 40 people"):
        NullModel(_binary(y), np.zeros((39, 1)) + np.arange(39)[:, None])
