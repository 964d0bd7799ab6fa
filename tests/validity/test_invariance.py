"""What must not matter does not: order of people, counted allele, memory layout, number type.

Elsewhere: order and counted allele for frequencies, LD, structure, manifold, adversarial accuracy,
attacks and the two-sample test in the tests of each metric; unequal sizes refused by
tests/test_disclosure.py, test_manifold.py, test_two_sample.py and test_structure.py, and equalised
by the tasks (test_privacy_task.py, test_fidelity_task.py); distances exact at m = 2,048 in
tests/test_neighbours.py and test_manifold.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from genobench.cohort import Cohort, Genotypes
from genobench.errors import GenobenchError
from genobench.metrics import disclosure, frequency, kinship, ld, manifold, membership
from genobench.metrics.disclosure import Neighbours
from genobench.metrics.neighbours import encode, minimum

from .conftest import Score
from .levels import World
from .measures import attacks, copies

Function = Callable[[Any, Any, Any], Any]


def turned(cohort: Cohort, rng: np.random.Generator) -> Cohort:
    """The same people in another order, every third SNP counted by its other allele."""
    shuffled = cohort.take(rng.permutation(cohort.n))
    flip = np.arange(cohort.m) % 3 == 0
    g = np.where(flip, 2 - shuffled.genotypes, shuffled.genotypes).astype(np.int8)
    return replace(shuffled, genotypes=g)


@pytest.mark.parametrize("name", ["noise05", "mosaic64", "collapse"])
def test_order_and_counted_allele(
    name: str, world: World, level: Callable[[str], Cohort], score: Score
) -> None:
    """Values of copies and attacks are those of the rows, not of their places.

    An index into the wrong one of two arrays would show here: it changes when rows are shuffled.
    """
    rng = np.random.default_rng(0)
    other = World(*(turned(cohort, rng) for cohort in vars(world).values()))
    made = turned(level(name), rng)
    for measure in (copies, attacks):
        again = measure(made, other)
        for metric, expected in score(name, measure).items():
            found = again[metric]
            assert found.value == pytest.approx(expected.value, rel=1e-9, abs=1e-12), metric
            # of equally near people the first is the nearest: clusters, and errors, feel that
            np.testing.assert_allclose(found, expected, atol=0.02, err_msg=metric)


FUNCTIONS: dict[str, Function] = {
    "encode": lambda s, t, r: encode(s).words,
    "minimum": lambda s, t, r: minimum(s, t),
    "duplicates": lambda s, t, r: disclosure.duplicates(s, t),
    "repeats": lambda s, t, r: disclosure.repeats(s),
    "adversarial_accuracy": lambda s, t, r: disclosure.adversarial_accuracy(
        Neighbours.between(t, s)
    ),
    "privacy_loss": lambda s, t, r: disclosure.privacy_loss(
        *(Neighbours.between(g, s) for g in (t, r))
    ),
    "nearest_scores": lambda s, t, r: membership.nearest_scores(minimum(t, s)),
    "windowed_scores": lambda s, t, r: membership.windowed_scores(t, s, r, np.zeros(s.shape[1])),
    "frequency_scores": lambda s, t, r: membership.frequency_scores(t, s, r),
    "kinship": lambda s, t, r: kinship.closest(s, t),
    "manifold": lambda s, t, r: manifold.manifold_curve(s, t)[0].density,
    "r2_band": lambda s, t, r: ld.r2_band(s, reach=5),
    "frequency_rmse": lambda s, t, r: frequency.frequency_rmse(s, t),
}


def three(world: World) -> list[Genotypes]:
    """Three small samples, some people in two of them."""
    t, s, r = (c.genotypes[:60, :48] for c in (world.train, world.fresh, world.reference))
    return [np.concatenate([t[:20], s[20:]]), t, r]


def asked(function: Function, people: list[Any]) -> Any:
    """The answer, or that it was refused by name."""
    try:
        return np.asarray(function(*people), dtype=np.float64)
    except GenobenchError:
        return None


@pytest.mark.parametrize("name", FUNCTIONS)
def test_memory_layout(name: str, world: World) -> None:
    """Columns first, every second row of a larger array, read-only: the same numbers."""
    people = three(world)
    expected = asked(FUNCTIONS[name], people)
    assert expected is not None
    for other in (
        [np.asfortranarray(g) for g in people],
        [np.repeat(g, 2, axis=0)[::2] for g in people],
    ):
        for g in other:
            g.flags.writeable = False
        np.testing.assert_allclose(asked(FUNCTIONS[name], other), expected, atol=5e-6)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", [np.int64, np.float32])
def test_other_number_types(name: str, dtype: type, world: World) -> None:
    """Whole dosages in another type give the same numbers, or an error that says so."""
    people = three(world)
    found = asked(FUNCTIONS[name], [g.astype(dtype) for g in people])
    if found is not None:
        np.testing.assert_allclose(found, asked(FUNCTIONS[name], people))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_expected_dosages_are_refused(name: str, world: World) -> None:
    """Fractions of an allele have no place in metrics on calls: an error, not some number."""
    people = [np.clip(g + 0.3, 0, 2) for g in three(world)]
    assert asked(FUNCTIONS[name], people) is None
