"""The reference levels are what their names say."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from genobench.cohort import Cohort

from .levels import COLLAPSED, LEVELS, World, mixture


@pytest.mark.parametrize("name", LEVELS)
def test_level_is_a_cohort_like_the_training_people(
    name: str, world: World, level: Callable[[str], Cohort]
) -> None:
    """As many people and cases, the same variants, the same again from the same generator."""
    made = level(name)
    assert made.genotypes.shape == world.train.genotypes.shape
    like = world.fresh if name in ("real", "leak1pct") else world.train
    assert made.labels.sum() == like.labels.sum() or name == "collapse"  # the labels of fifty
    again = LEVELS[name](world, np.random.default_rng(len(name)))
    assert again.checksum == made.checksum


def test_calls_redrawn(world: World, level: Callable[[str], Cohort]) -> None:
    """A call redrawn stays the same by chance, so that fewer than 5 or 20 % differ: the share that
    differs between two people times the rate.
    """
    t = world.train.genotypes
    chance = np.mean(t[:-1] != t[1:])
    for name, rate in (("noise05", 0.05), ("noise20", 0.2)):
        rows = level(name).genotypes
        differ = np.mean([(t != row).mean(axis=1).min() for row in rows[:50]])
        assert differ == pytest.approx(rate * chance, rel=0.1)


@pytest.mark.parametrize(("name", "segment"), [("mosaic16", 16), ("mosaic64", 64)])
def test_segments_are_verbatim(
    name: str, segment: int, world: World, level: Callable[[str], Cohort]
) -> None:
    """Every segment is some training person's; two in a row hardly ever are."""
    t, made = world.train.genotypes, level(name).genotypes[:40]
    for first in range(0, t.shape[1], segment):
        piece = slice(first, first + segment)
        assert (made[:, None, piece] == t[None, :, piece]).all(2).any(1).all()
    longer = slice(0, 2 * segment)
    assert (made[:, None, longer] == t[None, :, longer]).all(2).any(1).mean() < 0.5


def test_leaks_and_repeats(world: World, level: Callable[[str], Cohort]) -> None:
    """Fifteen of 1,500 rows; fifty people; any share of a mixture."""
    train = {row.tobytes() for row in world.train.genotypes}
    assert sum(row.tobytes() in train for row in level("leak1pct").genotypes) == 15
    assert len({row.tobytes() for row in level("collapse").genotypes}) == COLLAPSED
    half = mixture(world, np.random.default_rng(0), share=0.5)
    assert sum(row.tobytes() in train for row in half.genotypes) == 750
