"""Latents of people, brought to zero mean and unit variance before diffusion, and back after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ._blocks import in_blocks, spread_evenly

LEAST = 1e-6  # variance below which an element counts as constant
KEPT = 2**27  # elements of latents that are held
ROWS = 1024  # people encoded at once

Encode = Callable[[Tensor], tuple[Tensor, Tensor]]  # (B, L) calls -> means, log variances


class Posteriors:
    """Means and standard deviations (n, c, P) of people's latents under a trained encoder.

    Those of more people than make `KEPT` elements are encoded anew whenever they are asked for.

    Attributes
    ----------
    rows
        The people whose latents were looked at first, spread evenly over all.
    mean, std
        Theirs.
    """

    @torch.no_grad()
    def __init__(self, encode: Encode, genotypes: Tensor) -> None:
        self.encode, self.genotypes = encode, genotypes
        one = encode(genotypes[:1])[0]
        self.rows = spread_evenly(len(genotypes), KEPT // (2 * one.numel()))
        seen = genotypes[self.rows]
        self.whole = len(seen) == len(genotypes)
        self.mean, self.std = one.new_empty(2, len(seen), *one.shape[1:])
        for start in range(0, len(seen), ROWS):
            rows = slice(start, start + ROWS)
            self.mean[rows], self.std[rows] = self._encoded(seen[rows])

    def __getitem__(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """(B, c, P) each, of the people at ``index``."""
        if self.whole:
            return self.mean[index], self.std[index]
        return self._encoded(self.genotypes[index])

    @torch.no_grad()
    def _encoded(self, genotypes: Tensor) -> tuple[Tensor, Tensor]:
        mean, logvar = self.encode(genotypes)
        return mean, (0.5 * logvar).exp()


def mean_loss(loss: Callable[[slice], Tensor], n: int) -> float:
    """Mean over ``n`` people, of whom ``loss`` is given `ROWS` at once."""
    total = 0.0
    for start in range(0, n, ROWS):
        rows = slice(start, min(start + ROWS, n))
        total += float(loss(rows)) * ((rows.stop - start) / n)
    return total


@dataclass(frozen=True)
class LatentScale:
    """z = centre + slope y + deviation u, element by element; diffusion sees u.

    Attributes
    ----------
    centre, slope
        (c, P) regression of the latents on the scaled label. With slope 0 the label is left to the
        denoiser alone; else the part of it that is a shift of the latents needs no learning.
    deviation
        (c, P) standard deviation of what is left.
    """

    centre: Tensor
    slope: Tensor
    deviation: Tensor

    @classmethod
    def fit(cls, mean: Tensor, std: Tensor, y: Tensor, *, shift: bool) -> Self:
        """From posterior means and deviations (n, c, P) and scaled labels (n, 1).

        The variance is that of posterior samples: of the means, plus the mean posterior variance.
        """
        n, label = len(mean), y[:, :, None]  # (n, 1, 1)
        slope, centre, variance, uncertainty = torch.zeros(4, *mean.shape[1:], device=mean.device)
        for some, own in in_blocks(mean, label - y.mean()):
            centre += some.sum(0)
            if shift:
                slope += (own * some).sum(0)
        slope /= (label - y.mean()).square().sum().clamp_min(LEAST)
        centre = centre / n - slope * y.mean()
        for some, spread, own in in_blocks(mean, std, label):
            variance += (some - centre - slope * own).square().sum(0)
            uncertainty += spread.square().sum(0)
        variance = variance / n + uncertainty / n
        return cls(centre, slope, variance.clamp_min(LEAST).sqrt())

    def standardise(self, z: Tensor, y: Tensor) -> Tensor:
        """Latents (B, c, P) of people with labels (B, 1) -> zero mean, unit variance."""
        return (z - self.centre - self.slope * y[:, :, None]) / self.deviation

    def restore(self, u: Tensor, y: Tensor) -> Tensor:
        """The way back."""
        return self.centre + self.slope * y[:, :, None] + self.deviation * u

    def arrays(self) -> dict[str, NDArray[Any]]:
        """For the generator's state."""
        names = ("centre", "slope", "deviation")
        return {f"latent.{name}": getattr(self, name).cpu().numpy() for name in names}

    @classmethod
    def of(cls, state: Mapping[str, NDArray[Any]]) -> Self:
        """What `arrays` stored."""
        names = ("centre", "slope", "deviation")
        return cls(*(torch.from_numpy(np.array(state[f"latent.{name}"])) for name in names))
