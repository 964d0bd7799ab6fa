"""A cohort of biobank size: simulated founders, and everybody else a mosaic of their haplotypes.

Each haplotype follows one founder haplotype of its population and changes over to another where one
of some generations' crossovers falls, so that frequencies are the founders', and so is LD at
distances short beside 1 / generations Morgan. A share of people are children of two others. Only
one SNP of everybody is in memory at a time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from genobench.cohort import Genotypes, Trait
from genobench.data.pedigree import POPULATIONS, draw_pedigree
from genobench.data.plink import write_blocks
from genobench.data.plink_files import prefix_of
from genobench.data.simulate import SimulationSpec, founder_regions
from genobench.errors import GenobenchError
from genobench.seeds import rng

Say = Callable[[str], None]

LEAST_FOUNDERS = 100  # all populations are among so many


@dataclass(frozen=True)
class MosaicSpec:
    """What to write.

    Attributes
    ----------
    people, snps
        Size of the cohort.
    seed
        Equal specifications give equal files, to the byte.
    founders
        People of the coalescent simulation, of whose haplotypes all others are made.
    generations
        Meioses between founders and cohort.
    relatives
        Share of people who are in a family: two parents and two children.
    """

    people: int
    snps: int
    seed: int = 0
    founders: int = 2_000
    generations: int = 8
    relatives: float = 0.03

    def __post_init__(self) -> None:
        if self.people < 20 or self.founders < LEAST_FOUNDERS:
            raise GenobenchError(
                f"a biobank needs at least 20 people and {LEAST_FOUNDERS} founders"
            )
        if self.generations < 1 or not 0 <= self.relatives <= 0.8:
            raise GenobenchError(
                "a biobank needs at least one generation and a share of relatives between 0 and .8"
            )

    @property
    def simulation(self) -> SimulationSpec:
        """The founders', whose disease the cohort has too."""
        return SimulationSpec.sized(self.founders, self.snps, self.seed)


@dataclass(frozen=True, eq=False)
class Founders:
    """Haplotypes at the chosen SNPs.

    Attributes
    ----------
    packed
        (m, haplotypes / 8) bits, 1 = the counted allele, the rarer one among founders.
    sites
        m rows: chrom, pos, id, counted, other, region.
    distance
        (m,) Morgan from the SNP before; infinite where a region begins.
    populations
        (founders,) ascending.
    """

    packed: NDArray[np.uint8]
    sites: pd.DataFrame
    distance: NDArray[np.float64]
    populations: NDArray[np.int64]

    def haplotypes(self, snp: int) -> NDArray[np.int8]:
        """(2 x founders,) alleles at one SNP."""
        bits = np.unpackbits(self.packed[snp], count=2 * len(self.populations))
        return bits.astype(np.int8)


@dataclass(eq=False)
class _People:
    """Who the cohort is, and what its SNPs have added up to so far."""

    table: pd.DataFrame
    population: NDArray[np.int64]
    children: NDArray[np.int64]
    parents: NDArray[np.int64]  # (children, 2)
    genetic: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        self.genetic = np.zeros(len(self.table))


def write_biobank(spec: MosaicSpec, prefix: str | Path, *, say: Say = lambda _: None) -> Path:
    """Simulate and write ``prefix``.bed, .bim and .fam, a SNP at a time.

    The disease stands in the .fam, beside it in ``prefix``.pheno.tsv with population and family,
    and the true effects in ``prefix``.causal.tsv.

    Returns
    -------
    Path
        The .bed.

    Raises
    ------
    GenobenchError
        When the founders hold too few SNPs, or the files cannot be written.
    """
    say(f"simulating {spec.founders:,} founders at {spec.snps:,} SNPs")
    founders = simulate_founders(spec)
    people = _people(spec)
    effects = _effects(spec, founders)

    def settled() -> tuple[pd.DataFrame, Trait]:
        trait, scale = _disease(spec, people)
        _write_tables(prefix_of(prefix), people, trait, founders.sites, scale * effects)
        return people.table, trait

    blocks = _blocks(spec, founders, people, effects, say)
    return write_blocks(prefix, founders.sites, blocks, settled)


