"""Reference levels: synthetic people of known quality, which every metric must put in their place.

Each level is a function of real people and a generator of random numbers. Those that are registered
generators are fitted and sampled as the harness would; the rest are a few lines.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from genobench.cohort import Cohort, Genotypes, Trait
from genobench.generator import Budget
from genobench.registry import find_generator

COLLAPSED = 50  # people who stand for everybody


@dataclass(frozen=True, eq=False)
class World:
    """Four samples of one population, equal in size.

    Attributes
    ----------
    train
        T, the members.
    holdout
        H, the non-members, on whom everything is measured.
    reference
        R, the attacker's own.
    fresh
        Further people: the ceiling.
    """

    train: Cohort
    holdout: Cohort
    reference: Cohort
    fresh: Cohort


Level = Callable[[World, np.random.Generator], Cohort]


def real(world: World, rng: np.random.Generator) -> Cohort:
    """A second real sample."""
    return _generated("real", world.fresh, rng)


def copy(world: World, rng: np.random.Generator) -> Cohort:
    """The training people."""
    return _generated("copy", world.train, rng)


def noise05(world: World, rng: np.random.Generator) -> Cohort:
    """Training people with 5 % of the calls redrawn."""
    return noise(world, rng, rate=0.05)


def noise20(world: World, rng: np.random.Generator) -> Cohort:
    """Training people with 20 % of the calls redrawn."""
    return noise(world, rng, rate=0.2)


def mosaic16(world: World, rng: np.random.Generator) -> Cohort:
    """Segments of 16 SNPs from training people."""
    return _generated("mosaic16", world.train, rng, segment=16)


def mosaic64(world: World, rng: np.random.Generator) -> Cohort:
    """Segments of 64 SNPs from training people."""
    return _generated("mosaic16", world.train, rng, segment=64)


def leak1pct(world: World, rng: np.random.Generator) -> Cohort:
    """Fresh people, one in a hundred exchanged for a training person."""
    return mixture(world, rng, share=0.01)


def hwe(world: World, rng: np.random.Generator) -> Cohort:
    """Independent sites at the training people's allele frequencies."""
    return _generated("hwe", world.train, rng)


def cond_hwe(world: World, rng: np.random.Generator) -> Cohort:
    """Independent sites at the allele frequencies of either class."""
    return _generated("cond_hwe", world.train, rng)


def permuted_labels(world: World, rng: np.random.Generator) -> Cohort:
    """Training people under shuffled labels."""
    trait = world.train.trait
    assert trait is not None
    return world.train.with_trait(Trait(trait.name, trait.kind, rng.permutation(trait.values)))


def collapse(world: World, rng: np.random.Generator) -> Cohort:
    """Fifty training people over and over."""
    few = rng.choice(world.train.n, COLLAPSED, replace=False)
    return world.train.take(few[np.arange(world.train.n) % COLLAPSED])


LEVELS: dict[str, Level] = {
    level.__name__: level
    for level in (
        real,
        copy,
        noise05,
        noise20,
        mosaic16,
        mosaic64,
        leak1pct,
        hwe,
        cond_hwe,
        permuted_labels,
        collapse,
    )
}


def noise(world: World, rng: np.random.Generator, *, rate: float) -> Cohort:
    """Training people with a share of the calls redrawn."""
    return _generated("noise05", world.train, rng, rate=rate)


def mixture(world: World, rng: np.random.Generator, *, share: float) -> Cohort:
    """Fresh people, a share of them exchanged for training people."""
    rows: Genotypes = np.array(world.fresh.genotypes)
    leaked = round(share * len(rows))
    places = rng.choice(len(rows), leaked, replace=False)
    rows[places] = world.train.genotypes[rng.choice(world.train.n, leaked, replace=False)]
    return replace(world.fresh, genotypes=rows)


def _generated(name: str, people: Cohort, rng: np.random.Generator, **settings: Any) -> Cohort:
    """Sample of a registered generator that was fitted to ``people``, with their labels."""
    fit, sample = (int(s) for s in rng.integers(0, 2**31, 2))
    generator = find_generator(name).load()(**settings)
    generator.fit(people, people, seed=fit, budget=Budget())
    return replace(people, genotypes=generator.sample(people.labels, seed=sample))
