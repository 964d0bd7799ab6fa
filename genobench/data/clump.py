"""Greedy thinning by linkage disequilibrium: of SNPs that tell the same, the best one stays."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from genobench.cohort import MISSING, Genotypes

LD_PEOPLE = 5_000  # r2 of this many people has a standard error below .02


def clump(
    genotypes: Genotypes,
    variants: pd.DataFrame,
    priority: NDArray[np.float64],
    *,
    r2: float,
    window_kb: float = 250.0,
    most: int | None = None,
) -> NDArray[np.int64]:
    """Take SNPs by priority, each time discarding its neighbours in LD.

    Parameters
    ----------
    genotypes
        (n, m). Beyond `LD_PEOPLE` people every k-th is used.
    variants
        m rows with ``chrom`` and ``pos``.
    priority
        (m,), higher is better: ``-log10(p)`` for clumping, any constant for pruning. Ties go to
        the SNP that comes first.
    r2
        A SNP is discarded when its squared correlation with one already taken exceeds this.
    window_kb
        ... and it lies at most this far away on the same chromosome.
    most
        Stop after so many.

    Returns
    -------
    NDArray[np.int64]
        Column indices of the SNPs kept, in the order in which they were taken.
    """
    X = standardised(genotypes[:: max(1, -(-len(genotypes) // LD_PEOPLE))])
    chromosome = pd.factorize(variants["chrom"])[0]
    position = variants["pos"].to_numpy(dtype=np.float64)
    free = np.ones(genotypes.shape[1], dtype=bool)
    taken: list[int] = []
    for index in np.argsort(-priority, kind="stable"):
        if not free[index]:
            continue
        taken.append(int(index))
        if len(taken) == most:
            break
        free[index] = False
        near = np.flatnonzero(
            free
            & (chromosome == chromosome[index])
            & (np.abs(position - position[index]) <= 1000 * window_kb)
        )
        correlation = X[:, near].T @ X[:, index] / len(X)
        free[near[correlation**2 > r2]] = False
    return np.array(taken, dtype=np.int64)


def called_moments(genotypes: Genotypes) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and standard deviation (m,) of the called genotypes of each SNP; 0 where none is."""
    called = genotypes != MISSING
    count = np.maximum(called.sum(axis=0), 1)
    dosage = np.maximum(genotypes, 0)
    mean = dosage.sum(axis=0, dtype=np.int64) / count
    square = (dosage**2).sum(axis=0, dtype=np.int64) / count
    sd = np.sqrt(np.maximum(square - mean**2, 0))
    return mean.astype(np.float32), sd.astype(np.float32)


def scaled(
    genotypes: Genotypes, mean: NDArray[np.float32], sd: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(n, m) float32 in units of ``sd`` about ``mean``; missing and monomorphic become 0."""
    X = np.where(genotypes == MISSING, mean, genotypes).astype(np.float32)
    X -= mean
    X /= np.where(sd > 1e-6, sd, np.inf).astype(np.float32)
    return X


def standardised(genotypes: Genotypes) -> NDArray[np.float32]:
    """(n, m) float32, columns of mean 0 and, over the called genotypes, variance 1.

    Products of columns therefore understate r where calls are missing.
    """
    return scaled(genotypes, *called_moments(genotypes))


def neighbour_r2(genotypes: Genotypes, variants: pd.DataFrame) -> float:
    """Mean r2 of SNPs that stand side by side on one chromosome; NaN when none do."""
    X = standardised(genotypes[:: max(1, -(-len(genotypes) // LD_PEOPLE))])
    r2 = (np.einsum("ij,ij->j", X[:, 1:], X[:, :-1]) / max(len(X), 1)) ** 2
    chromosome = pd.factorize(variants["chrom"])[0]
    polymorphic = X.any(axis=0)
    side_by_side = (chromosome[1:] == chromosome[:-1]) & polymorphic[1:] & polymorphic[:-1]
    return float(r2[side_by_side].mean()) if side_by_side.any() else float("nan")