def _write_tables(
    base: Path, people: _People, trait: Trait, sites: pd.DataFrame, beta: NDArray[np.float64]
) -> None:
    """Phenotypes, and true effects in standard deviations of the liability."""
    table = people.table[["fid", "iid", "population"]].assign(disease=trait.values.astype(np.int64))
    table = table.rename(columns={"fid": "FID", "iid": "IID"})
    for ending, content in (
        ("pheno", table),
        ("causal", sites.assign(causal=beta != 0, beta=beta)),
    ):
        part = base.parent / f".{base.name}.{os.getpid()}.{ending}.part"
        try:
            content.to_csv(part, sep="\t", index=False)
            part.replace(f"{base}.{ending}.tsv")
        finally:
            part.unlink(missing_ok=True)


def simulate_founders(spec: MosaicSpec) -> Founders:
    """Founders' haplotypes at ``spec.snps`` SNPs, in genome order."""
    packed, tables = [], []
    for haplotypes, table in founder_regions(spec.simulation):
        rare = haplotypes.mean(axis=1) <= 0.5
        packed.append(np.packbits(np.where(rare[:, None], haplotypes, 1 - haplotypes), axis=1))
        tables.append(table)
    sites = pd.concat(tables, ignore_index=True)
    if len(sites) < spec.snps:
        raise GenobenchError(
            f"the founders hold {len(sites)} SNPs, fewer than the {spec.snps} asked for: ask for "
            "fewer SNPs, or for more founders"
        )
    draw = rng(spec.seed, "biobank SNPs")
    kept = np.sort(draw.choice(len(sites), size=spec.snps, replace=False))
    chosen = sites.iloc[kept]
    order = kept[np.lexsort((chosen["pos"], chosen["order"]))]
    chosen = sites.iloc[order].reset_index(drop=True)
    pedigree = draw_pedigree(spec.founders, 0.0, spec.simulation.shares, seed=spec.seed)
    return Founders(
        np.concatenate(packed)[order],
        _named(chosen, draw),
        _distances(chosen),
        pedigree.populations,
    )


def _distances(sites: pd.DataFrame) -> NDArray[np.float64]:
    """Morgan from the SNP before."""
    same = (sites["region"].diff() == 0).to_numpy()
    return np.where(same, sites["morgan"].diff().to_numpy(), np.inf)


def _named(sites: pd.DataFrame, draw: np.random.Generator) -> pd.DataFrame:
    """Sites with names and alleles."""
    letters = np.array(list("ACGT"), dtype=object)
    counted = draw.integers(4, size=len(sites))
    other = (counted + draw.integers(1, 4, size=len(sites))) % 4
    names = [f"{c}:{p}" for c, p in zip(sites["chrom"], sites["pos"], strict=True)]
    return sites[["chrom", "pos"]].assign(
        id=names, counted=letters[counted], other=letters[other], region=sites["region"]
    )


