"""Who is in two files: by id, by genotypes, by family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from genobench.commands.genotype_file import GenotypeFile
from genobench.errors import GenobenchError

if TYPE_CHECKING:
    from genobench.cohort import Genotypes

LARGEST_FAMILY = 0.1  # of all real people; a FID that more of them share names no family
SAME_PERSON = 0.1  # share of people with equals in train above which they are not twins


def refuse_shared_people(files: Sequence[GenotypeFile]) -> None:
    """Train, test and reference have to be different people for privacy to mean anything."""
    seen: dict[tuple[str, str], Path] = {}
    for file in files:
        people = _ids(file)
        if shared := [person for person in people if person in seen]:
            raise GenobenchError(
                f"{file.path}: {len(shared):,} of {len(people):,} people are in "
                f"{seen[shared[0]]} as well, the first is {' '.join(shared[0])}; a member cannot "
                "be a non-member: the files must hold different people"
            )
        seen |= dict.fromkeys(people, file.path)


def shared_ids(files: Sequence[GenotypeFile]) -> list[str]:
    """A note where synthetic people go by the names of training people."""
    known = set(_ids(files[0]))
    n = sum(person in known for person in _ids(files[-1]))
    if not n:
        return []
    return [
        f"{n:,} synthetic people go by the ids of training people. Names do not matter here: "
        "genotypes alone are compared."
    ]


def refuse_same_people(files: Sequence[GenotypeFile], notes: list[str]) -> None:
    """Equal genotypes under other names: the same person twice, or too few variants to tell."""
    train = files[0].cohort.genotypes
    by_chance = 1 - len(_rows(train)) / len(train)
    for file in files[1:]:
        rows = np.isin(_each(file.cohort.genotypes), _rows(train))
        share, n = float(rows.mean()), int(rows.sum())
        text = f"{n:,} of {len(rows):,} people have exactly the genotypes of a training person"
        if share > SAME_PERSON + by_chance:
            raise GenobenchError(
                f"{file.path}: {text}; the same people under other ids? A member cannot be a "
                "non-member: give people who were not trained on"
            )
        if n:
            notes.append(
                f"{file.name}: {text}. If they are the same people, or twins, leaks look smaller "
                "than they are."
            )


def with_families(files: Sequence[GenotypeFile], notes: list[str]) -> list[GenotypeFile]:
    """Real people with a ``family``: a FID that several, but not very many, of them share."""
    sizes = pd.concat([file.cohort.samples["fid"] for file in files]).value_counts()
    families = sizes[(sizes > 1) & (sizes <= LARGEST_FAMILY * sizes.sum())].drop(
        "0", errors="ignore"
    )
    if families.empty:
        return list(files)
    notes.append(
        f"{int(families.sum()):,} real people share their FID with others and are taken as "
        f"{len(families):,} families, of which attacks count each once."
    )
    named = []
    for file in files:
        fid = file.cohort.samples["fid"]
        table = file.cohort.samples.assign(family=fid.where(fid.isin(families.index), ""))
        named.append(replace(file, cohort=replace(file.cohort, samples=table)))
    known = set(named[0].cohort.samples["family"]) - {""}
    torn = {f.name: int(f.cohort.samples["family"].isin(known).sum()) for f in named[1:]}
    notes += [
        f"{name}: {n:,} people have family among the training people, which makes leaks look "
        "smaller than they are."
        for name, n in torn.items()
        if n
    ]
    return named


def _each(genotypes: Genotypes) -> NDArray[np.void]:
    """Each row as one opaque value."""
    g = np.ascontiguousarray(genotypes)
    return g.view(np.dtype((np.void, g.shape[1]))).ravel()


def _rows(genotypes: Genotypes) -> NDArray[np.void]:
    return np.unique(_each(genotypes))


def _ids(file: GenotypeFile) -> list[tuple[str, str]]:
    samples = file.cohort.samples
    return list(zip(samples["fid"], samples["iid"], strict=True))
