"""Heterozygosity of people and of sites, inbreeding, Hardy-Weinberg equilibrium."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Genotypes
from genobench.data.hardy_weinberg import exact_p
from genobench.errors import GenobenchError
from genobench.metrics.frequency import (
    allele_frequency,
    allele_share,
    compared,
    genotype_counts,
    genotype_share,
    minor,
)
from genobench.metrics.genotypes import checked, comparable
from genobench.metrics.intervals import (
    Interval,
    Sums,
    block_jackknife,
    block_sums,
    blocks,
    clipped,
)

Floats = NDArray[np.float64]
ALPHA = 0.05  # a low bar: at n = 1,000 and 1e-6 no panel after quality control has a site out


def heterozygosity(genotypes: Genotypes) -> Floats:
    """(n,) share of heterozygous calls of each person."""
    share: Floats = (checked(genotypes, name="these") == 1).mean(axis=1)
    return share


def heterozygosity_ratio(synthetic: Genotypes, real: Genotypes) -> Interval:
    """Observed over expected heterozygosity, synthetic divided by real; jackknife.

    Expected is 2p(1-p) at each sample's own frequencies, so the ratio sees inbreeding and mixing
    of populations and not frequencies: it is (1 - F) of the synthetic over (1 - F) of the real
    people. NaN when either sample has no heterozygote.
    """
    comparable(synthetic, real)

    def ratio(made: Sums, wanted: Sums) -> float:
        one, two = _observed_over_expected(made), _observed_over_expected(wanted)
        return one / two if two > 0 else math.nan

    return compared(synthetic, real, ratio, math.inf)


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


def inbreeding(counts: Sums) -> Floats:
    """(m,) inbreeding coefficient F = 1 - observed / expected heterozygosity of each site.

    0 at a site that does not vary. Expected is 2p(1-p) (Wright 1922, American Naturalist 56:330).

    Parameters
    ----------
    counts
        (3, m) people with 0, 1 and 2 copies.
    """
    p = allele_share(counts)
    expected = 2 * p * (1 - p)
    observed = genotype_share(counts)[1]
    ratio: Floats = np.divide(observed, expected, out=np.ones_like(expected), where=expected > 0)
    return 1.0 - ratio


def inbreeding_rmse(synthetic: Genotypes, real: Genotypes, *, maf: float = 0.01) -> Interval:
    """Root mean squared difference of the sites' inbreeding coefficients; jackknife over people.

    Rounded or wrongly paired alleles make too many or too few heterozygotes at single sites, which
    the mean over sites cannot show. Two samples of one population differ by about
    sqrt(1/s + 1/n): read it beside the value of a second real sample. NaN where no SNP has a real
    MAF of ``maf``.
    """
    comparable(synthetic, real)
    common = minor(allele_frequency(real)) >= maf
    if not common.any():
        return Interval(math.nan)

    def rmse(made: Sums, wanted: Sums) -> float:
        return math.sqrt(np.mean((inbreeding(made) - inbreeding(wanted)) ** 2))

    return compared(synthetic[:, common], real[:, common], rmse, math.inf)


def hardy_weinberg_excess(synthetic: Genotypes, real: Genotypes) -> Interval:
    """Share of SNPs out of Hardy-Weinberg equilibrium (p < .05), synthetic minus real.

    Exact test (Wigginton 2005, AJHG 76:887). Populations, relatives and inbreeding put sites out
    of equilibrium in real people too, so that 0 is right and both signs are wrong: below, they were
    mixed away; above, genotypes were not made of two alleles. Block jackknife over SNPs.

    Raises
    ------
    GenobenchError
        On different numbers of people: the power of the test grows with them.
    """
    comparable(synthetic, real)
    if len(synthetic) != len(real):
        raise GenobenchError(f"equal numbers of people are needed: {len(synthetic)}, {len(real)}")
    out = [
        exact_p(genotype_counts(g).sum(axis=0).T.astype(np.int64)) < ALPHA
        for g in (synthetic, real)
    ]
    per_snp = np.stack([*(o.astype(float) for o in out), np.ones(len(out[0]))], axis=1)
    sums = block_sums(per_snp, blocks(len(per_snp)))
    found = block_jackknife(sums, lambda t: float((t[0] - t[1]) / t[2]))
    return clipped(found, -1.0, 1.0)


def _observed_over_expected(counts: Sums) -> float:
    """Heterozygotes observed over 2p(1-p) expected, summed over SNPs; NaN when nothing varies."""
    p = allele_share(counts)
    expected = float(np.sum(2 * p * (1 - p)))
    return float(genotype_share(counts)[1].sum()) / expected if expected > 0 else math.nan
