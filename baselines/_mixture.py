"""A distribution fitted to latents after training: Gaussian mixture of latent and label jointly."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]
LARGEST = 20_000  # people the mixture is fitted on: more change nothing and cost minutes


@dataclass(frozen=True)
class LatentMixture:
    """p(z, y) as full-covariance Gaussians, so that p(z | y) has a closed form for any label.

    Attributes
    ----------
    weights
        (c,) mixing proportions.
    means
        (c, d + 1): latent, then label.
    covariances
        (c, d + 1, d + 1).
    grid, shares
        (q,) label values, and (q, c) how often each component is drawn at a label nearest to them:
        the training people's average responsibilities there. The Gaussians' own answer would be
        wrong for classes: next to pure components it all but drops the mixed ones.
    """

    weights: Array
    means: Array
    covariances: Array
    grid: Array
    shares: Array

    @classmethod
    def fit(
        cls, z: Array, y: Array, held_out: tuple[Array, Array], sizes: tuple[int, ...], seed: int
    ) -> Self:
        """Fit by EM for each number of components; the best held-out likelihood is kept.

        Parameters
        ----------
        z, y
            (n, d) latents and (n, 1) scaled labels of the training people.
        held_out
            The same of the validation people.
        sizes
            Numbers of components to try.
        seed
            Of k-means and of the subsample when there are more than ``LARGEST`` people.
        """
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture

        draw = np.random.default_rng(seed)
        keep = draw.permutation(len(z))[:LARGEST]
        train = _joined(z[keep], y[keep], draw)
        test = _joined(*held_out, draw)
        ridge = 1e-3 * float(train.var(axis=0).mean()) + 1e-9
        best, highest = None, -np.inf
        for size in sizes:
            if best is not None and size * 8 > len(train):
                continue
            mixture = GaussianMixture(
                min(size, len(train)), reg_covar=ridge, random_state=seed % 2**32, max_iter=60
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                mixture.fit(train)
            likelihood = float(mixture.score(test))
            if likelihood > highest:
                best, highest = mixture, likelihood
        assert best is not None
        grid, nearest = _label_grid(y[keep, 0])
        responsibility = best.predict_proba(train)
        shares = np.stack([responsibility[nearest == q].mean(axis=0) for q in range(len(grid))])
        return cls(best.weights_, best.means_, best.covariances_, grid, shares)

    @classmethod
    def learn(
        cls, train: tuple[Tensor, Tensor], held_out: tuple[Tensor, Tensor], sizes: Sequence[int]
    ) -> Self:
        """`fit` on latents (n, d) and scaled labels (n, 1) of torch, seeded from its state."""
        z, other = (latents.numpy(force=True) for latents, _ in (train, held_out))
        y, label = (labels.double().numpy(force=True) for _, labels in (train, held_out))
        return cls.fit(z, y, (other, label), tuple(sizes), int(torch.randint(2**31, ())))

    def draw(self, y: Tensor) -> Tensor:
        """`sample` for scaled labels (k, 1) of torch, seeded from its state."""
        draw = np.random.default_rng(int(torch.randint(2**62, ())))
        return torch.from_numpy(self.sample(y.double().numpy(force=True), draw)).to(y)

    def sample(self, y: Array, draw: np.random.Generator) -> Array:
        """(k, d) latents for the scaled labels ``y`` (k, 1)."""
        z = np.empty((len(y), self.means.shape[1] - 1))
        variance = self.covariances[:, -1, -1]  # (c,)
        apart = y - self.means[:, -1]  # (k, c)
        cumulative = np.cumsum(self.shares, axis=1)[np.abs(y - self.grid).argmin(axis=1)]  # (k, c)
        uniform = draw.random((len(y), 1))
        component = np.minimum((cumulative < uniform).sum(axis=1), len(self.weights) - 1)
        for c in np.unique(component):
            rows = component == c
            covariance, slope = self.covariances[c], self.covariances[c, :-1, -1] / variance[c]
            given = covariance[:-1, :-1] - np.outer(slope, covariance[-1, :-1])
            root = np.linalg.cholesky(given + 1e-9 * np.eye(len(given)))
            noise = draw.standard_normal((int(rows.sum()), len(given)))
            z[rows] = self.means[c, :-1] + apart[rows, c : c + 1] * slope + noise @ root.T
        return z

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Its arrays, for the generator's state."""
        return {f"mixture.{f.name}": getattr(self, f.name) for f in fields(self)}

    @classmethod
    def of(cls, state: Mapping[str, NDArray[Any]]) -> Self | None:
        """What `arrays` stored, or None."""
        if "mixture.weights" not in state:
            return None
        return cls(*(np.asarray(state[f"mixture.{f.name}"]) for f in fields(cls)))


def _joined(z: Array, y: Array, draw: np.random.Generator) -> Array:
    """(n, d + 1): latents and label, the label blurred so that classes have a density."""
    blur = 0.2 * draw.standard_normal(y.shape)
    both: Array = np.concatenate([z, y + blur], axis=1).astype(np.float64)
    return both


def _label_grid(y: Array, most: int = 10) -> tuple[Array, NDArray[np.intp]]:
    """Classes, or means of quantile bins of a quantity; and (n,) the index of each person's."""
    values = np.unique(y)
    if len(values) > most:
        edges = np.unique(np.quantile(y, np.linspace(0, 1, most + 1)[1:-1]))
        bins = np.searchsorted(edges, y, side="right")
        values = np.array([y[bins == b].mean() for b in np.unique(bins)])
    nearest = np.abs(y[:, None] - values).argmin(axis=1)
    taken, nearest = np.unique(nearest, return_inverse=True)
    return values[taken], nearest
