"""Linkage disequilibrium: r2 of neighbouring SNPs, its decay, and r2 far apart."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Genotypes
from genobench.errors import GenobenchError
from genobench.metrics import agreement
from genobench.metrics.agreement import INFORMATIVE as INFORMATIVE
from genobench.metrics.frequency import minor
from genobench.metrics.genotypes import checked, comparable
from genobench.metrics.intervals import (
    Interval,
    Sums,
    block_jackknife,
    blocks,
    clipped,
    group_rows,
    people_jackknife,
)

Band = NDArray[np.float32]  # (reach, m): row d-1, column j is SNP j with SNP j + d

RARE = 0.01
CELLS = 1 << 23  # dosages that are held in float32 at once
EXACT = 1 << 16  # people whose products float32 sums exactly: below 2^24
SNPS = 1 << 8  # whose products with those after them are taken together


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
    sums = band_sums(genotypes, reach=min(reach, genotypes.shape[1] - 1))
    return r2_of(sums).astype(np.float32)


def band_sums(genotypes: Genotypes, *, reach: int) -> Sums:
    """(3 + reach, m) number of people, sums of x, of x^2 and, row by row, of x_j x_j+d.

    Whole numbers, exact: products of some people are summed in float32, which holds them, and
    people beyond in float64. They add up over groups of people. Beside the sums and as many
    products, `CELLS` dosages are held at once.
    """
    n, m = genotypes.shape
    sums = np.zeros((3 + reach, m))
    sums[0] = n
    starts = range(0, m, SNPS)
    products = [np.zeros((min(SNPS, m - j), min(SNPS + reach, m - j))) for j in starts]
    people = min(max(CELLS // m, SNPS), EXACT)
    dosages = np.empty((min(people, n), m), np.float32)
    for start in range(0, n, people):
        part = genotypes[start : start + people]
        x = dosages[: len(part)]
        x[:] = part
        sums[1] += x.sum(axis=0)
        for j, product in zip(starts, products, strict=True):
            product += x[:, j : j + SNPS].T @ x[:, j : j + SNPS + reach]
    for j, product in zip(starts, products, strict=True):
        for d in range(reach + 1):
            diagonal = np.diagonal(product, offset=d)
            sums[2 + d, j : j + len(diagonal)] = diagonal
    return sums


def r2_of(sums: Sums) -> NDArray[np.float64]:
    """(reach, m) r2 from `band_sums`, its bias removed; as `r2_band`, in float64."""
    n, reach, m = sums[0, 0], len(sums) - 3, sums.shape[1]
    mean = sums[1] / n
    variance = sums[2] / n - mean**2
    scale = np.where(variance > 1e-9, 1 / np.sqrt(np.maximum(variance, 1e-9)), 0)
    r2 = np.zeros((reach, m))
    for d in range(1, reach + 1):
        one, two = slice(0, m - d), slice(d, m)
        scales = scale[one] * scale[two]
        row = r2[d - 1, one]
        row[:] = np.minimum(((sums[2 + d, one] / n - mean[one] * mean[two]) * scales) ** 2, 1)
        row -= np.where(scales > 0, (1 - row) / (n - 2), 0)
    return r2


def standardised(genotypes: Genotypes) -> NDArray[np.float32]:
    """(n, m) dosages with mean 0 and variance 1 in every SNP; constant SNPs become 0."""
    centred = genotypes - genotypes.mean(axis=0, dtype=np.float32)
    sd = np.sqrt(np.mean(centred**2, axis=0))
    constant = genotypes.min(axis=0) == genotypes.max(axis=0)
    scaled: NDArray[np.float32] = centred / np.where(constant, np.float32(1), sd)
    scaled[:, constant] = 0
    return scaled


def half_bands(genotypes: Genotypes, *, reach: int, rng: np.random.Generator) -> tuple[Band, Band]:
    """`r2_band` of two random halves of the people, for reliabilities."""
    checked(genotypes, name="real", at_least=8)
    order, half = rng.permutation(len(genotypes)), len(genotypes) // 2
    one, two = order[:half], order[half : 2 * half]
    return r2_band(genotypes[one], reach=reach), r2_band(genotypes[two], reach=reach)


def reliability(genotypes: Genotypes, which: Pairs, *, rng: np.random.Generator) -> float:
    """Correlation of r2 that a second sample of as many real people would show.

    Near 0 on LD-pruned SNPs: there r2 holds noise only and comparing it says nothing.
    """
    bands = half_bands(genotypes, reach=len(which.valid), rng=rng)
    return agreement.reliability(*bands, which.valid)


def r2_correlation(synthetic: Band, real: Band, which: Pairs) -> Interval:
    """Pearson correlation of r2 over the pairs; block jackknife. NaN without pairs that vary."""
    return agreement.correlation(synthetic, real, which.valid)


def r2_slope(synthetic: Band, real: Band, which: Pairs, *, reliable: float = 1.0) -> Interval:
    """Slope of synthetic on real r2, corrected for their `reliability`; block jackknife."""
    return agreement.slope(synthetic, real, which.valid, reliable=reliable)


def r2_rmse(synthetic: Band, real: Band, which: Pairs) -> Interval:
    """Root mean squared difference of r2 over the pairs; block jackknife. NaN without a pair."""
    return agreement.rmse(synthetic, real, which.valid)


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
    sums = _curves(synthetic[d, j], real[d, j], at, cells)
    per_block = sums.reshape(3, -1, width).transpose(1, 0, 2)
    return clipped(block_jackknife(per_block, _area), 0.0, math.inf)


def decay_area(synthetic: NDArray[Any], real: NDArray[Any], bins: NDArray[np.int64]) -> float:
    """The value of `decay_distance` alone, from two bands (reach, m) of any precision."""
    _same_shape(synthetic, real, bins)
    width = int(bins.max()) + 1 if bins.size else 0
    if width == 0:
        return math.nan
    used = bins >= 0
    return _area(_curves(synthetic[used], real[used], bins[used], width))


def _curves(y: NDArray[Any], x: NDArray[Any], at: NDArray[np.int64], cells: int) -> Sums:
    """(3, cells) number of pairs, sums of synthetic and of real r2 in each cell."""
    weights = (np.ones(len(at)), y, x)
    return np.array([np.bincount(at, w, minlength=cells) for w in weights])


def _area(t: Sums) -> float:
    """From (3, bins) sums."""
    used = t[0] > 0
    curves = t[1:, used] / t[0, used]
    under = float(np.sum(np.clip(curves[1], 0, None)))
    return float(np.abs(curves[0] - curves[1]).sum()) / under if under > 0 else math.nan


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


def _same_shape(*arrays: NDArray[np.generic]) -> None:
    if len({a.shape for a in arrays}) != 1:
        raise GenobenchError(f"LD of different SNPs: shapes {[a.shape for a in arrays]}")
