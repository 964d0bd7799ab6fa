"""SNPgen (arXiv 2603.10873): an autoencoder of genotypes, then diffusion of its latents.

Stage 1 knows no label. Stage 2 predicts the noise in standardised latents, with the label as one
cross-attention token that is dropped now and then (classifier-free guidance).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genobench.cohort import Cohort, Genotypes, Labels
from genobench.errors import GenobenchError
from genobench.generator import Budget, Generator

from ._autoencoder import Adversary, Autoencoder
from ._calibration import calibrated, calibration, drawn, enough_labels, most_probable
from ._diffusion import (
    antithetic_times,
    epsilon_loss,
    guided,
    sample_euler,
    scaled_linear_betas,
    signal,
)
from ._latents import LatentScale
from ._training import (
    LabelScale,
    People,
    autocast,
    descend,
    fixed_calls,
    from_arrays,
    in_chunks,
    one_hot,
    seeded,
    to_arrays,
    write_fixed,
)
from ._unet import UNet

T = 1000  # diffusion times
CHUNK = 1024  # people encoded or sampled at once


@dataclass
class SnpGen(Generator):
    """Latent diffusion over genotypes, label-conditional.

    Parameters
    ----------
    widths, blocks, latent, fold
        Autoencoder: channels of its levels, residual blocks per level (the decoder has one more),
        latent channels, and SNPs that the outermost layer reads at once (1 = a convolution over
        single SNPs). A latent position stands for ``fold * 2 ** (levels - 1)`` SNPs.
    ae_dropout
        Share of the encoder's inputs set to zero in training.
    s
        Where the learned log scale of the reconstruction error begins; below 0 the KL term starts
        with less weight.
    ae_batch, ae_epochs, ae_steps, ae_lr, ae_ema, ae_patience
        Training of the autoencoder; it ends after epochs or steps, whichever comes first.
    adversary_from, adversary_weight
        Step from which a discriminator joins, and the weight of its term; -1 = never.
    base, multipliers, unet_blocks, factor, dropout
        Denoiser: channels, their multiples by level, residual blocks per level, width of the
        feed-forward layers over the level's, dropout.
    batch, epochs, steps, lr, weight_decay, warmup, ema, patience
        Training of the denoiser. ``warmup`` counts steps.
    label_shift
        Take the latents' linear regression on the label out before diffusion and put it back after.
    skip
        The denoiser adds to sqrt(1 - abar) x_t, which is exact for uncorrelated Gaussian latents,
        and begins there.
    drop_label
        Share of labels replaced by the null label in training.
    sampling_steps, guidance
        Euler steps, and w of classifier-free guidance (1 = none).
    decode, calibrate
        ``argmax`` of the three logits or a ``sample`` from them; and whether the logits are moved
        until synthetic calls have the training people's frequencies.
    every
        Steps between two validations, in both stages.
    """

    widths: Sequence[int] = (128,)
    blocks: int = 0
    latent: int = 16
    fold: int = 32
    ae_dropout: float = 0.1
    s: float = 0.0
    ae_batch: int = 64
    ae_epochs: int = 1000
    ae_steps: int = 1000
    ae_lr: float = 2e-3
    ae_ema: float = 0.99
    ae_patience: int = 6
    adversary_from: int = -1
    adversary_weight: float = 0.5
    base: int = 64
    multipliers: Sequence[int] = (1, 2)
    unet_blocks: int = 1
    factor: int = 2
    dropout: float = 0.1
    batch: int = 128
    epochs: int = 1000
    steps: int = 1000
    lr: float = 1e-3
    weight_decay: float = 0.01
    warmup: int = 50
    ema: float = 0.995
    patience: int = 8
    label_shift: bool = True
    skip: bool = True
    drop_label: float = 0.2
    sampling_steps: int = 50
    guidance: float = 1.0
    decode: Literal["argmax", "sample"] = "argmax"
    calibrate: bool = True
    every: int = 50

    def fit(self, train: Cohort, validation: Cohort, *, seed: int, budget: Budget) -> Self:
        began = time.monotonic()
        self.scale_, self.fixed_ = LabelScale.of(train), fixed_calls(train)
        people = People.of(train, self.scale_, budget.device)
        held_out = People.of(validation, self.scale_, budget.device)
        with seeded(seed, "snpgen", "fit"):
            self._build(train.m, budget.device)
            self._fit_autoencoder(people, held_out, budget, began + 0.4 * budget.seconds)
            self._fit_denoiser(people, held_out, budget, began + 0.8 * budget.seconds)
            self.offsets_ = torch.zeros(2, 3, train.m, device=budget.device)
            if self.calibrate:
                self._fit_calibration(people, began + 0.9 * budget.seconds)
        return self

    def sample(self, labels: Labels, *, seed: int) -> Genotypes:
        self._check_fitted("sample")
        rows = [np.empty((0, len(self.fixed_)), dtype=np.int8)]
        with seeded(seed, "snpgen", "sample"):
            for some in in_chunks(labels, CHUNK):
                y = self.scale_(some, self.offsets_.device)
                logits = calibrated(self._logits(y), y, self.offsets_)
                calls = most_probable(logits) if self.decode == "argmax" else drawn(logits)
                rows.append(calls.cpu().numpy())
        return write_fixed(np.concatenate(rows), self.fixed_)

    def reconstruct(self, genotypes: Genotypes) -> Genotypes:
        """What the autoencoder alone makes of real people: the loss that is not diffusion's.

        The most probable calls at the posterior means.
        """
        self._check_fitted("reconstruct")
        rows = [np.empty((0, len(self.fixed_)), dtype=np.int8)]
        with torch.no_grad():
            for start in range(0, len(genotypes), CHUNK):
                g = torch.from_numpy(np.array(genotypes[start : start + CHUNK]))
                mean, _ = self._posterior(g.to(self.offsets_.device))
                rows.append(most_probable(self.autoencoder_.decode(mean)).cpu().numpy())
        return write_fixed(np.concatenate(rows), self.fixed_)

    def state(self) -> dict[str, NDArray[Any]]:
        return {
            **to_arrays(autoencoder=self.autoencoder_, denoiser=self.denoiser_),
            **self.latents_.arrays(),
            "offsets": self.offsets_.cpu().numpy(),
            "fixed": self.fixed_,
            "scale": self.scale_.array(),
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        self.fixed_ = np.asarray(state["fixed"])
        self.scale_ = LabelScale.of_array(state["scale"])
        self.latents_ = LatentScale.of(state)
        self.offsets_ = torch.from_numpy(np.array(state["offsets"]))
        with seeded(0):
            self._build(len(self.fixed_), "cpu")
        from_arrays(self.autoencoder_, "autoencoder", state)
        from_arrays(self.denoiser_, "denoiser", state)
        self.autoencoder_.eval()
        self.denoiser_.eval()

    @property
    def parameters(self) -> int:
        networks = (self.autoencoder_, self.denoiser_)
        return sum(p.numel() for network in networks for p in network.parameters())

    def _check_fitted(self, what: str) -> None:
        if not hasattr(self, "offsets_"):
            raise GenobenchError(f"snpgen: {what}() before fit()")

    def _build(self, L: int, device: str) -> None:
        """Both networks, at their initial weights."""
        self.autoencoder_ = Autoencoder(
            L, self.widths, self.blocks, self.latent, self.fold, self.ae_dropout, self.s
        ).to(device)
        self.denoiser_ = UNet(
            self.latent,
            self.autoencoder_.P,
            self.base,
            self.multipliers,
            self.unet_blocks,
            self.factor,
            self.dropout,
            own=self.fold > 1,
            skip=(1 - signal(scaled_linear_betas(T))).sqrt() if self.skip else None,
        ).to(device)

    def _fit_autoencoder(
        self, people: People, held_out: People, budget: Budget, deadline: float
    ) -> None:
        """Stage 1; kept at the best held-out cross-entropy."""
        network, device = self.autoencoder_, budget.device
        shape = (self.latent, network.P)
        adversary = Adversary(device, self.ae_lr) if self.adversary_from >= 0 else None
        step = 0

        def loss(index: Tensor) -> Tensor:
            nonlocal step
            step += 1
            g = people.genotypes[index]
            with autocast(device):
                value, logits = network.loss(g, torch.randn(len(g), *shape, device=device))
            if adversary and step > self.adversary_from:
                term = adversary.term(g, logits, value, network.head.weight)
                value = value + self.adversary_weight * term
            return value

        def validate(network: Autoencoder) -> float:
            pieces = held_out.genotypes.split(CHUNK)  # type: ignore[no-untyped-call]
            total = sum(float(network.cross_entropy(g)) * len(g) for g in pieces)
            return total / len(held_out)

        self.autoencoder_ = descend(
            network,
            loss,
            n=len(people),
            validate=validate,
            budget=budget,
            deadline=deadline,
            batch=self.ae_batch,
            epochs=self.ae_epochs,
            steps=self.ae_steps,
            lr=self.ae_lr,
            ema=self.ae_ema,
            every=self.every,
            patience=self.ae_patience,
            stage="autoencoder_",
        )

    def _fit_denoiser(
        self, people: People, held_out: People, budget: Budget, deadline: float
    ) -> None:
        """Stage 2 on standardised posterior samples; kept at the best held-out loss."""
        device = budget.device
        abar = signal(scaled_linear_betas(T), device)
        mean, std = self._posterior(people.genotypes)  # (n, c, P) each
        self.latents_ = LatentScale.fit(mean, std, people.labels, shift=self.label_shift)

        def latents(mean: Tensor, std: Tensor, y: Tensor) -> Tensor:
            return self.latents_.standardise(mean + std * torch.randn_like(mean), y)

        def loss(index: Tensor) -> Tensor:
            y = people.labels[index]
            x = latents(mean[index], std[index], y)
            keep = (torch.rand_like(y) >= self.drop_label).to(y)
            t = antithetic_times(len(x), T, device)
            with autocast(device):
                return epsilon_loss(
                    lambda x, t: denoiser(x, t, y, keep), x, t, abar, torch.randn_like(x)
                )

        n = len(held_out)
        x0 = latents(*self._posterior(held_out.genotypes), held_out.labels)
        noise, times = torch.randn_like(x0), torch.linspace(0, T - 1, n, device=device).long()

        def validate(network: UNet) -> float:
            total = 0.0
            for some in torch.arange(n, device=device).split(CHUNK):  # type: ignore[no-untyped-call]
                y = held_out.labels[some]
                value = epsilon_loss(guided(network, y), x0[some], times[some], abar, noise[some])
                total += float(value) * len(some) / n
            return total

        denoiser = self.denoiser_
        self.denoiser_ = descend(
            denoiser,
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
            warmup=self.warmup,
            ema=self.ema,
            every=self.every,
            patience=self.patience,
            stage="denoiser_",
        )

    def _fit_calibration(self, people: People, deadline: float) -> None:
        """Offsets from synthetic people with training labels; fewer when time is short."""
        y = enough_labels(people)
        parts: list[Tensor] = []
        for some in y.split(256):  # type: ignore[no-untyped-call]
            if time.monotonic() > deadline:
                break
            parts.append(self._logits(some))
        if parts:
            logits = torch.cat(parts)
            self.offsets_ = calibration(logits, y[: len(logits)], people, label=False)

    @torch.no_grad()
    def _posterior(self, genotypes: Tensor) -> tuple[Tensor, Tensor]:
        """(n, L) int8 -> mean and standard deviation of the latents, (n, c, P) each."""
        pieces = genotypes.split(CHUNK)  # type: ignore[no-untyped-call]
        means, logvars = zip(*(self.autoencoder_.encode(one_hot(g)) for g in pieces), strict=True)
        return torch.cat(means), (0.5 * torch.cat(logvars)).exp()

    @torch.no_grad()
    def _logits(self, y: Tensor) -> Tensor:
        """Logits (k, 3, L) of synthetic people with scaled labels (k, 1)."""
        x = torch.randn(len(y), self.latent, self.autoencoder_.P).to(y)
        abar = signal(scaled_linear_betas(T), y.device)
        with autocast(y.device.type):
            x = sample_euler(
                guided(self.denoiser_, y, self.guidance), x, abar, steps=self.sampling_steps
            )
            return self.autoencoder_.decode(self.latents_.restore(x, y))
