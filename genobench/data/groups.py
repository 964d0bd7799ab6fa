"""Who belongs together, so that no family or cage stands in two parts of the split."""

from __future__ import annotations

import hashlib
import json
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from genobench.cohort import Genotypes
from genobench.data import cache, kinship, kinship_planes
from genobench.data.journal import Journal
from genobench.data.labels import NOBODY, Labels
from genobench.data.prepare import DataSpec
from genobench.data.scan import Say
from genobench.data.source import Source, spaced

SPACED = 10_000  # SNPs read from a file, evenly spaced, to find relatives
READ = 1_000  # of them at a time: a file is read for everybody


def of_source(
    spec: DataSpec, source: Source, labels: Labels, say: Say
) -> tuple[NDArray[Any], dict[str, Any]]:
    """Groups of people whose genotypes are not loaded as a whole."""
    if labels.group is not None:
        return named(spec, labels.group)
    samples, columns = source.samples.iloc[labels.people], spaced(len(source.variants), SPACED)
    if len(labels.people) <= kinship.MOST_PEOPLE:
        some = source.read(labels.people, columns)
        return found(some.genotypes, some.variants, samples, say)
    few = _thinned(labels.people)
    parts = np.split(columns, range(READ, len(columns), READ))
    families = kinship_planes.find_families(
        len(labels.people),
        np.hstack([source.read(few, part).genotypes for part in parts]),
        source.variants.iloc[columns],
        lambda chosen: source.read(labels.people, columns[chosen]).genotypes,
        journal=partial(_journal, source, labels),
        say=say,
    )
    return _joined(families, samples)


def _thinned(people: NDArray[np.int64]) -> NDArray[np.int64]:
    """Some of very many, from whom SNPs are chosen."""
    return people[:: max(1, len(people) // kinship_planes.THIN)]


def _journal(source: Source, labels: Labels, recipe: list[Any]) -> Journal | None:
    """Journal of the same files, people and ``recipe``; none for what is in memory anyway."""
    identity = source.identity()
    if identity is None:
        return None
    key = hashlib.sha256(json.dumps([identity, recipe]).encode())
    key.update(np.ascontiguousarray(labels.people).tobytes())
    return Journal(cache.folder() / "relatives" / key.hexdigest()[:24])


def named(spec: DataSpec, names: NDArray[Any]) -> tuple[NDArray[Any], dict[str, Any]]:
    """Groups by a column; empty text is nobody's group."""
    codes = _coded(names)
    if spec.group == NOBODY:
        return codes, {"method": "none", "reason": "asked for, or the data set's default"}
    sizes = np.bincount(codes)
    return codes, {
        "method": f"column {spec.group}",
        "groups": int((sizes > 1).sum()),
        "people_in_groups": int(sizes[sizes > 1].sum()),
        "largest": int(sizes.max(initial=0)),
    }


def _coded(names: NDArray[Any]) -> NDArray[np.int64]:
    """Number of each person's group; everybody without a name gets a number of their own."""
    codes = pd.factorize(names)[0].astype(np.int64)
    alone = np.flatnonzero(names == "")
    codes[alone] = codes.max(initial=-1) + 1 + np.arange(len(alone))
    return codes


def found(
    genotypes: Genotypes, variants: pd.DataFrame, samples: pd.DataFrame, say: Say
) -> tuple[NDArray[Any], dict[str, Any]]:
    """Families by kinship, joined with those that share a family id."""
    n = len(genotypes)
    if n > kinship.MOST_PEOPLE:
        families = kinship_planes.find_families(
            n,
            genotypes[_thinned(np.arange(n))],
            variants,
            lambda chosen: genotypes[:, chosen],
            say=say,
        )
    else:
        families = kinship.find_families(genotypes, variants)
    return _joined(families, samples)


def _joined(
    families: kinship.Families, samples: pd.DataFrame
) -> tuple[NDArray[Any], dict[str, Any]]:
    """With those who share a family id."""
    group, joined = kinship.with_family_ids(families.group, samples["fid"].to_numpy())
    return group, {**families.summary, "family_ids": joined}
