"""LDpred-inf: effects of all SNPs at once from marginal ones and the LD of the same people.

Under a normal prior of equal variance for every standardised effect the posterior mean is
(D + M / (n h2))^-1 times the marginal effects, D being the LD matrix (Vilhjalmsson 2015, American
Journal of Human Genetics 97:576). The people trained on lend both, so that wrong LD spoils it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve

from genobench.cohort import Genotypes, Labels
from genobench.metrics.ld import standardised
from genobench.metrics.moments import Moments, deviations, is_large, summed, times

Floats = NDArray[np.float64]
Blocks = list[slice]
WIDEST = 512  # SNPs of one LD block; D is taken as 0 between blocks
PANEL = 2_048  # SNPs up to which a polygenic score takes all LD of a panel
HERITABILITY = (1e-4, 1.0)


def ld_blocks(chromosome: NDArray[Any], *, widest: int = WIDEST) -> Blocks:
    """Runs of SNPs on one chromosome, cut into equal parts of at most ``widest``.

    Parameters
    ----------
    chromosome
        (m,) of the SNPs in genome order, numbers or names.
    """
    ends = np.flatnonzero(chromosome[1:] != chromosome[:-1]) + 1
    edges = [0, *ends.tolist(), len(chromosome)]
    found = []
    for first, last in pairwise(edges):
        parts = -(-(last - first) // widest)
        cuts = np.linspace(first, last, parts + 1).round().astype(int).tolist()
        found += [slice(a, b) for a, b in pairwise(cuts)]
    return found


def ldpred_inf(train: Genotypes, labels: Labels, blocks: Blocks) -> Floats:
    """Joint effects of standardised genotypes on the standardised trait.

    Parameters
    ----------
    train, labels
        (n, m), (n,); n >= 4.
    blocks
        Outside which LD is taken as 0 (`ld_blocks`).

    Returns
    -------
    (m,) posterior mean effects; 0 for SNPs that do not vary, and all 0 when the labels do not.
    """
    n, m = train.shape
    y = labels.astype(np.float64) - labels.mean(dtype=np.float64)
    spread = float(y.std())
    effects = np.zeros(m)
    if spread == 0:
        return effects
    marginal, parts = np.zeros(m), []
    for block in blocks:
        marginal[block], part = _correlations(train[:, block], y / spread)
        parts.append(part)
    alive = np.concatenate([part.diagonal() > 0.5 for part in parts])
    count = int(alive.sum())
    if count == 0:
        return effects
    score = np.concatenate([_ld_scores(part, n) for part in parts])[alive].mean()
    h2 = heritability(n * marginal[alive] ** 2, n, mean_ld_score=float(score))
    shrinkage = count / (n * h2)
    for block, part in zip(blocks, parts, strict=True):
        part[np.diag_indices_from(part)] += shrinkage
        effects[block] = solve(part, marginal[block], assume_a="pos")
    return effects


def heritability(chi2: Floats, n: int, *, mean_ld_score: float) -> float:
    """Share of the trait's variance that the SNPs explain, by moments of their chi-squares.

    E[chi2] = 1 + n h2 l / M with l the mean LD score (Bulik-Sullivan 2015, Nature Genetics 47:291,
    with the intercept held at 1). Cut to `HERITABILITY`.
    """
    found = (float(chi2.mean()) - 1) * len(chi2) / (n * max(mean_ld_score, 1.0))
    return float(np.clip(found, *HERITABILITY))


def ldpred_scores(train: Genotypes, labels: Labels, test: Genotypes) -> Floats:
    """Polygenic score by LDpred-inf with the LD of ``train``.

    LD between chromosomes is kept: on chosen SNPs of a structured cohort it holds the ancestry, for
    which marginal effects would otherwise count many times over.

    Parameters
    ----------
    train, labels, test
        (n, m), (n,), (h, m).

    Returns
    -------
    (h,) on the scale of the standardised trait; constant when nothing was learned.
    """
    panel = ld_blocks(np.zeros(train.shape[1], dtype=np.int64), widest=PANEL)
    effects = ldpred_inf(train, labels, panel)
    sd = deviations(train)
    return times(test, np.divide(effects, sd, out=np.zeros_like(sd), where=sd > 1e-9))


def _correlations(genotypes: Genotypes, y: Floats) -> tuple[Floats, Floats]:
    """(m,) of the SNPs of a block with the standardised trait, and (m, m) with each other."""
    n = len(genotypes)
    if is_large(genotypes):
        moments = Moments.of(genotypes)
        centred = summed(y, genotypes) - moments.mean * y.sum()
        return centred * moments.inverse / n, moments.correlation
    x = standardised(genotypes)
    return y @ x / n, (x.T @ x).astype(np.float64) / n


def _ld_scores(correlation: Floats, n: int) -> Floats:
    """Sum of r2 with the SNPs of the block, the bias (1 - r2) / (n - 2) of each removed."""
    r2 = correlation**2
    scores: Floats = (r2 - (1 - r2) / (n - 2)).sum(axis=1)
    return scores
