"""What of a population survives in its synthetic stand-in, seen from another population."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Genotypes
from genobench.metrics.association import over_genome
from genobench.metrics.genotypes import comparable
from genobench.metrics.intervals import Interval, Sums, clipped, group_rows, normal
from genobench.metrics.ld import Band, Pairs

Floats = NDArray[np.float64]


def hudson_fst(one: Genotypes, two: Genotypes) -> Interval:
    """FST of two samples, without bias from their sizes; jackknife over people.

    Ratio of sums (Hudson 1992, Genetics 132:583, as Bhatia 2013, Genome Research 23:1514,
    equation 10, writes it). NaN when neither sample varies.
    """
    comparable(one, two, at_least=2)
    return _over_people((one, two), lambda t: _hudson(*t))


def fst_ratio(synthetic: Genotypes, own: Genotypes, other: Genotypes) -> Interval:
    """FST of synthetic people with another population, over that of real people with it.

    Parameters
    ----------
    synthetic
        (s, m) stand-ins for one population.
    own, other
        (n, m) real people of that population, whom nobody learned from, and of another one.

    Returns
    -------
    Interval
        1 as far apart as real people are; NaN where these do not differ. Jackknife over people.
    """
    _comparable(synthetic, own, other)

    def ratio(t: Sequence[Sums]) -> float:
        one, two = _hudson(t[0], t[2]), _hudson(t[1], t[2])
        return one / two if two > 1e-6 else math.nan

    return _over_people((synthetic, own, other), ratio)


def difference_slope(synthetic: Genotypes, own: Genotypes, other: Genotypes) -> Interval:
    """Slope of frequency differences: synthetic minus other population, on real minus other.

    1 when the differences between the populations are kept site by site, 0 when they are gone.
    Sampling noise is taken out of both sums: that of ``own`` and ``other`` inflates the squares,
    that of ``other`` the products. Jackknife over people. See `fst_ratio`.
    """
    _comparable(synthetic, own, other)

    def slope(t: Sequence[Sums]) -> float:
        s, a, b = (_frequency(sums) for sums in t)
        shared = _noise(t[2])
        products = (s - b) * (a - b) - shared
        return _ratio(products, (a - b) ** 2 - _noise(t[1]) - shared)

    return _over_people((synthetic, own, other), slope)


def ld_gap(synthetic: Band, own: Band, other: Band, which: Pairs) -> Interval:
    """Correlation of r2 with another population's: synthetic people minus real ones.

    0 when the LD carries over as that of real people does; the bands are those of as many people
    each, since noise lowers a correlation. Paired over 20 blocks of variants; a fifth too short,
    measured on fresh samples, since pairs in one block share people's noise with other blocks.

    Parameters
    ----------
    synthetic, own, other
        (reach, m) from `genobench.metrics.ld.r2_band`.
    which
        Pairs that count.
    """
    v = which.valid

    def gap(kept: NDArray[np.bool_]) -> float:
        some = v & kept
        x = other[some]
        return _pearson(synthetic[some], x) - _pearson(own[some], x)

    return clipped(over_genome(gap, v.shape[1]), -2.0, 2.0)


def _comparable(synthetic: Genotypes, own: Genotypes, other: Genotypes) -> None:
    comparable(synthetic, own, at_least=2)
    comparable(synthetic, other, at_least=2)


def _over_people(
    samples: Sequence[Genotypes], statistic: Callable[[Sequence[Sums]], float]
) -> Interval:
    """Statistic of several samples, leaving out one of 20 groups of people of each in turn.

    Sampling noise is shared by variants in LD, and by all of them on a single locus, which a
    jackknife over the genome does not see.

    Parameters
    ----------
    samples
        (n, m) each.
    statistic
        Of the (2, m) numbers of people and of counted alleles in each sample.
    """
    counts = [_counts(genotypes) for genotypes in samples]
    totals = [groups.sum(axis=0) for groups in counts]
    value = statistic(totals)
    if math.isnan(value) or min(map(len, counts)) < 5:
        return Interval(value)
    variance = 0.0
    for i, groups in enumerate(counts):
        rest = (statistic([*totals[:i], totals[i] - g, *totals[i + 1 :]]) for g in groups)
        left = np.array(list(rest))
        variance += (len(left) - 1) / len(left) * float(np.sum((left - left.mean()) ** 2))
    return normal(value, math.sqrt(variance))


def _counts(genotypes: Genotypes) -> Sums:
    """(groups, 2, m) people and counted alleles in each group of people."""
    parts = [genotypes[rows] for rows in group_rows(len(genotypes))]
    return np.array(
        [[np.full(g.shape[1], len(g)), g.sum(axis=0, dtype=np.int64)] for g in parts], dtype=float
    )


def _frequency(t: Sums) -> Floats:
    """(m,) frequency of the counted allele."""
    frequency: Floats = t[1] / (2 * t[0])
    return frequency


def _noise(t: Sums) -> Floats:
    """(m,) unbiased sampling variance of the allele frequency, of 2n alleles."""
    p = _frequency(t)
    variance: Floats = p * (1 - p) / (2 * t[0] - 1)
    return variance


def _hudson(one: Sums, two: Sums) -> float:
    p, q = _frequency(one), _frequency(two)
    below: Floats = p + q - 2 * p * q
    return _ratio((p - q) ** 2 - _noise(one) - _noise(two), below)


def _ratio(above: Floats, below: Floats) -> float:
    total = float(below.sum())
    return float(above.sum()) / total if total > 1e-12 else math.nan


def _pearson(y: Band, x: Band) -> float:
    """Correlation; NaN where either does not vary."""
    if len(x) < 2 or x.std() == 0 or y.std() == 0:
        return math.nan
    return float(np.corrcoef(x, y)[0, 1])
