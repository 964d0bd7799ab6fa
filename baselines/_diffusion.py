"""Denoising diffusion in a few free functions: schedule, loss, samplers, guidance.

Notation of Ho et al. 2020 (DDPM): x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) eps. A denoiser is any
callable ``(x_t, t, label) -> eps`` with ``t`` (B,) int64; a label of None is the null label.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn

Denoise = Callable[[Tensor, Tensor], Tensor]  # x_t (B, ...), t (B,) -> predicted noise (B, ...)
Step = Callable[[int, Tensor], None]  # number of the step and x after it


class Conditional(Protocol):
    """A denoiser that takes a label, or None for the null label."""

    def __call__(self, x: Tensor, t: Tensor, label: Tensor | None, /) -> Tensor: ...


def linear_betas(T: int = 1000, first: float = 1e-4, last: float = 0.02) -> Tensor:
    """(T,) noise variances of Ho et al. 2020."""
    return torch.linspace(first, last, T, dtype=torch.float64)


def scaled_linear_betas(T: int = 1000, first: float = 0.00085, last: float = 0.012) -> Tensor:
    """(T,) noise variances of Rombach et al. 2022 (latent diffusion): linear in the square root."""
    return torch.linspace(first**0.5, last**0.5, T, dtype=torch.float64) ** 2


def signal(betas: Tensor, device: str | torch.device = "cpu") -> Tensor:
    """(T,) float32 abar_t = product of (1 - beta) up to t."""
    return torch.cumprod(1 - betas, 0).float().to(device)


def antithetic_times(n: int, T: int, device: str | torch.device = "cpu") -> Tensor:
    """(n,) int64 times; the second half mirrors the first, so that a batch covers 0..T-1 evenly."""
    half = torch.randint(T, ((n + 1) // 2,), device=device)
    return torch.cat([half, T - 1 - half])[:n]


def diffuse(x: Tensor, t: Tensor, abar: Tensor, noise: Tensor) -> Tensor:
    """x_t given x_0 (B, ...), times (B,) and noise: eq. 4 of Ho et al."""
    a = abar[t].reshape(-1, *[1] * (x.ndim - 1))
    return a.sqrt() * x + (1 - a).sqrt() * noise


def epsilon_loss(denoise: Denoise, x: Tensor, t: Tensor, abar: Tensor, noise: Tensor) -> Tensor:
    """Mean squared error of the predicted noise: L_simple, eq. 14 of Ho et al."""
    return nn.functional.mse_loss(denoise(diffuse(x, t, abar, noise), t).float(), noise)


def guided(model: Conditional, label: Tensor, w: float = 1.0) -> Denoise:
    """Classifier-free guidance (Ho and Salimans 2022): eps_u + w (eps_c - eps_u).

    ``w = 1`` is plain conditioning and costs one evaluation; others cost two.
    """

    def denoise(x: Tensor, t: Tensor) -> Tensor:
        conditional = model(x, t, label)
        if w == 1:
            return conditional
        free = model(x, t, None)
        return free + w * (conditional - free)

    return denoise


def spaced_times(T: int, steps: int) -> list[int]:
    """Times T-1 ... 0 in ``steps`` nearly equal strides."""
    return torch.linspace(T - 1, 0, min(steps, T)).round().long().tolist()


def sample_euler(
    denoise: Denoise, x: Tensor, abar: Tensor, *, steps: int = 50, callback: Step | None = None
) -> Tensor:
    """Euler steps on the probability-flow ODE; the same points as deterministic DDIM.

    Song et al. 2021 (DDIM), eq. 12 with sigma = 0; Karras et al. 2022, algorithm 1 without churn.
    ``x`` (B, ...) is standard normal noise.
    """
    times = spaced_times(len(abar), steps)
    for i, now in enumerate(times):
        a = abar[now]
        after = abar[times[i + 1]] if i + 1 < len(times) else torch.ones_like(a)
        eps = denoise(x, torch.full((len(x),), now, device=x.device))
        clean = (x - (1 - a).sqrt() * eps) / a.sqrt()
        x = after.sqrt() * clean + (1 - after).sqrt() * eps
        if callback:
            callback(i, x)
    return x


def sample_ancestral(
    denoise: Denoise, x: Tensor, abar: Tensor, *, steps: int = 1000, callback: Step | None = None
) -> Tensor:
    """DDPM's own sampler (Ho et al., algorithm 2), on a subsequence of times when steps < T.

    The posterior's variance is used, and no noise is added at the last step.
    """
    times = spaced_times(len(abar), steps)
    for i, now in enumerate(times):
        a = abar[now]
        after = abar[times[i + 1]] if i + 1 < len(times) else torch.ones_like(a)
        eps = denoise(x, torch.full((len(x),), now, device=x.device))
        beta = 1 - a / after  # of this stride
        x = (x - beta / (1 - a).sqrt() * eps) / (1 - beta).sqrt()
        if i + 1 < len(times):
            x = x + (beta * (1 - after) / (1 - a)).sqrt() * torch.randn_like(x)
        if callback:
            callback(i, x)
    return x
