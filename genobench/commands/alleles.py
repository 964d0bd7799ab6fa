"""Variants of one file found in another, with the counted allele turned where it differs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Cohort

if TYPE_CHECKING:
    import pandas as pd

COMPLEMENT = str.maketrans("ACGT", "TGCA")
UNSEEN = "0"  # PLINK's name of an allele that nobody in the file carries


@dataclass(frozen=True, eq=False)
class Alignment:
    """Where each wanted variant stands in another file.

    Attributes
    ----------
    column
        (m,) column there, -1 where it is absent.
    swapped
        (m,) the other file counts the other allele.
    """

    column: NDArray[np.intp]
    swapped: NDArray[np.bool_]

    def apply(self, cohort: Cohort, shared: NDArray[np.bool_], variants: pd.DataFrame) -> Cohort:
        """The other file's people at the ``shared`` variants, counted as in ``variants``."""
        genotypes = cohort.genotypes[:, self.column[shared]].copy()
        turn = self.swapped[shared]
        block = genotypes[:, turn]
        genotypes[:, turn] = np.where(block >= 0, 2 - block, block)
        return Cohort(genotypes, variants, cohort.samples, cohort.trait)


def align(wanted: pd.DataFrame, found: pd.DataFrame) -> Alignment:
    """Find the variants ``wanted`` in the table ``found``.

    By chromosome and position, then by id; either way the two alleles have to be the same, in any
    order, or on the other strand where that is no guess (not A/T, not C/G). An allele that is
    unseen in one file fits any. The first line that fits counts.
    """
    places: dict[tuple[str, int], list[int]] = {}
    ids: dict[str, list[int]] = {}
    for j, (chrom, pos, name) in enumerate(_rows(found, "chrom", "pos", "id")):
        places.setdefault((_chromosome(chrom), int(pos)), []).append(j)
        ids.setdefault(str(name), []).append(j)
    theirs = [(str(a).upper(), str(b).upper()) for a, b in _rows(found, "counted", "other")]
    column = np.full(len(wanted), -1, dtype=np.intp)
    swapped = np.zeros(len(wanted), dtype=bool)
    rows = _rows(wanted, "chrom", "pos", "id", "counted", "other")
    for i, (chrom, pos, name, counted, other) in enumerate(rows):
        ours = str(counted).upper(), str(other).upper()
        here = places.get((_chromosome(chrom), int(pos)), []) if int(pos) > 0 else []
        for j in (*here, *(ids.get(str(name), []) if str(name) != "." else ())):
            turned = _turned(ours, theirs[j])
            if turned is not None:
                column[i], swapped[i] = j, turned
                break
    return Alignment(column, swapped)


def _rows(table: pd.DataFrame, *names: str) -> Iterable[tuple[str, ...]]:
    return zip(*(table[name] for name in names), strict=True)


def _chromosome(name: str) -> str:
    return str(name).lower().removeprefix("chr")


def _turned(ours: tuple[str, str], theirs: tuple[str, str]) -> bool | None:
    """False: the same allele is counted; True: the other one; None: these are other alleles."""
    strands = [theirs]
    flipped = tuple(a.translate(COMPLEMENT) for a in theirs)
    if set(flipped) != set(theirs):  # A/T and C/G read the same on both strands
        strands.append((flipped[0], flipped[1]))
    for counted, other in strands:
        if _fits(ours, (counted, other)):
            return False
        if _fits(ours, (other, counted)):
            return True
    return None


def _fits(ours: tuple[str, str], theirs: tuple[str, str]) -> bool:
    same = [a == b for a, b in zip(ours, theirs, strict=True)]
    unseen = [UNSEEN in (a, b) for a, b in zip(ours, theirs, strict=True)]
    return any(same) and all(a or b for a, b in zip(same, unseen, strict=True))
