"""Diffusion on principal-component scores, conditional on the label (arXiv:2508.09212).

One PCA per chromosome, the scores standardised and put side by side, a DDPM on them, and back by
the inverse PCA and a cut into 0 / 1 / 2. L is the number of SNPs, P that of components.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from genobench.cohort import Cohort, Genotypes, Labels
from genobench.errors import GenobenchError
from genobench.generator import Budget, Generator

from . import _diffusion as ddpm
from ._denoiser import Denoiser
from ._principal import Principal
from ._training import (
    LabelScale,
    descend,
    fixed_calls,
    from_arrays,
    in_chunks,
    seeded,
    to_arrays,
    write_fixed,
)


@dataclass
class PcaDiffusion(Generator):
    """DDPM in PCA space.

    Parameters
    ----------
    variance
        Share of each chromosome's genotype variance that its components keep.
    widths, time_width, label_width, dropout
        Of the denoiser: hidden layers, embedded time (even), embedded label.
    skip
        ``linear``: a learned P x P map of x_t is added to the output; ``gaussian``: the noise that
        is optimal for standard normal scores, in closed form, which leaves less to learn.
    decode
        ``round`` the inverse PCA; or cut it at ``thresholds`` per SNP at which generated people
        have the shares of 0 / 1 / 2 of the training people.
    T
        Diffusion times; beta runs linearly from 1e-4 to .02.
    sampler, sampling_steps
        ``ancestral`` (no noise at the last step) or ``euler`` (deterministic), in that many steps.
    batch, epochs, steps, lr, warmup, weight_decay, ema
        Adam with linear warm-up and a cosine; the end is after ``epochs`` or ``steps``, whichever
        comes first.
    every, patience
        Steps between two validations, and validations without a gain before training stops.
    """

    variance: float = 0.9
    widths: Sequence[int] = (512, 512, 512)
    time_width: int = 256
    label_width: int = 32
    dropout: float = 0.0
    skip: Literal["linear", "gaussian"] = "gaussian"
    decode: Literal["round", "thresholds"] = "thresholds"
    T: int = 1000
    sampler: Literal["ancestral", "euler"] = "ancestral"
    sampling_steps: int = 200
    batch: int = 256
    epochs: int = 1000
    steps: int = 3000
    lr: float = 1e-3
    warmup: int = 100
    weight_decay: float = 0.0
    ema: float = 0.999
    every: int = 100
    patience: int = 10

    def fit(self, train: Cohort, validation: Cohort, *, seed: int, budget: Budget) -> Self:
        """PCA, then the denoiser; its validation loss is taken at fixed times and noises."""
        deadline = monotonic() + 0.7 * budget.seconds  # the rest is for the thresholds
        self.scale_ = LabelScale.of(train)
        self.fixed_ = fixed_calls(train)
        self.principal_ = Principal.fit(train, self.variance)
        device = budget.device
        x, held_out = (
            torch.from_numpy(self.principal_.scores(c.genotypes)).to(device)
            for c in (train, validation)
        )
        y, held_out_y = (self.scale_(c.labels, device) for c in (train, validation))
        with seeded(seed, "pca_diffusion", "fit"):
            network = self._network(self.principal_.width).to(device)
            abar = network.abar
            times = ddpm.antithetic_times(len(held_out), self.T, device)
            noise = torch.randn_like(held_out)

            def loss(index: Tensor) -> Tensor:
                x0, label = x[index], y[index]
                t = ddpm.antithetic_times(len(x0), self.T, device)
                return ddpm.epsilon_loss(
                    lambda x_t, t: network(x_t, t, label), x0, t, abar, torch.randn_like(x0)
                )

            def validate(network: nn.Module) -> float:
                return float(
                    ddpm.epsilon_loss(
                        lambda x_t, t: network(x_t, t, held_out_y), held_out, times, abar, noise
                    )
                )

            if self.principal_.width:
                trained = descend(
                    network,
                    loss,
                    n=len(x),
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
                )
                assert isinstance(trained, Denoiser)
                network = trained
            self.network_ = network.eval()
            self.cuts_ = np.tile(np.array([[0.5], [1.5]], dtype=np.float32), (1, train.m))  # (2, L)
            if self.decode == "thresholds":
                late = monotonic() > deadline
                self.cuts_ = self._thresholds(train, 256 if late else 2048)
        return self

    def sample(self, labels: Labels, *, seed: int) -> Genotypes:
        """Scores by denoising, then inverse PCA and the cut into calls."""
        if not hasattr(self, "network_"):
            raise GenobenchError("pca_diffusion: sample() before fit()")
        with seeded(seed, "pca_diffusion", "sample"):
            rows = [self._cut(self._dosages(part)) for part in in_chunks(labels)]
        empty = np.empty((0, len(self.fixed_)), dtype=np.int8)
        return write_fixed(np.concatenate([empty, *rows]), self.fixed_)

    def reconstruct(self, genotypes: Genotypes) -> Genotypes:
        """Real people to their components and back, rounded: what the PCA alone costs."""
        dosages = self.principal_.dosages(self.principal_.scores(genotypes))
        rows = np.rint(dosages).clip(0, 2).astype(np.int8)
        return write_fixed(rows, self.fixed_)

    def state(self) -> dict[str, NDArray[Any]]:
        return {
            **to_arrays(network=self.network_),
            **self.principal_.arrays(),
            "cuts": self.cuts_,
            "fixed": self.fixed_,
            "scale": self.scale_.array(),
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        self.fixed_, self.cuts_ = np.array(state["fixed"]), np.array(state["cuts"])
        self.scale_ = LabelScale.of_array(state["scale"])
        self.principal_ = Principal.of(state)
        with seeded(0):
            self.network_ = self._network(self.principal_.width).eval()
        from_arrays(self.network_, "network", state)

    @property
    def parameters(self) -> int:
        return sum(p.numel() for p in self.network_.parameters())

    def _network(self, P: int) -> Denoiser:
        abar = ddpm.signal(ddpm.linear_betas(self.T))
        P = max(1, P)  # a cohort without variation has no component
        return Denoiser(
            P,
            self.widths,
            time=self.time_width,
            label=self.label_width,
            dropout=self.dropout,
            abar=abar,
            skip=self.skip,
        )

    @torch.no_grad()
    def _dosages(self, labels: Labels) -> NDArray[np.float32]:
        """Continuous dosages (k, L) of synthetic people."""
        network = self.network_
        y = self.scale_(labels, network.abar.device)
        x = torch.randn(len(y), self.principal_.width, device=y.device)
        draw = ddpm.sample_ancestral if self.sampler == "ancestral" else ddpm.sample_euler
        if self.principal_.width:
            denoise = lambda x_t, t: network(x_t, t, y)  # noqa: E731
            x = draw(denoise, x, network.abar, steps=self.sampling_steps)
        return self.principal_.dosages(x.cpu().numpy())

    def _cut(self, dosages: NDArray[np.float32]) -> Genotypes:
        low, high = self.cuts_
        return np.asarray((dosages > low).astype(np.int8) + (dosages > high))

    def _thresholds(self, train: Cohort, most: int) -> NDArray[np.float32]:
        """(2, L) cuts at the quantiles of generated dosages that the training shares ask for."""
        labels = train.labels[torch.randint(train.n, (most,)).numpy()]
        dosages = np.sort(self._dosages(labels), axis=0)  # (most, L)
        cuts = []
        for call in (0, 1):
            share = (train.genotypes <= call).mean(axis=0)  # (L,)
            rank = np.rint(share * most).astype(int)
            below = np.take_along_axis(dosages, (rank - 1).clip(0)[None], 0)[0]
            above = np.take_along_axis(dosages, rank.clip(max=most - 1)[None], 0)[0]
            cut = (below + above) / 2
            cuts.append(np.where(rank == 0, -np.inf, np.where(rank == most, np.inf, cut)))
        return np.stack(cuts, dtype=np.float32, casting="unsafe")
