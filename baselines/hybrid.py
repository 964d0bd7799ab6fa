"""A predictive model of the mean given the label, and a generative model of what it leaves.

Principal-component scores are regressed on the label; the residual, whitened, is drawn from a
diffusion model or a Gaussian mixture; the sum goes back to dosages and is cut into 0 / 1 / 2.
P is the number of components.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from genobench.cohort import Cohort
from genobench.generator import Budget

from . import _diffusion as ddpm
from ._blocks import column_blocks, in_blocks
from ._cuts import cut, rounding_cuts, share_cuts
from ._denoiser import Denoiser, losses
from ._mixture import LatentMixture
from ._neural import Neural
from ._principal import Principal
from ._training import People

PENALTIES = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0)  # times the sum of squared labels


class Mean(nn.Module):
    """Expected scores given the label: a ridge regression, and the residual's deviation."""

    intercept: Tensor  # (P,)
    slope: Tensor  # (P,)
    deviation: Tensor  # (P,)

    def __init__(self, P: int) -> None:
        super().__init__()
        self.register_buffer("intercept", torch.zeros(P))
        self.register_buffer("slope", torch.zeros(P))
        self.register_buffer("deviation", torch.ones(P))

    def forward(self, y: Tensor, columns: slice = slice(None)) -> Tensor:  # (B, 1) -> (B, P)
        return self.intercept[columns] + y * self.slope[columns]

    @torch.no_grad()
    def learn(self, s: Tensor, y: Tensor, held_out: tuple[Tensor, Tensor]) -> None:
        """Least squares with the ridge penalty whose error on held-out people is smallest.

        A binary label's slope joins the two class means; the penalty pulls them together.
        """
        centre, middle = y.mean(0), s.mean(0)
        power = (y - centre).square().sum().clamp_min(1e-9)
        products = torch.zeros_like(middle)[None]  # (1, P)
        for some, own in in_blocks(s, y - centre):
            products += own.T @ (some - middle)
        plain = products / power
        errors = []
        for penalty in PENALTIES:
            guess = middle + (held_out[1] - centre) @ plain / (1 + penalty)
            errors.append(float((held_out[0] - guess).square().sum()))
        slope = plain[0] / (1 + PENALTIES[int(np.argmin(errors))])
        self.slope.copy_(slope)
        self.intercept.copy_(middle - centre * slope)
        for columns in column_blocks(s.shape):
            rest = s[:, columns] - self(y, columns)
            self.deviation[columns] = rest.std(0, correction=0).clamp_min(1e-6)

    def whiten_(self, s: Tensor, y: Tensor) -> Tensor:
        """Scores (n, P) of people with labels (n, 1) -> residuals of unit variance, in place."""
        for some, own in in_blocks(s, y):
            some.copy_((some - self(own)) / self.deviation)
        return s

    def colour(self, r: Tensor, y: Tensor) -> Tensor:
        """The inverse of `whiten_`."""
        s: Tensor = self(y) + r * self.deviation
        return s


class Parts(nn.Module):
    """The mean, and the residual's denoiser where it has one."""

    def __init__(self, mean: Mean, denoiser: Denoiser | None) -> None:
        super().__init__()
        self.mean, self.denoiser = mean, denoiser


