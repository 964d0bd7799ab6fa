"""Counting, selecting and filling genotype calls in blocks, so that memory stays bounded."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import MISSING, Genotypes
from genobench.errors import GenobenchError
from genobench.seeds import rng

BLOCK_CELLS = 2**24
BYTE_ROWS = 255  # as many ones as a byte can add up


def genotype_counts(
    genotypes: Genotypes, people: NDArray[np.bool_] | None = None
) -> NDArray[np.int64]:
    """How often each call occurs per variant.

    Parameters
    ----------
    genotypes
        (n, m) int8.
    people
        (n,) mask of those counted; None counts all.

    Returns
    -------
    (m, 4) int64: calls with 0, 1, 2 copies, and missing ones.
    """
    counts = np.zeros((4, genotypes.shape[1]), dtype=np.int64)
    for _, block in _row_blocks(genotypes, people, BYTE_ROWS):
        for copies in range(3):
            counts[copies] += (block == copies).sum(axis=0, dtype=np.uint8)
        counts[3] += len(block)
    counts[3] -= counts[:3].sum(axis=0)
    return np.ascontiguousarray(counts.T)


def called_frequencies(
    genotypes: Genotypes, people: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """(m,) frequency of the counted allele among called genotypes; NaN where nobody is called."""
    return frequencies_of(genotype_counts(genotypes, people))


def frequencies_of(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """(m,) frequency of the counted allele out of `genotype_counts`; NaN without a call."""
    called = counts[:, :3].sum(axis=1)
    copies = counts[:, 1] + 2 * counts[:, 2]
    return np.divide(copies, 2 * called, out=np.full(len(counts), np.nan), where=called > 0)


def missing_per_person(genotypes: Genotypes, variants: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(n,) missing calls among the variants of the mask."""
    missing = np.zeros(len(genotypes), dtype=np.int64)
    for rows, block in _row_blocks(genotypes, None):
        missing[rows] = np.count_nonzero((block == MISSING) & variants, axis=1)
    return missing


def selected(
    genotypes: Genotypes, people: NDArray[np.bool_], variants: NDArray[np.bool_]
) -> Genotypes:
    """Rows and columns of two masks with one output and no other large copy.

    The array itself comes back when nothing is dropped.
    """
    if people.all() and variants.all():
        return genotypes
    columns = np.flatnonzero(variants)
    out = np.empty((int(people.sum()), len(columns)), dtype=np.int8)
    end = 0
    for _, block in _row_blocks(genotypes, people):
        start, end = end, end + len(block)
        out[start:end] = block if variants.all() else block.take(columns, axis=1)
    return out


def impute(genotypes: Genotypes, frequencies: NDArray[np.float64], *, seed: int) -> Genotypes:
    """Fill missing calls with Binomial(2, frequency), variant by variant independent.

    Parameters
    ----------
    genotypes
        (n, m) int8, -1 = missing.
    frequencies
        (m,) of the counted allele, taken from training people alone lest the hold-out leak.
    seed
        The same seed fills the same calls alike.

    Returns
    -------
    (n, m) int8 without missing calls; the input itself when none is missing. Called genotypes
    stay as they are.

    Raises
    ------
    GenobenchError
        When a frequency is needed and is not a number in [0, 1].

    Notes
    -----
    The rule of SNPgen (arXiv:2603.10873). It keeps frequencies and weakens LD in proportion to the
    missing rate, hence quality control first.
    """
    out: Genotypes | None = None
    random = rng(seed, "impute")
    for rows, block in _row_blocks(genotypes, None):
        person, variant = np.nonzero(block == MISSING)
        if not len(person):
            continue
        p = frequencies[variant]
        if not ((p >= 0) & (p <= 1)).all():
            worst = int(variant[~((p >= 0) & (p <= 1))][0])
            raise GenobenchError(
                f"variant {worst + 1} has missing calls and allele frequency {frequencies[worst]}: "
                "nothing to fill them from; drop it by its call rate first"
            )
        out = genotypes.copy() if out is None else out
        out[rows.start + person, variant] = random.binomial(2, p)
    return genotypes if out is None else out


def _row_blocks(
    genotypes: Genotypes, people: NDArray[np.bool_] | None, rows: int | None = None
) -> Iterator[tuple[slice, Genotypes]]:
    """Blocks of consecutive people, without those whom the mask leaves out."""
    n, m = genotypes.shape
    step = rows or max(1, BLOCK_CELLS // max(m, 1))
    for start in range(0, n, step):
        rows_here = slice(start, min(start + step, n))
        block = genotypes[rows_here]
        if people is not None and not people[rows_here].all():
            block = block[people[rows_here]]
        yield rows_here, block
