"""Who is related to whom: KING-robust kinship and the families it implies.

Manichaikul et al. 2010, equation 11 in the form 1/2 - 1/4 sum (g_i - g_j)^2 / min(het_i, het_j).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from genobench.cohort import MISSING, Genotypes
from genobench.data.clump import clump

DEGREES = {0.0442: "third", 0.0884: "second", 0.177: "first"}  # kinship above is that, or closer
BANDS = tuple(DEGREES)
LEAST_INDEPENDENT = 500
MOST_INDEPENDENT = 2_000
MOST_PEOPLE = 20_000  # in tiles of floats; of more, `kinship_planes` looks at every pair
MANY_VERSION = 1  # raise when more people than that would be put together otherwise
LARGEST_SHARE = 0.1
PRUNE_R2 = 0.1
TILE = 2_048


@dataclass(frozen=True, eq=False)
class Families:
    """Groups of people who must stay together.

    Attributes
    ----------
    group
        (n,) group of each person, 0, 1, ...; people without relatives are alone in theirs.
    summary
        What was done, in counts: JSON-able, without ids.
    """

    group: NDArray[np.int64]
    summary: dict[str, Any]


def kinship_tile(first: Genotypes, second: Genotypes) -> NDArray[np.float32]:
    """KING-robust kinship of every person of ``first`` with every one of ``second``.

    Parameters
    ----------
    first, second
        (a, m) and (b, m); SNPs missing in either of a pair are left out for that pair.

    Returns
    -------
    NDArray[np.float32]
        (a, b); .5 for the same genotypes, .25 parent and child; NaN without shared heterozygotes.
    """
    a, b = (_Terms(g) for g in (first, second))
    if a.complete and b.complete:
        squared = a.square.sum(1)[:, None] + b.square.sum(1)[None] - 2 * (a.dosage @ b.dosage.T)
        het = np.minimum(a.het.sum(1)[:, None], b.het.sum(1)[None])
    else:
        squared = a.square @ b.called.T + a.called @ b.square.T - 2 * (a.dosage @ b.dosage.T)
        het = np.minimum(a.het @ b.called.T, a.called @ b.het.T)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(het > 0, 0.5 - 0.25 * squared / het, np.nan).astype(np.float32)


class _Terms:
    """The matrices of which sums over pairs are products; counts stay exact in float32."""

    def __init__(self, genotypes: Genotypes) -> None:
        self.called = (genotypes != MISSING).astype(np.float32)
        self.complete = bool(self.called.all())
        self.dosage = np.maximum(genotypes, 0).astype(np.float32)
        self.square = self.dosage**2
        self.het = (genotypes == 1).astype(np.float32)


def related_pairs(
    genotypes: Genotypes, *, least: float = BANDS[0]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Pairs (i < j) whose kinship exceeds ``least``: (pairs, 2) and their kinship, by tiles."""
    pairs, values = [np.zeros((0, 2), dtype=np.int64)], [np.zeros(0, dtype=np.float32)]
    for i in range(0, len(genotypes), TILE):
        for j in range(i, len(genotypes), TILE):
            kinship = kinship_tile(genotypes[i : i + TILE], genotypes[j : j + TILE])
            rows, columns = np.nonzero(kinship > least)
            above = rows + i < columns + j
            rows, columns = rows[above], columns[above]
            pairs.append(np.stack([rows + i, columns + j], axis=1))
            values.append(kinship[rows, columns])
    return np.concatenate(pairs), np.concatenate(values)


