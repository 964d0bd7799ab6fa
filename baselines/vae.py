"""Conditional variational autoencoder, fully connected (arXiv 2508.09212).

Linear-BatchNorm-LeakyReLU on the flattened one-hots, a residual block where widths repeat,
cross-entropy + beta KL. The prior is N(0, I) or a Gaussian mixture fitted to the trained latents.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from genobench.cohort import Cohort, Genotypes, Labels
from genobench.errors import GenobenchError
from genobench.generator import Budget, Generator
from genobench.seeds import derive, rng

from ._calibration import calibrated, calibration, drawn, enough_labels, most_probable
from ._mixture import LatentMixture
from ._networks import LinearBlock
from ._training import (
    LabelScale,
    People,
    descend,
    fixed_calls,
    from_arrays,
    in_chunks,
    one_hot,
    seeded,
    to_arrays,
    write_fixed,
)


class Network(nn.Module):
    """Encoder q(z | x, y) and decoder p(x | z, y); the label joins the input of both."""

    def __init__(self, L: int, widths: Sequence[int], latent: int, dropout: float) -> None:
        super().__init__()
        self.L = L
        down = [3 * L + 1, *widths]
        up = [latent + 1, *reversed(widths)]
        self.corrupt = nn.Dropout(dropout)
        self.encoder = nn.Sequential(*map(LinearBlock, down[:-1], down[1:]))
        self.posterior = nn.Linear(down[-1], 2 * latent)
        self.decoder = nn.Sequential(*map(LinearBlock, up[:-1], up[1:]))
        self.logits = nn.Linear(up[-1], 3 * L)

    def encode(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """One-hots (B, 3, L) and labels (B, 1) -> mean and log variance (B, d)."""
        h = self.encoder(torch.cat([self.corrupt(x.flatten(1)), y], 1))
        mean, logvar = self.posterior(h).chunk(2, 1)  # (B, d) each
        return mean, logvar.clamp(-12, 6)

    def decode(self, z: Tensor, y: Tensor) -> Tensor:
        """Latents (B, d) and labels (B, 1) -> logits (B, 3, L)."""
        logits: Tensor = self.logits(self.decoder(torch.cat([z, y], 1)))
        return logits.reshape(-1, 3, self.L)


@dataclass
class Vae(Generator):
    """Conditional VAE.

    Parameters
    ----------
    widths
        Hidden widths of the encoder; the decoder has them in reverse.
    latent
        Dimension of the latent.
    beta
        Weight of the KL term against the cross-entropy summed over SNPs.
    dropout
        Share of the encoder's inputs set to zero in training.
    prior
        What latents are drawn from: ``standard`` normal, or a ``mixture`` fitted to the training
        people's latents jointly with the label.
    components
        Numbers of mixture components tried; the validation likelihood decides.
    decode
        ``argmax`` of the three logits, or a ``sample`` from them.
    calibrate
        Move the logits until synthetic calls have the training people's frequencies.
    batch, epochs, steps, lr, weight_decay, ema
        Training ends after ``epochs`` passes over the training people or ``steps`` steps,
        whichever comes first.
    every, patience
        Steps between two validations, and validations without a gain before training stops.
    """

    widths: Sequence[int] = (512, 256)
    latent: int = 64
    beta: float = 1.0
    dropout: float = 0.0
    prior: Literal["standard", "mixture"] = "mixture"
    components: Sequence[int] = (1, 4, 8, 16)
    decode: Literal["argmax", "sample"] = "argmax"
    calibrate: bool = True
    batch: int = 256
    epochs: int = 1000
    steps: int = 2000
    lr: float = 1e-3
    weight_decay: float = 0.0
    ema: float = 0.99
    every: int = 50
    patience: int = 10

    def fit(self, train: Cohort, validation: Cohort, *, seed: int, budget: Budget) -> Self:
        deadline = time.monotonic() + 0.85 * budget.seconds  # the rest is for the prior
        self.scale_ = LabelScale.of(train)
        self.fixed_ = fixed_calls(train)
        people = People.of(train, self.scale_, budget.device)
        held_out = People.of(validation, self.scale_, budget.device)
        with seeded(seed, "vae", "fit"):
            network = self._network(train.m).to(budget.device)
            self._begin_at_frequencies(network, people)
            noise = torch.randn(len(held_out), self.latent, device=budget.device)

            def loss(index: Tensor) -> Tensor:
                g, y = people.genotypes[index], people.labels[index]
                return self._negative_elbo(network, g, y, torch.randn(len(g), self.latent).to(y))

            def validate(network: Network) -> float:
                total = self._negative_elbo(network, held_out.genotypes, held_out.labels, noise)
                return float(total)

            self.network_ = descend(
                network,
                loss,
                n=len(people),
                validate=validate,
                budget=budget,
                deadline=deadline,
                batch=self.batch,
                epochs=self.epochs,
                steps=self.steps,
                lr=self.lr,
                weight_decay=self.weight_decay,
                ema=self.ema,
                every=self.every,
                patience=self.patience,
            )
            self.mixture_ = None
            if self.prior == "mixture":
                self.mixture_ = self._fit_prior(people, held_out, derive(seed, "vae", "prior"))
            self.offsets_ = torch.zeros(2, 3, train.m, device=budget.device)
            if self.calibrate:
                draw, labels = rng(seed, "vae", "calibration"), enough_labels(people)
                self.offsets_ = calibration(self._logits(labels, draw), labels, people, label=False)
        return self

    def sample(self, labels: Labels, *, seed: int) -> Genotypes:
        if not hasattr(self, "network_"):
            raise GenobenchError("vae: sample() before fit()")
        draw = rng(seed, "vae", "sample")
        with seeded(seed, "vae", "sample"):
            scaled = (self.scale_(y, self.offsets_.device) for y in in_chunks(labels))
            rows = [self._rows(y, draw) for y in scaled]
        empty = np.empty((0, len(self.fixed_)), dtype=np.int8)
        return write_fixed(np.concatenate([empty, *rows]), self.fixed_)

    @torch.no_grad()
    def reconstruct(self, genotypes: Genotypes) -> Genotypes:
        """The most probable calls at real people's posterior means, labels at their centre."""
        if not hasattr(self, "network_"):
            raise GenobenchError("vae: reconstruct() before fit()")
        rows = [np.empty((0, len(self.fixed_)), dtype=np.int8)]
        for start in range(0, len(genotypes), 4096):
            g = torch.from_numpy(np.array(genotypes[start : start + 4096]))
            y = torch.zeros(len(g), 1, device=self.offsets_.device)
            mean, _ = self.network_.encode(one_hot(g.to(y.device)), y)
            rows.append(most_probable(self.network_.decode(mean, y)).cpu().numpy())
        return write_fixed(np.concatenate(rows), self.fixed_)

    def state(self) -> dict[str, NDArray[Any]]:
        mixture = self.mixture_.arrays() if self.mixture_ else {}
        return {
            **to_arrays(network=self.network_),
            **mixture,
            "offsets": self.offsets_.cpu().numpy(),
            "fixed": self.fixed_,
            "scale": self.scale_.array(),
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        self.fixed_ = np.asarray(state["fixed"])
        self.scale_ = LabelScale.of_array(state["scale"])
        self.mixture_ = LatentMixture.of(state)
        self.offsets_ = torch.from_numpy(np.array(state["offsets"]))
        with seeded(0):
            self.network_ = self._network(len(self.fixed_)).eval()
        from_arrays(self.network_, "network", state)

    @property
    def parameters(self) -> int:
        return sum(p.numel() for p in self.network_.parameters())

    def _network(self, L: int) -> Network:
        return Network(L, self.widths, self.latent, self.dropout)

    @torch.no_grad()
    def _begin_at_frequencies(self, network: Network, people: People) -> None:
        """Start from independent sites: the output's bias is the log frequency of each call."""
        counts = torch.stack([(people.genotypes == call).sum(0) for call in range(3)])  # (3, L)
        frequency = (counts + 0.5) / (len(people) + 1.5)
        network.logits.bias.copy_(frequency.log().flatten())

    def _negative_elbo(self, network: Network, g: Tensor, y: Tensor, noise: Tensor) -> Tensor:
        """Cross-entropy summed over SNPs + beta KL(q || N(0, I)), mean over people."""
        mean, logvar = network.encode(one_hot(g), y)
        logits = network.decode(mean + (0.5 * logvar).exp() * noise, y)
        error = nn.functional.cross_entropy(logits, g.long(), reduction="sum") / len(g)
        kl = 0.5 * (mean**2 + logvar.exp() - 1 - logvar).sum() / len(g)
        return error + self.beta * kl

    @torch.no_grad()
    def _latents(self, people: People) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Posterior samples (n, d) and scaled labels (n, 1)."""
        parts = []
        for start in range(0, len(people), 4096):
            some = slice(start, start + 4096)
            g, y = people.genotypes[some], people.labels[some]
            mean, logvar = self.network_.encode(one_hot(g), y)
            parts.append(mean + (0.5 * logvar).exp() * torch.randn_like(mean))
        latents = torch.cat(parts).cpu().double().numpy()
        return latents, people.labels.cpu().double().numpy()

    def _fit_prior(self, people: People, held_out: People, seed: int) -> LatentMixture:
        z, y = self._latents(people)
        return LatentMixture.fit(z, y, self._latents(held_out), tuple(self.components), seed)

    @torch.no_grad()
    def _logits(self, y: Tensor, draw: np.random.Generator) -> Tensor:
        """Logits (k, 3, L) of synthetic people with scaled labels (k, 1)."""
        if self.mixture_ is None:
            z = torch.randn(len(y), self.latent).to(y)
        else:
            z = torch.from_numpy(self.mixture_.sample(y.cpu().double().numpy(), draw)).to(y)
        return self.network_.decode(z, y)

    def _rows(self, y: Tensor, draw: np.random.Generator) -> Genotypes:
        """Genotypes (k, L) of synthetic people with scaled labels (k, 1)."""
        logits = calibrated(self._logits(y, draw), y, self.offsets_)
        calls = most_probable(logits) if self.decode == "argmax" else drawn(logits)
        rows: Genotypes = calls.cpu().numpy()
        return rows
