"""The conditional VAE: its prior, loss and emission against closed forms, and its collapse."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from genobench.data.split import Split
from genobench.generator import Budget
from genobench.registry import find_generator

from .draws import drawn

cvae = import_module("genobench.baselines.cvae")
label_prior = import_module("genobench.baselines._label_prior")
calibration = import_module("genobench.baselines._calibration")
training = import_module("genobench.baselines._training")

QUICK: dict[str, Any] = {
    "widths": (128, 64),
    "latent": 24,
    "beta": 0.2,
    "anneal": 50,
    "components": 4,
    "batch": 64,
    "steps": 400,
}


def fitted(split: Split, **changes: Any) -> tuple[Any, dict[str, float]]:
    """A VAE trained for a second or two, and what it reported."""
    seen: dict[str, float] = {}
    model = cvae.Cvae(**{**QUICK, **changes})
    model.fit(split.train, split.validation, seed=0, budget=Budget(report=seen.update))
    return model, seen


def prior(d: int, components: int) -> Any:
    """A prior with every parameter away from its start."""
    torch.manual_seed(0)
    made = label_prior.LabelPrior(d, components)
    for p in made.parameters():
        torch.nn.init.normal_(p, std=0.3)
    return made


@pytest.fixture(autouse=True)
def _own_randomness() -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        yield


def test_kl_between_gaussians_is_the_textbook_one() -> None:
    """log(s2/s1) + (s1^2 + (m1 - m2)^2) / (2 s2^2) - 1/2, summed over dimensions."""
    m1, s1, m2, s2 = (np.array(v) for v in ([0.0, 1.0], [1.0, 0.5], [2.0, 1.0], [1.0, 3.0]))
    by_hand = (np.log(s2 / s1) + (s1**2 + (m1 - m2) ** 2) / (2 * s2**2) - 0.5).sum()
    arguments = (m1, 2 * np.log(s1), m2, 2 * np.log(s2))
    kl = label_prior.gaussian_kl(*(torch.tensor(a)[None] for a in arguments))
    assert kl.item() == pytest.approx(by_hand, rel=1e-6)


@pytest.mark.parametrize("components", [1, 3])
@torch.no_grad()
def test_density_is_that_of_the_gaussians(components: int) -> None:
    """log p(z | y) equals scipy's multivariate normals, mixed, at two labels."""
    d, made = 3, prior(3, components)
    z, y = torch.randn(2, d), torch.tensor([[-1.0], [0.7]])
    weight, mean, scale = made(y)
    for row in range(2):
        density = 0.0
        for k in range(components):
            unit = np.eye(d) + (0 if made.lower is None else np.tril(made.lower[k].numpy(), -1))
            root = np.diag(scale[row, k].exp().numpy()) @ np.linalg.inv(unit)
            normal = multivariate_normal(mean[row, k].numpy(), root @ root.T)
            density += weight[row, k].exp().item() * normal.pdf(z[row].numpy())
        assert made.log_prob(z, y)[row].item() == pytest.approx(np.log(density), abs=1e-4)


@torch.no_grad()
def test_draws_have_the_prior_moments() -> None:
    """Means and variances of draws at a label are those that `moments` names."""
    made = prior(2, 3)
    made.lower.zero_()
    y = torch.full((50_000, 1), 0.5)
    z = made.sample(y)
    mean, variance = made.moments(y[:1])
    torch.testing.assert_close(z.mean(0), mean[0], atol=0.03, rtol=0)
    torch.testing.assert_close(z.var(0), variance[0], atol=0, rtol=0.05)


@torch.no_grad()
def test_draws_follow_the_density() -> None:
    """With correlations: the share of draws in a box is the integral of the density over it."""
    made = prior(2, 3)
    z = made.sample(torch.zeros(50_000, 1))
    side = torch.linspace(-1, 1, 201)
    grid = torch.cartesian_prod((side[1:] + side[:-1]) / 2, (side[1:] + side[:-1]) / 2)
    inside = made.log_prob(grid, torch.zeros(len(grid), 1)).exp().mean().item() * 4
    assert (z.abs() < 1).all(1).float().mean().item() == pytest.approx(inside, abs=0.015)


@torch.no_grad()
def test_estimated_kl_agrees_with_the_closed_form() -> None:
    """Of a mixture whose two components are the same Gaussian, by the mean over draws from q."""
    made, y = label_prior.LabelPrior(2, 2), torch.full((200_000, 1), -1.0)
    m, s = torch.tensor([[0.5, 2.0]]), torch.tensor([[0.3, -0.2]])
    made.out.bias.copy_(torch.cat([m, m, s, s, torch.zeros(1, 2)], 1)[0])
    mean, logvar = torch.tensor([[0.5, -1.0]]), torch.tensor([[-1.0, 0.3]])
    z = mean + (0.5 * logvar).exp() * torch.randn(len(y), 2)
    exact = label_prior.gaussian_kl(mean, logvar, m, 2 * s).item()
    assert made.kl(mean, logvar, z, y).mean().item() == pytest.approx(exact, rel=0.02)


