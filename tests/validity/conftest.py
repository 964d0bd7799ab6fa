"""One small world for all validity tests, and what its reference levels score, each once.

levels.py        synthetic people of known quality, as functions of real people
measures.py      the metrics, wired as the tasks wire them
checks.py        what each level must look like to each metric; small worlds with known answers
spread.py, .csv  the same over ten worlds: where thresholds get their standard deviations from
test_roles.py    every metric puts every level in its place; fresh people pass
test_monotone.py, test_invariance.py, test_traps.py, test_levels.py
test_mutants.py  metrics with a mistake planted in them, each caught by one of the checks

What the tests beside the metrics hold already is not tested again; each module lists it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from genobench.cohort import Cohort

from .checks import Scene
from .levels import LEVELS, World
from .measures import Measure, Values, world_of
from .spread import PEOPLE, POPULATION, SEEDS

Score = Callable[[str, Measure], Values]
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep this folder on one worker, so that no level is measured twice."""
    for item in items:
        if item.path.parent == HERE:
            item.add_marker(pytest.mark.xdist_group("validity"))


@pytest.fixture(scope="session")
def world(make_cohort: Callable[..., Cohort]) -> World:
    """T, H, R and fresh people that `spread.csv` has not seen."""
    return world_of(make_cohort(4 * PEOPLE, seed=SEEDS, **POPULATION))


@pytest.fixture(scope="session")
def level(world: World) -> Callable[[str], Cohort]:
    """Synthetic cohort of a level, by name."""
    return cache(lambda name: LEVELS[name](world, np.random.default_rng(len(name))))


@pytest.fixture(scope="session")
def score(world: World, level: Callable[[str], Cohort]) -> Score:
    """Values of a level under one group of measures."""
    return cache(lambda name, measure: measure(level(name), world))


@pytest.fixture(scope="session")
def scene(world: World, level: Callable[[str], Cohort]) -> Scene:
    """What checks are given."""
    return Scene(world, level)