def _people(spec: MosaicSpec) -> _People:
    """Population, sex and family of everybody; both parents are of their children's population."""
    n, draw = spec.people, rng(spec.seed, "biobank people")
    population = draw.choice(len(POPULATIONS), size=n, p=spec.simulation.shares)
    order = draw.permutation(n)
    order = order[np.argsort(population[order], kind="stable")]
    fours = order[: n // 4 * 4].reshape(-1, 4)
    fours = fours[(population[fours] == population[fours[:, :1]]).all(axis=1)]
    families = draw.permutation(fours)[: round(spec.relatives * n / 4)]
    width = len(str(n))
    iid = np.array([f"B{i:0{width}d}" for i in range(n)], dtype=object)
    fid = iid.copy()
    fid[families] = iid[families[:, :1]]
    table = pd.DataFrame(
        {
            "fid": fid,
            "iid": iid,
            "sex": draw.integers(1, 3, size=n),
            "population": np.array(POPULATIONS, dtype=object)[population],
        }
    )
    parents = np.repeat(families[:, :2], 2, axis=0)
    return _People(table, population, families[:, 2:].ravel(), parents)


def _effects(spec: MosaicSpec, founders: Founders) -> NDArray[np.float64]:
    """(m,) unscaled effects: rarer alleles have the larger ones, as in the embedded cohort."""
    draw = rng(spec.seed, "biobank effects")
    m = len(founders.sites)
    causal = np.sort(draw.choice(m, size=min(m, max(1, spec.simulation.causal)), replace=False))
    effects = np.zeros(m)
    for snp, size in zip(causal, draw.normal(size=len(causal)), strict=True):
        p = founders.haplotypes(int(snp)).mean()
        effects[snp] = size / np.sqrt(2 * p * (1 - p))
    return effects


def _disease(spec: MosaicSpec, people: _People) -> tuple[Trait, float]:
    """Liability = genetic + sex + noise, and the factor that gives the effects their size."""
    known, draw = spec.simulation, rng(spec.seed, "biobank disease")
    scale = np.sqrt(known.heritability) / max(float(people.genetic.std()), 1e-12)
    liability = scale * people.genetic
    liability += known.sex_effect * (people.table["sex"].to_numpy() == 1)
    liability += draw.normal(scale=np.sqrt(1 - known.heritability), size=spec.people)
    cases = liability > np.quantile(liability, 1 - known.prevalence)
    return Trait("disease", "binary", cases.astype(np.float32)), float(scale)


def _blocks(
    spec: MosaicSpec,
    founders: Founders,
    people: _People,
    effects: NDArray[np.float64],
    say: Say,
) -> Iterator[Genotypes]:
    """(1, people) genotypes of each SNP in turn."""
    m = len(founders.sites)
    mosaic = _Mosaic(spec, founders, people)
    for snp in range(m):
        dosage = mosaic.dosage(snp)
        if effects[snp]:
            people.genetic += effects[snp] * dosage
        if snp and snp % max(m // 10, 1) == 0:
            say(f"{snp:,} of {m:,} SNPs are written")
        yield dosage[None]


class _Mosaic:
    """Which founder haplotype every haplotype of the cohort follows at the SNP in hand."""

    def __init__(self, spec: MosaicSpec, founders: Founders, people: _People) -> None:
        self.founders, self.generations = founders, spec.generations
        self.draw = rng(spec.seed, "biobank mosaic")
        first = np.searchsorted(founders.populations, people.population, side="left")
        last = np.searchsorted(founders.populations, people.population, side="right")
        self.first = np.repeat(2 * first, 2).astype(np.int32)  # a person's two stand together
        self.size = np.repeat(2 * (last - first), 2).astype(np.int32)
        self.followed = np.zeros(len(self.first), dtype=np.int32)
        self.inherited = np.stack([2 * people.children, 2 * people.children + 1], axis=1).ravel()
        self.parent = 2 * people.parents.ravel()
        self.strand = np.zeros(len(self.parent), dtype=np.int64)

    def dosage(self, snp: int) -> NDArray[np.int8]:
        """(people,) copies of the counted allele; SNPs are asked for in their order."""
        self._cross_over(float(self.founders.distance[snp]))
        alleles = self.founders.haplotypes(snp)[self.followed]
        alleles[self.inherited] = alleles[self.parent + self.strand]
        return np.asarray(alleles[0::2] + alleles[1::2], dtype=np.int8)

    def _cross_over(self, morgan: float) -> None:
        """New founders, and other strands of parents, where a crossover came between."""
        count = len(self.followed)
        if not np.isfinite(morgan):
            self.followed = self._drawn(self.first, self.size)
            self.strand = self.draw.integers(2, size=len(self.strand))
            return
        changed = self.draw.binomial(count, -np.expm1(-self.generations * morgan))
        where = np.unique(self.draw.integers(count, size=changed))
        self.followed[where] = self._drawn(self.first[where], self.size[where])
        crossed = self.draw.binomial(len(self.strand), -np.expm1(-2 * morgan) / 2)
        if crossed:
            self.strand[np.unique(self.draw.integers(len(self.strand), size=crossed))] ^= 1

    def _drawn(self, first: NDArray[np.int32], size: NDArray[np.int32]) -> NDArray[np.int32]:
        """Founder haplotypes of each one's population."""
        return first + (self.draw.random(len(first), dtype=np.float32) * size).astype(np.int32)
