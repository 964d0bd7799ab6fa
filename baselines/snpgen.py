"""SNPgen (arXiv 2603.10873): an autoencoder of genotypes, then diffusion of its latents.

Stage 1 knows no label. Stage 2 predicts the noise in standardised latents, with the label as one
cross-attention token that is dropped now and then (classifier-free guidance).
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

from genobench.cohort import Cohort, Genotypes
from genobench.errors import GenobenchError
from genobench.generator import Budget

from ._autoencoder import SIZES, Adversary, Autoencoder, Shape
from ._calibration import enough_labels, most_probable
from ._decoding import Decode, Decoding
from ._diffusion import (
    antithetic_times,
    epsilon_loss,
    guided,
    sample_euler,
    scaled_linear_betas,
    signal,
)
from ._guidance import CANDIDATES, effect_slope, effects
from ._latents import ROWS, LatentScale, Posteriors, mean_loss
from ._neural import Neural
from ._training import People, autocast, descend, one_hot, write_fixed
from ._unet import UNet

T = 1000  # diffusion times


class Network(nn.Module):
    """Both stages, and what turns the second's output into calls."""

    guidance: Tensor  # () the w in use

    def __init__(self, autoencoder: Autoencoder, denoiser: UNet, decoding: Decoding) -> None:
        super().__init__()
        self.autoencoder, self.denoiser, self.decoding = autoencoder, denoiser, decoding
        self.register_buffer("guidance", torch.ones(()))


