"""Linkage disequilibrium: r2 of neighbouring SNPs, its decay, and r2 far apart."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Genotypes
from genobench.errors import GenobenchError
from genobench.metrics.frequency import minor
from genobench.metrics.genotypes import checked, comparable
from genobench.metrics.intervals import (
    Interval,
    Sums,
    block_jackknife,
    block_sums,
    blocks,
    clipped,
    group_rows,
    people_jackknife,
)

Band = NDArray[np.float32]  # (reach, m): row d-1, column j is SNP j with SNP j + d

INFORMATIVE = 0.5  # below this agreement of real with real, r2 is noise
RARE = 0.01


@dataclass(frozen=True)
class Pairs:
    """Which pairs of SNPs count, and how far apart they are.

    Attributes
    ----------
    valid
        (reach, m) bool: SNP j and SNP j + d lie on one chromosome and are both common enough.
    distance
        (reach, m) float64: base pairs, or SNPs where positions are only an order.
    """

    valid: NDArray[np.bool_]
    distance: NDArray[np.float64]


def pairs(
    *,
    chromosome: NDArray[np.int64],
    position: NDArray[np.int64],
    frequency: NDArray[np.float64],
    reach: int,
) -> Pairs:
    """Pairs of SNPs at most ``reach`` SNPs apart on one chromosome, both with MAF >= .01.

    Parameters
    ----------
    chromosome, position
        (m,) in genome order. Where positions repeat throughout (all 0, as when a map is absent),
        the number of SNPs between stands for distance.
    frequency
        (m,) of the real people.
    reach
        Largest number of SNPs apart; cut at m - 1.
    """
    m = len(frequency)
    if chromosome.shape != (m,) or position.shape != (m,):
        raise GenobenchError(f"chromosome and position: one value for each of {m} variants")
    reach = min(reach, m - 1)
    common = minor(frequency) >= RARE
    valid = np.zeros((reach, m), dtype=bool)
    distance = np.zeros((reach, m))
    for d in range(1, reach + 1):
        same = chromosome[:-d] == chromosome[d:]
        valid[d - 1, :-d] = same & common[:-d] & common[d:]
        distance[d - 1, :-d] = np.abs(position[d:] - position[:-d])
    if not distance[valid].any():
        distance[:] = np.arange(1, reach + 1)[:, None]
    return Pairs(valid, distance)


def r2_band(genotypes: Genotypes, *, reach: int) -> Band:
    """Squared correlation of dosages between every SNP and the next ``reach``, bias removed.

    The expectation of a sample r2 is r2 + (1 - r2) / (n - 2) (Bulik-Sullivan 2015, Nature
    Genetics 47:291); it is subtracted, so that unlinked SNPs average 0 at any sample size and
    single values may be slightly negative. A constant SNP is linked with nothing: 0.

    Parameters
    ----------
    genotypes
        (n, m) int8 without missing calls, n >= 4.
    reach
        Largest number of SNPs apart; cut at m - 1.

    Returns
    -------
    (reach, m) float32; row d-1 column j is the pair (j, j + d), 0 beyond the last SNP.
    """
    checked(genotypes, name="these", at_least=4)
    n, m = genotypes.shape
    reach = min(reach, m - 1)
    z = standardised(genotypes)
    band = np.zeros((reach, m), dtype=np.float32)
    width = max(reach, 256)
    for first in range(0, m, width):
        left = z[:, first : first + width]
        product = left.T @ z[:, first : first + width + reach]  # (<= width, <= width + reach)
        for d in range(1, reach + 1):
            diagonal = np.diagonal(product, offset=d)
            band[d - 1, first : first + len(diagonal)] = (diagonal / n) ** 2
    np.minimum(band, 1.0, out=band)
    alive = z.any(axis=0)
    for d in range(1, reach + 1):
        row = band[d - 1, : m - d]
        row -= np.where(alive[: m - d] & alive[d:], (1 - row) / (n - 2), 0).astype(np.float32)
    return band


def standardised(genotypes: Genotypes) -> NDArray[np.float32]:
    """(n, m) dosages with mean 0 and variance 1 in every SNP; constant SNPs become 0."""
    centred = genotypes - genotypes.mean(axis=0, dtype=np.float32)
    sd = np.sqrt(np.mean(centred**2, axis=0))
    constant = genotypes.min(axis=0) == genotypes.max(axis=0)
    scaled: NDArray[np.float32] = centred / np.where(constant, np.float32(1), sd)
    scaled[:, constant] = 0
    return scaled


def reliability(genotypes: Genotypes, which: Pairs, *, rng: np.random.Generator) -> float:
    """Correlation of r2 that a second sample of as many real people would show.

    The correlation between two random halves, stepped up to full size (Spearman-Brown). Near 0 on
    LD-pruned SNPs: there r2 holds noise only and comparing it says nothing.
    """
    checked(genotypes, name="real", at_least=8)
    order, half = rng.permutation(len(genotypes)), len(genotypes) // 2
    parts = (order[:half], order[half : 2 * half])
    one, two = (r2_band(genotypes[rows], reach=len(which.valid)) for rows in parts)
    r = _correlation(_moments(one, two, which).sum(axis=0))
    return 0.0 if math.isnan(r) or r <= 0 else 2 * r / (1 + r)


def r2_correlation(synthetic: Band, real: Band, which: Pairs) -> Interval:
    """Pearson correlation of r2 over the pairs; block jackknife. NaN without pairs that vary."""
    return clipped(block_jackknife(_moments(synthetic, real, which), _correlation), -1.0, 1.0)


def r2_slope(synthetic: Band, real: Band, which: Pairs, *, reliable: float = 1.0) -> Interval:
    """Slope of synthetic on real r2; block jackknife.

    Noise in the real r2 flattens any slope by their `reliability`; dividing by it makes a second
    real sample show 1.
    """
    if not 0 < reliable <= 1:
        raise GenobenchError(f"reliability {reliable}: must lie in (0, 1]")

    def slope(t: Sums) -> float:
        n, x, y, xx, xy = t[:5]
        spread = n * xx - x * x
        return float((n * xy - x * y) / spread / reliable) if spread > 1e-12 else math.nan

    return block_jackknife(_moments(synthetic, real, which), slope)


def r2_rmse(synthetic: Band, real: Band, which: Pairs) -> Interval:
    """Root mean squared difference of r2 over the pairs; block jackknife. NaN without a pair."""

    def rmse(t: Sums) -> float:
        n, _, _, xx, xy, yy = t
        return math.sqrt(max(xx - 2 * xy + yy, 0.0) / n) if n else math.nan

    return clipped(block_jackknife(_moments(synthetic, real, which), rmse), 0.0, math.inf)


def decay_bins(which: Pairs, *, count: int = 12) -> NDArray[np.int64]:
    """(reach, m) bin of each pair by rank of distance, nearest first; -1 where it does not count.

    Pairs at one distance share a bin, so that fewer than ``count`` may be used.
    """
    bins = np.full(which.valid.shape, -1, dtype=np.int64)
    distance = which.distance[which.valid]
    if len(distance):
        edges = np.unique(np.quantile(distance, np.linspace(0, 1, count + 1)[1:-1]))
        bins[which.valid] = np.searchsorted(edges, distance, side="left")
    return bins


def decay_distance(synthetic: Band, real: Band, bins: NDArray[np.int64]) -> Interval:
    """Area between the curves of mean r2 by distance, relative to the area under the real curve.

    0 the same curve, 1 all LD lost (or doubled). Block jackknife. NaN where the real curve holds
    no LD.
    """
    _same_shape(synthetic, real, bins)
    width = int(bins.max()) + 1 if bins.size else 0
    if width == 0:
        return Interval(math.nan)
    d, j = np.nonzero(bins >= 0)
    block = blocks(bins.shape[1])
    at = block[j] * width + bins[d, j]
    cells = (int(block.max()) + 1) * width
    weights = (np.ones(len(d)), synthetic[d, j], real[d, j])
    sums = np.stack(
        [np.bincount(at, w, minlength=cells).reshape(-1, width) for w in weights], axis=1
    )

    def area(t: Sums) -> float:
        used = t[0] > 0
        curves = t[1:, used] / t[0, used]
        under = float(np.sum(np.clip(curves[1], 0, None)))
        return float(np.abs(curves[0] - curves[1]).sum()) / under if under > 0 else math.nan

    return clipped(block_jackknife(sums, area), 0.0, math.inf)


def far_excess(
    synthetic: Genotypes,
    real: Genotypes,
    *,
    chromosome: NDArray[np.int64],
    rng: np.random.Generator,
    most: int = 512,
) -> Interval:
    """Mean bias-corrected r2 of SNPs far apart, synthetic minus real; jackknife over people.

    Far is another chromosome; on a single chromosome, half of all SNPs or more apart. At most
    ``most`` SNPs are looked at (drawn by ``rng``, in their order). What real people have there
    comes from population structure and relatives. NaN where no two SNPs are far apart.
    """
    comparable(synthetic, real, at_least=40)
    m = real.shape[1]
    if chromosome.shape != (m,):
        raise GenobenchError(f"chromosome: {chromosome.shape} for {m} variants")
    columns = subsample_columns(m, most, rng)
    where = chromosome[columns]
    far = where[:, None] != where
    if not far.any():
        far = np.abs(columns[:, None] - columns) * 2 >= max(m, 2)
    if not far.any():
        return Interval(math.nan)
    return people_jackknife(
        _products(synthetic[:, columns]),
        _products(real[:, columns]),
        lambda s, r: _mean_r2(s, far) - _mean_r2(r, far),
    )


def _products(genotypes: Genotypes) -> Sums:
    """(groups, m + 1, m + 1) cross products of dosages and a constant 1, by group of people."""
    x = np.concatenate([genotypes, np.ones((len(genotypes), 1))], axis=1, dtype=np.float32)
    return np.array([x[rows].T @ x[rows] for rows in group_rows(len(x))], dtype=np.float64)


def _mean_r2(products: Sums, which: NDArray[np.bool_]) -> float:
    """Mean corrected r2 of the pairs, from the sums of cross products."""
    n, mean = products[-1, -1], products[-1, :-1] / products[-1, -1]
    covariance = products[:-1, :-1] / n - np.outer(mean, mean)
    variance = np.where(np.diagonal(covariance) > 1e-9, np.diagonal(covariance), np.inf)
    r2 = covariance**2 / np.outer(variance, variance)
    alive = np.isfinite(variance)
    r2 -= np.where(np.outer(alive, alive), (1 - r2) / (n - 2), 0)
    return float(r2[which].mean())


def subsample_columns(m: int, most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """At most ``most`` of m column numbers, in order."""
    return np.arange(m) if m <= most else np.sort(rng.choice(m, most, replace=False))


def _moments(y: Band, x: Band, which: Pairs) -> Sums:
    """(blocks, 6) n, sum x, y, xx, xy, yy over valid pairs; a pair belongs to its left SNP."""
    _same_shape(y, x, which.valid)
    v = which.valid
    a, b = np.where(v, x, 0).astype(np.float64), np.where(v, y, 0).astype(np.float64)
    parts = (v, a, b, a * a, a * b, b * b)
    per_snp = np.stack([p.sum(axis=0) for p in parts], axis=1)
    return block_sums(per_snp, blocks(len(per_snp)))


def _correlation(t: Sums) -> float:
    n, x, y, xx, xy, yy = t
    spread = (n * xx - x * x) * (n * yy - y * y)
    return float((n * xy - x * y) / math.sqrt(spread)) if spread > 1e-12 else math.nan


def _same_shape(*arrays: NDArray[np.generic]) -> None:
    if len({a.shape for a in arrays}) != 1:
        raise GenobenchError(f"LD of different SNPs: shapes {[a.shape for a in arrays]}")
