"""LDpred-inf against ridge regression, closed forms and what was simulated."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from genobench.cohort import Cohort
from genobench.metrics import polygenic
from genobench.metrics.auc import auc
from genobench.metrics.prediction import marginal_scores


@pytest.fixture(scope="module")
def halves(make_cohort: Callable[..., Cohort]) -> tuple[Cohort, Cohort]:
    """Train and test people, 128 SNPs in strong LD, binary trait."""
    everybody = make_cohort(2400, 128, 5)
    return everybody.take(slice(0, 1400)), everybody.take(slice(1400, None))


def test_blocks() -> None:
    """Cut where the chromosome changes, and into equal parts where a run is too long."""
    chromosome = np.array(["1"] * 7 + ["2"] * 2 + ["X"])
    found = polygenic.ld_blocks(chromosome, widest=3)
    assert found == [slice(0, 2), slice(2, 5), slice(5, 7), slice(7, 9), slice(9, 10)]
    assert polygenic.ld_blocks(chromosome[:1]) == [slice(0, 1)]


def test_one_block_is_a_ridge(
    halves: tuple[Cohort, Cohort], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On standardised data the penalty is M / h2; a constant SNP has no effect."""
    monkeypatch.setattr(polygenic, "heritability", lambda *_, **__: 0.25)
    g = np.array(halves[0].genotypes)
    g[:, 7] = 2
    y = halves[0].labels.astype(float)
    x = (g - g.mean(0)) / np.where(g.std(0) > 0, g.std(0), 1)
    expected = Ridge(alpha=127 / 0.25).fit(x, (y - y.mean()) / y.std()).coef_
    got = polygenic.ldpred_inf(g, halves[0].labels, [slice(0, 128)])
    np.testing.assert_allclose(got, expected, atol=1e-5)
    assert got[7] == 0


def test_unlinked_snps_are_shrunk_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without LD: marginal effects times h2 / (h2 + M / n), the paper's special case."""
    monkeypatch.setattr(polygenic, "heritability", lambda *_, **__: 0.5)
    rng = np.random.default_rng(0)
    g = rng.binomial(2, 0.4, (500, 20)).astype(np.int8)
    y = (g[:, 0] + rng.normal(size=500)).astype(np.float32)
    got = polygenic.ldpred_inf(g, y, [slice(j, j + 1) for j in range(20)])
    marginal = [np.corrcoef(g[:, j], y)[0, 1] for j in range(20)]
    np.testing.assert_allclose(got, np.array(marginal) * 0.5 / (0.5 + 20 / 500), atol=1e-5)


def test_heritability_is_found() -> None:
    """Moments of chi-squares give back the simulated share of variance, on average."""
    rng = np.random.default_rng(1)
    found = []
    for _ in range(40):
        g = rng.binomial(2, 0.3, (1000, 100)).astype(float)
        x = (g - g.mean(0)) / g.std(0)
        y = x @ rng.normal(0, np.sqrt(0.4 / 100), 100) + rng.normal(0, np.sqrt(0.6), 1000)
        chi2 = 1000 * ((y - y.mean()) / y.std() @ x / 1000) ** 2
        found.append(polygenic.heritability(chi2, 1000, mean_ld_score=1.0))
    assert np.mean(found) == pytest.approx(0.4, abs=0.05)
    assert polygenic.heritability(np.zeros(5), 100, mean_ld_score=1.0) == 1e-4
    assert polygenic.heritability(np.full(5, 1e6), 100, mean_ld_score=1.0) == 1.0


def test_own_ld_is_worth_something(halves: tuple[Cohort, Cohort]) -> None:
    """Better than marginal effects in LD; shuffling SNPs within classes undoes that."""
    train, test = halves
    rng = np.random.default_rng(0)
    unlinked = np.array(train.genotypes)
    for value in (0, 1):
        rows = np.flatnonzero(train.labels == value)
        unlinked[rows] = rng.permuted(unlinked[rows], axis=0)
    marginal = auc(marginal_scores(train.genotypes, train.labels, test.genotypes), test.labels)
    joint, lost = (
        auc(polygenic.ldpred_scores(g, train.labels, test.genotypes), test.labels)
        for g in (train.genotypes, unlinked)
    )
    assert joint > marginal + 0.02
    assert lost < joint - 0.02
    assert lost == pytest.approx(marginal, abs=0.02)


@pytest.mark.parametrize("what", ["one label", "one genotype"])
def test_nothing_to_learn(halves: tuple[Cohort, Cohort], what: str) -> None:
    """Labels or genotypes that do not vary leave a constant score."""
    g, labels = halves[0].genotypes, halves[0].labels
    g = np.ones_like(g) if what == "one genotype" else g
    labels = np.ones_like(labels) if what == "one label" else labels
    assert np.ptp(polygenic.ldpred_scores(g, labels, halves[1].genotypes)) == 0


def test_counting_the_other_allele_changes_nothing(halves: tuple[Cohort, Cohort]) -> None:
    """Scores move by a constant."""
    train, test = halves
    flip = np.arange(128) % 3 == 0
    one = polygenic.ldpred_scores(train.genotypes, train.labels, test.genotypes)
    flipped = [np.where(flip, 2 - c.genotypes, c.genotypes) for c in halves]
    two = polygenic.ldpred_scores(flipped[0], train.labels, flipped[1])
    np.testing.assert_allclose(one - one.mean(), two - two.mean(), atol=1e-4)
