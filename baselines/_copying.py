"""The copying model of Li & Stephens (2003) on dosages: who is copied, and for how long.

A person is a mosaic of template people. Between two neighbouring SNPs the template changes with
probability r = 1 - exp(-Ne d / N), d the distance and N the number of templates; a call is the
template's, or with probability theta one drawn from the SNP's genotype frequencies.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Genotypes

Array = NDArray[np.float64]


def distances(chrom: NDArray[np.object_], position: NDArray[np.int64]) -> Array:
    """(m - 1,) distance of each SNP from the one before it, in mean distances; inf between
    chromosomes.

    One everywhere where positions do not rise along each chromosome: they are no map then.
    """
    same = chrom[1:] == chrom[:-1]
    gap = np.diff(position).astype(np.float64)
    if not same.any() or (gap[same] < 0).any() or gap[same].sum() == 0:
        gap = np.ones(len(same))
    mean = gap[same].mean() if same.any() else 1.0
    return np.where(same, gap / mean, np.inf)


def switching(distance: Array, size: float, templates: int) -> Array:
    """(m - 1,) probability of a new template before each SNP but the first (Li & Stephens 2003)."""
    return np.asarray(-np.expm1(-size * distance / templates))


def log_likelihood(
    genotypes: Genotypes,
    templates: Genotypes,
    frequency: Array,
    switch: Array,
    theta: float,
    check: Callable[[], None] = lambda: None,
) -> Array:
    """(n,) log P(person | templates) by the forward algorithm, in nats.

    Parameters
    ----------
    genotypes, templates
        (n, m) and (N, m) int8 dosages.
    frequency
        (m, 3) what a miscopied call is drawn from, positive.
    switch
        (m - 1,) probability of a new template, drawn evenly from all.
    theta
        Probability of miscopying.
    check
        Called at every SNP; may raise to give up.
    """
    n, m = genotypes.shape
    N = len(templates)
    change = np.concatenate([[1.0], switch])
    x, t = np.ascontiguousarray(genotypes.T), np.ascontiguousarray(templates.T)
    forward = np.full((n, N), 1.0 / N, dtype=np.float32)
    total = np.zeros(n)
    for j in range(m):
        check()
        forward *= np.float32(1 - change[j])
        forward += np.float32(change[j] / N)
        miscopied = (theta * frequency[j]).astype(np.float32)  # (3,)
        table = miscopied[:, None] + np.float32(1 - theta) * np.eye(3, dtype=np.float32)
        forward *= table[:, t[j]][x[j]]  # P(call | template's call), (n, N)
        scale = forward.sum(axis=1)
        forward /= scale[:, None]
        total += np.log(scale, dtype=np.float64)
    return total


def segments(switch: Array, n: int, longest: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """(n, m) where each of n people begins a new segment, none longer than ``longest`` SNPs.

    ``switch`` is (m - 1,), or (n, m - 1) with rates of each person's own.
    """
    m = switch.shape[-1] + 1
    begins = np.empty((n, m), dtype=np.bool_)
    begins[:, 0] = True
    begins[:, 1:] = rng.random((n, m - 1)) < switch
    run = np.zeros(n, dtype=np.int64)
    for j in range(m):
        begins[:, j] |= run >= longest
        run = np.where(begins[:, j], 1, run + 1)
    return begins
