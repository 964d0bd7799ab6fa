"""Variants of one file in another: how they are found, and which way their alleles are counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pytest

from genobench.cohort import Cohort
from genobench.commands.alleles import align, coding
from genobench.data.spelling import other_strand

CohortMaker = Callable[..., Cohort]


def variants(*rows: Sequence[object]) -> pd.DataFrame:
    """Table of variants."""
    return pd.DataFrame(rows, columns=["chrom", "pos", "id", "counted", "other"])


def test_alleles_are_matched_and_turned() -> None:
    """Same, swapped, other strand, swapped on the other strand, by id, unseen allele, absent."""
    wanted = variants(
        ("1", 10, "a", "A", "G"), ("1", 20, "b", "A", "G"), ("1", 30, "c", "A", "G"),
        ("1", 40, "d", "A", "G"), ("1", 50, "e", "A", "G"), ("1", 60, "f", "A", "G"),
        ("1", 70, "g", "A", "G"), ("1", 90, "i", "A", "G"),
    )  # fmt: skip
    found = variants(
        ("1", 10, "x", "A", "G"), ("1", 20, "b", "G", "A"), ("chr1", 30, "c", "T", "C"),
        ("1", 40, "d", "C", "T"), ("2", 1, "e", "a", "g"), ("1", 60, "f", "0", "A"),
        ("1", 70, "g", "A", "C"),
    )  # fmt: skip
    alignment = align(wanted, found)
    assert list(alignment.column) == [0, 1, 2, 3, 4, 5, -1, -1]
    assert list(alignment.swapped[:6]) == [False, True, False, True, False, True]
    assert list(alignment.strand[:6]) == [False, False, True, True, False, False]
    assert list(alignment.by_id) == [False] * 4 + [True] + [False] * 3
    assert list(alignment.extra) == [6]


AMBIGUOUS = ("1", 80, "h", "A", "T"), ("1", 81, "k", "C", "G")
PLAIN = ("1", 10, "a", "A", "G"), ("1", 20, "b", "A", "C")


@pytest.mark.parametrize(
    ("others", "columns", "swapped"),
    [
        ([("1", 10, "a", "A", "G"), ("1", 20, "b", "A", "C")], [0, 1, 2, 3], [True, False]),
        ([("1", 10, "a", "T", "C"), ("1", 20, "b", "T", "G")], [0, 1, 2, 3], [False, True]),
        ([("1", 10, "a", "T", "C"), ("1", 20, "b", "A", "C")], [0, 1, -1, -1], [False, False]),
    ],
)
def test_the_rest_of_the_file_decides_on_ambiguous_variants(
    others: list[tuple[object, ...]], columns: list[int], swapped: list[bool]
) -> None:
    """A/T and C/G: as written on our strand, turned on the other, left out where both are used."""
    there = [*others, ("1", 80, "h", "T", "A"), ("1", 81, "k", "C", "G")]
    alignment = align(variants(*PLAIN, *AMBIGUOUS), variants(*there))
    assert list(alignment.column) == columns
    if columns[2] >= 0:
        assert list(alignment.swapped[2:]) == swapped
    assert list(alignment.unclear) == [c < 0 for c in columns]
    assert len(alignment.extra) == 0


def test_a_line_is_taken_once() -> None:
    """Two variants at one place do not share a column."""
    wanted = variants(("1", 10, "a", "A", "G"), ("1", 10, "b", "A", "G"))
    assert list(align(wanted, variants(("1", 10, "a", "A", "G"))).column) == [0, -1]
    both = variants(("1", 10, "a", "G", "A"), ("1", 10, "b", "A", "G"))
    assert list(align(wanted, both).column) == [0, 1]


def test_turned_genotypes_keep_missing_calls(make_cohort: CohortMaker) -> None:
    """Counts become 2 minus counts, -1 stays."""
    cohort = make_cohort(5, 4)
    genotypes = np.array(cohort.genotypes)
    genotypes[0] = [0, 1, 2, -1]
    table = cohort.variants.copy()
    table[["counted", "other"]] = table[["other", "counted"]].to_numpy()
    there = Cohort(genotypes, table, cohort.samples, cohort.trait)
    alignment = align(cohort.variants, table)
    turned = alignment.apply(there, alignment.column >= 0, cohort.variants)
    assert list(turned.genotypes[0]) == [2, 1, 0, -1]


@pytest.mark.parametrize(
    ("pairs", "name"),
    [("AG CT", "letters"), ("a0 GT", "letters"), ("12 13", "numbers"), ("AB BA", "A/B"),
     ("AD ID", "other")],
)  # fmt: skip
def test_coding_of_alleles(pairs: str, name: str) -> None:
    """Bases, PLINK's numbers, A and B."""
    rows = [("1", i, str(i), *pair) for i, pair in enumerate(pairs.split())]
    assert coding(variants(*rows)) == name


def test_chromosomes_have_several_names() -> None:
    """X, Y, XY and MT go by letters or by PLINK's numbers, with chr or without."""
    wanted = variants(
        ("X", 10, ".", "A", "G"), ("chrM", 20, ".", "A", "G"), ("1", 5, ".", "A", "C")
    )
    found = variants(("23", 10, ".", "A", "G"), ("26", 20, ".", "A", "G"), ("01", 5, ".", "A", "C"))
    assert list(align(wanted, found).column) == [0, 1, 2]


def test_only_single_bases_have_another_strand() -> None:
    """AT/A is not TA/T; codes without strand do not make a file one of mixed strands."""
    wanted = variants(("1", 10, "a", "AT", "A"), ("1", 20, "b", "A", "G"), ("1", 30, "c", "I", "D"))
    found = variants(("1", 10, "a", "TA", "T"), ("1", 20, "b", "T", "C"), ("1", 30, "c", "I", "D"))
    alignment = align(wanted, found)
    assert list(alignment.column) == [-1, 1, 2]
    assert list(alignment.strand) == [False, True, False]
    assert other_strand(("AT", "A")) is None
    assert other_strand(("0", "C")) == ("0", "G")
