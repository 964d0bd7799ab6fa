"""Continuous dosages to calls: two cuts per SNP that give the training people's shares of 0, 1, 2.

Plain rounding of a smooth model's dosages makes heterozygotes where there are none; a monotone
map per SNP cannot, and leaves the ranks, and so most of LD, as they are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Genotypes

Array = NDArray[np.float32]


def rounding_cuts(L: int) -> Array:
    """(2, L) cuts of plain rounding."""
    return np.tile(np.array([[0.5], [1.5]], dtype=np.float32), (1, L))


def share_cuts(dosages: Array, genotypes: Genotypes) -> Array:
    """(2, L) cuts at which generated dosages (k, L) have the shares of real calls (n, L).

    A cut lies halfway between the two neighbouring dosages; at infinity where a call never occurs.
    """
    k, L = dosages.shape
    ordered = np.sort(dosages, axis=0)
    walls = np.full((1, L), np.inf, dtype=np.float32)
    ordered = np.concatenate([-walls, ordered, walls])  # (k + 2, L)
    cuts = np.empty((2, L), dtype=np.float32)
    for call in (0, 1):
        share = (genotypes <= call).mean(axis=0)  # (L,)
        rank = np.rint(share * k).astype(np.intp)[None]
        below, above = (np.take_along_axis(ordered, rank + i, 0)[0] for i in (0, 1))
        cuts[call] = 0.5 * below + 0.5 * above
    return cuts


def cut(dosages: Array, cuts: Array) -> Genotypes:
    """(k, L) dosages -> (k, L) int8 calls: how many of the two cuts each one exceeds."""
    low, high = cuts
    return np.asarray((dosages > low).astype(np.int8) + (dosages > high), dtype=np.int8)
