"""PCA-diffusion: the PCA against closed forms, the cuts, and what it learns of a toy cohort."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from genobench.cohort import Cohort, Trait
from genobench.data.split import Split
from genobench.errors import GenobenchError
from genobench.generator import Budget

ddpm = import_module("genobench.baselines._diffusion")
Principal = import_module("genobench.baselines._principal").Principal
pca_diffusion = import_module("genobench.baselines.pca_diffusion")
PcaDiffusion = pca_diffusion.PcaDiffusion

QUICK: dict[str, Any] = {
    "widths": (128, 128, 128),
    "time_width": 64,
    "steps": 400,
    "epochs": 1000,
    "batch": 128,
    "ema": 0.98,
    "sampling_steps": 25,
    "every": 50,
}


@pytest.fixture(scope="module")
def fitted(toy_split: Split) -> Any:
    """One short training, shared by the tests that look at what was learned."""
    model = PcaDiffusion(variance=0.95, **QUICK)
    return model.fit(toy_split.train, toy_split.validation, seed=1, budget=Budget())


def r2(genotypes: NDArray[Any]) -> NDArray[Any]:
    """(m, m) squared correlations."""
    return np.square(np.corrcoef(genotypes.T.astype(float)))


def test_components_are_those_of_a_full_svd_per_chromosome(toy: Cohort) -> None:
    """Reconstruction equals the truncated SVD's of each chromosome (Eckart-Young)."""
    principal = Principal.fit(toy, 0.9)
    dosages = principal.dosages(principal.scores(toy.genotypes))
    for columns, loadings in principal.blocks:
        part = toy.genotypes[:, columns].astype(float)
        u, s, v = np.linalg.svd(part - part.mean(axis=0), full_matrices=False)
        k = len(loadings)
        best = part.mean(axis=0) + (u[:, :k] * s[:k]) @ v[:k]
        np.testing.assert_allclose(dosages[:, columns], best, atol=1e-4)
        assert np.square(s[:k]).sum() >= 0.9 * np.square(s).sum()
        assert np.square(s[: k - 1]).sum() < 0.9 * np.square(s).sum()


