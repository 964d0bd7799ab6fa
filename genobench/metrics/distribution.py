"""Distances between whole distributions of people: maximum mean discrepancy, Frechet distance."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Genotypes
from genobench.errors import GenobenchError
from genobench.metrics.genotypes import checked, comparable
from genobench.metrics.intervals import Interval, normal, wilson
from genobench.metrics.manifold import distance_rows

Floats = NDArray[np.float64]


def median_distance(people: Genotypes) -> float:
    """Median L1 distance between two of these people; 1 allele at least."""
    checked(people, name="real", at_least=2)
    pairs = np.concatenate(
        [
            d[np.arange(rows.start, rows.stop)[:, None] < np.arange(len(people))]
            for rows, d in distance_rows(people, people)
        ]
    )
    return max(1.0, float(np.median(pairs)))


def mean_discrepancy(
    synthetic: Genotypes,
    real: Genotypes,
    *,
    bandwidth: float,
    rng: np.random.Generator,
    permutations: int = 200,
) -> tuple[Interval, Interval]:
    """Squared maximum mean discrepancy, unbiased, and its permutation p.

    Kernel exp(-L1 / bandwidth), which tells any two distributions of genotypes apart (a product of
    strictly positive definite kernels of single SNPs). With the bandwidth far from the distances
    between people the kernel is 0 or 1 for all pairs and the value the same for every generator:
    take `median_distance` of real people.

    Parameters
    ----------
    synthetic, real
        (n, m) int8 each, the same n; a kernel matrix of (2n)^2 float64 is held.
    bandwidth
        In alleles.
    rng
        Permutes who is synthetic.
    permutations
        How often.

    Returns
    -------
    squared, p
        The discrepancy, 0 on average for fresh people and then as often below it, with a normal
        interval (a little too wide near 0, where the statistic is not normal); and the share of
        permutations with one as large, counting the observed one, with Wilson's interval for how
        few were drawn.

    References
    ----------
    Gretton 2012, Journal of Machine Learning Research 13:723, equation 3, corollary 16.
    """
    comparable(synthetic, real, at_least=3)
    n = len(real)
    if len(synthetic) != n:
        raise GenobenchError(f"equal numbers of people are needed: {len(synthetic)}, {n}")
    if not bandwidth > 0:
        raise GenobenchError(f"bandwidth {bandwidth}: more than 0 is needed")
    kernel = _kernel(np.concatenate([synthetic, real]), bandwidth)
    observed = np.repeat([1.0, 0.0], n)
    shuffled = np.stack([rng.permutation(observed) for _ in range(permutations)], axis=1)
    values = _discrepancies(kernel, np.column_stack([observed, shuffled]), n)
    value = float(values[0])
    as_large = 1 + int((values[1:] >= value - 1e-12).sum())
    error = _standard_error(kernel, n)
    return normal(value, error), wilson(as_large, permutations + 1)


def frechet(synthetic: Floats, real: Floats) -> float:
    """Squared Frechet distance of two clouds, as normal distributions, in real total variance.

    (|m_s - m_r|^2 + tr(C_s + C_r - 2 (C_s C_r)^(1/2))) / tr C_r: 0 the same mean and covariance, 1
    as far as one point at the mean. Two samples of one population stay above 0 by about (number of
    axes) / n: read it beside the value of a second real sample.

    Parameters
    ----------
    synthetic, real
        (s, k) and (n, k) scores.

    References
    ----------
    Dowson and Landau 1982, Journal of Multivariate Analysis 12:450; Heusel 2017, arXiv:1706.08500.
    """
    if synthetic.ndim != 2 or real.ndim != 2 or synthetic.shape[1] != real.shape[1]:
        raise GenobenchError(f"scores on different axes: {synthetic.shape} and {real.shape}")
    if min(len(synthetic), len(real)) < 2:
        raise GenobenchError("scores: at least 2 people on each side are needed")
    one, two = (np.atleast_2d(np.cov(cloud, rowvar=False)) for cloud in (synthetic, real))
    total = float(np.trace(two))
    if not total > 0:
        raise GenobenchError("real scores do not vary")
    shift = float(((synthetic.mean(axis=0) - real.mean(axis=0)) ** 2).sum())
    root = _root(two)
    overlap = np.sqrt(np.clip(np.linalg.eigvalsh(root @ one @ root), 0, None)).sum()
    return max(0.0, shift + float(np.trace(one)) + total - 2 * float(overlap)) / total


def _kernel(people: Genotypes, bandwidth: float) -> Floats:
    """(N, N) kernel matrix, 0 on the diagonal: nobody is compared with themselves."""
    kernel = np.empty((len(people), len(people)))
    for rows, distance in distance_rows(people, people):
        kernel[rows] = np.exp(-distance / bandwidth)
    np.fill_diagonal(kernel, 0)
    return kernel


def _discrepancies(kernel: Floats, is_synthetic: Floats, n: int) -> Floats:
    """(p,) unbiased squared discrepancy under each column of (2n, p) memberships 1 or 0."""
    sums = kernel @ is_synthetic
    within = np.einsum("ij,ij->j", is_synthetic, sums)
    across = np.einsum("ij,ij->j", 1 - is_synthetic, sums)
    within_real = kernel.sum() - within - 2 * across
    found: Floats = (within + within_real) / (n * (n - 1)) - 2 * across / n**2
    return found


def _standard_error(kernel: Floats, n: int) -> float:
    """From the projections of the U-statistic on single people."""
    own, other = kernel[:n, :n].sum(axis=1) / (n - 1), kernel[:n, n:].sum(axis=1) / n
    real_own, real_other = kernel[n:, n:].sum(axis=1) / (n - 1), kernel[n:, :n].sum(axis=1) / n
    variance = (own - other).var(ddof=1) + (real_own - real_other).var(ddof=1)
    return math.sqrt(4 * float(variance) / n)


def _root(covariance: Floats) -> Floats:
    """Symmetric square root."""
    values, vectors = np.linalg.eigh(covariance)
    root: Floats = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    return root
