"""Neighbouring SNPs taken together: genotype configurations of short windows, triples of SNPs.

Pairwise LD can be right while longer haplotypes are not. Both statistics see what no pair of SNPs
shows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Genotypes
from genobench.errors import GenobenchError
from genobench.metrics.frequency import minor
from genobench.metrics.genotypes import checked, comparable
from genobench.metrics.intervals import Interval, block_jackknife, block_sums, blocks

STEPS = (1, 2, 4, 8, 16)  # SNPs between the members of a triple
LONGEST = 10  # SNPs in a window: 3^10 counts for each


@dataclass(frozen=True, eq=False)
class Windows:
    """Runs of neighbouring SNPs that do not overlap.

    Attributes
    ----------
    first
        (w,) number of each window's first SNP, ascending.
    length
        SNPs in every window.
    """

    first: NDArray[np.int64]
    length: int

    def __post_init__(self) -> None:
        if not 1 <= self.length <= LONGEST:
            raise GenobenchError(f"windows of {self.length} SNPs: 1 to {LONGEST}")


def windows(
    chromosome: NDArray[np.int64], *, length: int, rng: np.random.Generator, most: int = 256
) -> Windows:
    """Cut every chromosome into windows of ``length`` SNPs; of more than ``most``, draw that many.

    Parameters
    ----------
    chromosome
        (m,) in genome order. What is left over at a chromosome's end belongs to no window.
    """
    starts = np.flatnonzero(np.diff(chromosome, prepend=chromosome[:1] - 1))
    within = np.arange(len(chromosome)) - np.repeat(starts, np.diff(starts, append=len(chromosome)))
    first = np.flatnonzero(within % length == 0)
    first = first[first + length <= len(chromosome)]
    first = first[chromosome[first] == chromosome[first + length - 1]]
    if len(first) > most:
        first = np.sort(rng.choice(first, most, replace=False))
    return Windows(first, length)


def configurations(genotypes: Genotypes, which: Windows) -> NDArray[np.int64]:
    """(w, 3^length) people with each joint genotype of each window's SNPs."""
    checked(genotypes, name="these")
    kinds = 3**which.length
    code = np.zeros((len(genotypes), len(which.first)), dtype=np.int64)
    for offset in range(which.length):
        code = 3 * code + genotypes[:, which.first + offset]
    code += kinds * np.arange(len(which.first))
    counts = np.bincount(code.ravel(), minlength=kinds * len(which.first))
    return counts.reshape(-1, kinds)


def window_variation(
    synthetic: tuple[Genotypes, Genotypes], real: tuple[Genotypes, Genotypes], which: Windows
) -> Interval:
    """Total variation of window configurations beyond that of real people: 0 as real, 1 disjoint.

    Two samples of one population are far apart where most configurations are rare, the further the
    smaller they are. So equal halves are compared: real with real (R), synthetic with real (S),
    and the value is (S - R) / (1 - R), each a mean over windows. Block jackknife over windows.

    Parameters
    ----------
    synthetic, real
        Halves, (n, m) int8 each, all of the same n; the first synthetic half meets the first real
        half.
    which
        Of `windows`.

    Returns
    -------
    Interval
        NaN without a window, or where real halves have nothing in common.
    """
    for part in (*synthetic, *real):
        comparable(part, real[0])
        if len(part) != len(real[0]):
            raise GenobenchError("window configurations: all halves need the same people count")
    if len(which.first) == 0:
        return Interval(np.nan)
    made, wanted = ([configurations(g, which) for g in halves] for halves in (synthetic, real))
    n = len(real[0])
    between = [_variation(s, r, n) for s, r in zip(made, wanted, strict=True)]
    per_window = np.stack(
        [
            (between[0] + between[1]) / 2,
            _variation(wanted[0], wanted[1], n),
            np.ones(len(which.first)),
        ],
        axis=1,
    )

    def excess(t: NDArray[np.float64]) -> float:
        apart, chance, count = t
        left = count - chance
        return float((apart - chance) / left) if left > 1e-9 * count else np.nan

    return block_jackknife(block_sums(per_window, blocks(len(per_window))), excess)


def third_moments(genotypes: Genotypes) -> NDArray[np.float32]:
    """Three-point correlations: mean product of the deviations of SNPs j, j + d and j + 2d.

    Zero for independent SNPs. Deviations are not divided by their standard deviation, so that the
    noise of rare SNPs weighs little.

    Returns
    -------
    (rows, m) float32; row by row d = 1, 2, 4, 8, 16, column j the triple that begins at SNP j, 0
    beyond the last one.

    References
    ----------
    Yelmen 2023, PLOS Computational Biology 19:e1011584.
    """
    checked(genotypes, name="these")
    deviation = genotypes - genotypes.mean(axis=0, dtype=np.float32)
    m = genotypes.shape[1]
    moments = np.zeros((len(STEPS), m), dtype=np.float32)
    for row, d in enumerate(STEPS):
        if 2 * d < m:
            x, y, z = deviation[:, : m - 2 * d], deviation[:, d : m - d], deviation[:, 2 * d :]
            moments[row, : m - 2 * d] = np.einsum("ij,ij,ij->j", x, y, z) / len(genotypes)
    return moments


def triples(
    chromosome: NDArray[np.int64], frequency: NDArray[np.float64], *, maf: float = 0.01
) -> NDArray[np.bool_]:
    """(rows, m) which entries of `third_moments` count: one chromosome, all three SNPs common.

    Parameters
    ----------
    chromosome
        (m,) in genome order; any number that changes where neighbours do not belong together.
    frequency
        (m,) of the real people.
    """
    m = len(frequency)
    common = minor(frequency) >= maf
    valid = np.zeros((len(STEPS), m), dtype=bool)
    for row, d in enumerate(STEPS):
        if 2 * d < m:
            members = common[: m - 2 * d] & common[d : m - d] & common[2 * d :]
            valid[row, : m - 2 * d] = members & (chromosome[: m - 2 * d] == chromosome[2 * d :])
    return valid


def _variation(one: NDArray[np.int64], two: NDArray[np.int64], n: int) -> NDArray[np.float64]:
    """(w,) total variation between configuration frequencies of two samples of n people."""
    distance: NDArray[np.float64] = np.abs(one - two).sum(axis=1) / (2 * n)
    return distance
