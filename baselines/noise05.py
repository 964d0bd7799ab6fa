"""Training people with a share of their calls drawn anew."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genobench.cohort import Genotypes, Labels

from ._resampling import Resampling


@dataclass
class Noise(Resampling):
    """Blurred copies: no row is identical to a training person, every row gives one away."""

    rate: float = 0.05  # share of calls drawn anew from the site's own genotype distribution

    def sample(self, labels: Labels, *, seed: int) -> Genotypes:
        """Copies of training people, each call exchanged with probability `rate`.

        The new call is that of a random training person at the same site.
        """
        rng = np.random.default_rng(seed)
        rows = self.genotypes_[self.people(labels, rng)]
        row, column = np.nonzero(rng.random(rows.shape, dtype=np.float32) < self.rate)
        donors = rng.integers(len(self.genotypes_), size=len(row))
        rows[row, column] = self.genotypes_[donors, column]
        return rows
