"""Dosage diffusion: its closed form against Bayes' rule, its scale, and what it learns."""

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
module = import_module("genobench.baselines.dosage_diffusion")
People = import_module("genobench.baselines._training").People
DosageDiffusion = module.DosageDiffusion

QUICK: dict[str, Any] = {
    "width": 96,
    "depth": 2,
    "steps": 300,
    "ema": 0.98,
    "sampler": "euler",
    "sampling_steps": 15,
}


@pytest.fixture(scope="module")
def fitted(toy_split: Split) -> Any:
    """One short training, shared by the tests that look at what was learned."""
    model = DosageDiffusion(**QUICK)
    return model.fit(toy_split.train, toy_split.validation, seed=1, budget=Budget())


@pytest.fixture(scope="module")
def normal() -> tuple[Any, Any, Any]:
    """An untrained network that knows a normal population in three dimensions: it, people, labels.

    The mean moves with the label, the covariance is far from the identity.
    """
    draw = torch.Generator().manual_seed(0)
    y = torch.randint(2, (20_000, 1), generator=draw) * 2.0 - 1.0
    mix = torch.tensor([[1.0, 0.9, 0.0], [0.0, 0.4, 0.3], [0.0, 0.0, 0.2]])
    x = torch.randn(20_000, 3, generator=draw) @ mix + torch.tensor([0.5, 0.0, -1.0])
    x = x + y * torch.tensor([0.8, 0.0, 0.1])
    network = module.Network(3, 100, width=8, depth=1, dropout=0.0, gaussian=True)
    network.gaussian.learn(People(x, y), lambda x: x, 0.0)
    return network.eval(), x, y


def r2(genotypes: NDArray[Any]) -> NDArray[Any]:
    """(m, m) squared correlations."""
    return np.square(np.corrcoef(genotypes.T.astype(float)))


@torch.no_grad()
def test_untrained_noise_is_bayes_rule_for_normal_people(normal: tuple[Any, Any, Any]) -> None:
    """E[eps | x_t] = sqrt(1 - a) (a S + (1 - a) I)^-1 (x_t - sqrt(a) mean(y)), from numpy."""
    network, x, y = normal
    label, rows = y.double().numpy(), x.double().numpy()
    slope = np.linalg.lstsq(np.hstack([np.ones_like(label), label]), rows, rcond=None)[0]
    mean = slope[0] + label * slope[1]
    S = np.cov((rows - mean).T, bias=True)
    for t in (3, 40, 99):
        a = float(network.abar[t])
        got = network(x[:5], torch.full((5,), t), y[:5])
        precision = np.linalg.inv(a * S + (1 - a) * np.eye(3))
        wanted = np.sqrt(1 - a) * (rows[:5] - np.sqrt(a) * mean[:5]) @ precision
        np.testing.assert_allclose(got, wanted, rtol=2e-3, atol=2e-4)


@torch.no_grad()
def test_what_is_left_to_learn_has_unit_scale(normal: tuple[Any, Any, Any]) -> None:
    """The input is of unit variance at any time; a perfect remainder gives the noise back."""
    network, x, y = normal
    draw = torch.Generator().manual_seed(1)
    noise = torch.randn(x.shape, generator=draw)
    axes, spread = network.gaussian.axes, network.gaussian.spread
    for t in (3, 40):
        a = network.abar[t].reshape(1, 1)
        x_t = ddpm.diffuse(x, torch.full((len(x),), t), network.abar, noise)
        u, s = network.gaussian.inside(x_t, a, y)
        np.testing.assert_allclose(u.var(0), 1, atol=0.05)
        expected = network.gaussian.noise(u, s, a, torch.zeros_like(u))
        rest = ((noise - expected) @ axes) * s / (a * spread).sqrt()
        np.testing.assert_allclose(rest.var(0), 1, atol=0.05)
        whole = network.gaussian.noise(u, s, a, rest)
        np.testing.assert_allclose(whole, noise, atol=1e-3)


