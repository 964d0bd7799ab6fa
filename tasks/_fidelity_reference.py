"""What the fidelity task knows of real people before it sees a synthetic cohort."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from genobench import seeds
from genobench.cohort import Cohort, Genotypes
from genobench.metrics import (
    agreement,
    ancestry,
    distribution,
    frequency,
    ld,
    ld_score,
    manifold,
    structure,
    windows,
)
from genobench.metrics.encoder import train_encoder
from genobench.metrics.two_sample import runs

MOST = 5_000  # people of each kind in all that looks at pairs of people, halves or trees
KERNEL = 1_000  # people of each kind in the kernel matrix of the mean discrepancy
TEACHERS = 2_500  # training people behind the encoder and the populations
RESIDENTS = 20  # training people of a population, the fewest to place others by
VISITS = 4e7  # genotypes that the encoder sees in training: some seconds of one core
WIDE = 2_048  # SNPs of encoder, windows and triples; of more, runs of neighbours are drawn
LOCAL = 16  # SNPs apart, for correlation, slope and RMSE of r2
REACH = 64  # SNPs apart, for the decay curve and LD scores
AXES, COMPONENTS = 20, 10  # for the Frechet distance, and for the other distances on axes
NEIGHBOURS = 5
CURVE = (3, 5, 10, 50)

T = TypeVar("T")
Statistics = dict[str, NDArray[Any]]
Halves = tuple[Genotypes, Genotypes]


def rulers(train: Cohort, seed: int) -> Statistics:
    """Encoder and, where at least two populations are labelled, their classifier.

    Most real people are in training. Whoever copies them is measured by a ruler that has seen the
    originals, as everybody else's is not; the privacy task is where that is found.
    """
    columns = runs(train.m, WIDE, seeds.rng(seed, "fidelity", "runs"))
    rows = seeds.rng(seed, "fidelity", "teachers").permutation(train.n)[:TEACHERS]
    people = train.genotypes[rows]
    key = seeds.derive(seed, "fidelity", "encoder")
    encoder = train_encoder(people[:, columns], seed=key, visits=VISITS)
    facts = {"columns": columns, **_flat("encoder", encoder)}
    codes = _residents(train, rows)
    if codes.max() >= 1:
        known = codes >= 0
        fitted = ancestry.fit_populations(people[known], codes[known], components=COMPONENTS)
        facts |= _flat("populations", fitted)
    return facts


def _residents(train: Cohort, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """(rows,) number of each person's population; -1 without a label or in one too small."""
    if "population" not in train.samples:
        return np.full(len(rows), -1)
    labels = train.samples["population"].iloc[rows].fillna("").astype(str).to_numpy()
    names, sizes = np.unique(labels, return_counts=True)
    kept = names[(sizes >= RESIDENTS) & (names != "")]
    return np.array([np.flatnonzero(kept == x)[0] if x in kept else -1 for x in labels])


def statistics(test: Cohort, real: Genotypes, seed: int) -> Statistics:
    """What scores need to know of ``real``, the test people or some of them."""
    chromosome, position = genome(test)
    p = frequency.allele_frequency(real)
    local, wide = (
        ld.pairs(chromosome=chromosome, position=position, frequency=p, reach=reach)
        for reach in (LOCAL, REACH)
    )
    few = seeds.rng(seed, "fidelity", "few").permutation(len(real))[:MOST]  # in random order
    columns = runs(test.m, WIDE, seeds.rng(seed, "fidelity", "window columns"))
    stretch = _stretches(chromosome, columns)
    halves = halves_of(real[few])
    facts = {
        "local": local.valid,
        "decay_bin": ld.decay_bins(wide).astype(np.int8),
        "few": few,
        "radii": manifold.radii(real[few], ks=(NEIGHBOURS,)),
        "bandwidth": np.array([distribution.median_distance(real[few[:KERNEL]])]),
        "window_columns": columns,
        "stretch": stretch,
        "triples": windows.triples(stretch, p[columns]),
        **_ld_reliability(real, local, wide, seed),
        **_curve(halves),
    }
    one, two = (windows.third_moments(half[:, columns]) for half in halves)
    found = agreement.reliability(one, two, facts["triples"], origin=True)
    facts["third_reliability"] = np.array([found])
    for name, half in zip("ab", halves, strict=True):
        facts |= _flat(name, structure.fit_axes(half, components=AXES))
    return facts


def _ld_reliability(real: Genotypes, local: ld.Pairs, wide: ld.Pairs, seed: int) -> Statistics:
    """Agreement of real with real, of r2 and of LD scores."""
    one, two = ld.half_bands(real, reach=REACH, rng=seeds.rng(seed, "fidelity", "halves"))
    reach = len(local.valid)
    r2 = agreement.reliability(one[:reach], two[:reach], local.valid)
    first, second = (ld_score.ld_scores(band, wide.valid)[None] for band in (one, two))
    score = agreement.reliability(first, second, ld_score.has_score(wide.valid)[None])
    return {"r2_reliability": np.array([r2]), "score_reliability": np.array([score])}


def _curve(halves: Halves) -> Statistics:
    """The real curve over k: either half of the test people in the balls of the other."""
    ks = curve_ks(len(halves[0]))
    around = [manifold.radii(half, ks=ks) for half in halves]
    facts: Statistics = {}
    for i, name in enumerate("ab"):
        covered = manifold.cover(halves[i], halves[1 - i], around[1 - i])
        facts |= {
            f"curve_radii_{name}": around[i],
            f"curve_share_{name}": covered.share,
            f"curve_lone_{name}": covered.lone,
        }
    return facts


def genome(cohort: Cohort) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Chromosome numbers and positions of the variants."""
    chromosome = np.unique(cohort.variants["chrom"].astype(str), return_inverse=True)[1]
    return chromosome.astype(np.int64), cohort.variants["pos"].to_numpy(np.int64)


def _stretches(chromosome: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number of the stretch of neighbours on one chromosome that each chosen SNP is in."""
    gap = np.diff(columns, prepend=columns[:1]) > 1
    gap |= np.diff(chromosome[columns], prepend=chromosome[columns[:1]]) != 0
    return np.cumsum(gap)


def curve_ks(n: int) -> tuple[int, ...]:
    """The neighbours of the curve that ``n`` people have."""
    return tuple(k for k in CURVE if k < n)


def _flat(name: str, fitted: Any) -> Statistics:
    """Arrays of a fitted dataclass under names that go into the reference."""
    return {f"{part}_{name}": value for part, value in vars(fitted).items()}


def restored(kind: type[T], name: str, facts: Statistics) -> T:
    """The dataclass that `_flat` took apart."""
    return kind(**{field.name: facts[f"{field.name}_{name}"] for field in fields(cast(Any, kind))})


def halves_of(people: Genotypes) -> Halves:
    """The first and the second half, equal in size."""
    half = len(people) // 2
    return people[:half], people[half : 2 * half]
