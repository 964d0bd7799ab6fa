"""Association, quality and clumping of SNPs that stay in their files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genobench.cohort import Trait
from genobench.data import cache
from genobench.data.clump import LD_PEOPLE, clump
from genobench.data.gwas import Association, NullModel
from genobench.data.journal import Arrays, Journal
from genobench.data.labels import Labels
from genobench.data.scan import Design, Say, Scan, scan
from genobench.data.source import Source

STREAM_VERSION = 1  # raise when the same people and files would give other numbers


def associated(
    source: Source,
    labels: Labels,
    train: NDArray[np.int64],
    components: Callable[[], NDArray[np.float64]],
    *,
    recipe: list[Any],
    say: Say,
) -> tuple[Scan, int]:
    """Pass over ``source``: quality among the labelled, association in the training people.

    What is finished is kept in the cache, so that a pass that was stopped goes on where it was.

    Parameters
    ----------
    train
        Positions of the training people among the labelled.
    components
        Makes their principal components, (train, c); not called when an earlier pass has kept them.
    recipe
        What ``components`` depends on besides people and files (JSON).

    Returns
    -------
    found, count
        The pass, and how many components there were.
    """
    journal = _journal(source, labels, train, recipe)
    kept = None if journal is None else journal.load("design")
    if kept is None:
        kept = _design(source, labels, train, components())
        if journal is not None:
            journal.store("design", kept)
    found = scan(source, Design.from_arrays(kept), journal=journal, say=say)
    return found, int(kept["components"])


def unlinked(
    source: Source,
    people: NDArray[np.int64],
    ranking: NDArray[np.int64],
    association: Association,
    *,
    r2: float,
    most: int,
    window_kb: float = 250.0,
) -> NDArray[np.int64]:
    """Of ``ranking``, the strongest first, the ``most`` first SNPs that clumping leaves.

    LD is that of at most `LD_PEOPLE` of ``people``; only their calls at the SNPs of ``ranking`` are
    read, a chromosome at a time.
    """
    thin = people[:: max(1, -(-len(people) // LD_PEOPLE))]
    chromosome = source.variants["chrom"].to_numpy()[ranking]
    kept = []
    for name in dict.fromkeys(chromosome):
        columns = np.sort(ranking[chromosome == name])
        cohort = source.read(thin, columns)
        strength = np.abs(association.z[columns])
        taken = clump(cohort.genotypes, cohort.variants, strength, r2=r2, window_kb=window_kb)
        kept.append(columns[taken])
    left = np.isin(ranking, np.concatenate(kept)) if kept else np.zeros(0, dtype=bool)
    return np.asarray(ranking[left][:most])


def _journal(
    source: Source, labels: Labels, train: NDArray[np.int64], recipe: list[Any]
) -> Journal | None:
    """Journal of the same files, people and covariates; none for what is in memory anyway."""
    identity = source.identity()
    if identity is None:
        return None
    trait = labels.trait
    content = [STREAM_VERSION, identity, trait.name, trait.kind, recipe]
    key = hashlib.sha256(json.dumps(content).encode())
    for array in (labels.people, trait.values, labels.covariates, train):
        key.update(np.ascontiguousarray(array).tobytes())
    return Journal(cache.folder() / "scans" / key.hexdigest()[:24])


def _design(
    source: Source, labels: Labels, train: NDArray[np.int64], scores: NDArray[np.float64]
) -> Arrays:
    """Null model of the training people, laid out over everybody in the source."""
    trait = labels.trait
    null = NullModel(
        Trait(trait.name, trait.kind, trait.values[train]),
        np.hstack([labels.covariates[train], scores]),
    )
    controls = labels.people
    if trait.kind == "binary":
        controls = labels.people[trait.values == 0]
    design = Design.of(
        len(source.samples),
        null,
        training=labels.people[train],
        counted=labels.people,
        controls=controls,
    )
    return {**design.arrays(), "components": np.array(scores.shape[1])}
