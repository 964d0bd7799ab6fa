"""What genotypes say of a sample itself: its sex, and whether it is another one over again."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Genotypes

MALE, FEMALE = 1, 2
FEMALE_BELOW, MALE_ABOVE = 0.2, 0.8  # F on chromosome X, the limits of PLINK's --check-sex


def x_inbreeding(calls: Genotypes, frequencies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inbreeding coefficient on chromosome X.

    Parameters
    ----------
    calls
        (n, k) int8 at variants of X outside the pseudo-autosomal regions, -1 = missing.
    frequencies
        (k,) of the counted allele, strictly between 0 and 1.

    Returns
    -------
    (n,) F = 1 - observed / expected heterozygotes: about 0 in women, 1 in men, who have one copy.
    NaN without a call.
    """
    expected = (calls >= 0) @ (2 * frequencies * (1 - frequencies))
    observed = (calls == 1).sum(axis=1)
    ratio = np.divide(observed, expected, out=np.full(len(calls), np.nan), where=expected > 0)
    return np.asarray(1 - ratio)


def sexes_separate(f: NDArray[np.float64], recorded: NDArray[np.int_]) -> bool:
    """Whether F tells the recorded sexes apart at all: the typical man and woman lie as expected.

    They do not where animals are inbred, where heterozygous calls were imputed into males, or
    where the whole column is wrong; then no single person may be blamed.
    """
    men, women = f[recorded == MALE], f[recorded == FEMALE]
    if not len(men) + len(women):
        return False
    as_men = not len(men) or bool(np.nanmedian(men) > MALE_ABOVE)
    return as_men and (not len(women) or bool(np.nanmedian(women) < FEMALE_BELOW))


def contradicts_sex(f: NDArray[np.float64], recorded: NDArray[np.int_]) -> NDArray[np.bool_]:
    """(n,) mask of recorded men with a woman's F, and the reverse; between the limits nobody."""
    as_woman = (recorded == MALE) & (f < FEMALE_BELOW)
    return np.asarray(as_woman | ((recorded == FEMALE) & (f > MALE_ABOVE)))


def seen_before(
    genotypes: Genotypes, people: NDArray[np.bool_], variants: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """(n,) mask of people whose calls equal those of an earlier one at all variants of the mask.

    Missing calls count as calls: the same sample genotyped twice differs by them and by errors,
    and is left to the search for relatives.
    """
    again = np.zeros(len(genotypes), dtype=bool)
    known: set[bytes] = set()
    for person in np.flatnonzero(people):
        calls = genotypes[person][variants].tobytes()
        mark = hashlib.blake2b(calls, digest_size=16).digest()
        again[person] = mark in known
        known.add(mark)
    return again