def test_scores_have_mean_zero_and_variance_one_in_training(toy: Cohort) -> None:
    scores = Principal.fit(toy, 0.95).scores(toy.genotypes)
    np.testing.assert_allclose(scores.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(scores.std(axis=0), 1, atol=1e-3)


def test_fewer_people_than_snps_give_the_same_components(toy: Cohort) -> None:
    """The small-sample route (SVD) and the covariance route agree on what they keep."""
    few = toy.take(slice(0, 40))
    principal = Principal.fit(few, 0.9)
    dosages = principal.dosages(principal.scores(few.genotypes))
    lost = (
        np.square(few.genotypes - dosages).sum()
        / np.square(few.genotypes - few.genotypes.mean(axis=0)).sum()
    )
    assert 0.05 < lost <= 0.1


def test_all_variance_kept_reconstructs_every_call(toy: Cohort) -> None:
    """The round trip is exact with all components and costs calls with fewer."""
    exact, lossy = PcaDiffusion(variance=1.0), PcaDiffusion(variance=0.8)
    for model in (exact, lossy):
        model.fixed_ = np.full(toy.m, -1, dtype=np.int8)
        model.principal_ = Principal.fit(toy, model.variance)
    assert np.array_equal(exact.reconstruct(toy.genotypes), toy.genotypes)
    assert 0.01 < (lossy.reconstruct(toy.genotypes) != toy.genotypes).mean() < 0.3


def test_gaussian_skip_starts_at_the_best_denoiser_of_white_scores() -> None:
    """Untrained, the loss on N(0, I) scores is the mean of abar_t: E|eps - eps*|^2."""
    abar = ddpm.signal(ddpm.linear_betas(1000))
    network = pca_diffusion.Denoiser(
        50, (16, 16), time=8, label=4, dropout=0.0, abar=abar, skip="gaussian"
    )
    torch.nn.init.zeros_(network.out.bias)
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(20_000, 50, generator=draw)
    t = torch.arange(20_000) % 1000
    noise = torch.randn(20_000, 50, generator=draw)
    y = torch.zeros(20_000, 1)
    with torch.no_grad():
        loss = float(ddpm.epsilon_loss(lambda x, t: network(x, t, y), x, t, abar, noise))
    assert loss == pytest.approx(float(abar.mean()), rel=0.01)


def test_cuts_give_training_shares(fitted: Any, toy: Cohort) -> None:
    """Genotype shares of synthetic people are those of training up to sampling error."""
    rows = fitted.sample(np.tile(toy.labels, 5), seed=3)
    for call in (0, 1, 2):
        difference = (rows == call).mean(axis=0) - (toy.genotypes == call).mean(axis=0)
        assert np.abs(difference).max() < 0.06


def test_learns_ld_and_the_label(fitted: Any, toy_split: Split) -> None:
    """LD follows real people's, which independent sites cannot; cases differ as cases do."""
    train, test = toy_split.train, toy_split.test
    rows = fitted.sample(train.labels, seed=5)
    pairs = np.triu_indices(train.m, 1)
    assert np.corrcoef(r2(rows)[pairs], r2(test.genotypes)[pairs])[0, 1] > 0.8

    def contrast(genotypes: NDArray[Any]) -> NDArray[Any]:
        case = train.labels == 1
        return np.asarray(genotypes[case].mean(axis=0) - genotypes[~case].mean(axis=0))

    real, synthetic = contrast(train.genotypes), contrast(rows)
    assert float(real @ synthetic / (real @ real)) > 0.5


def test_budget_cuts_training_short(toy_split: Split) -> None:
    """Without time, few steps are made and samples are still genotypes."""
    seen: list[float] = []
    model = PcaDiffusion(**{**QUICK, "steps": 100_000})
    budget = Budget(seconds=1.0, report=lambda p: seen.append(p["step"]))
    model.fit(toy_split.train, toy_split.validation, seed=0, budget=budget)
    assert seen[-1] < 50_000
    rows = model.sample(toy_split.test.labels[:20], seed=0)
    assert rows.dtype == np.int8
    assert set(np.unique(rows)) <= {0, 1, 2}


@pytest.mark.parametrize("decode", ["round", "thresholds"])
@pytest.mark.parametrize("skip", ["linear", "gaussian"])
def test_monomorphic_cohort_and_one_person(
    decode: str, skip: str, make_cohort: Callable[..., Cohort]
) -> None:
    """No component at all: everybody has the one genotype; one label gives one row."""
    some = make_cohort(30, 9, 0)
    trait = Trait("t", "quantitative", np.arange(30, dtype=np.float32))
    dead = Cohort(np.ones((30, 9), dtype=np.int8), some.variants, some.samples, trait)
    model = PcaDiffusion(**{**QUICK, "steps": 5}, decode=decode, skip=skip)
    model.fit(dead, dead, seed=0, budget=Budget())
    assert np.array_equal(model.sample(trait.values[:1], seed=0), np.ones((1, 9)))
    assert model.sample(trait.values[:0], seed=0).shape == (0, 9)


def test_both_samplers_draw_people(fitted: Any, toy: Cohort) -> None:
    """The deterministic sampler gives other people of the same frequencies."""
    other = PcaDiffusion(**{**fitted.settings(), "sampler": "euler"})
    other.restore(fitted.state())
    one, two = fitted.sample(toy.labels, seed=1), other.sample(toy.labels, seed=1)
    assert not np.array_equal(one, two)
    assert np.corrcoef(one.mean(axis=0), two.mean(axis=0))[0, 1] > 0.95


def test_sampling_before_fitting_is_named() -> None:
    with pytest.raises(GenobenchError, match="before fit"):
        PcaDiffusion().sample(np.zeros(1, dtype=np.float32), seed=0)
