"""Diffusion straight on the dosages (Ho et al. 2020, arXiv:2006.11239): the simple baseline.

Dosages are taken for real numbers: scaled, noised, denoised by a residual multilayer perceptron
that is told the label, and rounded at the end. L is the number of SNPs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from genobench.cohort import Cohort
from genobench.generator import Budget

from . import _diffusion as ddpm
from ._blocks import in_blocks, mean_and_deviation
from ._cuts import cut, rounding_cuts, share_cuts
from ._neural import Neural
from ._residual_mlp import ResidualMlp
from ._training import People

Scaling = Callable[[Tensor], Tensor]  # (k, L) calls -> what is diffused


class Gaussian(nn.Module):
    """What is best where dosages are normal given the label: a frame for the perceptron.

    In the axes of the covariance, x_t has the variance s^2 = abar lambda + 1 - abar about
    sqrt(abar) times the label's mean; the noise is expected at sqrt(1 - abar) x_t / s^2, and the
    rest of it has the variance abar lambda / s^2.
    """

    axes: Tensor  # (L, L), in columns
    spread: Tensor  # (L,) variances lambda along them
    mean: Tensor  # (L,) where the label is 0
    slope: Tensor  # (L,) of the mean on the label

    def __init__(self, L: int) -> None:
        super().__init__()
        self.register_buffer("axes", torch.eye(L))
        self.register_buffer("spread", torch.ones(L))
        self.register_buffer("mean", torch.zeros(L))
        self.register_buffer("slope", torch.zeros(L))

    def learn(self, people: People, scaled: Scaling, shrinkage: float) -> None:
        """From people's calls, ``scaled``; ``shrinkage`` of the covariance towards I."""
        n, y = len(people), people.labels
        label = (y - y.mean()).double()
        mean, slope = torch.zeros(2, len(self.mean), dtype=label.dtype, device=y.device)
        covariance = torch.zeros_like(self.axes, dtype=label.dtype)
        for g, own in in_blocks(people.genotypes, label):
            x = scaled(g).double()
            mean += x.sum(0) / n
            slope += (own * x).sum(0) / label.square().sum().clamp_min(1e-9)
        for g, own in in_blocks(people.genotypes, label):
            rest = scaled(g).double() - mean - own * slope
            covariance += (1 - shrinkage) * rest.T @ rest / n
        covariance.diagonal().add_(shrinkage)
        spread, axes = torch.linalg.eigh(covariance)
        self.mean.copy_(mean - float(y.mean()) * slope)
        self.slope.copy_(slope)
        self.spread.copy_(spread.clamp_min(0))
        self.axes.copy_(axes)

    def inside(self, x: Tensor, a: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """x_t (B, L) at unit variance along the axes, and s (B, L); abar (B, 1), labels (B, 1)."""
        s = (a * self.spread + 1 - a).sqrt()
        return (x - a.sqrt() * (self.mean + y * self.slope)) @ self.axes / s, s

    def noise(self, u: Tensor, s: Tensor, a: Tensor, rest: Tensor) -> Tensor:
        """The noise expected given ``u``, plus ``rest`` at the scale that it should have."""
        along = ((1 - a).sqrt() * u + (a * self.spread).sqrt() * rest) / s
        return along @ self.axes.T


class Network(nn.Module):
    """Predicts the noise in scaled dosages; holds their scale and the cuts into calls."""

    abar: Tensor  # (T,)
    centre: Tensor  # (L,)
    deviation: Tensor  # (L,)
    cuts: Tensor  # (2, L)

    def __init__(
        self, L: int, T: int, *, width: int, depth: int, dropout: float, gaussian: bool
    ) -> None:
        super().__init__()
        self.perceptron = ResidualMlp(L, width=width, depth=depth, dropout=dropout)
        self.gaussian = Gaussian(L) if gaussian else None
        self.register_buffer("abar", ddpm.signal(ddpm.linear_betas(T)), persistent=False)
        self.register_buffer("centre", torch.ones(L))
        self.register_buffer("deviation", torch.ones(L))
        self.register_buffer("cuts", torch.from_numpy(rounding_cuts(L)))

    def forward(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        """x_t (B, L), times (B,), labels (B, 1) -> noise (B, L)."""
        time = t / len(self.abar)
        if self.gaussian is None:
            out: Tensor = self.perceptron(x, time, y)
            return out
        a = self.abar[t][:, None]
        u, s = self.gaussian.inside(x, a, y)
        return self.gaussian.noise(u, s, a, self.perceptron(u, time, y))

    def given(self, y: Tensor) -> ddpm.Denoise:
        """The denoiser of people with labels (B, 1)."""
        return lambda x, t: self(x, t, y)

    def scaled(self, genotypes: Tensor) -> Tensor:
        """(B, L) int8 calls -> what is diffused."""
        return (genotypes - self.centre) / self.deviation


@dataclass
class DosageDiffusion(Neural):
    """DDPM on dosages.

    Parameters
    ----------
    scale
        What is diffused: ``shared``, g - 1; or ``site``, g less the SNP's mean over its deviation.
    width, depth, dropout
        Of the denoiser: width and number of its residual blocks.
    skip
        ``none``: the perceptron gives the noise itself. ``gaussian``: it works in the axes of the
        covariance and adds to the noise that is best for normal dosages, in closed form; two
        products with an L x L matrix, so for a few thousand SNPs at most.
    shrinkage
        Of that covariance towards independent SNPs.
    T
        Diffusion times; beta runs linearly from 1e-4 to .02.
    sampler, sampling_steps
        ``ancestral`` (no noise at the last step) or ``euler`` (deterministic), in that many steps.
    decode
        ``round`` the dosages; or cut them at ``thresholds`` per SNP at which generated people have
        the shares of 0 / 1 / 2 of the training people.
    """

    scale: Literal["shared", "site"] = "site"
    width: int = 512
    depth: int = 3
    dropout: float = 0.0
    skip: Literal["none", "gaussian"] = "gaussian"
    shrinkage: float = 0.02
    T: int = 1000
    sampler: Literal["ancestral", "euler"] = "ancestral"
    sampling_steps: int = 100
    decode: Literal["round", "thresholds"] = "thresholds"

    def _learn(
        self, train: Cohort, people: People, held_out: People, budget: Budget, deadline: float
    ) -> nn.Module:
        network = self._build(train.m).to(budget.device)
        if self.scale == "site":
            mean, deviation = mean_and_deviation(people.genotypes)
            network.centre.copy_(mean)
            network.deviation.copy_(deviation)
            network.deviation[network.deviation == 0] = 1.0  # a column without variation
        if network.gaussian is not None:
            network.gaussian.learn(people, network.scaled, self.shrinkage)
        network = self._denoise(network, people, held_out, budget, deadline)
        if self.decode == "thresholds":
            most = 256 if monotonic() > deadline else 2048
            some = torch.randint(len(people), (most,), device=people.labels.device)
            dosages = self._dosages(network, people.labels[some])
            network.cuts.copy_(torch.from_numpy(share_cuts(dosages, train.genotypes)))
        return network

    def _denoise(
        self, network: Network, people: People, held_out: People, budget: Budget, deadline: float
    ) -> Network:
        """Trained network; its validation loss is taken at fixed times and noises."""
        seen = network.scaled(held_out.genotypes)
        fixed_times = ddpm.antithetic_times(len(seen), self.T, seen.device)
        fixed_noise = torch.randn_like(seen)

        def loss(index: Tensor) -> Tensor:
            x, y = network.scaled(people.genotypes[index]), people.labels[index]
            t = ddpm.antithetic_times(len(x), self.T, x.device)
            return ddpm.epsilon_loss(network.given(y), x, t, network.abar, torch.randn_like(x))

        def validate(average: Network) -> float:
            denoise = average.given(held_out.labels)
            return float(ddpm.epsilon_loss(denoise, seen, fixed_times, average.abar, fixed_noise))

        return self._descend(
            network, loss, validate, n=len(people), budget=budget, deadline=deadline
        )

    def _network(self, L: int, state: Mapping[str, NDArray[Any]]) -> Network:
        return self._build(L)

    def _build(self, L: int) -> Network:
        return Network(
            L,
            self.T,
            width=self.width,
            depth=self.depth,
            dropout=self.dropout,
            gaussian=self.skip == "gaussian",
        )

    @property
    def _fitted(self) -> Network:
        assert isinstance(self.network_, Network)
        return self.network_

    @torch.no_grad()
    def _dosages(self, network: Network, y: Tensor) -> NDArray[np.float32]:
        """Continuous dosages (k, L) of synthetic people with scaled labels (k, 1)."""
        x = torch.randn(len(y), len(network.centre), device=y.device)
        draw = ddpm.sample_ancestral if self.sampler == "ancestral" else ddpm.sample_euler
        x = draw(network.given(y), x, network.abar, steps=self.sampling_steps)
        dosages: NDArray[np.float32] = (network.centre + network.deviation * x).cpu().numpy()
        return dosages

    def _calls(self, y: Tensor) -> Tensor:
        cuts = self._fitted.cuts.cpu().numpy()
        return torch.from_numpy(cut(self._dosages(self._fitted, y), cuts))
