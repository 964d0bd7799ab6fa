"""The embedded cohort: a coalescent simulation with structure, relatives and a disease.

Two populations that split 2,000 generations ago and a third that mixed 12 generations ago; unlinked
regions of unequal length, each a row of haplotype blocks between recombination hot spots; families
by meiosis of simulated parents; a liability-threshold disease (Falconer 1965) with known causal
variants and a sex effect.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from genobench.cohort import Cohort, Genotypes, Trait
from genobench.data import cache
from genobench.data.pedigree import (
    POPULATIONS,
    Haplotypes,
    Pedigree,
    draw_pedigree,
    with_children,
)
from genobench.data.plink import write_plink
from genobench.errors import GenobenchError
from genobench.seeds import derive, rng

SIMULATION_VERSION = 1  # raise when the same specification would give other people
CHROMOSOMES = 22


@dataclass(frozen=True)
class SimulationSpec:
    """What to simulate; the defaults are the embedded cohort.

    Attributes
    ----------
    people, snps
        Size of the cohort. ``snps`` is reached exactly: more are simulated, then thinned.
    seed
        Equal specifications give equal cohorts, to the byte.
    regions, shortest, longest
        Number of unlinked regions and the range of their lengths, base pairs.
    cold_rate, hot_rate, hot_length, block_length
        Recombination per base pair and generation inside and between blocks, length of a hot spot
        and mean length of a block, base pairs.
    split_generations, mixed_generations, sizes
        When the two populations parted, when the third mixed, effective sizes of the first and of
        the other two.
    shares
        Shares of people in the three populations.
    minor_frequency
        Least minor-allele frequency kept.
    relatives
        Share of people who have a parent, child or sibling in the cohort.
    causal, heritability, prevalence, sex_effect
        Number of causal variants, their share of the liability's variance, share of cases, and
        how much higher men's mean liability is, in standard deviations.
    """

    people: int = 6000
    snps: int = 2400
    seed: int = 0
    regions: int = 30
    shortest: int = 30_000
    longest: int = 110_000
    cold_rate: float = 2e-9
    hot_rate: float = 1e-7
    hot_length: int = 1_500
    block_length: int = 30_000
    mutation_rate: float = 1.25e-8
    split_generations: int = 2_000
    mixed_generations: int = 12
    sizes: tuple[int, int] = (10_000, 5_000)
    shares: tuple[float, float, float] = (0.45, 0.40, 0.15)
    minor_frequency: float = 0.02
    relatives: float = 0.03
    causal: int = 100
    heritability: float = 0.35
    prevalence: float = 0.3
    sex_effect: float = 0.3

    @classmethod
    def sized(cls, people: int, snps: int, seed: int) -> SimulationSpec:
        """Specification of another size: as many regions and causal SNPs per SNP as the default."""
        default = cls()
        return cls(
            people=people,
            snps=snps,
            seed=seed,
            regions=max(2, -(-snps * default.regions // default.snps)) + 2,  # short ones to spare
            causal=max(1, snps * default.causal // default.snps),
        )

    def __post_init__(self) -> None:
        if self.people < 20 or self.snps < 1 or self.regions < 1:
            raise GenobenchError("a simulation needs at least 20 people, one SNP and one region")
        if not 0 < self.prevalence < 1 or not 0 <= self.heritability < 1:
            raise GenobenchError("prevalence and heritability must lie between 0 and 1")
        if not 0 <= self.relatives <= 0.8:
            raise GenobenchError("the share of relatives must lie between 0 and .8")

    @property
    def key(self) -> str:
        """Identity of the simulation: specification, version and msprime release."""
        content = [SIMULATION_VERSION, version("msprime"), asdict(self)]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:24]


def embedded(spec: SimulationSpec | None = None) -> Cohort:
    """Cohort of ``spec`` (default: the embedded one) from the cache, simulated when absent."""
    spec = spec or SimulationSpec()
    path = cache.folder() / "simulated" / f"{spec.key}.npz"
    cohort = cache.fetch(path)
    if cohort is None:
        cohort = simulate(spec)
        cache.store(cohort, path)
    return cohort


def export(cohort: Cohort, prefix: Path) -> list[Path]:
    """Write a simulated cohort for other programs.

    Returns
    -------
    list of Path
        .bed (with .bim, .fam), .pheno.tsv (FID, IID, label, population, family) and .causal.tsv
        (variants with their true effects).
    """
    trait = cohort.trait
    bed = write_plink(cohort, prefix)
    pheno, causal = (Path(f"{prefix}.{ending}.tsv") for ending in ("pheno", "causal"))
    table = cohort.samples[["fid", "iid", "population", "family"]]
    table = table.rename(columns={"fid": "FID", "iid": "IID"})
    if trait is not None:
        table.insert(2, trait.name, trait.values.astype(np.int64))
    try:
        table.to_csv(pheno, sep="\t", index=False)
        cohort.variants.to_csv(causal, sep="\t", index=False)
    except OSError as error:
        raise GenobenchError(f"{prefix}: cannot be written: {error.strerror}") from error
    return [bed, pheno, causal]


def simulate(spec: SimulationSpec) -> Cohort:
    """Simulate a cohort.

    Returns
    -------
    Cohort
        Binary trait ``disease``; ``variants`` with ``causal`` (bool) and ``beta`` (liability
        standard deviations per copy of the counted, minor allele); ``samples`` with ``population``
        and ``family``. People stand in random order.

    Raises
    ------
    GenobenchError
        When the regions do not hold ``snps`` variants of the wanted frequency.
    """
    pedigree = draw_pedigree(spec.people, spec.relatives, spec.shares, seed=spec.seed)
    parts, sites = [], []
    for region, length in enumerate(_region_lengths(spec)):
        founders, positions, recombination = _founders(spec, region, length, pedigree)
        meiosis = rng(spec.seed, "meiosis", region)
        haplotypes = with_children(founders, positions, recombination, pedigree, meiosis)
        kept = _common(haplotypes, spec.minor_frequency)
        parts.append(_genotypes(haplotypes[kept]))
        sites.append(_site_table(region, positions[kept]))
    genotypes, variants = _thin(np.concatenate(parts, axis=1), pd.concat(sites), spec)
    return _with_disease(genotypes, variants, pedigree.samples(seed=spec.seed), spec)


def founder_regions(spec: SimulationSpec) -> Iterator[tuple[Haplotypes, pd.DataFrame]]:
    """Haplotypes of ``spec.people`` unrelated people, one region after the other.

    Yields
    ------
    haplotypes, sites
        (sites, 2 x people) at sites of the wanted frequency, people in order of population;
        chromosome, position, region, order of each site, and Morgan from where the region begins.
    """
    pedigree = draw_pedigree(spec.people, 0.0, spec.shares, seed=spec.seed)
    for region, length in enumerate(_region_lengths(spec)):
        haplotypes, positions, recombination = _founders(spec, region, length, pedigree)
        kept = _common(haplotypes, spec.minor_frequency)
        morgan = recombination.get_cumulative_mass(positions[kept])
        yield haplotypes[kept], _site_table(region, positions[kept]).assign(morgan=morgan)


def _region_lengths(spec: SimulationSpec) -> NDArray[np.int64]:
    return rng(spec.seed, "lengths").integers(spec.shortest, spec.longest + 1, size=spec.regions)


def _founders(
    spec: SimulationSpec, region: int, length: int, pedigree: Pedigree
) -> tuple[Haplotypes, NDArray[np.int64], Any]:
    """Haplotypes of the founders, positions and the recombination map of one region."""
    import msprime

    recombination = _recombination(spec, region, length)
    counts = np.bincount(pedigree.populations, minlength=3)
    trees = msprime.sim_ancestry(
        {name: int(n) for name, n in zip(POPULATIONS, counts, strict=True) if n},
        demography=_demography(spec),
        recombination_rate=recombination,
        random_seed=_msprime_seed(spec.seed, "ancestry", region),
    )
    trees = msprime.sim_mutations(
        trees,
        rate=spec.mutation_rate,
        model=msprime.BinaryMutationModel(),
        random_seed=_msprime_seed(spec.seed, "mutations", region),
    )
    haplotypes = np.asarray(trees.genotype_matrix(), dtype=np.int8)
    return haplotypes, trees.tables.sites.position.astype(np.int64), recombination


def _msprime_seed(seed: int, *axes: str | int) -> int:
    """msprime takes 1 to 2**32 - 1."""
    return derive(seed, *axes) % (2**32 - 1) + 1


def _demography(spec: SimulationSpec) -> Any:
    import msprime

    demography = msprime.Demography()
    first, second, mixed = POPULATIONS
    for name, size in ((first, 0), (second, 1), (mixed, 1), ("ANCESTRAL", 0)):
        demography.add_population(name=name, initial_size=spec.sizes[size])
    demography.add_admixture(
        time=spec.mixed_generations,
        derived=mixed,
        ancestral=[first, second],
        proportions=[0.6, 0.4],
    )
    demography.add_population_split(
        time=spec.split_generations, derived=[first, second], ancestral="ANCESTRAL"
    )
    return demography


def _recombination(spec: SimulationSpec, region: int, length: int) -> Any:
    """Blocks of random length at the cold rate, hot spots between them."""
    import msprime

    draw = rng(spec.seed, "hot spots", region)
    edges, rates = [0], []
    while True:
        start = edges[-1] + int((0.3 + 0.7 * draw.exponential()) * spec.block_length)
        if start + spec.hot_length >= length:
            break
        edges += [start, start + spec.hot_length]
        rates += [spec.cold_rate, spec.hot_rate]
    return msprime.RateMap(position=[*edges, length], rate=[*rates, spec.cold_rate])


def _common(haplotypes: Haplotypes, minor_frequency: float) -> NDArray[np.int64]:
    """Sites of the wanted frequency, one of each run that is the same in everybody."""
    frequency = haplotypes.mean(axis=1)
    sites = np.flatnonzero(np.minimum(frequency, 1 - frequency) >= minor_frequency)
    _, first = np.unique(np.packbits(haplotypes[sites], axis=1), axis=0, return_index=True)
    return sites[np.sort(first)]


def _genotypes(haplotypes: Haplotypes) -> Genotypes:
    """(people, sites), copies of the minor allele."""
    genotypes = haplotypes[:, 0::2] + haplotypes[:, 1::2]
    major = genotypes.mean(axis=1) > 1
    genotypes[major] = 2 - genotypes[major]
    counted: Genotypes = np.ascontiguousarray(genotypes.T)
    return counted


def _site_table(region: int, positions: NDArray[np.int64]) -> pd.DataFrame:
    """Regions fill the chromosomes in turn; two on one chromosome lie 40 Mb apart."""
    start = 10_000_000 + 40_000_000 * (region // CHROMOSOMES)
    chromosome = region % CHROMOSOMES + 1
    return pd.DataFrame(
        {"chrom": str(chromosome), "pos": start + positions, "region": region, "order": chromosome}
    )


def _thin(
    genotypes: Genotypes, sites: pd.DataFrame, spec: SimulationSpec
) -> tuple[Genotypes, pd.DataFrame]:
    """``spec.snps`` of the variants, at random, in genome order, with alleles and names."""
    if len(sites) < spec.snps:
        raise GenobenchError(
            f"the simulated regions hold {len(sites)} SNPs of minor-allele frequency "
            f">= {spec.minor_frequency}, fewer than the {spec.snps} asked for: "
            "ask for fewer SNPs or for more or longer regions"
        )
    draw = rng(spec.seed, "thinning")
    kept = draw.choice(len(sites), size=spec.snps, replace=False)
    table = sites.reset_index(drop=True).iloc[kept].sort_values(["order", "pos"])
    alleles = np.array([draw.choice(list("ACGT"), size=2, replace=False) for _ in kept])
    variants = table[["chrom", "pos"]].assign(
        id=[f"{c}:{p}" for c, p in zip(table["chrom"], table["pos"], strict=True)],
        counted=alleles[:, 0].astype(object),
        other=alleles[:, 1].astype(object),
        region=table["region"],
    )
    thinned: Genotypes = np.ascontiguousarray(genotypes[:, table.index])
    return thinned, variants.reset_index(drop=True)


def _with_disease(
    genotypes: Genotypes, variants: pd.DataFrame, samples: pd.DataFrame, spec: SimulationSpec
) -> Cohort:
    """Liability = genetic + sex + noise; the highest ``prevalence`` of people are cases."""
    draw = rng(spec.seed, "disease")
    causal = draw.choice(spec.snps, size=min(spec.causal, spec.snps), replace=False)
    dosage = genotypes[:, causal].astype(np.float64)
    # equal expected variance per variant: rarer alleles have the larger effects
    effects = draw.normal(size=len(causal)) / dosage.std(axis=0)
    genetic = dosage @ effects
    scale = np.sqrt(spec.heritability) / genetic.std()
    liability = scale * genetic + spec.sex_effect * (samples["sex"].to_numpy() == 1)
    liability += draw.normal(scale=np.sqrt(1 - spec.heritability), size=len(samples))
    disease = liability > np.quantile(liability, 1 - spec.prevalence)
    beta = np.zeros(spec.snps)
    beta[causal] = scale * effects
    variants = variants.assign(causal=beta != 0, beta=beta)
    trait = Trait("disease", "binary", disease.astype(np.float32))
    return Cohort(genotypes, variants, samples, trait)
