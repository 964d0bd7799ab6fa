"""DiscDiff (arXiv:2310.06150) on dosages: a nearly lossless VAE, then diffusion of its latents.

First a convolutional VAE with a tiny KL weight whose encoder folds the genome into an image; then,
its weights frozen, a DDPM with a UNet on the standardised latents. Three dosages in place of four
bases. The latent is kept as (B, c, H * W).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from genobench.cohort import Cohort, Genotypes
from genobench.generator import Budget

from . import _diffusion as ddpm
from ._adversarial import k_nearest_f1
from ._blocks import in_blocks, spread_evenly
from ._calibration import calibrated, calibration, enough_labels, most_probable
from ._decoding import Decode, Decoding, gumbel_like
from ._folded_vae import FoldedVae
from ._image_unet import ImageUNet
from ._latents import ROWS, LatentScale, Posteriors, mean_loss
from ._neural import Neural
from ._training import People, descend, write_fixed

LEAST = 0.01  # variance along an axis of the standardised latents, for the root's sake
NOISES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0)  # of which ``validated`` takes one
NEIGHBOURS = 5  # k of precision and recall


class Network(nn.Module):
    """Both stages, the way from latents to what is diffused, and from logits to calls."""

    centre: Tensor
    slope: Tensor
    deviation: Tensor
    colour: Tensor  # (c H W, c H W) symmetric root of the latents' correlations; empty without

    def __init__(self, vae: FoldedVae, unet: ImageUNet, decoding: Decoding, whiten: bool) -> None:
        super().__init__()
        self.vae, self.unet, self.decoding = vae, unet, decoding
        for name in ("centre", "slope", "deviation"):
            self.register_buffer(name, torch.zeros(vae.c, vae.H * vae.W))
        width = vae.c * vae.H * vae.W if whiten else 0
        self.register_buffer("colour", torch.eye(width))

    def learn_scale(self, mean: Tensor, std: Tensor, y: Tensor, *, shift: bool) -> None:
        """From posterior means and deviations (n, c, H * W) and labels (n, 1)."""
        scale = LatentScale.fit(mean, std, y, shift=shift)
        for name in ("centre", "slope", "deviation"):
            getattr(self, name).copy_(getattr(scale, name))
        if self.colour.numel():
            correlation = torch.zeros_like(self.colour, dtype=torch.float64)
            for some, own in in_blocks(mean, y):
                u = scale.standardise(some, own).flatten(1).double()
                correlation += u.T @ u / len(y)
            correlation.diagonal().fill_(1.0)  # posterior samples', of unit variance
            values, axes = torch.linalg.eigh(correlation)
            self.colour.copy_((axes * values.clamp_min(LEAST).sqrt()) @ axes.T)

    def standardise(self, z: Tensor, y: Tensor) -> Tensor:
        """Latents (B, c, H * W) of people with labels (B, 1) -> what is diffused."""
        u = self._latents.standardise(z, y)
        if self.colour.numel():
            u = torch.linalg.solve(self.colour, u.flatten(1).T).T.reshape(u.shape)
        return u

    def restore(self, u: Tensor, y: Tensor) -> Tensor:
        """The way back."""
        if self.colour.numel():
            u = (u.flatten(1) @ self.colour).reshape(u.shape)
        return self._latents.restore(u, y)

    @property
    def _latents(self) -> LatentScale:
        return LatentScale(self.centre, self.slope, self.deviation)


@dataclass
class DiscDiff(Neural):
    """Latent diffusion with a folded convolutional VAE.

    Parameters
    ----------
    widths
        Channels of the VAE's one-dimensional levels, each of which halves the positions; the last
        is the height of the image.
    image
        Channels of its two-dimensional levels, each of which halves both sides; the latent has
        half of the last.
    fold
        1: a convolution of width 15 reads the sequence. Else one layer with weights of its own at
        each place reads that many neighbours, in place of the one-dimensional levels.
    kl
        Weight of the KL divergence against the cross-entropy summed over SNPs.
    vae_batch, vae_steps, vae_lr
        Of the first stage.
    base, multipliers, blocks, dropout
        Of the UNet: width, that of each level over it, residual blocks per level.
    places
        A learned vector at each pixel of the latent image.
    skip
        The UNet adds to the noise that is optimal for standard normal latents.
    whiten
        Diffuse latents without correlations (multiplied by the symmetric inverse root of their
        correlation matrix), in place of only standardised ones; for a few thousand elements.
    label_shift
        Take the latents' linear regression on the label out before diffusion and put it back.
    T, sampler, sampling_steps
        Diffusion times (beta 1e-4 to .02); ``ancestral`` or ``euler``, in that many steps.
    decode, calibrate
        As in `_decoding.Decoding`; ``validated``: the noise at which the F1 of k-NN precision and
        recall on validation people is best.
    """

    widths: Sequence[int] = (64, 64, 64, 128)
    image: Sequence[int] = (8, 16, 32)
    fold: int = 1
    kl: float = 1e-6
    vae_batch: int = 64
    vae_steps: int = 1000
    vae_lr: float = 1e-3
    base: int = 64
    multipliers: Sequence[int] = (1, 2)
    blocks: int = 1
    dropout: float = 0.0
    places: bool = True
    skip: bool = True
    whiten: bool = True
    label_shift: bool = True
    T: int = 1000
    sampler: Literal["ancestral", "euler"] = "euler"
    sampling_steps: int = 25
    decode: Decode | Literal["validated"] = "argmax"
    calibrate: bool = True

    def _learn(
        self, train: Cohort, people: People, held_out: People, budget: Budget, deadline: float
    ) -> nn.Module:
        network = self._build(train.m).to(budget.device)
        half = (monotonic() + deadline) / 2
        network.vae = self._compress(network.vae, people, held_out, budget, half)
        network.unet = self._denoise(network, people, held_out, budget, deadline)
        if (self.calibrate or self.decode in ("matched", "validated")) and monotonic() < deadline:
            y = enough_labels(people)
            logits = self._logits(network, y)
            if self.decode == "validated":
                _learn_on_validation(network.decoding, logits, y, people, held_out, deadline)
            else:
                network.decoding.learn(logits, y, people, deadline=deadline)
            budget.report({"decoding_noise": network.decoding.noise})
        return network

    def _compress(
        self, vae: FoldedVae, people: People, held_out: People, budget: Budget, deadline: float
    ) -> FoldedVae:
        """First stage: the VAE, trained."""
        fixed = vae.noise(len(held_out))

        def loss(index: Tensor) -> Tensor:
            return vae.loss(people.genotypes[index], vae.noise(len(index)), self.kl)

        def validate(average: FoldedVae) -> float:
            loss = lambda some: average.loss(held_out.genotypes[some], fixed[some], self.kl)  # noqa: E731
            return mean_loss(loss, len(held_out))

        return descend(
            vae,
            loss,
            n=len(people),
            validate=validate,
            budget=budget,
            deadline=deadline,
            batch=self.vae_batch,
            epochs=self.epochs,
            steps=self.vae_steps,
            lr=self.vae_lr,
            warmup=self.warmup,
            ema=self.ema,
            every=self.every,
            patience=self.patience,
            stage="vae_",
        )

    def _denoise(
        self, network: Network, people: People, held_out: People, budget: Budget, deadline: float
    ) -> ImageUNet:
        """Second stage: the UNet, trained on posterior samples of the frozen encoder."""
        encode = network.vae.encode
        posteriors = Posteriors(encode, people.genotypes)
        seen = Posteriors(encode, held_out.genotypes).mean
        labels = people.labels[posteriors.rows]
        network.learn_scale(posteriors.mean, posteriors.std, labels, shift=self.label_shift)
        unet = network.unet
        abar = ddpm.signal(ddpm.linear_betas(self.T), people.labels.device)
        fixed_times = ddpm.antithetic_times(len(seen), self.T, seen.device)
        fixed_noise, seen = torch.randn_like(seen), network.standardise(seen, held_out.labels)

        def loss(index: Tensor) -> Tensor:
            y = people.labels[index]
            mean, std = posteriors[index]
            z = mean + std * torch.randn_like(mean)
            u = network.standardise(z, y)
            t = ddpm.antithetic_times(len(u), self.T, u.device)
            return ddpm.epsilon_loss(_given(unet, y), u, t, abar, torch.randn_like(u))

        def validate(average: ImageUNet) -> float:
            def error(some: slice) -> Tensor:
                denoise = _given(average, held_out.labels[some])
                x0, t, noise = seen[some], fixed_times[some], fixed_noise[some]
                return ddpm.epsilon_loss(denoise, x0, t, abar, noise)

            return mean_loss(error, len(seen))

        return self._descend(
            unet, loss, validate, n=len(people), budget=budget, deadline=deadline, stage="unet_"
        )

    @torch.no_grad()
    def reconstruct(self, genotypes: Genotypes) -> Genotypes:
        """Real people through the VAE at their posterior means: what the first stage costs."""
        self._check_fitted("reconstruct")
        vae = self._fitted.vae
        rows = [np.empty((0, len(self.fixed_)), dtype=np.int8)]
        for start in range(0, len(genotypes), ROWS):
            g = torch.from_numpy(np.array(genotypes[start : start + ROWS])).to(self._device)
            rows.append(most_probable(vae.decode(vae.encode(g)[0])).cpu().numpy())
        return write_fixed(np.concatenate(rows), self.fixed_)

    def _network(self, L: int, state: Mapping[str, NDArray[Any]]) -> Network:
        return self._build(L)

    def _build(self, L: int) -> Network:
        vae = FoldedVae(L, self.widths, self.image, self.fold)
        unet = ImageUNet(
            (vae.c, vae.H, vae.W),
            base=self.base,
            multipliers=self.multipliers,
            blocks=self.blocks,
            dropout=self.dropout,
            places=self.places,
            abar=ddpm.signal(ddpm.linear_betas(self.T)) if self.skip else None,
        )
        decode = "matched" if self.decode == "validated" else self.decode  # a noise that is learned
        return Network(vae, unet, Decoding(L, decode, self.calibrate), self.whiten)

    @property
    def _fitted(self) -> Network:
        assert isinstance(self.network_, Network)
        return self.network_

    @torch.no_grad()
    def _logits(self, network: Network, y: Tensor) -> Tensor:
        """Logits (k, 3, L) of synthetic people with scaled labels (k, 1)."""
        parts = []
        abar = ddpm.signal(ddpm.linear_betas(self.T), y.device)
        draw = ddpm.sample_ancestral if self.sampler == "ancestral" else ddpm.sample_euler
        for some in y.split(ROWS):  # type: ignore[no-untyped-call]
            noise = network.vae.noise(len(some))
            u = draw(_given(network.unet, some), noise, abar, steps=self.sampling_steps)
            parts.append(network.vae.decode(network.restore(u, some)))
        return torch.cat(parts)

    def _calls(self, y: Tensor) -> Tensor:
        network = self._fitted
        pieces = y.split(ROWS)  # type: ignore[no-untyped-call]
        rows = [network.decoding(self._logits(network, some), some) for some in pieces]
        return torch.cat(rows)


@torch.no_grad()
def _learn_on_validation(
    decoding: Decoding,
    logits: Tensor,  # (k, 3, L) of synthetic people
    y: Tensor,  # (k, 1) their scaled labels
    people: People,
    held_out: People,
    deadline: float,
) -> None:
    """The noise with the best F1 on ``held_out``, and the offsets at that noise."""
    gumbel = gumbel_like(logits)
    real = held_out.genotypes[spread_evenly(len(held_out), len(y))]
    best = -1.0
    for scale in NOISES:
        noisy = logits + scale * gumbel
        offsets = torch.zeros_like(decoding.offsets)
        if decoding.calibrate:
            offsets = calibration(noisy, y, people, label=False)
        calls = most_probable(calibrated(noisy, y, offsets))
        *_, f1 = k_nearest_f1(real, calls[: len(real)], NEIGHBOURS)
        if f1 > best:
            best = f1
            decoding.matched.fill_(scale)
            decoding.offsets.copy_(offsets)
        if monotonic() > deadline:
            break


def _given(unet: ImageUNet, y: Tensor) -> ddpm.Denoise:
    """The denoiser of people with labels (B, 1)."""
    return lambda x, t: unet(x, t, y)
