"""Small LD-rich cohorts for every test: founder haplotypes copied in mosaics, numpy only."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from genobench.cohort import Cohort, Trait
from genobench.data.split import Split

CohortMaker = Callable[..., Cohort]


class World(NamedTuple):
    """What is the same for every cohort drawn from one population of populations."""

    founders: NDArray[np.int8]  # (K, m) alleles of the founder haplotypes
    weights: NDArray[np.float64]  # (populations, blocks, K) how common each founder is there
    effects: NDArray[np.float64]  # (m,) per copy, on the liability's scale
    centre: float  # mean of the genetic value


@cache
def _world(m: int, world: int, block: int, founders: int, populations: int, h2: float) -> World:
    """Founders, their frequencies per population and block, and causal effects."""
    rng = np.random.default_rng([world, m, block, founders, populations])
    blocks = -(-m // block)
    latent = _autoregressive(rng, founders, m) > 0.9 * _autoregressive(rng, 1, m)
    haplotypes = latent.astype(np.int8)
    # at least one carrier and one non-carrier, so that no SNP is monomorphic by construction
    haplotypes[rng.integers(0, founders // 2, m), np.arange(m)] = 1
    haplotypes[rng.integers(founders // 2, founders, m), np.arange(m)] = 0
    shared = rng.dirichlet(np.full(founders, 3.0), blocks)
    weights = np.stack(
        [np.stack([rng.dirichlet(40.0 * w + 0.2) for w in shared]) for _ in range(populations)]
    )
    effects = np.zeros(m)
    causal = rng.choice(m, size=max(1, m // 8), replace=False)
    effects[causal] = rng.normal(0.0, 1.0, len(causal))
    people, _ = _people(World(haplotypes, weights, effects, 0.0), 1000, block, rng)
    value = people @ effects
    scale = np.sqrt(h2) / max(float(value.std()), 1e-9)
    return World(haplotypes, weights, effects * scale, float(value.mean() * scale))


def _autoregressive(rng: np.random.Generator, rows: int, m: int) -> NDArray[np.float64]:
    """(rows, m) standard normal, correlation .85 per step along the row."""
    z = rng.normal(size=(rows, m))
    for j in range(1, m):
        z[:, j] = 0.85 * z[:, j - 1] + np.sqrt(1 - 0.85**2) * z[:, j]
    return z


def _people(
    world: World, n: int, block: int, rng: np.random.Generator
) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """(n, m) genotypes and (n,) population: per block one founder, in three of ten a second one.

    The switch falls anywhere inside the block, so that r2 decays with distance inside a block and
    is near 0 between blocks.
    """
    m = world.founders.shape[1]
    population = rng.integers(0, len(world.weights), n)
    genotypes = np.zeros((n, m), dtype=np.int8)
    for _ in range(2):
        for b, first in enumerate(range(0, m, block)):
            width = min(block, m - first)
            cumulative = world.weights[population, b].cumsum(axis=1)  # (n, K)
            one, two = (
                (rng.random((n, 1)) > cumulative).sum(axis=1).clip(max=cumulative.shape[1] - 1)
                for _ in range(2)
            )
            switch = np.where(rng.random(n) < 0.3, rng.integers(0, width + 1, n), width)
            source = np.where(np.arange(width) < switch[:, None], one[:, None], two[:, None])
            alleles = world.founders[source, np.arange(first, first + width)]
            genotypes[:, first : first + width] += alleles ^ (rng.random(alleles.shape) < 0.004)
    return genotypes, population


def ld_cohort(
    n: int = 400,
    m: int = 64,
    seed: int = 0,
    *,
    world: int = 0,
    block: int = 16,
    founders: int = 10,
    populations: int = 2,
    kind: Literal["binary", "quantitative"] = "binary",
    h2: float = 0.6,
) -> Cohort:
    """Cohort of ``n`` people drawn by ``seed`` from the populations of ``world``.

    Cohorts of one ``world`` (and m, block, founders, populations, h2) are samples of the same
    population: the same variants, allele frequencies, LD and effects, other people. Binary traits
    are liability above a threshold with about 40 % cases. Variants lie on chromosomes 1 and 2,
    1 kb apart inside a block and 200 kb between blocks; the first population is ``P0``.
    """
    fixed = _world(m, world, block, founders, populations, h2)
    rng = np.random.default_rng([7, world, seed])
    genotypes, population = _people(fixed, n, block, rng)
    liability = genotypes @ fixed.effects - fixed.centre + rng.normal(0, np.sqrt(1 - h2), n)
    values = liability > 0.2533 if kind == "binary" else liability
    site = np.arange(m)
    variants = pd.DataFrame(
        {
            "chrom": np.where(site // block < max(1, m // block // 2), "1", "2"),
            "pos": 1_000_000 + 1_000 * site + 200_000 * (site // block),
            "id": [f"rs{j + 1}" for j in site],
            "counted": np.where(site % 2, "A", "C"),
            "other": np.where(site % 2, "G", "T"),
            "causal": fixed.effects != 0,
            "beta": fixed.effects,
        }
    )
    people = [f"w{world}s{seed}p{i}" for i in range(n)]
    samples = pd.DataFrame(
        {
            "fid": people,
            "iid": people,
            "sex": rng.integers(1, 3, n),
            "population": [f"P{p}" for p in population],
        }
    )
    return Cohort(genotypes, variants, samples, Trait("toy", kind, values.astype(np.float32)))


@pytest.fixture(scope="session")
def make_cohort() -> CohortMaker:
    """The maker itself: ``make_cohort(n, m, seed, world=0, kind="binary", ...)``."""
    return ld_cohort


@pytest.fixture(scope="session")
def toy_split() -> Split:
    """1,000 people x 64 SNPs: train 400, validation 100, test 250, control 250."""
    everybody = ld_cohort(1000, 64, seed=0)
    edges = np.cumsum([0, 400, 100, 250, 250])
    return Split(*(everybody.take(slice(a, b)) for a, b in pairwise(edges)))


@pytest.fixture(scope="session")
def toy(toy_split: Split) -> Cohort:
    """400 people x 64 LD-rich SNPs, binary trait with signal: the training part of `toy_split`."""
    return toy_split.train
