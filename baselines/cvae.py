"""Conditional variational autoencoder with a learned prior p(z | y) (Sohn et al. 2015).

Encoder q(z | x, y) and decoder p(x | z, y) see the label; the latent of a synthetic person is
drawn from the label's own distribution, which is learned with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from numpy.typing import NDArray
from torch import Tensor

from genobench.cohort import Cohort
from genobench.generator import Budget

from ._decoding import Decoding
from ._dense_vae import DenseNetwork, DenseVae
from ._label_prior import LabelPrior
from ._training import People


class Network(DenseNetwork):
    """Encoder, decoder and prior; the label joins the input of each."""

    def __init__(self, L: int, latent: int, components: int, **shape: Any) -> None:
        super().__init__(L, latent=latent, **shape)
        self.prior = LabelPrior(latent, components)


@dataclass
class Cvae(DenseVae):
    """Conditional VAE with a learned prior. Settings beside those of `DenseVae` and `Neural`:

    Parameters
    ----------
    components
        Gaussians of the prior given the label. One is the published model; its KL has a closed
        form. With more, each has a full covariance and the KL is estimated from one draw.
    emission
        ``categorical``: three logits per SNP. ``binomial``: one allele probability p per SNP and
        two draws from it, that is, Hardy-Weinberg proportions given the latent and the label.
    """

    anneal: int = 200
    components: int = 1
    emission: Literal["categorical", "binomial"] = "categorical"

    def _learn(
        self, train: Cohort, people: People, held_out: People, budget: Budget, deadline: float
    ) -> DenseNetwork:
        network = self._network(train.m, {}).to(budget.device)
        trained = self._train(network, people, held_out, budget, deadline)
        assert isinstance(trained, Network)
        budget.report({"active_units": float(active(trained, people).sum())})
        self._fit_decoding(trained, people, budget, deadline)
        return trained

    def _network(self, L: int, state: Mapping[str, NDArray[Any]]) -> Network:
        return Network(
            L,
            self.latent,
            self.components,
            widths=self.widths,
            dropout=self.dropout,
            decoding=Decoding(L, self.decode, self.calibrate),
            emission=self.emission,
        )

    def _kl(
        self, network: DenseNetwork, mean: Tensor, logvar: Tensor, z: Tensor, y: Tensor
    ) -> Tensor:
        assert isinstance(network, Network)
        return network.prior.kl(mean, logvar, z, y)

    def _latents(self, network: DenseNetwork, y: Tensor) -> Tensor:
        assert isinstance(network, Network)
        return network.prior.sample(y)


@torch.no_grad()
def active(network: Network, people: People, least: float = 0.01) -> Tensor:
    """(d,) whether each latent dimension tells people of the same label apart.

    Active is a dimension whose posterior means vary by more than ``least`` prior variances
    (Burda et al. 2016, with prior variance 1). They are taken from the prior's mean at the
    person's label: under a learned prior a collapsed posterior still follows the label.
    """
    mean, _ = network.posteriors(people)
    centre, variance = network.prior.moments(people.labels)
    return ((mean - centre) / variance.sqrt()).var(0, correction=0) > least
