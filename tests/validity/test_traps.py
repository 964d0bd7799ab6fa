"""Mistakes that are made in other tools, and small panels and relatives on which metrics stumble.

Elsewhere: exp(-d^2) underflows (tests/test_membership.py); NNDR where the second distance is 0, and
strict ties (tests/test_disclosure.py); accuracy 0 taken for the best, and diluted members, would
miss the roles of `real` and `copy` (test_roles.py, tests/test_privacy_task.py); seeded subsamples
(tests/test_privacy_task.py: the same seed gives the same numbers); a null phenotype and SNPs chosen
on training people (tests/test_gwas.py). An index into the wrong array: test_invariance.py.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from genobench.cohort import Cohort, Genotypes, Trait
from genobench.data.kinship import BANDS, find_families, related_pairs
from genobench.data.split import PARTS, split_people
from genobench.metrics import disclosure
from genobench.metrics.distribution import mean_discrepancy, median_distance
from genobench.metrics.neighbours import minimum

from .checks import (
    Check,
    Scene,
    copies_of_twins_are_not_private,
    one_rare_segment_convicts_nobody,
    ties_at_32_snps,
)
from .levels import World
from .measures import Measure, attacks, copies


@pytest.mark.parametrize("measure", [copies, attacks])
def test_ties_at_32_snps(measure: Measure, scene: Scene) -> None:
    """Fresh people meet the null on a short panel too, where ties decide."""
    ties_at_32_snps(scene, measure)


def test_bandwidth_of_the_discrepancy(world: World, level: Callable[[str], Cohort]) -> None:
    """A fixed narrow kernel cannot tell anybody apart; at the median distance it can."""
    h, fresh, hwe, few = (
        c.genotypes[:300] for c in (world.holdout, level("real"), level("hwe"), level("collapse"))
    )

    def discrepancy(made: Genotypes, bandwidth: float) -> tuple[float, float]:
        rng = np.random.default_rng(0)
        squared, p = mean_discrepancy(made, h, bandwidth=bandwidth, rng=rng, permutations=50)
        return squared.value, p.value

    fixed = [discrepancy(made, 1.0)[0] for made in (fresh, hwe)]
    np.testing.assert_allclose(fixed, 0, atol=1e-9)
    bandwidth = median_distance(h)
    values, ps = zip(*(discrepancy(made, bandwidth) for made in (fresh, hwe, few)), strict=True)
    assert ps[0] > 0.05
    assert max(ps[1:]) < 0.03
    assert min(values[1:]) > 10 * abs(values[0])


@pytest.mark.parametrize(
    "check", [one_rare_segment_convicts_nobody, copies_of_twins_are_not_private]
)
def test_trap(check: Check, scene: Scene) -> None:
    """A pseudo-count next to nothing makes one window outweigh all others; a ratio of zeros taken
    for 1 makes copied twins look private.
    """
    check(scene)


def test_self_exclusion_needs_the_same_rows() -> None:
    """Two copies of a person are neighbours at 0; a person is no neighbour of himself."""
    people = np.random.default_rng(0).integers(0, 3, (40, 200)).astype(np.int8)
    assert minimum(people, people, exclude_self=True).min() > 50
    twice = np.concatenate([people, people[:1]])
    assert (minimum(twice, twice, exclude_self=True) == 0).sum() == 2
    truth, syn = disclosure.adversarial_accuracy(
        disclosure.Neighbours.between(people, people[::-1].copy())
    )
    assert (truth.value, syn.value) == (0, 0)


def child(a: Genotypes, b: Genotypes, rng: np.random.Generator) -> Genotypes:
    """One allele of each parent, unlinked."""
    return (rng.binomial(1, a / 2) + rng.binomial(1, b / 2)).astype(np.int8)


def test_planted_relatives_do_not_cross_the_split() -> None:
    """Forty children and ten twins are found, and stay with their families; without that, dozens
    of first-degree pairs lie across parts, and copies of a brother pass for fresh people.
    """
    rng = np.random.default_rng(3)
    g = rng.binomial(2, rng.uniform(0.1, 0.5, 1_500), (400, 1_500)).astype(np.int8)
    g[300:340] = child(g[:40], g[40:80], rng)
    g[340:350] = g[100:110]
    variants = pd.DataFrame({"chrom": "1", "pos": np.arange(1_500) * 2_000_000})
    trait = Trait("t", "binary", (rng.random(400) < 0.4).astype(np.float32))
    first_degree, _ = related_pairs(g, least=BANDS[2])
    assert len(first_degree) >= 40 + 10

    def across(group: NDArray[np.int64] | None) -> int:
        split = split_people(trait, seed=1, group=group)
        part = np.empty(400, int)
        for number, name in enumerate(PARTS):
            part[getattr(split, name)] = number
        return int((part[first_degree[:, 0]] != part[first_degree[:, 1]]).sum())

    assert across(None) > 20
    assert across(find_families(g, variants).group) == 0
