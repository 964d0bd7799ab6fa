"""The variants of several files: matched, well called, counted the same way, without gaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from genobench.commands.alleles import Alignment, align, coding, names
from genobench.commands.genotype_file import GenotypeFile
from genobench.errors import GenobenchError
from genobench.seeds import derive

MOST_MISSING = 0.05  # of the calls of a variant, as in quality control
OTHER_ALLELE = 0.2  # how much nearer 1 - p than p a frequency is when the other allele was counted
LEAST = 10  # variants whose frequency tells the one allele from the other


@dataclass(frozen=True)
class Matched:
    """How the variants of one file were found among those of the training file.

    Counts; ``absent_names`` and ``extra_names`` are the first few.
    """

    file: str
    variants: int
    matched: int
    by_place: int
    by_id: int
    swapped: int
    other_strand: int
    unclear: int
    absent: int
    absent_names: tuple[str, ...]
    extra: int
    extra_names: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """For people."""
        parts = [
            f"{self.matched:,} of the {self.variants:,} variants of the training file matched, "
            f"{self.by_place:,} by chrom:pos:alleles and {self.by_id:,} by id"
        ]
        for n, text in (
            (self.swapped, "count the other allele and were turned"),
            (self.other_strand, "are written on the other strand and were turned"),
            (self.unclear, "were left out: A/T or C/G in a file that mixes the strands"),
        ):
            parts += [f"{n:,} {text}"] if n else []
        for n, first, text in (
            (self.absent, self.absent_names, "of the training file are not there"),
            (
                self.extra,
                self.extra_names,
                "are there but not in the training file, and not judged",
            ),
        ):
            parts += [f"{n:,} {text} ({listed(first, n)})"] if n else []
        return f"{self.file}: {'; '.join(parts)}"


def refuse_other_coding(files: Sequence[GenotypeFile]) -> None:
    """Alleles written 1 / 2 in one file and A / C / G / T in another are not guessed at."""
    wanted = coding(files[0].cohort.variants)
    for file in files[1:]:
        if (found := coding(file.cohort.variants)) != wanted:
            bim = file.path.with_suffix(".bim")
            raise GenobenchError(
                f"{bim}: alleles are written as {found}, those of {files[0].path} as {wanted}; "
                "write both alike (plink --alleleACGT for 1 to 4, --update-alleles for others)"
            )


def shared_variants(
    files: Sequence[GenotypeFile],
) -> tuple[list[GenotypeFile], tuple[Matched, ...]]:
    """All files at the variants that every one has, counted and ordered as in the first."""
    first, *others = files
    found = [align(first.cohort.variants, other.cohort.variants) for other in others]
    matched = tuple(_account(first, f, a) for f, a in zip(others, found, strict=True))
    for file, account in zip(others, matched, strict=True):
        if not account.matched:
            raise GenobenchError(
                f"{file.path}: none of the {first.cohort.m:,} variants of {first.path} is there, "
                f"by position and alleles or by id (it has {listed(account.extra_names, 9)}); "
                "are both of the same genome build?"
            )
    shared = np.logical_and.reduce([a.column >= 0 for a in found])
    if not shared.any():
        raise GenobenchError(
            f"no variant is in all files: each of {', '.join(f.name for f in others)} shares some "
            f"with {first.name}, but none the same"
        )
    kept = first.cohort.take(variants=shared)
    aligned = [replace(first, cohort=kept)]
    for file, alignment in zip(others, found, strict=True):
        cohort = alignment.apply(file.cohort, shared, kept.variants)
        aligned.append(replace(file, cohort=cohort))
    return aligned, matched


def _account(first: GenotypeFile, file: GenotypeFile, alignment: Alignment) -> Matched:
    here = alignment.column >= 0
    absent = np.flatnonzero(~here & ~alignment.unclear)
    return Matched(
        file=file.name,
        variants=first.cohort.m,
        matched=int(here.sum()),
        by_place=int((here & ~alignment.by_id).sum()),
        by_id=int(alignment.by_id.sum()),
        swapped=int((here & alignment.swapped).sum()),
        other_strand=int((here & alignment.strand).sum()),
        unclear=int(alignment.unclear.sum()),
        absent=len(absent),
        absent_names=names(first.cohort.variants, absent),
        extra=len(alignment.extra),
        extra_names=names(file.cohort.variants, alignment.extra),
    )


def well_called(files: Sequence[GenotypeFile], notes: list[str]) -> list[GenotypeFile]:
    """All files without the variants of which one of them lacks more than 5 % of the calls."""
    keep = np.ones(files[0].cohort.m, dtype=bool)
    for file in files:
        poor = (file.cohort.genotypes < 0).mean(axis=0) > MOST_MISSING
        if poor.any():
            shown = listed(names(file.cohort.variants, np.flatnonzero(poor)), int(poor.sum()))
            what = f"{int(poor.sum()):,} variants lack more than {MOST_MISSING:.0%} of their calls"
            notes.append(f"{file.name}: {what} and are left out of everything ({shown}).")
        keep &= ~poor
        if not keep.any():
            raise GenobenchError(
                f"{file.path}: every shared variant lacks more than {MOST_MISSING:.0%} of its "
                "calls here or in another file; fill missing calls in first"
            )
    return [replace(f, cohort=f.cohort.take(variants=keep)) for f in files]


def refuse_other_allele(train: GenotypeFile, synthetic: GenotypeFile, notes: list[str]) -> None:
    """Counts of the other allele under the right names show in the allele frequencies."""
    from genobench.data.calls import called_frequencies

    p, q = (called_frequencies(f.cohort.genotypes) for f in (train, synthetic))
    turned = np.abs(p + q - 1) < np.abs(p - q) - OTHER_ALLELE
    telling = np.abs(2 * p - 1) > OTHER_ALLELE
    if telling.sum() >= LEAST and turned[telling].mean() > 0.5:
        raise GenobenchError(
            f"{synthetic.path}: at {int(turned.sum()):,} of {len(p):,} variants its allele "
            "frequency is that of the other allele: it counts the second allele of its .bim, or "
            "its .bim names them the wrong way round; exchange columns 5 and 6 of the .bim"
        )
    if turned.any():
        n = int(turned.sum())
        shown = listed(names(train.cohort.variants, np.flatnonzero(turned)), n)
        notes.append(
            f"{synthetic.name}: at {n:,} variants ({shown}) its allele frequency is that of the "
            "other allele. They are judged as written."
        )


def filled_in(files: Sequence[GenotypeFile], seed: int, notes: list[str]) -> list[GenotypeFile]:
    """Missing calls drawn from allele frequencies.

    Of real people, those of the training people, lest the hold-out leak; of synthetic people their
    own, lest real data flow into what is judged.
    """
    from genobench.data.calls import called_frequencies, impute

    filled = []
    for i, file in enumerate(files):
        genotypes = file.cohort.genotypes
        if missing := int((genotypes < 0).sum()):
            own = i == len(files) - 1
            source = genotypes if own else files[0].cohort.genotypes
            rows = impute(genotypes, called_frequencies(source), seed=derive(seed, "impute", i))
            file = replace(file, cohort=replace(file.cohort, genotypes=rows))
            whose = "its own" if own else "the training people's"
            share = f"{missing:,} missing calls ({missing / genotypes.size:.2%})"
            notes.append(
                f"{file.name}: {share} were drawn from {whose} allele frequencies, which weakens "
                "LD and hides copies a little."
            )
        filled.append(file)
    return filled


def listed(first: Sequence[str], n: int) -> str:
    """The first few names, and that there are more."""
    return ", ".join(first) + (", ..." if n > len(first) else "")
