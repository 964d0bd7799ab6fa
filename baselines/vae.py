"""Conditional variational autoencoder, fully connected (arXiv 2508.09212).

The prior is N(0, I), or a Gaussian mixture fitted to the trained latents.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from numpy.typing import NDArray
from torch import Tensor

from genobench.cohort import Cohort
from genobench.generator import Budget

from ._decoding import Decoding
from ._dense_vae import DenseNetwork, DenseVae
from ._label_prior import gaussian_kl
from ._mixture import LatentMixture
from ._training import People


@dataclass
class Vae(DenseVae):
    """Conditional VAE. Settings beside those of `DenseVae` and `Neural`:

    Parameters
    ----------
    prior
        What latents are drawn from: ``standard`` normal, or a ``mixture`` fitted to the training
        people's latents jointly with the label.
    components
        Numbers of mixture components tried; the validation likelihood decides.
    """

    latent: int = 64
    batch: int = 256
    prior: Literal["standard", "mixture"] = "mixture"
    components: Sequence[int] = (1, 4, 8, 16)

    def _learn(
        self, train: Cohort, people: People, held_out: People, budget: Budget, deadline: float
    ) -> DenseNetwork:
        network = self._network(train.m, {}).to(budget.device)
        network = self._train(network, people, held_out, budget, deadline)
        self.mixture_ = None
        if self.prior == "mixture":
            z, other = (self._posterior_draws(network, some) for some in (people, held_out))
            self.mixture_ = LatentMixture.learn(
                (z, people.labels), (other, held_out.labels), self.components
            )
        self._fit_decoding(network, people, budget, deadline)
        return network

    def _network(self, L: int, state: Mapping[str, NDArray[Any]]) -> DenseNetwork:
        decoding = Decoding(L, self.decode, self.calibrate)
        return DenseNetwork(L, self.widths, self.latent, dropout=self.dropout, decoding=decoding)

    def _kl(
        self, network: DenseNetwork, mean: Tensor, logvar: Tensor, z: Tensor, y: Tensor
    ) -> Tensor:
        """Closed form, to N(0, I)."""
        nothing = torch.zeros_like(mean)
        return gaussian_kl(mean, logvar, nothing, nothing)

    def _latents(self, network: DenseNetwork, y: Tensor) -> Tensor:
        if self.mixture_ is None:
            return torch.randn(len(y), self.latent).to(y)
        return self.mixture_.draw(y)

    def _posterior_draws(self, network: DenseNetwork, people: People) -> Tensor:
        """(n, d): the mixture is fitted to these, not to the means, which lack their spread."""
        mean, logvar = network.posteriors(people)
        return mean + (0.5 * logvar).exp() * torch.randn_like(mean)

    def state(self) -> dict[str, NDArray[Any]]:
        mixture = self.mixture_.arrays() if self.mixture_ else {}
        return {**super().state(), **mixture}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        self.mixture_ = LatentMixture.of(state)
        super().restore(state)
