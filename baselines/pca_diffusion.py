"""Diffusion on principal-component scores, conditional on the label (arXiv:2508.09212).

One PCA per chromosome, the scores standardised and put side by side, a DDPM on them, and back by
the inverse PCA and a cut into 0 / 1 / 2. L is the number of SNPs, P that of components.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genobench.cohort import Cohort, Genotypes
from genobench.generator import Budget

from . import _diffusion as ddpm
from ._cuts import cut, rounding_cuts, share_cuts
from ._denoiser import Denoiser, losses
from ._neural import Neural
from ._principal import Principal
from ._training import People, write_fixed


@dataclass
class PcaDiffusion(Neural):
    """DDPM in PCA space. Settings beside those of `Neural`:

    Parameters
    ----------
    variance
        Share of each chromosome's genotype variance that its components keep.
    widths, time_width, label_width, dropout
        Of the denoiser: hidden layers, embedded time (even), embedded label.
    skip
        ``linear``: a learned P x P map of x_t is added to the output; ``gaussian``: the noise that
        is optimal for standard normal scores, in closed form, which leaves less to learn.
    decode
        ``round`` the inverse PCA; or cut it at ``thresholds`` per SNP at which generated people
        have the shares of 0 / 1 / 2 of the training people.
    T
        Diffusion times; beta runs linearly from 1e-4 to .02.
    sampler, sampling_steps
        ``ancestral`` (no noise at the last step) or ``euler`` (deterministic), in that many steps.
    """

    variance: float = 0.9
    widths: Sequence[int] = (512, 512, 512)
    time_width: int = 256
    label_width: int = 32
    dropout: float = 0.0
    skip: Literal["linear", "gaussian"] = "gaussian"
    decode: Literal["round", "thresholds"] = "thresholds"
    T: int = 1000
    sampler: Literal["ancestral", "euler"] = "ancestral"
    sampling_steps: int = 200
    batch: int = 256
    steps: int = 3000
    ema: float = 0.999
    every: int = 100

    share: ClassVar[float] = 0.7

    def _learn(
        self, train: Cohort, people: People, held_out: People, budget: Budget, deadline: float
    ) -> Denoiser:
        self.principal_ = Principal.fit(train, self.variance)
        network = self._network(train.m, {}).to(budget.device)
        x, other = (
            torch.from_numpy(self.principal_.scores(g.numpy(force=True))).to(budget.device)
            for g in (people.genotypes, held_out.genotypes)
        )
        if self.principal_.width:
            both = losses(network, (x, people.labels), (other, held_out.labels))
            network = self._descend(network, *both, n=len(x), budget=budget, deadline=deadline)
        self.cuts_ = rounding_cuts(train.m)
        if self.decode == "thresholds":
            most = 256 if monotonic() > deadline else 2048
            y = people.labels[torch.randint(len(people), (most,)).to(people.labels.device)]
            self.cuts_ = share_cuts(self._dosages(network, y), train.genotypes)
        return network

    def reconstruct(self, genotypes: Genotypes) -> Genotypes:
        """Real people to their components and back, rounded: what the PCA alone costs."""
        dosages = self.principal_.dosages(self.principal_.scores(genotypes))
        rows = np.rint(dosages).clip(0, 2).astype(np.int8)
        return write_fixed(rows, self.fixed_)

    def state(self) -> dict[str, NDArray[Any]]:
        return {**super().state(), **self.principal_.arrays(), "cuts": self.cuts_}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        self.principal_, self.cuts_ = Principal.of(state), np.array(state["cuts"])
        super().restore(state)

    def _network(self, L: int, state: Mapping[str, NDArray[Any]]) -> Denoiser:
        return Denoiser(
            max(1, self.principal_.width),  # a cohort without variation has no component
            self.widths,
            time=self.time_width,
            label=self.label_width,
            dropout=self.dropout,
            abar=ddpm.signal(ddpm.linear_betas(self.T)),
            skip=self.skip,
        )

    def _calls(self, y: Tensor) -> Tensor:
        network = self.network_
        assert isinstance(network, Denoiser)
        return torch.from_numpy(cut(self._dosages(network, y), self.cuts_))

    @torch.no_grad()
    def _dosages(self, network: Denoiser, y: Tensor) -> NDArray[np.float32]:
        """(k, L) continuous dosages of synthetic people with scaled labels (k, 1)."""
        x = torch.randn(len(y), self.principal_.width, device=y.device)
        draw = ddpm.sample_ancestral if self.sampler == "ancestral" else ddpm.sample_euler
        if self.principal_.width:
            denoise = lambda x_t, t: network(x_t, t, y)  # noqa: E731
            x = draw(denoise, x, network.abar, steps=self.sampling_steps)
        return self.principal_.dosages(x.cpu().numpy())
