"""Do statistics of SNPs (r2, LD scores, three-point correlations) agree in two samples of people?

Every statistic is an array (rows, m): row by row what a kind of pair or triple gives for its first
SNP, so that a jackknife over the genome can leave out blocks of SNPs.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genobench.errors import GenobenchError
from genobench.metrics.intervals import (
    Interval,
    Sums,
    block_jackknife,
    block_sums,
    blocks,
    clipped,
)

Floats = NDArray[np.float64]
Valid = NDArray[np.bool_]
INFORMATIVE = 0.5  # below this agreement of real with real, a statistic is noise


def pearson(synthetic: Floats, real: Floats, *, origin: bool = False) -> float:
    """Pearson correlation of two vectors, about 0 with ``origin``; NaN where one is constant."""
    return _pearson(_sums(synthetic, real, origin))


def corrected_slope(
    synthetic: Floats, real: Floats, *, reliable: float = 1.0, origin: bool = False
) -> float:
    """Slope of one vector on the other; the rest as in `slope`."""
    if not 0 < reliable <= 1:
        raise GenobenchError(f"reliability {reliable}: must lie in (0, 1]")
    return _slope(_sums(synthetic, real, origin)) / reliable


def difference(synthetic: Floats, real: Floats) -> float:
    """Root mean squared difference of two vectors; NaN when they are empty."""
    return math.sqrt(np.mean((synthetic - real) ** 2)) if real.size else math.nan


def correlation(
    synthetic: NDArray[Any], real: NDArray[Any], valid: Valid, *, origin: bool = False
) -> Interval:
    """Pearson correlation over the ``valid`` entries; block jackknife.

    Parameters
    ----------
    synthetic, real, valid
        (rows, m) each.
    origin
        About 0 instead of the means: for statistics whose sign turns with the counted allele, so
        that the choice does not matter.

    Returns
    -------
    Interval
        NaN where nothing varies.
    """
    sums = _moments(synthetic, real, valid, origin)
    return clipped(block_jackknife(sums, _pearson), -1.0, 1.0)


def slope(
    synthetic: NDArray[Any],
    real: NDArray[Any],
    valid: Valid,
    *,
    reliable: float = 1.0,
    origin: bool = False,
) -> Interval:
    """Slope of synthetic on real; block jackknife. NaN where the real statistic does not vary.

    Noise in the real statistic flattens any slope by its `reliability` (Spearman 1904, American
    Journal of Psychology 15:72); dividing by it makes a second real sample show 1. The rest as in
    `correlation`.
    """
    if not 0 < reliable <= 1:
        raise GenobenchError(f"reliability {reliable}: must lie in (0, 1]")

    sums = _moments(synthetic, real, valid, origin)
    return block_jackknife(sums, lambda t: _slope(t) / reliable)


def rmse(synthetic: NDArray[Any], real: NDArray[Any], valid: Valid) -> Interval:
    """Root mean squared difference over the valid entries; block jackknife. NaN without one."""

    def root(t: Sums) -> float:
        n, _, _, xx, xy, yy = t
        return math.sqrt(max(xx - 2 * xy + yy, 0.0) / n) if n else math.nan

    found = block_jackknife(_moments(synthetic, real, valid, origin=False), root)
    return clipped(found, 0.0, math.inf)


def reliability(
    one: NDArray[Any], two: NDArray[Any], valid: Valid, *, origin: bool = False
) -> float:
    """Correlation that two samples as large as both halves together would show.

    The correlation between the statistics of two random halves of the people, stepped up to full
    size by 2r / (1 + r) (Spearman 1910, Brown 1910, British Journal of Psychology 3). 0 where they
    do not agree at all or nothing varies.
    """
    r = _pearson(_moments(one, two, valid, origin).sum(axis=0))
    return 0.0 if math.isnan(r) or r <= 0 else 2 * r / (1 + r)


def _moments(y: NDArray[Any], x: NDArray[Any], valid: Valid, origin: bool) -> Sums:
    """(blocks, 6) n, sum x, y, xx, xy, yy of valid entries; an entry belongs to its first SNP."""
    if len({a.shape for a in (y, x, valid)}) != 1:
        raise GenobenchError(f"statistics of different SNPs: shapes {y.shape}, {x.shape}")
    a, b = np.where(valid, x, 0).astype(np.float64), np.where(valid, y, 0).astype(np.float64)
    parts = (valid, *((0 * a, 0 * b) if origin else (a, b)), a * a, a * b, b * b)
    per_snp = np.stack([p.sum(axis=0) for p in parts], axis=1)
    return block_sums(per_snp, blocks(len(per_snp)))


def _sums(y: Floats, x: Floats, origin: bool) -> Sums:
    """(6,) the same of two vectors."""
    means = (0.0, 0.0) if origin else (x.sum(), y.sum())
    return np.array([x.size, *means, x @ x, x @ y, y @ y])


def _slope(t: Sums) -> float:
    n, x, y, xx, xy = t[:5]
    spread = n * xx - x * x
    return float((n * xy - x * y) / spread) if _varies(spread, n * xx) else math.nan


def _pearson(t: Sums) -> float:
    n, x, y, xx, xy, yy = t
    one, two = n * xx - x * x, n * yy - y * y
    if not (_varies(one, n * xx) and _varies(two, n * yy)):
        return math.nan
    return float((n * xy - x * y) / math.sqrt(one * two))


def _varies(spread: float, total: float) -> bool:
    """Whether a variance is more than what is left of rounding."""
    return spread > 1e-12 * max(total, 1e-300)
