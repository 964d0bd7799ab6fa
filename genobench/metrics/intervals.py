"""95 % intervals that cost next to nothing: jackknife over people or the genome, Wilson."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from genobench.errors import GenobenchError

Z95 = 1.959963984540054
Sums = NDArray[np.float64]  # (blocks, ...) additive statistics of each block


class Interval(NamedTuple):
    """A value and its 95 % interval; NaN bounds where there is none."""

    value: float
    low: float = math.nan
    high: float = math.nan


def blocks(m: int, count: int = 20) -> NDArray[np.int64]:
    """(m,) block number of each SNP: ``count`` contiguous runs of equal length (fewer below it)."""
    return np.arange(m) * min(count, m) // max(m, 1)


def block_sums(values: NDArray[Any], block: NDArray[np.int64]) -> Sums:
    """(blocks, ...) sums of ``values`` (m, ...) over the SNPs of each block."""
    sums = np.zeros((int(block.max()) + 1, *values.shape[1:]))
    np.add.at(sums, block, values)
    return sums


def block_jackknife(sums: Sums, statistic: Callable[[Sums], float]) -> Interval:
    """Statistic of the total, with a delete-one-block jackknife interval.

    Neighbouring SNPs are correlated, blocks of the genome hardly are: leaving blocks out in turn
    measures the noise that both samples of people put into the statistic.

    Parameters
    ----------
    sums
        (blocks, ...) additive statistics; the statistic is a function of their sum.
    statistic
        (...) -> float. NaN on the total gives a NaN interval.

    Returns
    -------
    Interval
        Bounds are NaN with fewer than 5 blocks.

    References
    ----------
    Efron and Stein 1981, Annals of Statistics 9:586.
    """
    total = sums.sum(axis=0)
    value = statistic(total)
    b = len(sums)
    if b < 5 or math.isnan(value):
        return Interval(value)
    left_out = np.array([statistic(total - block) for block in sums])
    error = math.sqrt((b - 1) / b * float(np.sum((left_out - left_out.mean()) ** 2)))
    return Interval(value, value - Z95 * error, value + Z95 * error)


def people_jackknife(
    synthetic: Sums, real: Sums, statistic: Callable[[Sums, Sums], float]
) -> Interval:
    """Statistic of two samples of people, leaving out one group of people at a time.

    The right one where noise is shared along the genome (how many people of each population were
    drawn moves all frequencies at once), which a jackknife over SNPs does not see.

    Parameters
    ----------
    synthetic, real
        (groups, ...) additive statistics of groups of people (`group_rows`).
    statistic
        (sum over synthetic groups, sum over real groups) -> float. NaN gives a NaN interval.
    """
    totals = synthetic.sum(axis=0), real.sum(axis=0)
    value = statistic(*totals)
    if min(len(synthetic), len(real)) < 5 or math.isnan(value):
        return Interval(value)
    one = np.array([statistic(totals[0] - group, totals[1]) for group in synthetic])
    two = np.array([statistic(totals[0], totals[1] - group) for group in real])
    variance = sum((len(x) - 1) / len(x) * np.sum((x - x.mean()) ** 2) for x in (one, two))
    return normal(value, math.sqrt(float(variance)))


def group_rows(n: int, count: int = 20) -> list[slice]:
    """Every 20th person makes a group, so that groups are alike even when people are in order."""
    groups = min(count, n)
    return [slice(g, None, groups) for g in range(groups)]


def wilson(successes: int, n: int) -> Interval:
    """Share of successes with Wilson's score interval (Wilson 1927, JASA 22:209)."""
    if not 0 <= successes <= n or n == 0:
        raise GenobenchError(f"{successes} successes in {n}: not a proportion")
    p, z2 = successes / n, Z95**2
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return Interval(p, min(p, centre - half), max(p, centre + half))


def normal(value: float, error: float) -> Interval:
    """Value plus and minus 1.96 standard errors."""
    return Interval(value, value - Z95 * error, value + Z95 * error)


def clipped(interval: Interval, low: float, high: float) -> Interval:
    """The same interval with its ends inside the values that are possible."""
    bounds = (float(np.clip(x, low, high)) for x in interval[1:])
    return Interval(interval.value, *bounds)
