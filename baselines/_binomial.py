"""Calls drawn one by one from allele frequencies, a few people at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Genotypes

CELLS = 1 << 22  # calls drawn at once: as eight-byte numbers they take 32 MiB


def calls(
    frequency: NDArray[np.float64], part: NDArray[np.intp], rng: np.random.Generator
) -> Genotypes:
    """(k, m) Binomial(2, p) calls, p being row ``part`` (k,) of ``frequency`` (strata, m)."""
    drawn = np.empty((len(part), frequency.shape[1]), dtype=np.int8)
    rows = max(CELLS // max(frequency.shape[1], 1), 1)
    for start in range(0, len(part), rows):
        some = slice(start, start + rows)
        drawn[some] = rng.binomial(2, frequency[part[some]])
    return drawn