@torch.no_grad()
def test_untrained_sampling_is_the_normal_population(normal: tuple[Any, Any, Any]) -> None:
    """Denoising with the closed form draws people of the right covariance, given the label."""
    network, x, y = normal
    case = y[:, 0] > 0
    draw = torch.Generator().manual_seed(2)
    start = torch.randn(4000, 3, generator=draw)
    network = module.Network(3, 1000, width=8, depth=1, dropout=0.0, gaussian=True).eval()
    network.gaussian.learn(People(x, y), lambda x: x, 0.0)
    made = ddpm.sample_euler(network.given(torch.ones(4000, 1)), start, network.abar, steps=100)
    np.testing.assert_allclose(made.mean(0), x[case].mean(0), atol=0.06)
    np.testing.assert_allclose(np.cov(made.T), np.cov(x[case].T), atol=0.08)


def test_shared_scale_is_dosage_less_one(toy_split: Split) -> None:
    """-1, 0, 1 for everybody; per site, mean 0 and variance 1 in training."""
    train = toy_split.train
    few: dict[str, Any] = QUICK | {"steps": 2}
    g = torch.from_numpy(np.array(train.genotypes))
    for skip in ("none", "gaussian"):
        model = DosageDiffusion(**few, scale="shared", skip=skip)
        model.fit(train, toy_split.validation, seed=0, budget=Budget())
        assert torch.equal(model.network_.scaled(g), g.float() - 1)
    model = DosageDiffusion(**few).fit(train, toy_split.validation, seed=0, budget=Budget())
    x = model.network_.scaled(g)
    np.testing.assert_allclose(x.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(x.var(0, correction=0), 1, atol=1e-4)


def test_learns_frequencies_ld_and_the_label(fitted: Any, toy_split: Split) -> None:
    """Frequencies and LD follow real people's; cases differ from controls as real ones do."""
    train, test = toy_split.train, toy_split.test
    rows = fitted.sample(train.labels, seed=5)
    assert np.sqrt(np.mean((rows.mean(0) - train.genotypes.mean(0)) ** 2)) / 2 < 0.03
    pairs = np.triu_indices(train.m, 1)
    assert np.corrcoef(r2(rows)[pairs], r2(test.genotypes)[pairs])[0, 1] > 0.85

    def contrast(genotypes: NDArray[Any]) -> NDArray[Any]:
        case = train.labels == 1
        return np.asarray(genotypes[case].mean(axis=0) - genotypes[~case].mean(axis=0))

    real, synthetic = contrast(train.genotypes), contrast(rows)
    assert float(real @ synthetic / (real @ real)) > 0.5


def test_rounding_cuts_at_halves(fitted: Any, toy: Cohort) -> None:
    """Without learned cuts the same dosages are rounded and clipped."""
    model = DosageDiffusion(**{**fitted.settings(), "decode": "round"})
    model.fit(toy, toy.take(slice(0, 50)), seed=0, budget=Budget(seconds=0.3))
    y = torch.ones(30, 1)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        dosages = model._dosages(model.network_, y)
        torch.manual_seed(3)
        calls = model._calls(y).numpy()
    assert np.array_equal(calls, np.rint(dosages).clip(0, 2))


@pytest.mark.parametrize("skip", ["none", "gaussian"])
@pytest.mark.parametrize("scale", ["shared", "site"])
def test_monomorphic_cohort_and_one_person(
    skip: str, scale: str, make_cohort: Callable[..., Cohort]
) -> None:
    """Nobody differs: everybody has the one genotype; one label gives one row."""
    some = make_cohort(30, 9, 0)
    trait = Trait("t", "quantitative", np.arange(30, dtype=np.float32))
    dead = Cohort(np.ones((30, 9), dtype=np.int8), some.variants, some.samples, trait)
    model = DosageDiffusion(**{**QUICK, "steps": 5}, skip=skip, scale=scale)
    model.fit(dead, dead, seed=0, budget=Budget())
    assert np.array_equal(model.sample(trait.values[:1], seed=0), np.ones((1, 9)))
    assert model.sample(trait.values[:0], seed=0).shape == (0, 9)


def test_before_fitting_is_named() -> None:
    with pytest.raises(GenobenchError, match=r"sample\(\) before fit"):
        DosageDiffusion().sample(np.zeros(1, dtype=np.float32), seed=0)
