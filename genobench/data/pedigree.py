"""Who is related to whom in a simulated cohort, and what parents pass on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from genobench.seeds import rng

POPULATIONS = ("POP_A", "POP_B", "ADMIXED")

Haplotypes = NDArray[np.int8]  # (sites, 2 x people): columns 2i and 2i + 1 are person i's


@dataclass(frozen=True)
class Pedigree:
    """Founders in order of population; children (father, mother) of founders; who is observed."""

    populations: NDArray[np.int64]  # (founders,), ascending
    parents: NDArray[np.int64]  # (children, 2)
    observed: NDArray[np.int64]  # founders, then children, in the cohort's order
    families: NDArray[np.int64]  # (founders + children,), -1 = none

    def samples(self, *, seed: int) -> pd.DataFrame:
        """Sample table of the observed."""
        populations = np.concatenate([self.populations, self.populations[self.parents[:, 0]]])
        families = self.families[self.observed]
        width = len(str(len(self.observed)))
        iid = [f"S{i:0{width}d}" for i in range(len(self.observed))]
        family = [f"F{f:0{width}d}" if f >= 0 else i for f, i in zip(families, iid, strict=True)]
        return pd.DataFrame(
            {
                "fid": family,
                "iid": iid,
                "sex": rng(seed, "sex").integers(1, 3, size=len(iid)),
                "population": np.array(POPULATIONS, dtype=object)[populations[self.observed]],
                "family": family,
            }
        )


def draw_pedigree(
    people: int, relatives: float, shares: tuple[float, float, float], *, seed: int
) -> Pedigree:
    """Three kinds of family in turn: parents and two children, parent and child, two siblings."""
    draw = rng(seed, "pedigree")
    kinds = ((2, 2), (1, 1), (0, 2))  # (parents, children) who are observed
    wanted = round(relatives * people)
    families: list[tuple[int, int]] = []
    while (size := sum(map(sum, families))) < wanted:
        kind = kinds[len(families) % len(kinds)]
        if size + sum(kind) > people:
            break
        families.append(kind)
    related = sum(map(sum, families))
    founders = people - related + 2 * len(families)
    populations = np.sort(draw.choice(3, size=founders, p=shares))
    family = np.full(founders, -1)
    couples = _couples(populations, len(families), draw)
    family[couples] = np.arange(len(families))[:, None]
    hidden = [c for couple, (n, _) in zip(couples, families, strict=True) for c in couple[n:]]
    children = [couple for couple, (_, n) in zip(couples, families, strict=True) for _ in range(n)]
    children_family = np.repeat(np.arange(len(families)), [n for _, n in families])
    everybody = np.arange(founders + len(children))
    observed = draw.permutation(np.setdiff1d(everybody, np.array(hidden, dtype=np.int64)))
    parents = np.array(children, dtype=np.int64).reshape(-1, 2)
    return Pedigree(populations, parents, observed, np.concatenate([family, children_family]))


def _couples(
    populations: NDArray[np.int64], count: int, draw: np.random.Generator
) -> NDArray[np.int64]:
    """``count`` disjoint pairs of founders, both of one population."""
    pairs = [
        members[: len(members) // 2 * 2].reshape(-1, 2)
        for p in range(3)
        if len(members := draw.permutation(np.flatnonzero(populations == p))) > 1
    ]
    return draw.permutation(np.concatenate(pairs))[:count]


def with_children(
    founders: Haplotypes,
    positions: NDArray[np.int64],
    recombination: Any,
    pedigree: Pedigree,
    draw: np.random.Generator,
) -> Haplotypes:
    """Haplotypes of the observed: each child gets one gamete of each parent.

    Parameters
    ----------
    founders
        (sites, 2 x founders).
    positions
        (sites,) base pairs, ascending.
    recombination
        msprime RateMap of the region.
    """
    gametes = np.empty((len(positions), pedigree.parents.size), dtype=np.int8)
    for i, parent in enumerate(pedigree.parents.ravel()):
        strand = _gamete(positions, recombination, draw)
        gametes[:, i] = founders[np.arange(len(positions)), 2 * parent + strand]
    columns = np.stack([2 * pedigree.observed, 2 * pedigree.observed + 1], axis=1).ravel()
    haplotypes: Haplotypes = np.concatenate([founders, gametes], axis=1)[:, columns]
    return haplotypes


def _gamete(
    positions: NDArray[np.int64], recombination: Any, draw: np.random.Generator
) -> NDArray[np.int64]:
    """Which of the parent's two strands each site comes from: a Poisson number of crossovers."""
    strand = np.full(len(positions), draw.integers(2))
    for _ in range(draw.poisson(recombination.total_mass)):
        where = np.interp(
            draw.uniform(0, recombination.total_mass),
            recombination.get_cumulative_mass(recombination.position),
            recombination.position,
        )
        strand[positions >= where] ^= 1
    return strand
