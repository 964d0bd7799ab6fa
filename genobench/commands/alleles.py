"""Variants of one file found in another, with the counted allele turned where it differs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Cohort
from genobench.data.spelling import UNSEEN, chromosome, other_strand

if TYPE_CHECKING:
    import pandas as pd

Alleles = tuple[str, str]  # counted, other


@dataclass(frozen=True, eq=False)
class Alignment:
    """Where each wanted variant stands in another file, and how it was found there.

    Attributes
    ----------
    column
        (m,) column there, -1 where it is absent.
    swapped
        (m,) the other file counts the other allele.
    strand
        (m,) the other file writes the alleles of the other strand.
    by_id
        (m,) found by its name; the others by chromosome and position.
    unclear
        (m,) left out: A/T or C/G, in a file that mixes the strands.
    extra
        (k,) columns there that nothing wanted was found in.
    """

    column: NDArray[np.intp]
    swapped: NDArray[np.bool_]
    strand: NDArray[np.bool_]
    by_id: NDArray[np.bool_]
    unclear: NDArray[np.bool_]
    extra: NDArray[np.intp]

    def apply(self, cohort: Cohort, shared: NDArray[np.bool_], variants: pd.DataFrame) -> Cohort:
        """The other file's people at the ``shared`` variants, counted as in ``variants``."""
        genotypes = cohort.genotypes.take(self.column[shared], axis=1)
        turn = self.swapped[shared]
        block = genotypes[:, turn]
        genotypes[:, turn] = np.where(block >= 0, 2 - block, block)
        return Cohort(genotypes, variants, cohort.samples, cohort.trait)


def align(wanted: pd.DataFrame, found: pd.DataFrame) -> Alignment:
    """Find the variants ``wanted`` in the table ``found``.

    By chromosome and position, then by id; either way the two alleles have to be the same, in any
    order, or, of single bases, those of the other strand. An allele that is unseen in one file
    fits any. The first line that fits and is not taken yet counts.

    A/T and C/G read the same on both strands, so that a swap cannot be told from the other strand.
    The rest of the file decides: they are taken as written where no other variant is on the other
    strand, turned where every other variant is, and left out where it is some of them.
    """
    m = len(wanted)
    search = _Search(found)
    column = np.full(m, -1, dtype=np.intp)
    by_id = np.zeros(m, dtype=bool)
    as_written, complemented = np.full((2, m), -1, dtype=np.int8)  # 0 same, 1 swapped, -1 no fit
    rows = _rows(wanted, "chrom", "pos", "id", "counted", "other")
    for i, (chrom, pos, name, counted, other) in enumerate(rows):
        ours = str(counted).upper(), str(other).upper()
        for j, named in search.candidates(chrom, int(pos), str(name)):
            here, there = search.alleles[j], other_strand(search.alleles[j])
            as_written[i] = _turned(ours, here)
            complemented[i] = -1 if there is None else _turned(ours, there)
            if max(as_written[i], complemented[i]) >= 0:
                column[i], by_id[i] = j, named
                search.taken.add(j)
                break
    swapped, strand, unclear = _oriented(as_written, complemented)
    column[unclear] = -1
    extra = np.setdiff1d(np.arange(len(found)), np.fromiter(search.taken, np.intp))
    return Alignment(column, swapped, strand, by_id & (column >= 0), unclear, extra)


def coding(variants: pd.DataFrame) -> str:
    """How alleles are written: ``letters`` (bases), ``numbers`` (1 to 4), ``A/B``, or ``other``."""
    seen = set(variants["counted"]) | set(variants["other"])
    seen = {str(allele).upper() for allele in seen} - {UNSEEN, ".", ""}
    if seen and seen <= set("1234"):
        return "numbers"
    if "B" in seen and seen <= {"A", "B"}:
        return "A/B"
    bases = set("ACGTN")
    return "letters" if all(set(allele) <= bases for allele in seen) else "other"


def names(variants: pd.DataFrame, columns: NDArray[np.intp], most: int = 5) -> tuple[str, ...]:
    """The first few ids of some columns, for a message."""
    return tuple(str(name) for name in variants["id"].iloc[columns[:most]])


class _Search:
    """Lines of a variant table by place and by name, and which of them are taken."""

    def __init__(self, found: pd.DataFrame) -> None:
        self.places: dict[tuple[str, int], list[int]] = {}
        self.ids: dict[str, list[int]] = {}
        self.taken: set[int] = set()
        for j, (chrom, pos, name) in enumerate(_rows(found, "chrom", "pos", "id")):
            self.places.setdefault((chromosome(chrom), int(pos)), []).append(j)
            self.ids.setdefault(str(name), []).append(j)
        pairs = _rows(found, "counted", "other")
        self.alleles: list[Alleles] = [(str(a).upper(), str(b).upper()) for a, b in pairs]

    def candidates(self, chrom: str, pos: int, name: str) -> Iterable[tuple[int, bool]]:
        """Lines that are not taken, and whether they are found by name alone."""
        here = self.places.get((chromosome(chrom), pos), []) if pos > 0 else []
        yield from ((j, False) for j in here if j not in self.taken)
        if name != ".":
            yield from ((j, True) for j in self.ids.get(name, ()) if j not in self.taken)


def _oriented(
    as_written: NDArray[np.int8], complemented: NDArray[np.int8]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Swapped, on the other strand, unclear; from how the alleles fit on either strand."""
    fits, fits_there = as_written >= 0, complemented >= 0
    ambiguous = fits & fits_there
    plain, turned = (fits & ~fits_there).any(), (fits_there & ~fits).any()
    strand = fits_there & ~fits
    unclear = np.zeros_like(strand)
    if turned and plain:
        unclear = ambiguous
    elif turned:
        strand = strand | ambiguous
    return np.where(strand, complemented == 1, as_written == 1), strand, unclear


def _rows(table: pd.DataFrame, *names: str) -> Iterable[tuple[str, ...]]:
    return zip(*(table[name] for name in names), strict=True)


def _turned(ours: Alleles, theirs: Alleles) -> int:
    """0: the same allele is counted; 1: the other one; -1: these are other alleles."""
    if _fits(ours, theirs):
        return 0
    return 1 if _fits(ours, theirs[::-1]) else -1


def _fits(ours: Sequence[str], theirs: Sequence[str]) -> bool:
    same = [a == b for a, b in zip(ours, theirs, strict=True)]
    unseen = [UNSEEN in (a, b) for a, b in zip(ours, theirs, strict=True)]
    return any(same) and all(a or b for a, b in zip(same, unseen, strict=True))
