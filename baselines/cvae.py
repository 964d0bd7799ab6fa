"""Conditional variational autoencoder with a learned prior p(z | y) (Sohn et al. 2015).

Encoder q(z | x, y) and decoder p(x | z, y) see the label; the latent of a synthetic person is
drawn from the label's own distribution, which is learned with them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from genobench.cohort import Cohort
from genobench.generator import Budget

from ._calibration import calibrated, calibration, drawn, enough_labels, most_probable
from ._label_prior import LabelPrior, binomial_logits
from ._networks import LinearBlock
from ._neural import Neural
from ._training import People, one_hot


class Network(nn.Module):
    """Encoder, decoder and prior; the label joins the input of each."""

    offsets: Tensor  # (2, 3, L)

    def __init__(
        self,
        L: int,
        widths: Sequence[int],
        latent: int,
        *,
        dropout: float,
        emission: str,
        components: int,
    ) -> None:
        super().__init__()
        self.L, self.emission = L, emission
        down, up = [3 * L + 1, *widths], [latent + 1, *reversed(widths)]
        self.corrupt = nn.Dropout(dropout)
        self.encoder = nn.Sequential(*map(LinearBlock, down[:-1], down[1:]))
        self.posterior = nn.Linear(down[-1], 2 * latent)
        self.decoder = nn.Sequential(*map(LinearBlock, up[:-1], up[1:]))
        self.out = nn.Linear(up[-1], L if emission == "binomial" else 3 * L)
        self.prior = LabelPrior(latent, components)
        self.register_buffer("offsets", torch.zeros(2, 3, L))

    def encode(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """One-hots (B, 3, L) and labels (B, 1) -> mean and log variance (B, d)."""
        h = self.encoder(torch.cat([self.corrupt(x.flatten(1)), y], 1))
        mean, logvar = self.posterior(h).chunk(2, 1)
        return mean, logvar.clamp(-12, 6)

    def decode(self, z: Tensor, y: Tensor) -> Tensor:
        """Latents (B, d) and labels (B, 1) -> logits of 0, 1, 2 (B, 3, L)."""
        h: Tensor = self.out(self.decoder(torch.cat([z, y], 1)))
        return binomial_logits(h) if self.emission == "binomial" else h.reshape(-1, 3, self.L)

    @torch.no_grad()
    def begin_at_frequencies(self, g: Tensor) -> None:
        """Start from independent sites: the output's bias is that of genotypes (n, L)."""
        counts = torch.stack([(g == call).sum(0) for call in range(3)]) + 0.5  # (3, L)
        bias = counts.log().flatten()
        if self.emission == "binomial":
            bias = ((counts[1] + 2 * counts[2]) / (counts[1] + 2 * counts[0])).log()
        self.out.bias.copy_(bias)


@dataclass
class Cvae(Neural):
    """Conditional VAE with a learned prior.

    Parameters
    ----------
    widths
        Hidden widths of the encoder; the decoder has them in reverse.
    latent
        Dimension of the latent.
    beta
        Weight of the KL term against the cross-entropy summed over SNPs.
    anneal
        Steps over which that weight grows from 0, against a collapse of the posterior.
    dropout
        Share of the encoder's inputs set to zero in training.
    components
        Gaussians of the prior given the label. One is the published model; its KL has a closed
        form. With more, each has a full covariance and the KL is estimated from one draw.
    emission
        ``categorical``: three logits per SNP. ``binomial``: one allele probability p per SNP and
        two draws from it, that is, Hardy-Weinberg proportions given the latent and the label.
    decode
        ``argmax`` of the three probabilities, or a ``sample`` from them.
    calibrate
        Move the logits until synthetic argmax calls have the training people's frequencies. A
        ``sample`` is left as it is.
    """

    widths: Sequence[int] = (512, 256)
    latent: int = 32
    beta: float = 1.0
    anneal: int = 200
    dropout: float = 0.0
    components: int = 1
    emission: Literal["categorical", "binomial"] = "categorical"
    decode: Literal["argmax", "sample"] = "argmax"
    calibrate: bool = True

    def _learn(
        self, train: Cohort, people: People, held_out: People, budget: Budget, deadline: float
    ) -> nn.Module:
        network = self._network(train.m, {}).to(budget.device)
        network.begin_at_frequencies(people.genotypes)
        noise = torch.randn(len(held_out), self.latent, device=budget.device)
        done = 0

        def loss(index: Tensor) -> Tensor:
            nonlocal done
            done += 1
            g, y = people.genotypes[index], people.labels[index]
            error, kl = self._terms(network, g, y, torch.randn(len(g), self.latent).to(y))
            return error + self.beta * min(1.0, done / max(1, self.anneal)) * kl

        def validate(network: Network) -> float:
            error, kl = self._terms(network, held_out.genotypes, held_out.labels, noise)
            return float(error + self.beta * kl)

        network = self._descend(
            network, loss, validate, n=len(people), budget=budget, deadline=deadline
        )
        with torch.no_grad():
            budget.report({"active_units": float(active(network, people).sum())})
            if self.calibrate and self.decode == "argmax":
                y = enough_labels(people)
                logits = network.decode(network.prior.sample(y), y)
                network.offsets.copy_(calibration(logits, y, people, label=False))
        return network

    def _network(self, L: int, state: Mapping[str, NDArray[Any]]) -> Network:
        return Network(
            L,
            self.widths,
            self.latent,
            dropout=self.dropout,
            emission=self.emission,
            components=self.components,
        )

    def _terms(
        self, network: Network, g: Tensor, y: Tensor, noise: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The negative ELBO's parts, means over people: cross-entropy, and KL to the prior."""
        mean, logvar = network.encode(one_hot(g), y)
        z = mean + (0.5 * logvar).exp() * noise
        logits = network.decode(z, y)
        error = nn.functional.cross_entropy(logits, g.long(), reduction="sum") / len(g)
        return error, network.prior.kl(mean, logvar, z, y).mean()

    def _calls(self, y: Tensor) -> Tensor:
        network = self.network_
        assert isinstance(network, Network)
        logits = network.decode(network.prior.sample(y), y)
        if self.decode == "sample":
            return drawn(logits)
        return most_probable(calibrated(logits, y, network.offsets))


@torch.no_grad()
def active(network: Network, people: People, least: float = 0.01) -> Tensor:
    """(d,) whether each latent dimension tells people of the same label apart.

    Active is a dimension whose posterior means vary by more than ``least`` prior variances
    (Burda et al. 2016, with prior variance 1). They are taken from the prior's mean at the
    person's label: under a learned prior a collapsed posterior still follows the label.
    """
    moved = []
    for start in range(0, len(people), 4096):
        some = slice(start, start + 4096)
        y = people.labels[some]
        mean, _ = network.encode(one_hot(people.genotypes[some]), y)
        centre, variance = network.prior.moments(y)
        moved.append((mean - centre) / variance.sqrt())
    return torch.cat(moved).var(0, correction=0) > least