@dataclass
class SnpGen(Neural):
    """Latent diffusion over genotypes, label-conditional.

    Parameters
    ----------
    size
        A published autoencoder (``emb128``, ``emb64``, ``emb256``, ``medium``, ``big``), or
        ``custom``: what the next four settings say.
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
        feed-forward layers over the level's, dropout. The settings of `Neural` are its training.
    label_shift
        Take the latents' linear regression on the label out before diffusion and put it back after.
    skip
        The denoiser adds to sqrt(1 - abar) x_t, which is exact for uncorrelated Gaussian latents,
        and begins there.
    drop_label
        Share of labels replaced by the null label in training.
    sampling_steps
        Euler steps.
    guidance
        w of classifier-free guidance (1 = none), or ``validation``: the one of 1, 1.5, 2, 3 and 5
        under which the label's effects are most nearly as large as in validation people.
    decode, calibrate
        ``argmax`` of the three logits, a ``sample`` from them, or ``matched``: as much noise
        between the two as keeps synthetic people as far apart as training people are; and whether
        the logits are moved until synthetic calls have the training people's frequencies.
    """

    size: Literal["custom", "emb128", "emb64", "emb256", "medium", "big"] = "custom"
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
    steps: int = 1000
    weight_decay: float = 0.01
    warmup: int = 50
    ema: float = 0.995
    patience: int = 8
    label_shift: bool = True
    skip: bool = True
    drop_label: float = 0.2
    sampling_steps: int = 50
    guidance: float | Literal["validation"] = 1.0
    decode: Decode = "argmax"
    calibrate: bool = True

    share: ClassVar[float] = 0.8

    def _learn(
        self, train: Cohort, people: People, held_out: People, budget: Budget, deadline: float
    ) -> Network:
        left = deadline - monotonic()
        network = self._network(train.m, {}).to(budget.device)
        self._fit_autoencoder(network, people, held_out, budget, deadline - left / 2)
        self._fit_denoiser(network, people, held_out, budget, deadline)
        late = deadline + left / 8
        if self.guidance == "validation":
            self._choose_guidance(network, people, held_out, budget, late)
        else:
            network.guidance.fill_(self.guidance)
        self._fit_decoding(network, people, budget, late)
        return network

    def reconstruct(self, genotypes: Genotypes) -> Genotypes:
        """What the autoencoder alone makes of real people: the loss that is not diffusion's.

        The most probable calls at the posterior means.
        """
        self._check_fitted("reconstruct")
        rows = [np.empty((0, len(self.fixed_)), dtype=np.int8)]
        with torch.no_grad():
            for start in range(0, len(genotypes), ROWS):
                g = torch.from_numpy(np.array(genotypes[start : start + ROWS])).to(self._device)
                mean, _ = self._fitted.autoencoder.encode(one_hot(g))
                logits = self._fitted.autoencoder.decode(mean)
                rows.append(most_probable(logits).cpu().numpy())
        return write_fixed(np.concatenate(rows), self.fixed_)

    def state(self) -> dict[str, NDArray[Any]]:
        return {**super().state(), **self.latents_.arrays()}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        self.latents_ = LatentScale.of(state)
        super().restore(state)

    def _network(self, L: int, state: Mapping[str, NDArray[Any]]) -> Network:
        """Both stages, at their initial weights."""
        shape = self._shape
        autoencoder = Autoencoder(
            L,
            shape.widths,
            shape.blocks,
            shape.latent,
            shape.fold,
            self.ae_dropout,
            self.s,
        )
        denoiser = UNet(
            shape.latent,
            autoencoder.P,
            self.base,
            self.multipliers,
            self.unet_blocks,
            self.factor,
            self.dropout,
            own=shape.fold > 1,
            skip=(1 - signal(scaled_linear_betas(T))).sqrt() if self.skip else None,
        )
        return Network(autoencoder, denoiser, Decoding(L, self.decode, self.calibrate))

    @property
    def _shape(self) -> Shape:
        if self.size == "custom":
            return Shape(self.widths, self.latent, self.blocks, self.fold)
        if self.size not in SIZES:
            raise GenobenchError(
                f"snpgen: size is {self.size!r}; it is custom or one of {', '.join(SIZES)}"
            )
        return SIZES[self.size]

    def _fit_autoencoder(
        self, network: Network, people: People, held_out: People, budget: Budget, deadline: float
    ) -> None:
        """Stage 1; kept at the best held-out cross-entropy."""
        autoencoder, device = network.autoencoder, budget.device
        adversary = Adversary(device, self.ae_lr) if self.adversary_from >= 0 else None
        step = 0

        def loss(index: Tensor) -> Tensor:
            nonlocal step
            step += 1
            g = people.genotypes[index]
            noise = torch.randn(len(g), autoencoder.latent, autoencoder.P, device=device)
            with autocast(device):
                value, logits = autoencoder.loss(g, noise)
            if adversary and step > self.adversary_from:
                term = adversary.term(g, logits, value, autoencoder.head.weight)
                value = value + self.adversary_weight * term
            return value

        def validate(average: Autoencoder) -> float:
            errors = lambda some: average.cross_entropy(held_out.genotypes[some])  # noqa: E731
            return mean_loss(errors, len(held_out))

        network.autoencoder = descend(
            autoencoder,
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
        self, network: Network, people: People, held_out: People, budget: Budget, deadline: float
    ) -> None:
        """Stage 2 on standardised posterior samples; kept at the best held-out loss."""
        denoiser, device = network.denoiser, budget.device
        abar = signal(scaled_linear_betas(T), device)
        known = posteriors(network.autoencoder, people.genotypes)
        seen = posteriors(network.autoencoder, held_out.genotypes)
        labels = people.labels[known.rows]
        self.latents_ = LatentScale.fit(known.mean, known.std, labels, shift=self.label_shift)

        def latents(mean: Tensor, std: Tensor, y: Tensor) -> Tensor:
            return self.latents_.standardise(mean + std * torch.randn_like(mean), y)

        def loss(index: Tensor) -> Tensor:
            y = people.labels[index]
            x = latents(*known[index], y)
            keep = (torch.rand_like(y) >= self.drop_label).to(y)
            t = antithetic_times(len(x), T, device)
            with autocast(device):
                return epsilon_loss(
                    lambda x, t: denoiser(x, t, y, keep), x, t, abar, torch.randn_like(x)
                )

        n = len(held_out)
        x0 = latents(seen.mean, seen.std, held_out.labels)
        noise, times = torch.randn_like(x0), torch.linspace(0, T - 1, n, device=device).long()

        def validate(average: UNet) -> float:
            def error(some: slice) -> Tensor:
                denoise = guided(average, held_out.labels[some])
                return epsilon_loss(denoise, x0[some], times[some], abar, noise[some])

            return mean_loss(error, n)

        network.denoiser = self._descend(
            denoiser,
            loss,
            validate,
            n=len(people),
            budget=budget,
            deadline=deadline,
            stage="denoiser_",
        )

    def _choose_guidance(
        self, network: Network, people: People, held_out: People, budget: Budget, deadline: float
    ) -> None:
        """The candidate whose effects on the label are most nearly those of validation people."""
        real, variance = effects(held_out.genotypes, held_out.labels)
        y = enough_labels(people)
        closest = float("inf")
        for w in CANDIDATES:
            if monotonic() > deadline:
                break
            logits = self._logits(network, y, w)
            network.decoding.learn(logits, y, people, deadline=deadline)
            slope = effect_slope(effects(network.decoding(logits, y), y)[0], real, variance)
            budget.report({"guidance_tried": w, "effect_slope": slope})
            if abs(slope - 1) < closest:
                closest = abs(slope - 1)
                network.guidance.fill_(w)
        budget.report({"guidance": float(network.guidance)})

    def _fit_decoding(
        self, network: Network, people: People, budget: Budget, deadline: float
    ) -> None:
        """Noise and offsets, on people with training labels; fewer when time is short."""
        y, w = enough_labels(people), float(network.guidance)
        parts: list[Tensor] = []
        for some in y.split(256):  # type: ignore[no-untyped-call]
            if monotonic() > deadline:
                break
            parts.append(self._logits(network, some, w))
        if parts:
            logits = torch.cat(parts)
            network.decoding.learn(logits, y[: len(logits)], people, deadline=deadline)
        budget.report({"decoding_noise": network.decoding.noise})

    def _calls(self, y: Tensor) -> Tensor:
        network, w = self._fitted, float(self._fitted.guidance)
        pieces = y.split(ROWS)  # type: ignore[no-untyped-call]
        rows = [network.decoding(self._logits(network, some, w), some) for some in pieces]
        return torch.cat(rows)

    @torch.no_grad()
    def _logits(self, network: Network, y: Tensor, w: float) -> Tensor:
        """Logits (k, 3, L) of synthetic people with scaled labels (k, 1), under guidance w."""
        autoencoder = network.autoencoder
        x = torch.randn(len(y), autoencoder.latent, autoencoder.P).to(y)
        abar = signal(scaled_linear_betas(T), y.device)
        with autocast(y.device.type):
            x = sample_euler(guided(network.denoiser, y, w), x, abar, steps=self.sampling_steps)
            return autoencoder.decode(self.latents_.restore(x, y))

    @property
    def _fitted(self) -> Network:
        assert isinstance(self.network_, Network)
        return self.network_


def posteriors(autoencoder: Autoencoder, genotypes: Tensor) -> Posteriors:
    """Latents of people (n, L) under a trained autoencoder."""
    return Posteriors(lambda g: autoencoder.encode(one_hot(g)), genotypes)
