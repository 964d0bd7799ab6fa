"""Does a GWAS on synthetic people find what a GWAS on real people finds?

Two genome scans are compared SNP by SNP. Which allele is counted changes the sign of an effect in
both, so that correlations and slopes go through the origin. Intervals leave out one block of the
genome at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Genotypes, Labels, Trait
from genobench.data.gwas import CHI2_MEDIAN, NullModel
from genobench.metrics.agreement import correlation
from genobench.metrics.auc import auc
from genobench.metrics.intervals import Interval, block_jackknife, blocks, clipped
from genobench.metrics.ld import standardised
from genobench.metrics.polygenic import Blocks, Floats
from genobench.metrics.prediction import Kind

GENOME_WIDE = 5e-8  # Risch and Merikangas 1996
NOMINAL = 0.05
RELIABLE = 0.2  # share of the real chi-square that is not noise, below which there is no slope
FEWEST_HITS = 10
FEWEST_CAUSAL = 5


@dataclass(frozen=True, eq=False)
class Scan:
    """One GWAS: (m,) float64 each.

    Attributes
    ----------
    z, p
        Of the association; 0 and 1 for a SNP that does not vary.
    beta
        Effect per copy of the counted allele: in units of a quantitative trait, or the log odds
        ratio to first order.
    """

    z: Floats
    p: Floats
    beta: Floats

    @classmethod
    def of(cls, genotypes: Genotypes, labels: Labels, covariates: Floats, kind: Kind) -> Scan:
        """Scan by linear regression, of a binary trait too.

        Logistic null models have no solution where covariates tell all cases, as in people made by
        a poor generator. The linear model of 0 and 1 gives nearly the same z, and its effects over
        p (1 - p) are log odds ratios to first order (Lloyd-Jones 2018, Genetics 208:1397).

        Parameters
        ----------
        genotypes, labels, covariates
            (n, m), (n,), (n, c). Without any finding where the labels do not vary.
        """
        n, m = genotypes.shape
        if n < covariates.shape[1] + 4 or np.ptp(labels) == 0:
            return cls(np.zeros(m), np.ones(m), np.zeros(m))
        found = NullModel(Trait("trait", "quantitative", labels), covariates).test(genotypes)
        scale = float(labels.var(dtype=np.float64)) if kind == "binary" else 1.0
        return cls(found.z, found.p, found.beta / scale)

    @property
    def information(self) -> Floats:
        """(m,) 1 / squared standard error of the effects; 0 for SNPs without effect."""
        nothing = np.zeros_like(self.z)
        inverse: Floats = np.divide(self.z, self.beta, out=nothing, where=self.beta != 0)
        return inverse**2

    def arrays(self) -> Floats:
        """(3, m), as ``Scan(*arrays)`` takes them."""
        return np.stack([self.z, self.p, self.beta])


def adjusted(labels: Labels, covariates: Floats) -> Labels:
    """(n,) what least squares on an intercept and the covariates (n, c) leaves of the labels.

    Labels that do not vary leave exactly 0, and not the rounding errors of a fit.
    """
    if np.ptp(labels) == 0:
        return np.zeros(len(labels), np.float32)
    design = np.column_stack([np.ones(len(labels)), covariates])
    fitted = design @ np.linalg.lstsq(design, labels.astype(np.float64), rcond=None)[0]
    return (labels - fitted).astype(np.float32)


def z_correlation(made: Scan, real: Scan) -> Interval:
    """Correlation through the origin of the z-scores of two scans.

    0 where the synthetic scan has no signal at all; NaN where the real one has none.
    """
    return _correlation(made.z, real.z)


def effect_slope(made: Scan, real: Scan) -> Interval:
    """Slope through the origin of synthetic effects on real ones, weighted by information.

    The noise in the real effects flattens any slope; what it is expected to add, 1 to each
    chi-square, is taken out of the denominator, so that other real people show 1. NaN where less
    than `RELIABLE` of the real chi-square is signal.
    """
    weight = real.information
    both, square = weight * made.beta * real.beta, weight * real.beta**2
    tested = weight > 0

    def slope(kept: NDArray[np.bool_]) -> float:
        total = float(square[kept].sum())
        signal = total - float(tested[kept].sum())
        if signal < RELIABLE * total or total <= 0:
            return math.nan
        return float(both[kept].sum()) / signal

    return over_genome(slope, len(weight))


def lambda_ratio(made: Scan, real: Scan) -> Interval:
    """Genomic-control lambda of the synthetic scan over that of the real one (equal sizes).

    Lambda is the median chi-square over its expectation (Devlin and Roeder 1999). NaN where the
    real one is 0.
    """

    def ratio(kept: NDArray[np.bool_]) -> float:
        one, two = (np.median(scan.z[kept] ** 2) / CHI2_MEDIAN for scan in (made, real))
        return float(one / two) if two > 0 else math.nan

    return clipped(over_genome(ratio, len(real.z)), 0.0, math.inf)


def level(real: Scan) -> float:
    """5e-8 where the real scan has `FEWEST_HITS` at it; otherwise .05 over the number of SNPs.

    Of fewer hits no share can be told; chosen SNPs are not a genome, and .05 by their number is the
    level at which one of them stands out among them.
    """
    if int((real.p < GENOME_WIDE).sum()) >= FEWEST_HITS:
        return GENOME_WIDE
    return NOMINAL / max(len(real.p), 1)


def hit_recall(made: Scan, real: Scan, *, at: float) -> Interval:
    """Share of the real hits that are hits, of the same sign, among synthetic people.

    Parameters
    ----------
    at
        Significance level of a hit in either scan (`level`). NaN without a real hit.
    """
    hits = real.p < at
    found = hits & (made.p < at) & _same_sign(made, real)
    return _share(found, hits)


def false_discoveries(made: Scan, real: Scan, *, at: float) -> Interval:
    """Share of the synthetic hits that real people do not replicate.

    Replicated is p < .05 with the same sign, the convention of replication studies; as many real as
    synthetic people have the power for it wherever the effect is as claimed.

    Parameters
    ----------
    at
        Significance level of a synthetic hit. NaN without one.
    """
    hits = made.p < at
    replicated = (real.p < NOMINAL) & _same_sign(made, real)
    return _share(hits & ~replicated, hits)


def implied_effects(beta: Floats, genotypes: Genotypes, ld: Blocks) -> Floats:
    """Marginal effects that the true ones amount to through LD: D times the standardised effects.

    Parameters
    ----------
    beta
        (m,) true joint effects per copy of the counted allele, 0 for SNPs that are not causal.
    genotypes
        (n, m) of real people, who lend the LD.
    ld
        Blocks outside which LD is taken as 0 (`polygenic.ld_blocks`).

    Returns
    -------
    (m,) expected marginal effects of standardised genotypes, up to what SNPs elsewhere add.
    """
    implied = np.zeros(len(beta))
    for block in ld:
        x = standardised(genotypes[:, block])
        effect = beta[block] * genotypes[:, block].std(axis=0, dtype=np.float64)
        implied[block] = x.T @ (x @ effect.astype(np.float32)) / len(x)
    return implied


def causal_correlation(made: Scan, implied: Floats) -> Interval:
    """Correlation through the origin of z-scores with the effects that are known to be true.

    Parameters
    ----------
    implied
        (m,) from `implied_effects`. NaN where all are 0.
    """
    return _correlation(made.z, implied)


def causal_ranking(effects: Floats, causal: NDArray[np.bool_]) -> Interval:
    """AUC of the size of joint effects: are the causal SNPs told from those in LD with them?

    Parameters
    ----------
    effects
        (m,) joint effects of standardised genotypes, such as `polygenic.ldpred_inf` gives.
    causal
        (m,). NaN with fewer than `FEWEST_CAUSAL` of either kind.
    """
    size = np.abs(effects)

    def ranking(kept: NDArray[np.bool_]) -> float:
        truth = causal[kept]
        if min(int(truth.sum()), int((~truth).sum())) < FEWEST_CAUSAL:
            return math.nan
        return auc(size[kept], truth)

    return clipped(over_genome(ranking, len(causal)), 0.0, 1.0)


def over_genome(statistic: Callable[[NDArray[np.bool_]], float], m: int) -> Interval:
    """A statistic of all SNPs, with an interval from leaving out one block of them at a time.

    Parameters
    ----------
    statistic
        Of a mask (m,) of SNPs; it need not be a function of sums.
    """
    block = blocks(m)
    members = (np.arange(block.max() + 1)[:, None] == block).astype(np.float64)
    return block_jackknife(members, lambda total: statistic(total > 0))


def _correlation(made: Floats, truth: Floats) -> Interval:
    """Correlation through the origin; 0 where ``made`` is 0 throughout."""
    if truth.any() and not made.any():
        return Interval(0.0)
    everywhere = np.ones((1, len(made)), dtype=bool)
    return correlation(made[None], truth[None], everywhere, origin=True)


def _share(some: NDArray[np.bool_], of: NDArray[np.bool_]) -> Interval:
    """Share of the SNPs ``of`` that are also ``some``."""

    def share(kept: NDArray[np.bool_]) -> float:
        whole = int(of[kept].sum())
        return float(some[kept].sum() / whole) if whole else math.nan

    return clipped(over_genome(share, len(of)), 0.0, 1.0)


def _same_sign(made: Scan, real: Scan) -> NDArray[np.bool_]:
    same: NDArray[np.bool_] = made.z * real.z > 0
    return same