@dataclass
class Hybrid(Neural):
    """Predictive mean and generative residual.

    Parameters
    ----------
    variance
        Share of each chromosome's genotype variance that its components keep.
    residual
        ``diffusion`` (a fully connected denoiser) or ``mixture`` of Gaussians.
    spread
        Whether the residual's distribution may depend on the label as well. Without, labels move
        the mean and nothing else.
    widths, time_width, label_width, dropout
        Of the denoiser.
    T, sampling_steps
        Diffusion times, and deterministic steps of the sampler.
    components
        Numbers of Gaussians tried; the validation likelihood decides.
    decode
        Dosages are ``round``ed, or cut at ``thresholds`` per SNP that give the training shares.
    """

    variance: float = 0.95
    residual: Literal["diffusion", "mixture"] = "diffusion"
    spread: bool = True
    widths: Sequence[int] = (512, 512, 512)
    time_width: int = 64
    label_width: int = 32
    dropout: float = 0.0
    T: int = 1000
    sampling_steps: int = 50
    components: Sequence[int] = (1, 2, 4, 8)
    decode: Literal["round", "thresholds"] = "thresholds"

    share: ClassVar[float] = 0.7

    def _learn(
        self, train: Cohort, people: People, held_out: People, budget: Budget, deadline: float
    ) -> nn.Module:
        self.principal_ = Principal.fit(train, self.variance)
        self.cuts_, self.mixture_ = rounding_cuts(train.m), None
        s, other = (
            torch.from_numpy(self.principal_.scores(g.numpy(force=True))).to(budget.device)
            for g in (people.genotypes, held_out.genotypes)
        )
        network = self._parts().to(budget.device)
        if self.principal_.width == 0:  # a cohort without variation
            return network
        network.mean.learn(s, people.labels, (other, held_out.labels))
        r = network.mean.whiten_(s, people.labels), self._seen(people.labels)
        q = network.mean.whiten_(other, held_out.labels), self._seen(held_out.labels)
        if network.denoiser is None:
            self.mixture_ = LatentMixture.learn(r, q, self.components)
        else:
            network.denoiser = self._descend(
                network.denoiser,
                *losses(network.denoiser, r, q),
                n=len(s),
                budget=budget,
                deadline=deadline,
            )
        if self.decode == "thresholds":
            most = 256 if monotonic() > deadline else 2048
            y = people.labels[torch.randint(len(people), (most,)).to(people.labels.device)]
            self.cuts_ = share_cuts(self._dosages(network, y), train.genotypes)
        return network

    def _calls(self, y: Tensor) -> Tensor:
        network = self.network_
        assert isinstance(network, Parts)
        return torch.from_numpy(cut(self._dosages(network, y), self.cuts_))

    @torch.no_grad()
    def _dosages(self, network: Parts, y: Tensor) -> NDArray[np.float32]:
        """(k, L) continuous dosages of synthetic people with scaled labels (k, 1)."""
        scores = torch.zeros(len(y), self.principal_.width)
        if self.principal_.width:
            scores = network.mean.colour(self._residual(network, self._seen(y)), y)
        return self.principal_.dosages(scores.numpy(force=True))

    def _residual(self, network: Parts, y: Tensor) -> Tensor:
        """(k, P) draws of the whitened residual."""
        denoiser = network.denoiser
        if denoiser is None:
            assert self.mixture_ is not None
            return self.mixture_.draw(y)
        x = torch.randn(len(y), self.principal_.width, device=y.device)
        return ddpm.sample_euler(
            lambda x_t, t: denoiser(x_t, t, y), x, denoiser.abar, steps=self.sampling_steps
        )

    def _seen(self, y: Tensor) -> Tensor:
        """The label as the residual's model sees it."""
        return y if self.spread else torch.zeros_like(y)

    def _network(self, L: int, state: Mapping[str, NDArray[Any]]) -> Parts:
        return self._parts()

    def _parts(self) -> Parts:
        P, denoiser = self.principal_.width, None
        if self.residual == "diffusion":
            denoiser = Denoiser(
                max(1, P),
                self.widths,
                time=self.time_width,
                label=self.label_width,
                dropout=self.dropout,
                abar=ddpm.signal(ddpm.linear_betas(self.T)),
                skip="gaussian",
            )
        return Parts(Mean(P), denoiser)

    def state(self) -> dict[str, NDArray[Any]]:
        mixture = self.mixture_.arrays() if self.mixture_ else {}
        return {**super().state(), **self.principal_.arrays(), **mixture, "cuts": self.cuts_}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        self.principal_, self.cuts_ = Principal.of(state), np.array(state["cuts"])
        self.mixture_ = LatentMixture.of(state)
        super().restore(state)

    @property
    def parameters(self) -> int:
        return sum(int(a.size) for a in self.state().values())

    @property
    def _device(self) -> torch.device:
        return next(self.network_.buffers()).device