def independent_variants(
    genotypes: Genotypes,
    variants: pd.DataFrame,
    *,
    least_maf: float = 0.05,
    most: int = MOST_INDEPENDENT,
) -> NDArray[np.int64]:
    """Common SNPs pruned to r2 <= .1 within 1 Mb, at most ``most``, spread over the genome."""
    people = genotypes[:: max(1, len(genotypes) // 5_000)]
    called = people != MISSING
    count = called.sum(axis=0)
    frequency = np.where(called, people, 0).sum(axis=0) / np.maximum(2 * count, 1)
    common = np.minimum(frequency, 1 - frequency) >= least_maf
    candidates = np.flatnonzero(common & (count >= 0.95 * len(people)))
    # five candidates per SNP wanted bound the cost of pruning on a dense chip
    candidates = candidates[:: max(1, len(candidates) // (5 * most))]
    kept = clump(
        people[:, candidates],
        variants.iloc[candidates],
        np.zeros(len(candidates)),
        r2=PRUNE_R2,
        window_kb=1000,
    )
    kept = np.sort(candidates[kept])
    return kept[np.unique(np.linspace(0, len(kept) - 1, min(len(kept), most)).astype(np.int64))]


def find_families(genotypes: Genotypes, variants: pd.DataFrame) -> Families:
    """Connected components of relatives, to the third degree where the SNPs can tell.

    Skipped, with the reason in the summary, below `LEAST_INDEPENDENT` independent SNPs, where KING
    is mostly noise. Above `MOST_PEOPLE` people use `genobench.data.kinship_planes.find_families`.
    """
    n = len(genotypes)
    chosen = independent_variants(genotypes, variants)
    if len(chosen) < LEAST_INDEPENDENT:
        reason = f"{len(chosen)} independent SNPs, KING needs {LEAST_INDEPENDENT}"
        return Families(np.arange(n, dtype=np.int64), {"method": "none", "reason": reason})
    pairs, kinship = related_pairs(np.ascontiguousarray(genotypes[:, chosen]))
    return grouped(n, pairs, kinship, BANDS, len(chosen))


def grouped(
    n: int,
    pairs: NDArray[np.int64],
    kinship: NDArray[np.float32],
    bands: Sequence[float],
    snps: int,
) -> Families:
    """Connected components of the pairs above the first of ``bands``, ascending.

    When one component would hold more than a tenth of the people, as chance and population
    structure can make it, the next closer degree is used.
    """
    for threshold in bands:
        group = components(n, pairs[kinship > threshold])
        largest = int(np.bincount(group).max(initial=0))
        if largest <= max(LARGEST_SHARE * n, 2):
            break
    sizes = np.bincount(group)
    return Families(
        group,
        {
            "method": "KING-robust",
            "independent_snps": snps,
            "threshold": threshold,
            "pairs": int((kinship > threshold).sum()),
            "people_with_relatives": int(sizes[sizes > 1].sum()),
            "families": int((sizes > 1).sum()),
            "largest": largest,
        },
    )


def components(n: int, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Group of each of ``n`` people when both of every pair must stay together."""
    graph = coo_matrix((np.ones(len(pairs), dtype=np.int8), (pairs[:, 0], pairs[:, 1])), (n, n))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def with_family_ids(
    group: NDArray[np.int64], fid: NDArray[Any]
) -> tuple[NDArray[np.int64], dict[str, Any]]:
    """Join groups that share a family id (FID).

    Ids that more than a tenth of the people share say nothing of families (a constant column, a
    batch) and are left aside, all of them.

    Returns
    -------
    group, summary
        (n,) joined groups, and counts for the report.
    """
    n = len(group)
    codes = pd.factorize(fid)[0]
    named = (fid != "0") & (fid != "")
    sizes = np.bincount(codes[named], minlength=codes.max(initial=-1) + 1)
    if sizes.max(initial=0) > max(LARGEST_SHARE * n, 2):
        return group, {"used": False, "reason": "more than a tenth of the people share one"}
    first = np.full(len(sizes), -1)
    pairs = []
    for person in np.flatnonzero(named & (sizes[codes] > 1)):
        if first[codes[person]] < 0:
            first[codes[person]] = person
        pairs.append((first[codes[person]], person))
    _, leader = np.unique(group, return_index=True)
    linked = np.stack([leader[np.unique(group, return_inverse=True)[1]], np.arange(n)], axis=1)
    joined = np.concatenate([linked, np.array(pairs, dtype=np.int64).reshape(-1, 2)])
    return components(n, joined), {"used": True, "families": int((sizes > 1).sum())}
