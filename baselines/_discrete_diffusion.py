"""Discrete diffusion on dosages, conditional on the label (Austin et al. 2021, arXiv:2107.03006).

Calls are corrupted by masking them or by drawing them anew, and a network that sees the label
learns to say what they were; people are drawn by going back step by step. Nothing is ever rounded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from genobench.cohort import Cohort
from genobench.errors import GenobenchError
from genobench.generator import Budget

from . import _discrete as discrete
from ._genotype_nets import GenotypeNet, Label, ResidualMlp, TokenTransformer
from ._neural import Neural
from ._training import People, seeded

CELLS = 2**21  # people x SNPs held at once


def pieces(n: int, L: int) -> list[slice]:
    """Rows 0..n in runs that hold at most `CELLS` calls each."""
    size = max(1, CELLS // L)
    return [slice(start, start + size) for start in range(0, n, size)]


@dataclass
class DiscreteDiffusion(Neural):
    """Discrete diffusion over 0 / 1 / 2.

    Parameters
    ----------
    transition
        ``absorbing``: a call becomes a mask; ``uniform``: it becomes any of the three calls.
    T, noise
        Times of the uniform process, and the shape of its alpha. The absorbing process is trained
        in the limit of many steps, where the bound does not depend on its schedule.
    extra
        Weight of the cross-entropy of x_0 beside the bound (lambda in eq. 5 of D3PM).
    denoiser
        A residual ``mlp`` on all sites at once, or a ``transformer`` over tokens of neighbouring
        SNPs.
    label, embedded
        How the label enters every block (``film`` or ``concat``), and how wide it is embedded.
    width, depth, dropout
        Of the denoiser.
    near
        SNPs per block of a linear map from each block and the two beside it straight to the
        logits; 0 for none.
    fold, heads
        SNPs per token and attention heads of the transformer.
    sampling_steps, reveal, temperature
        Steps back, how the share of known sites grows along them, and what logits are divided by.
    """

    transition: Literal["absorbing", "uniform"] = "absorbing"
    T: int = 500
    noise: discrete.Shape = "cosine"
    extra: float = 0.1
    denoiser: Literal["mlp", "transformer"] = "mlp"
    label: Label = "film"
    embedded: int = 32
    width: int = 256
    depth: int = 3
    dropout: float = 0.1
    near: int = 32
    fold: int = 16
    heads: int = 4
    sampling_steps: int = 100
    reveal: discrete.Shape = "quadratic"
    temperature: float = 1.0

    def _learn(
        self, train: Cohort, people: People, held_out: People, budget: Budget, deadline: float
    ) -> nn.Module:
        network = self._build(train.m).to(budget.device)
        network.begin_at(people.genotypes)
        copies = max(1, min(16, 2048 // max(1, len(held_out))))
        again = torch.arange(len(held_out), device=budget.device).repeat(copies)
        much, u = self._corruption(len(again), train.m, again.device)

        def loss(index: Tensor) -> Tensor:
            how = self._corruption(len(index), train.m, index.device)
            return self._bound(network, people, index, *how, self.extra).mean() / train.m

        def validate(network: GenotypeNet) -> float:
            bounds = [
                self._bound(network, held_out, again[some], much[some], u[some])
                for some in pieces(len(again), train.m)
            ]
            return float(torch.cat(bounds).mean())

        return self._descend(
            network, loss, validate, n=len(people), budget=budget, deadline=deadline
        )

    def elbo(self, cohort: Cohort, *, seed: int, draws: int = 16, T: int = 1000) -> float:
        """Mean bound on -log p(genotypes | label) of these people, nats per person.

        Parameters
        ----------
        cohort
            People it need not have seen.
        seed
            Of the times and corruptions.
        draws
            Times looked at per person.
        T
            Steps of the process bounded: more steps, tighter bound.
        """
        self._check_fitted("elbo")
        people = People.of(cohort, self.scale_, str(self._device))
        shape = "linear" if self.transition == "absorbing" else self.noise
        alpha = discrete.keeping(T, shape).to(self._device)
        with seeded(seed, self._name, "elbo"), torch.no_grad():
            bounds = [
                discrete.elbo(
                    self._process,
                    self._denoise(people.labels[some]),
                    people.genotypes[some],
                    alpha,
                    draws,
                )
                for some in pieces(len(people), cohort.m)
            ]
        return float(torch.cat(bounds).mean())

    def _network(self, L: int, state: Mapping[str, NDArray[Any]]) -> GenotypeNet:
        return self._build(L)

    def _build(self, L: int) -> GenotypeNet:
        common: dict[str, Any] = {
            "near": self.near,
            "label": self.label,
            "embedded": self.embedded,
            "dropout": self.dropout,
            "time": self.transition == "uniform",
        }
        if self.denoiser == "mlp":
            return ResidualMlp(L, self.width, self.depth, **common)
        if self.width % self.heads:
            raise GenobenchError(
                f"{self._name}: width {self.width} is no multiple of heads {self.heads}; "
                "change either"
            )
        return TokenTransformer(L, self.width, self.depth, self.fold, heads=self.heads, **common)

    @property
    def _process(self) -> discrete.Process:
        return discrete.Process(self.transition == "absorbing")

    def _denoise(self, y: Tensor) -> discrete.Denoise:
        return lambda x, alpha: self.network_(x, alpha, y)

    def _corruption(self, n: int, L: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """How much is corrupted of each person, 1..L sites or time 1..T, and what: (n,), (n, L)."""
        most = L if self.transition == "absorbing" else self.T
        return discrete.stratified(n, most, device), torch.rand(n, L, device=device)

    def _bound(
        self,
        network: GenotypeNet,
        people: People,
        index: Tensor,
        much: Tensor,
        u: Tensor,
        extra: float = 0.0,
    ) -> Tensor:
        """(B,) the bound, nats per person, of one corruption each."""
        x0, y = people.genotypes[index], people.labels[index]
        denoise = lambda x, alpha: network(x, alpha, y)  # noqa: E731
        if self.transition == "absorbing":
            return discrete.masked_bound(denoise, x0, much, u, extra)
        alpha = discrete.keeping(self.T, self.noise).to(x0.device)
        return discrete.stepwise_bound(self._process, denoise, x0, much, u, alpha, extra)

    def _calls(self, y: Tensor) -> Tensor:
        L = len(self.fixed_)
        return torch.cat([self._some(y[some], L) for some in pieces(len(y), L)])

    def _some(self, y: Tensor, L: int) -> Tensor:
        x = self._process.start(len(y), L, y.device)
        if self.transition == "absorbing":
            known = discrete.reveal_counts(L, self.sampling_steps, self.reveal)
            return discrete.sample_revealing(self._denoise(y), x, known, self.temperature)
        u = torch.linspace(0, 1, self.sampling_steps + 1)
        alpha = discrete.progress(self.reveal, u).tolist()
        return discrete.sample_ancestral(
            self._process, self._denoise(y), x, alpha, self.temperature
        )
