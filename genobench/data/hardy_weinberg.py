"""Hardy-Weinberg equilibrium: exact test, chi-square, and whether a test means anything here."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

CHI2_MEDIAN = 0.4549364231195724  # of one degree of freedom
TIE = 1 + 1e-7  # configurations this close in probability count as equally likely


def exact_p(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Exact two-sided p value of each variant.

    Parameters
    ----------
    counts
        (m, >= 3) people with 0, 1 and 2 copies.

    Returns
    -------
    (m,) probability, given the allele counts, of all heterozygote counts that are no likelier than
    the one observed. 1 where monomorphic; anything below about 1e-20 may be 0.

    Notes
    -----
    Wigginton, Cutler, Abecasis, AJHG 76 (2005) 887, equation 2, summed over a window of twelve
    standard deviations, so that its cost does not grow with the number of people.
    """
    triples, back = np.unique(counts[:, :3], axis=0, return_inverse=True)
    p = np.array([_exact_p(int(a), int(h), int(b)) for a, h, b in triples], dtype=np.float64)
    return p[back.ravel()] if len(p) else p


def _exact_p(hom_a: int, het: int, hom_b: int) -> float:
    """Exact p value of one variant."""
    n = hom_a + het + hom_b
    rare = 2 * min(hom_a, hom_b) + het
    if rare == 0:
        return 1.0
    share = rare / (2 * n)
    middle = 2 * n * share * (1 - share)
    reach = 24 * share * (1 - share) * math.sqrt(n) + 40
    first = max(rare % 2, int(middle - reach) // 2 * 2 + rare % 2)
    last = min(rare, int(middle + reach) // 2 * 2 + rare % 2)
    if not first <= het <= last:
        return 0.0
    h = np.arange(first, last - 1, 2, dtype=np.float64)
    rare_hom = (rare - h) / 2
    log_ratio = np.log(4 * rare_hom * (n - h - rare_hom) / ((h + 1) * (h + 2)))
    log_p = np.concatenate([[0.0], np.cumsum(log_ratio)])
    p = np.exp(log_p - log_p.max())
    observed = p[(het - first) // 2]
    return float(min(1.0, p[p <= observed * TIE].sum() / p.sum()))


def chi_square(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """(m,) chi-square statistic n F^2 of one degree of freedom; NaN where monomorphic."""
    n = counts[:, :3].sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        p = (counts[:, 1] + 2 * counts[:, 2]) / (2 * n)
        f = 1 - counts[:, 1] / (2 * n * p * (1 - p))
    return np.asarray(n * f**2)


def inflation(counts: NDArray[np.int64]) -> float:
    """Median chi-square over its expectation: about 1 among unrelated people of one population.

    Structure (Wahlund's effect), inbreeding and relatives move all variants at once, and then a
    small p value says nothing about the quality of one of them. NaN without a polymorphic variant.
    """
    statistic = chi_square(counts)
    statistic = statistic[np.isfinite(statistic)]
    return float(np.median(statistic) / CHI2_MEDIAN) if len(statistic) else math.nan