@torch.no_grad()
@pytest.mark.parametrize("emission", ["categorical", "binomial"])
def test_loss_is_the_negative_elbo(emission: str) -> None:
    """With decoder, posterior and prior set by hand: cross-entropy and KL of known Gaussians."""
    model = cvae.Cvae(widths=(8,), latent=2, components=1, emission=emission)
    with training.seeded(0):
        network = model._network(5, {}).eval()
    for p in network.parameters():
        p.zero_()
    network.posterior.bias.copy_(torch.tensor([1.0, -2.0, 0.0, np.log(4.0)]))
    network.prior.out.bias.copy_(torch.tensor([1.0, 0.0, np.log(2.0), 0.0, 0.0]))
    g, y = torch.zeros(3, 5, dtype=torch.int8), torch.zeros(3, 1)
    error, kl = model._terms(network, g, y, torch.zeros(3, 2))
    nothing = 3 if emission == "categorical" else 4  # P(0) = 1/3, or (1/2)^2
    assert error.item() == pytest.approx(5 * np.log(nothing), rel=1e-5)
    first = np.log(2) + 1 / 8 - 0.5  # N(1, 1) against N(1, 4)
    second = np.log(1 / 2) + (4 + 4) / 2 - 0.5  # N(-2, 4) against N(0, 1)
    assert kl.item() == pytest.approx(first + second, rel=1e-5)


def test_binomial_emission_is_hardy_weinberg() -> None:
    """At fixed p the calls have q^2, 2pq, p^2; so drawn people have heterozygosity 2 p (1 - p)."""
    p = torch.tensor([0.02, 0.3, 0.5, 0.9])
    logits = label_prior.binomial_logits(torch.logit(p)[None])
    torch.testing.assert_close(logits[0].exp(), torch.stack([(1 - p) ** 2, 2 * p * (1 - p), p**2]))
    calls = drawn(logits.expand(50_000, -1, -1))
    torch.testing.assert_close((calls == 1).float().mean(0), 2 * p * (1 - p), atol=0.01, rtol=0)


def test_drawn_binomial_calls_lack_heterozygotes_where_p_varies() -> None:
    """Wahlund: p = 0, 1/2, 1 in a quarter, half, quarter of the people draw half the heterozygotes
    of a site in Hardy-Weinberg proportions; the most probable calls have all of them.
    """
    p = torch.tensor([1e-4, 0.5, 0.5, 1 - 1e-4]).repeat(10_000)[:, None]
    logits = label_prior.binomial_logits(torch.logit(p))
    rows, probable = drawn(logits), calibration.most_probable(logits)
    assert (probable == 1).float().mean().item() == pytest.approx(0.5)
    assert (rows == 1).float().mean().item() == pytest.approx(0.25, abs=0.01)


@torch.no_grad()
def test_a_collapsed_posterior_has_no_active_unit(toy_split: Split) -> None:
    """Also where the learned prior, and the posterior with it, moves with the label."""
    people = training.People.of(toy_split.train, training.LabelScale.of(toy_split.train), "cpu")
    model = cvae.Cvae(widths=(8,), latent=3, components=1)
    with training.seeded(0):
        network = model._network(toy_split.train.m, {}).eval()
    made = network.prior
    made.out.weight.normal_()
    network.encode = lambda x, y: (made(y)[1][:, 0], 2 * made(y)[2][:, 0])
    plain, _ = network.encode(None, people.labels)
    assert (plain.var(0) > 0.01).all()
    assert not cvae.active(network, people).any()
    spread = torch.tensor([0.0, 0.05, 0.5])  # prior deviations among people of the same label
    network.encode = lambda x, y: (
        made(y)[1][:, 0] + made(y)[2][:, 0].exp() * torch.randn(len(y), 3) * spread,
        2 * made(y)[2][:, 0],
    )
    assert cvae.active(network, people).tolist() == [False, False, True]


@pytest.mark.parametrize("emission", ["categorical", "binomial"])
def test_trained_posterior_has_not_collapsed(emission: str, toy_split: Split) -> None:
    """The report names the active units: many at the settings here."""
    assert fitted(toy_split, emission=emission)[1]["active_units"] >= 8


def test_heavy_kl_collapses_visibly(toy_split: Split) -> None:
    """At beta 1,000 no unit is active, as the report says, and LD is gone."""
    model, seen = fitted(toy_split, beta=1000.0, components=1, steps=150, decode="sample")
    assert seen["active_units"] == 0
    rows = model.sample(toy_split.train.labels, seed=1)
    made, real = (
        np.triu(np.corrcoef(g, rowvar=False), 1) for g in (rows, toy_split.train.genotypes)
    )
    assert np.abs(made).mean() < 0.5 * np.abs(real).mean()


def test_card_keeps_the_published_model() -> None:
    """The paper settings: one Gaussian per label, beta 1, draws, nothing moved afterwards."""
    paper = cvae.Cvae(**find_generator("cvae").card.settings_for("paper"))
    assert (paper.components, paper.beta, paper.anneal) == (1, 1.0, 0)
    assert (paper.decode, paper.calibrate, paper.emission) == ("sample", False, "categorical")
