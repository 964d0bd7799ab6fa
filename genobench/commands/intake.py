"""The files of ``genobench score``, read and cut into the groups of a split.

Whatever is done to the files is stated in `Intake`; whatever would make the scores wrong without
anybody noticing is an error.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from genobench.commands.genotype_file import GenotypeFile, read_file, scan
from genobench.commands.matching import (
    Matched,
    filled_in,
    refuse_other_allele,
    refuse_other_coding,
    shared_variants,
    well_called,
)
from genobench.commands.overlap import (
    refuse_same_people,
    refuse_shared_people,
    shared_ids,
    with_families,
)
from genobench.errors import GenobenchError
from genobench.seeds import rng

if TYPE_CHECKING:
    from genobench.cohort import Cohort
    from genobench.data.split import Split

SHARES = (0.2, 0.4, 0.4)  # validation, control, test: where no other people are given
REAL_SHARE = 0.8  # of a reference, at most, who are the real level: as many as are measured on
LEAST = 10  # people of a group without whom no task can say anything


@dataclass(frozen=True, eq=False)
class Intake:
    """What is scored, and what was done to get it.

    Attributes
    ----------
    split
        The real people; ``trait`` is None everywhere where there are no labels.
    synthetic
        The file to judge, at the same variants.
    matched
        One entry for each file but the training one, the synthetic file last.
    notes
        Everything else that was done or noticed, a sentence each.
    unlabelled
        Why there are no labels; empty where there are.
    """

    split: Split
    synthetic: Cohort
    matched: tuple[Matched, ...]
    notes: tuple[str, ...]
    unlabelled: str = ""


def read(options: Namespace, say: Callable[[str], None]) -> Intake:
    """Read the files named on the command line.

    Parameters
    ----------
    options
        ``synthetic``, ``train``, ``test``, ``reference`` (or None), ``pheno``, ``trait``, ``seed``.
    say
        Told what is being read.

    Raises
    ------
    GenobenchError
        A file that is absent, empty or of another format; people who are in two files; variants
        or allele codes that do not match; calls that count the other allele throughout; labels of
        two kinds; too few people.
    """
    paths = [options.train, options.test]
    paths += [options.reference] if options.reference is not None else []
    if options.pheno is not None and options.trait is None:
        raise GenobenchError(f"{options.pheno}: name one of its columns with --trait")
    if options.trait is not None and options.pheno is None:
        raise GenobenchError("--trait names a column of a table: give the table with --pheno")
    everything = [*paths, options.synthetic]
    scanned = [scan(path) for path in everything]
    files: list[GenotypeFile] = []
    for path, plink in zip(everything, scanned, strict=True):
        say(f"{path}: {plink.n:,} people, {plink.m:,} variants")
        files.append(read_file(path, plink, options if len(files) < len(paths) else None, say))
    refuse_shared_people(files[:-1])
    refuse_other_coding(files)
    notes = shared_ids(files)
    files, unlabelled = _with_labels(files, notes)
    for file in files:
        if file.cohort.n < LEAST:
            raise GenobenchError(f"{file.path}: {file.cohort.n} people; {LEAST} are the least")
    files, matched = shared_variants(files)
    files = well_called(files, notes)
    refuse_other_allele(files[0], files[-1], notes)
    files = filled_in(files, options.seed, notes)
    refuse_same_people(files[:-1], notes)
    files = [*with_families(files[:-1], notes), files[-1]]
    split = _split(files[:-1], options.seed, notes)
    return Intake(split, files[-1].cohort, matched, tuple(notes), unlabelled)


def _with_labels(files: Sequence[GenotypeFile], notes: list[str]) -> tuple[list[GenotypeFile], str]:
    """People with their labels, or everybody without any and the reason.

    One file without labels leaves all without: then nothing that needs them is measured.
    """
    if reasons := [file.unlabelled for file in files if file.unlabelled]:
        return list(files), reasons[0]
    kinds = [file.trait.kind for file in files if file.trait is not None]
    if len(set(kinds)) > 1:
        raise GenobenchError(
            f"{files[-1].path}: labels are not of the same kind everywhere: "
            + ", ".join(f"{f.name} {kind}" for f, kind in zip(files, kinds, strict=True))
        )
    chosen = []
    for file in files:
        assert file.trait is not None
        if without := int((~file.labelled).sum()):
            people = f"{without:,} of {file.cohort.n:,} people"
            notes.append(f"{file.name}: {people} have no label and are left out of everything.")
        kept = file.cohort.take(file.labelled) if without else file.cohort
        chosen.append(replace(file, cohort=kept.with_trait(replace(file.trait, name="phenotype"))))
    return chosen, ""


def _split(files: Sequence[GenotypeFile], seed: int, notes: list[str]) -> Split:
    """The real people in four groups."""
    from genobench.data.split import Split

    train, test, *others = (file.cohort for file in files)
    if others:
        real = min(test.n / others[0].n, REAL_SHARE)
        control, validation = _cut(others[0], (real, 1 - real), seed)
        if min(control.n, validation.n) < 2:
            raise GenobenchError(f"{files[2].path}: {others[0].n} people are too few to be cut")
        return Split(train, validation, test, control)
    validation, control, rest = _cut(test, SHARES, seed)
    if min(control.n, rest.n) < LEAST:
        raise GenobenchError(
            f"{files[1].path}: {test.n} people are too few to be cut into those measured on, the "
            "real level and the attacker's own; give other real people with --reference"
        )
    notes.append(
        f"No --reference: the people of {files[1].name} were cut at random, into {rest.n:,} whom "
        f"everything is measured on, {control.n:,} who are the level `real`, and {validation.n:,} "
        "who with these are what an attacker knows."
    )
    return Split(train, validation, rest, control)


def _cut(cohort: Cohort, shares: Sequence[float], seed: int) -> list[Cohort]:
    """Cohort in parts of these shares, each with its share of every label."""
    labels = np.zeros(cohort.n) if cohort.trait is None else cohort.labels
    noise = rng(seed, "outside").random(cohort.n)
    order = np.lexsort((noise, labels))  # neighbours in this order have like labels
    edges = np.cumsum([0.0, *shares])
    rank = np.empty(cohort.n, dtype=np.float64)
    size = min(10, cohort.n)  # within each run of ten like people, the shares are kept
    for start in range(0, cohort.n, size):
        block = order[start : start + size]
        rank[block] = (np.argsort(noise[block]).argsort() + 0.5) / len(block)
    part = np.searchsorted(edges[1:-1], rank, side="right")
    return [cohort.take(part == i) for i in range(len(shares))]
