"""Continuous normalising flow on principal-component scores, trained by flow matching.

Lipman et al. 2023 (arXiv:2210.02747), optionally with the minibatch couplings of Tong et al. 2023
(arXiv:2302.00482). P is the number of scores of all chromosomes, L that of SNPs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from genobench.cohort import Cohort, Genotypes, Labels
from genobench.generator import Budget

from . import _flow as flow
from ._cuts import cut, rounding_cuts, share_cuts
from ._neural import Neural
from ._principal import Principal
from ._training import People, seeded


class Network(nn.Module):
    """The velocity, and the cuts (2, L) that turn the flow's dosages into calls."""

    cuts: Tensor

    def __init__(self, P: int, L: int, *, width: int, depth: int, dropout: float) -> None:
        super().__init__()
        self.velocity = flow.LabelledVelocity(P, width=width, depth=depth, dropout=dropout)
        self.register_buffer("cuts", torch.from_numpy(rounding_cuts(L)))


@dataclass
class PrincipalFlow(Neural):
    """Label-conditional flow from N(0, I) to PCA scores.

    Parameters
    ----------
    variance
        Share of each chromosome's genotype variance that its components keep.
    width, depth, dropout
        Of the velocity network: width and number of its residual blocks.
    coupling
        How a batch's noise is paired with its people: at random (``independent``), or by
        ``optimal`` transport inside the batch, among people of like labels.
    solver, solver_steps
        ``heun`` or ``midpoint`` (two evaluations a step) or ``euler`` (one), and equal steps from
        noise to people.
    decode
        ``round`` the inverse PCA; or cut it at ``thresholds`` per SNP at which generated people
        have the shares of 0 / 1 / 2 of the training people.
    """

    variance: float = 0.95
    width: int = 512
    depth: int = 3
    dropout: float = 0.1
    coupling: Literal["independent", "optimal"] = "independent"
    solver: Literal["heun", "midpoint", "euler"] = "heun"
    solver_steps: int = 20
    decode: Literal["round", "thresholds"] = "thresholds"

    def _learn(
        self, train: Cohort, people: People, held_out: People, budget: Budget, deadline: float
    ) -> nn.Module:
        self.principal_ = Principal.fit(train, self.variance)
        network = self._build(train.m).to(budget.device)
        if self.principal_.width:
            network.velocity = self._match(
                network.velocity, people, held_out, budget=budget, deadline=deadline
            )
        if self.decode == "thresholds":
            most = 256 if monotonic() > deadline else 2048
            some = torch.randint(len(people), (most,), device=people.labels.device)
            dosages = self._dosages(network, people.labels[some])
            network.cuts.copy_(torch.from_numpy(share_cuts(dosages, train.genotypes)))
        return network

    def _match(
        self,
        velocity: flow.LabelledVelocity,
        people: People,
        held_out: People,
        *,
        budget: Budget,
        deadline: float,
    ) -> flow.LabelledVelocity:
        """Trained velocity; its validation loss is taken at fixed times and noises."""
        x, seen = self._scores(people.genotypes), self._scores(held_out.genotypes)
        fixed_noise, fixed_times = torch.randn_like(seen), flow.spread_times(len(seen), seen.device)

        def loss(index: Tensor) -> Tensor:
            some, y = x[index], people.labels[index]
            noise = torch.randn_like(some)
            if self.coupling == "optimal":
                noise = flow.coupled(noise, some, y)
            t = flow.spread_times(len(some), some.device)
            return flow.matching_loss(velocity.given(y), noise, some, t)

        def validate(average: flow.LabelledVelocity) -> float:
            given = average.given(held_out.labels)
            return float(flow.matching_loss(given, fixed_noise, seen, fixed_times))

        return self._descend(
            velocity, loss, validate, n=len(people), budget=budget, deadline=deadline
        )

    @torch.no_grad()
    def log_likelihood(
        self,
        genotypes: Genotypes,
        labels: Labels,
        *,
        probes: int = 0,
        seed: int = 0,
        chunk: int = 256,
    ) -> NDArray[np.float64]:
        """Log density of people's standardised PCA scores under the flow, given their labels.

        It says nothing of what the PCA dropped, nor of the cut into calls, so it compares models
        of the same components only.

        Parameters
        ----------
        genotypes, labels
            (n, L) int8 and (n,).
        probes
            0: the exact trace, P backward passes an evaluation. Else Hutchinson's estimate
            from that many vectors of random signs, drawn from ``seed`` and the same at every time.
        chunk
            People at once.

        Returns
        -------
        (n,) nats.

        Raises
        ------
        GenobenchError
            Before `fit`.
        """
        self._check_fitted("log_likelihood")
        scores = torch.from_numpy(self.principal_.scores(genotypes)).to(self._device)
        y = self.scale_(labels, self._device)
        parts = [np.empty(0)]
        if not self.principal_.width:
            return np.zeros(len(genotypes))  # nobody differs
        with seeded(seed, self._name, "likelihood"):
            for start in range(0, len(scores), chunk):
                some, label = scores[start : start + chunk], y[start : start + chunk]
                signs = torch.randint(2, (probes, *some.shape), device=some.device) * 2.0 - 1.0
                value = flow.log_density(
                    self._fitted.velocity.given(label),
                    some,
                    steps=self.solver_steps,
                    solver=flow.SOLVERS[self.solver],
                    probes=signs if probes else None,
                )
                parts.append(value.cpu().double().numpy())
        return np.concatenate(parts)

    def state(self) -> dict[str, NDArray[Any]]:
        return super().state() | self.principal_.arrays()

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        self.principal_ = Principal.of(state)
        super().restore(state)

    def _network(self, L: int, state: Mapping[str, NDArray[Any]]) -> Network:
        return self._build(L)

    def _build(self, L: int) -> Network:
        P = max(1, self.principal_.width)  # a cohort without variation has no component
        return Network(P, L, width=self.width, depth=self.depth, dropout=self.dropout)

    def _scores(self, genotypes: Tensor) -> Tensor:
        scores = self.principal_.scores(genotypes.cpu().numpy())
        return torch.from_numpy(scores).to(genotypes.device)

    @property
    def _fitted(self) -> Network:
        assert isinstance(self.network_, Network)
        return self.network_

    @torch.no_grad()
    def _dosages(self, network: Network, y: Tensor) -> NDArray[np.float32]:
        """Continuous dosages (k, L) of synthetic people with scaled labels (k, 1)."""
        x = torch.randn(len(y), self.principal_.width, device=y.device)
        if self.principal_.width:
            solve = flow.SOLVERS[self.solver]
            x = solve(network.velocity.given(y), x, steps=self.solver_steps)
        return self.principal_.dosages(x.cpu().numpy())

    def _calls(self, y: Tensor) -> Tensor:
        cuts = self._fitted.cuts.cpu().numpy()
        return torch.from_numpy(cut(self._dosages(self._fitted, y), cuts))
