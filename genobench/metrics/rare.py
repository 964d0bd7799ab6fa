"""What becomes of rare alleles: their number, and who carries them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Genotypes
from genobench.errors import GenobenchError
from genobench.metrics.frequency import allele_share, compared
from genobench.metrics.genotypes import checked, comparable
from genobench.metrics.intervals import Z95, Interval, Sums


def minor_ratio(synthetic: Genotypes, real: Genotypes, *, flip: NDArray[np.bool_]) -> Interval:
    """Copies of the minor alleles per person, synthetic divided by real; jackknife over people.

    The ratio of summed frequencies, i.e. the slope through the origin under a variance
    proportional to frequency. Generators tend to lose what is rare (the "Matthew effect").

    Parameters
    ----------
    synthetic, real
        (s, m) and (n, m) int8.
    flip
        (m,) where the allele that is not counted is the minor one, in people other than ``real``.

    Returns
    -------
    Interval
        NaN when no real person carries any of these alleles.
    """
    comparable(synthetic, real)
    _one_per_variant(flip, real)

    def ratio(made: Sums, wanted: Sums) -> float:
        one, two = (
            float(np.where(flip, 1 - p, p).sum()) for p in map(allele_share, (made, wanted))
        )
        return one / two if two > 0 else math.nan

    return compared(synthetic, real, ratio, math.inf)


def burden(genotypes: Genotypes, *, flip: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(n,) copies of the minor alleles that each person carries."""
    checked(genotypes, name="these")
    _one_per_variant(flip, genotypes)
    copies = np.where(flip, 2 - genotypes, genotypes)
    total: NDArray[np.int64] = copies.sum(axis=1, dtype=np.int64)
    return total


def burden_spread(synthetic: Genotypes, real: Genotypes, *, flip: NDArray[np.bool_]) -> Interval:
    """Standard deviation between people of their `burden`, synthetic divided by real.

    Rare alleles sit together in people (one population, one haplotype); drawn one by one they are
    spread evenly, and the ratio falls below 1. Interval from the variance of log sd,
    (kurtosis - 1) / 4n in each sample. NaN when the real people do not differ.
    """
    comparable(synthetic, real, at_least=4)
    spread, error2 = [], 0.0
    for genotypes in (synthetic, real):
        b = burden(genotypes, flip=flip).astype(np.float64)
        sd = float(b.std(ddof=1))
        spread.append(sd)
        if sd > 0:
            kurtosis = float(np.mean(((b - b.mean()) / b.std()) ** 4))
            error2 += (kurtosis - 1) / (4 * len(b))
    if spread[1] == 0:
        return Interval(math.nan)
    ratio, factor = spread[0] / spread[1], math.exp(Z95 * math.sqrt(error2))
    return Interval(ratio, ratio / factor, ratio * factor)


def _one_per_variant(flip: NDArray[np.bool_], genotypes: Genotypes) -> None:
    if flip.shape != (genotypes.shape[1],):
        raise GenobenchError(f"flip: {flip.shape} for {genotypes.shape[1]} variants")
