"""Allele frequencies, genotype frequencies and heterozygosity."""

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
    value of a second real sample. (Pearson's r of frequencies is of no use here: independent sites
    reach .9997.)
    """
    comparable(synthetic, real)

    def rmse(made: Sums, wanted: Sums) -> float:
        return math.sqrt(np.mean((_allele(made) - _allele(wanted)) ** 2))

    return _jackknifed(synthetic, real, rmse, 1.0)


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


def rarest(frequency: Floats, *, share: float = 0.2) -> NDArray[np.bool_]:
    """(m,) the ``share`` of SNPs with the lowest minor-allele frequency, at least one."""
    count = max(1, round(share * len(frequency)))
    chosen = np.zeros(len(frequency), dtype=bool)
    chosen[np.argsort(minor(frequency), kind="stable")[:count]] = True
    return chosen


def rare_slope(synthetic: Genotypes, real: Genotypes, *, bin_frequency: Floats) -> Interval:
    """Slope of synthetic on real minor-allele frequency among the rarest fifth of the SNPs.

    Generators tend to lose what is rare ("Matthew effect"): the slope falls below 1. It is the
    slope through the origin under variance proportional to frequency, i.e. the ratio of summed
    frequencies.

    Parameters
    ----------
    synthetic, real
        (s, m) and (n, m) int8.
    bin_frequency
        (m,) counted-allele frequencies in *other* real people. They choose the SNPs and which
        allele is the minor one: chosen on ``real``, frequencies that are low by chance would make
        any fresh sample look as if it gained rare alleles.

    Returns
    -------
    Interval
        NaN when no real person carries any of these alleles. Jackknife over people.
    """
    comparable(synthetic, real)
    if bin_frequency.shape != (real.shape[1],):
        raise GenobenchError(f"bin_frequency: {bin_frequency.shape} for {real.shape[1]} variants")
    rare = rarest(bin_frequency)
    flip = bin_frequency[rare] > 0.5

    def slope(made: Sums, wanted: Sums) -> float:
        one, two = (np.where(flip, 1 - p, p).sum() for p in (_allele(made), _allele(wanted)))
        return float(one / two) if two > 0 else math.nan

    return _jackknifed(synthetic[:, rare], real[:, rare], slope, math.inf)


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
        return float(np.abs(_share(made) - _share(wanted)).sum(axis=0).mean() / 2)

    return _jackknifed(synthetic, real, variation, 1.0)


def heterozygosity(genotypes: Genotypes) -> Floats:
    """(n,) share of heterozygous calls of each person."""
    share: Floats = (checked(genotypes, name="these") == 1).mean(axis=1)
    return share


def heterozygosity_ratio(synthetic: Genotypes, real: Genotypes) -> Interval:
    """Observed over expected heterozygosity, synthetic divided by real; jackknife.

    Expected is 2p(1-p) at each sample's own frequencies, so the ratio sees inbreeding and mixing
    of populations and not frequencies. NaN when either sample has no heterozygote.
    """
    comparable(synthetic, real)

    def ratio(made: Sums, wanted: Sums) -> float:
        one, two = _observed_over_expected(made), _observed_over_expected(wanted)
        return one / two if two > 0 else math.nan

    return _jackknifed(synthetic, real, ratio, math.inf)


def heterozygosity_spread(synthetic: Genotypes, real: Genotypes) -> Interval:
    """Standard deviation between people of their heterozygosity, synthetic divided by real.

    Independent sites make people too much alike. Interval from the variance of log sd,
    (kurtosis - 1) / 4n in each sample. NaN when the real people do not differ.
    """
    comparable(synthetic, real, at_least=4)
    spread, error2 = [], 0.0
    for g in (synthetic, real):
        h = heterozygosity(g)
        sd = float(h.std(ddof=1))
        spread.append(sd)
        if sd > 0:
            kurtosis = float(np.mean(((h - h.mean()) / h.std()) ** 4))
            error2 += (kurtosis - 1) / (4 * len(h))
    if spread[1] == 0:
        return Interval(math.nan)
    ratio, factor = spread[0] / spread[1], math.exp(1.96 * math.sqrt(error2))
    return Interval(ratio, ratio / factor, ratio * factor)


def _jackknifed(
    synthetic: Genotypes, real: Genotypes, statistic: Callable[[Sums, Sums], float], high: float
) -> Interval:
    counts = genotype_counts(synthetic), genotype_counts(real)
    return clipped(people_jackknife(*counts, statistic), 0.0, high)


def _share(counts: Sums) -> Floats:
    """(3, m) genotype frequencies from counts."""
    shares: Floats = counts / counts.sum(axis=0)
    return shares


def _allele(counts: Sums) -> Floats:
    """(m,) frequency of the counted allele from genotype counts."""
    share = _share(counts)
    frequency: Floats = share[1] / 2 + share[2]
    return frequency


def _observed_over_expected(counts: Sums) -> float:
    """Heterozygotes observed over 2p(1-p) expected, summed over SNPs; NaN when nothing varies."""
    p = _allele(counts)
    expected = float(np.sum(2 * p * (1 - p)))
    return float(_share(counts)[1].sum()) / expected if expected > 0 else math.nan
