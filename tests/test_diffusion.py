"""Diffusion held to closed forms: for Gaussian data the best denoiser is known."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from itertools import pairwise

import pytest
import torch
from torch import Tensor

diffusion = import_module("genobench.baselines._diffusion")
training = import_module("genobench.baselines._training")
CENTRE, SPREAD = 1.5, 0.4


def exact(abar: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    """Denoiser of x_0 ~ N(CENTRE, SPREAD^2): E[eps | x_t] for jointly Gaussian eps and x_t."""

    def denoise(x: Tensor, t: Tensor) -> Tensor:
        a = abar[t].reshape(-1, 1)
        variance = a * SPREAD**2 + 1 - a
        return (1 - a).sqrt() * (x - a.sqrt() * CENTRE) / variance

    return denoise


def test_schedules_match_the_papers_end_points() -> None:
    """Stable-Diffusion's and DDPM's betas run between the published values."""
    latent, ddpm = diffusion.scaled_linear_betas(), diffusion.linear_betas()
    assert float(latent[0]) == pytest.approx(0.00085)
    assert float(latent[-1]) == pytest.approx(0.012)
    assert float(latent[500]) == pytest.approx(
        (0.00085**0.5 + 500 / 999 * (0.012**0.5 - 0.00085**0.5)) ** 2
    )
    assert (float(ddpm[0]), float(ddpm[-1])) == pytest.approx((1e-4, 0.02))
    assert float(diffusion.signal(ddpm)[-1]) == pytest.approx(
        4.04e-5, rel=0.01
    )  # Ho et al., section 4


def test_diffused_data_keep_unit_variance() -> None:
    """Unit-variance data stay at unit variance at every time."""
    abar = diffusion.signal(diffusion.scaled_linear_betas())
    with training.seeded(0):
        x, noise = torch.randn(2, 20_000, 1)
        for t in (0, 300, 999):
            mixed = diffusion.diffuse(x, torch.full((20_000,), t), abar, noise)
            assert float(mixed.std()) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("sampler", [diffusion.sample_euler, diffusion.sample_ancestral])
def test_samplers_reach_the_data(sampler: Callable[..., Tensor]) -> None:
    """With the exact denoiser both samplers end at the data's mean and spread."""
    abar = diffusion.signal(diffusion.linear_betas())
    with training.seeded(1):
        x = sampler(exact(abar), torch.randn(20_000, 1), abar, steps=200)
    assert float(x.mean()) == pytest.approx(CENTRE, abs=0.03)
    assert float(x.std()) == pytest.approx(SPREAD, rel=0.06)


def test_euler_is_deterministic_and_ancestral_is_not() -> None:
    """Given its starting noise, Euler draws nothing more."""
    abar = diffusion.signal(diffusion.linear_betas())
    with training.seeded(2):
        noise = torch.randn(50, 1)
        twice = [diffusion.sample_euler(exact(abar), noise, abar, steps=20) for _ in range(2)]
        drawn = [diffusion.sample_ancestral(exact(abar), noise, abar, steps=20) for _ in range(2)]
    assert torch.equal(*twice)
    assert not torch.equal(*drawn)


def test_exact_denoiser_has_the_least_loss() -> None:
    """The noise loss of the known optimum is its conditional variance, and a bias raises it."""
    abar = diffusion.signal(diffusion.linear_betas())
    with training.seeded(3):
        x = CENTRE + SPREAD * torch.randn(40_000, 1)
        t = torch.full((40_000,), 200)
        noise = torch.randn_like(x)
        best = float(diffusion.epsilon_loss(exact(abar), x, t, abar, noise))
        worse = float(
            diffusion.epsilon_loss(lambda x, t: exact(abar)(x, t) + 0.3, x, t, abar, noise)
        )
    a = float(abar[200])
    assert best == pytest.approx(a * SPREAD**2 / (a * SPREAD**2 + 1 - a), rel=0.05)
    assert worse == pytest.approx(best + 0.09, rel=0.05)


@pytest.mark.parametrize(("w", "expected"), [(0.0, 1.0), (1.0, 3.0), (2.0, 5.0), (5.0, 11.0)])
def test_guidance_moves_from_null_through_conditional(w: float, expected: float) -> None:
    """eps_u + w (eps_c - eps_u), with eps_u = 1 and eps_c = 3."""

    def model(x: Tensor, t: Tensor, label: Tensor | None) -> Tensor:
        return torch.full_like(x, 1.0 if label is None else 3.0)

    denoise = diffusion.guided(model, torch.zeros(4, 1), w)
    assert denoise(torch.zeros(4, 2), torch.zeros(4)).unique().tolist() == [expected]


def test_times_are_spread_and_end_at_zero() -> None:
    """Sampling times fall from T - 1 to 0 without repeats; antithetic times mirror each other."""
    times = diffusion.spaced_times(1000, 50)
    assert (len(times), times[0], times[-1]) == (50, 999, 0)
    assert all(later < earlier for earlier, later in pairwise(times))
    assert diffusion.spaced_times(5, 50) == [4, 3, 2, 1, 0]
    with training.seeded(4):
        t = diffusion.antithetic_times(7, 1000)
    assert len(t) == 7
    assert (t[:3] + t[4:] == 999).all()
