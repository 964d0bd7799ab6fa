"""Fully connected conditional VAE on flattened one-hots (arXiv 2508.09212), whatever its prior.

Linear-BatchNorm-LeakyReLU, a residual block where widths repeat; the label joins the input of
encoder and decoder. L is the number of SNPs, d the dimension of the latent.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from genobench.cohort import Genotypes
from genobench.generator import Budget

from ._calibration import enough_labels, most_probable
from ._decoding import Decode, Decoding
from ._label_prior import binomial_logits
from ._networks import LinearBlock
from ._neural import Neural
from ._training import People, one_hot, write_fixed

CHUNK = 4096  # people encoded at once


class DenseNetwork(nn.Module):
    """Encoder q(z | x, y) and decoder p(x | z, y)."""

    def __init__(
        self,
        L: int,
        widths: Sequence[int],
        latent: int,
        *,
        dropout: float,
        decoding: Decoding,
        emission: str = "categorical",  # or "binomial"
    ) -> None:
        super().__init__()
        self.L, self.emission = L, emission
        down, up = [3 * L + 1, *widths], [latent + 1, *reversed(widths)]
        self.corrupt = nn.Dropout(dropout)
        self.encoder = nn.Sequential(*map(LinearBlock, down[:-1], down[1:]))
        self.posterior = nn.Linear(down[-1], 2 * latent)
        self.decoder = nn.Sequential(*map(LinearBlock, up[:-1], up[1:]))
        self.out = nn.Linear(up[-1], L if emission == "binomial" else 3 * L)
        self.decoding = decoding

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

    @torch.no_grad()
    def posteriors(self, people: People) -> tuple[Tensor, Tensor]:
        """(n, d) means and log variances of people's latents."""
        pairs = [
            self.encode(one_hot(g), y)
            for g, y in zip(
                people.genotypes.split(CHUNK),  # type: ignore[no-untyped-call]
                people.labels.split(CHUNK),  # type: ignore[no-untyped-call]
                strict=True,
            )
        ]
        return torch.cat([mean for mean, _ in pairs]), torch.cat([logvar for _, logvar in pairs])


@dataclass
class DenseVae(Neural):
    """What VAEs of this shape share; a subclass says what its prior is.

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
    decode
        ``argmax`` of the three probabilities, a ``sample`` from them, or ``matched``: as much
        noise between the two as keeps synthetic people as far apart as training people are.
    calibrate
        Move the logits until synthetic calls have the training people's frequencies.
    """

    widths: Sequence[int] = (512, 256)
    latent: int = 32
    beta: float = 1.0
    anneal: int = 0
    dropout: float = 0.0
    decode: Decode = "argmax"
    calibrate: bool = True

    @abstractmethod
    def _kl(
        self, network: DenseNetwork, mean: Tensor, logvar: Tensor, z: Tensor, y: Tensor
    ) -> Tensor:
        """(B,) KL divergence of posteriors from the prior; ``z`` is a draw from them."""

    @abstractmethod
    def _latents(self, network: DenseNetwork, y: Tensor) -> Tensor:
        """(k, d) latents of synthetic people with scaled labels (k, 1)."""

    def _train(
        self,
        network: DenseNetwork,
        people: People,
        held_out: People,
        budget: Budget,
        deadline: float,
    ) -> DenseNetwork:
        """The network at its best validation loss, from independent sites on."""
        network.begin_at_frequencies(people.genotypes)
        noise = torch.randn(len(held_out), self.latent, device=budget.device)
        done = 0

        def loss(index: Tensor) -> Tensor:
            nonlocal done
            done += 1
            g, y = people.genotypes[index], people.labels[index]
            error, kl = self._terms(network, g, y, torch.randn(len(g), self.latent).to(y))
            return error + self.beta * min(1.0, done / max(1, self.anneal)) * kl

        def validate(network: DenseNetwork) -> float:
            error, kl = self._terms(network, held_out.genotypes, held_out.labels, noise)
            return float(error + self.beta * kl)

        return self._descend(
            network, loss, validate, n=len(people), budget=budget, deadline=deadline
        )

    @torch.no_grad()
    def _fit_decoding(
        self, network: DenseNetwork, people: People, budget: Budget, deadline: float
    ) -> None:
        """Noise and offsets, on synthetic people with training labels."""
        y = enough_labels(people)
        logits = network.decode(self._latents(network, y), y)
        late = deadline + 0.1 * budget.seconds
        network.decoding.learn(logits, y, people, deadline=late)
        budget.report({"decoding_noise": network.decoding.noise})

    def _terms(
        self, network: DenseNetwork, g: Tensor, y: Tensor, noise: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The negative ELBO's parts, means over people: cross-entropy, and KL to the prior."""
        mean, logvar = network.encode(one_hot(g), y)
        z = mean + (0.5 * logvar).exp() * noise
        logits = network.decode(z, y)
        error = nn.functional.cross_entropy(logits, g.long(), reduction="sum") / len(g)
        return error, self._kl(network, mean, logvar, z, y).mean()

    def _calls(self, y: Tensor) -> Tensor:
        network = self._fitted
        calls: Tensor = network.decoding(network.decode(self._latents(network, y), y), y)
        return calls

    @torch.no_grad()
    def reconstruct(self, genotypes: Genotypes) -> Genotypes:
        """The most probable calls at real people's posterior means, labels at their centre."""
        self._check_fitted("reconstruct")
        rows = [np.empty((0, len(self.fixed_)), dtype=np.int8)]
        for start in range(0, len(genotypes), CHUNK):
            g = torch.from_numpy(np.array(genotypes[start : start + CHUNK])).to(self._device)
            y = torch.zeros(len(g), 1, device=self._device)
            mean, _ = self._fitted.encode(one_hot(g), y)
            rows.append(most_probable(self._fitted.decode(mean, y)).cpu().numpy())
        return write_fixed(np.concatenate(rows), self.fixed_)

    @property
    def _fitted(self) -> DenseNetwork:
        assert isinstance(self.network_, DenseNetwork)
        return self.network_
