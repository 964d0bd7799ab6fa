"""Allele frequencies and genotype frequencies."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Genotypes
from genobench.errors import GenobenchError
from genobench.metrics.genotypes import checked, comparable
from genobench.metrics.intervals import (
    Interval,
    Sums,
    clipped,
    group_rows,
    people_jackknife,
    wilson,
)

Floats = NDArray[np.float64]


def allele_frequency(genotypes: Genotypes) -> Floats:
    """(m,) frequency of the counted allele."""
    frequency: Floats = checked(genotypes, name="these").mean(axis=0, dtype=np.float64) / 2
    return frequency


def minor(frequency: Floats) -> Floats:
    """Frequency of the rarer allele, whichever is counted."""
    return np.minimum(frequency, 1 - frequency)


def genotype_counts(genotypes: Genotypes) -> Sums:
    """(groups, 3, m) numbers of people with 0, 1 and 2 copies, for jackknives over people."""
    groups = group_rows(len(genotypes))
    return np.array(
        [[np.sum(genotypes[rows] == v, axis=0) for v in range(3)] for rows in groups], dtype=float
    )


def frequency_rmse(synthetic: Genotypes, real: Genotypes) -> Interval:
    """Root mean squared difference of allele frequencies; jackknife over people.

    Two samples of one population differ by sqrt(mean p(1-p) (1/2s + 1/2n)): read it beside the
    value of a second real sample.
    """
    comparable(synthetic, real)

    def rmse(made: Sums, wanted: Sums) -> float:
        return math.sqrt(np.mean((allele_share(made) - allele_share(wanted)) ** 2))

    return compared(synthetic, real, rmse, 1.0)


def frequency_correlation(synthetic: Genotypes, real: Genotypes) -> Interval:
    """Pearson's r over the SNPs of the frequency of the real people's rarer allele.

    Papers report it, of whichever allele they count, which gives a little more. It tells little:
    independent sites reach .999. NaN where a sample has the same frequency at all SNPs. The
    interval is a jackknife over people.
    """
    comparable(synthetic, real)

    def correlation(made: Sums, wanted: Sums) -> float:
        rarer = allele_share(wanted) <= 0.5
        shares = (np.where(rarer, p, 1 - p) for p in map(allele_share, (made, wanted)))
        x, y = (p - p.mean() for p in shares)
        scale = math.sqrt((x @ x) * (y @ y))
        return float(x @ y) / scale if scale > 1e-12 else math.nan

    counts = genotype_counts(synthetic), genotype_counts(real)
    return clipped(people_jackknife(*counts, correlation), -1.0, 1.0)


def frequency_max_z(synthetic: Genotypes, real: Genotypes) -> float:
    """Largest two-sample z of mean dosage over the SNPs.

    Uses the pooled variance of the dosages, not p(1-p)/2, so that inbreeding and population
    structure do not inflate it. Under the null it is near sqrt(2 ln m) whatever the sizes. The
    variance of a SNP is at least what a single heterozygote among all people would give it, so that
    a SNP constant in both samples counts 0 or, with different constants, a large finite number.
    """
    comparable(synthetic, real, at_least=2)
    s, n = len(synthetic), len(real)
    difference = synthetic.mean(axis=0, dtype=float) - real.mean(axis=0, dtype=float)
    within = s * synthetic.var(axis=0, dtype=float) + n * real.var(axis=0, dtype=float)
    within = np.maximum(within, 1 - 1 / (s + n))
    variance = within / (s + n - 2) * (1 / s + 1 / n)
    return float((np.abs(difference) / np.sqrt(variance)).max())


def fifth(frequency: Floats, number: int) -> NDArray[np.bool_]:
    """(m,) the SNPs of one fifth by minor-allele frequency; ``number`` 0 rarest, 4 most common.

    The rarest fifth holds one SNP at least; others are empty where there are too few SNPs.
    """
    if not 0 <= number < 5:
        raise GenobenchError(f"fifth {number}: 0 (rarest) to 4 (most common)")
    first, last = (round(edge * len(frequency) / 5) for edge in (number, number + 1))
    chosen = np.zeros(len(frequency), dtype=bool)
    order = np.argsort(minor(frequency), kind="stable")
    chosen[order[first : max(last, 1 if number == 0 else 0)]] = True
    return chosen


def minor_slope(
    synthetic: Genotypes, real: Genotypes, *, bin_frequency: Floats, number: int = 0
) -> Interval:
    """Slope of synthetic on real minor-allele frequency in one fifth of the SNPs.

    Generators tend to lose what is rare ("Matthew effect"): the slope falls below 1 among the
    rarest. It is the slope through the origin under variance proportional to frequency, i.e. the
    ratio of summed frequencies.

    Parameters
    ----------
    synthetic, real
        (s, m) and (n, m) int8.
    bin_frequency
        (m,) counted-allele frequencies in *other* real people. They choose the SNPs and which
        allele is the minor one: chosen on ``real``, frequencies that are low by chance would make
        any fresh sample look as if it gained rare alleles.
    number
        Which `fifth`: 0 the rarest.

    Returns
    -------
    Interval
        NaN when no real person carries any of these alleles, or the fifth is empty. Jackknife over
        people.
    """
    comparable(synthetic, real)
    if bin_frequency.shape != (real.shape[1],):
        raise GenobenchError(f"bin_frequency: {bin_frequency.shape} for {real.shape[1]} variants")
    chosen = fifth(bin_frequency, number)
    flip = bin_frequency[chosen] > 0.5
    if not chosen.any():
        return Interval(math.nan)

    def slope(made: Sums, wanted: Sums) -> float:
        one, two = (
            np.where(flip, 1 - p, p).sum() for p in (allele_share(made), allele_share(wanted))
        )
        return float(one / two) if two > 0 else math.nan

    return compared(synthetic[:, chosen], real[:, chosen], slope, math.inf)


def new_monomorphic(synthetic: Genotypes, real: Genotypes, *, maf: float = 0.01) -> Interval:
    """Share of the SNPs with real MAF of at least ``maf`` that no longer vary; Wilson interval.

    NaN when no SNP is that common.
    """
    comparable(synthetic, real)
    common = minor(allele_frequency(real)) >= maf
    if not common.any():
        return Interval(math.nan)
    lost = synthetic.min(axis=0) == synthetic.max(axis=0)
    return wilson(int(lost[common].sum()), int(common.sum()))


def genotype_variation(synthetic: Genotypes, real: Genotypes) -> Interval:
    """Mean over SNPs of the total variation between genotype frequencies; jackknife over people."""
    comparable(synthetic, real)

    def variation(made: Sums, wanted: Sums) -> float:
        return float(np.abs(genotype_share(made) - genotype_share(wanted)).sum(axis=0).mean() / 2)

    return compared(synthetic, real, variation, 1.0)


def compared(
    synthetic: Genotypes, real: Genotypes, statistic: Callable[[Sums, Sums], float], high: float
) -> Interval:
    """Statistic of the two samples' genotype counts (3, m), with a jackknife over their people."""
    counts = genotype_counts(synthetic), genotype_counts(real)
    return clipped(people_jackknife(*counts, statistic), 0.0, high)


def genotype_share(counts: Sums) -> Floats:
    """(3, m) genotype frequencies from counts."""
    shares: Floats = counts / counts.sum(axis=0)
    return shares


def allele_share(counts: Sums) -> Floats:
    """(m,) frequency of the counted allele from genotype counts."""
    share = genotype_share(counts)
    frequency: Floats = share[1] / 2 + share[2]
    return frequency
