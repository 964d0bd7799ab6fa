"""People glued together from short verbatim segments of training people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genobench.cohort import Genotypes, Labels

from ._resampling import Resampling


@dataclass
class Mosaic(Resampling):
    """Segments of `segment` SNPs, each copied from a training person with the wanted label.

    No whole record is near a training person, so only attacks on windows can see it.
    """

    segment: int = 16  # SNPs

    def sample(self, labels: Labels, *, seed: int) -> Genotypes:
        """New people, every segment of each from a donor drawn for it alone."""
        rng = np.random.default_rng(seed)
        m = self.genotypes_.shape[1]
        rows = np.empty((len(labels), m), dtype=np.int8)
        for start in range(0, m, self.segment):
            piece = slice(start, start + self.segment)
            rows[:, piece] = self.genotypes_[self.people(labels, rng), piece]
        return rows
