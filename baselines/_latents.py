"""Latents brought to zero mean and unit variance before diffusion, and back after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

LEAST = 1e-6  # variance below which an element counts as constant


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
        label = y[:, :, None] - y.mean()  # (n, 1, 1)
        slope = torch.zeros_like(mean[0])
        if shift:
            slope = (label * mean).sum(0) / label.square().sum().clamp_min(LEAST)
        centre = mean.mean(0) - slope * y.mean()
        rest = mean - centre - slope * y[:, :, None]
        variance = rest.square().mean(0) + std.square().mean(0)
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
