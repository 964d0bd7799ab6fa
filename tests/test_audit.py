"""Coin-flip membership, and what an audit in one run proves of generators that we know."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from genobench.cohort import Cohort
from genobench.data.audit import audit_split
from genobench.errors import GenobenchError
from genobench.generator import Budget
from genobench.metrics.epsilon import guess, one_run_epsilon
from genobench.metrics.membership import nearest_scores
from genobench.registry import find_generator

CANDIDATES, GUESSES = 600, 200


def test_coins_are_fair_and_families_share_one() -> None:
    """Half of 4,000 families, each in or out as a whole, independently of the next."""
    families = np.repeat(np.arange(4000), np.random.default_rng(0).integers(1, 4, 4000))
    included = audit_split(families, seed=0)
    coin = np.array([included[families == f] for f in range(200)], dtype=object)
    assert all(len(set(c)) == 1 for c in coin)
    flips = included[np.unique(families, return_index=True)[1]]
    assert flips.mean() == pytest.approx(0.5, abs=0.025)
    assert (flips[1:] == flips[:-1]).mean() == pytest.approx(0.5, abs=0.025)


def test_seed_decides_and_names_do_not_matter() -> None:
    """Equal seeds, equal coins; names of families may be text."""
    numbers = np.arange(50)
    one, same, other = (audit_split(numbers, seed=s) for s in (3, 3, 4))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
    names = np.array([f"F{i:02}" for i in numbers])
    np.testing.assert_array_equal(audit_split(names, seed=3), one)


def test_one_family_cannot_be_audited() -> None:
    """Everybody is in or out together."""
    with pytest.raises(GenobenchError, match="1 families"):
        audit_split(np.zeros(20), seed=0)


@pytest.fixture(scope="module")
def everybody(make_cohort: Callable[..., Cohort]) -> Cohort:
    """Candidates, and people whom nobody is trained on."""
    return make_cohort(2 * CANDIDATES, 128, 5, founders=80)


def audit(everybody: Cohort, name: str, seed: int) -> float:
    """Bound that the nearest-neighbour attack proves of a registered generator in one run."""
    candidates, others = everybody.take(slice(CANDIDATES)), everybody.take(slice(CANDIDATES, None))
    families = np.arange(CANDIDATES) // 2  # pairs that share a coin
    included = audit_split(families, seed=seed)
    plugin = find_generator(name)
    people = others if plugin.card.fit_on == "control" else candidates.take(included)
    fitted = plugin.load()().fit(people, others, seed=seed, budget=Budget())
    synthetic = fitted.sample(candidates.take(included).labels, seed=seed)
    scores = nearest_scores(candidates.genotypes, synthetic)
    coins, guesses, correct = guess(scores, included, families, guesses=GUESSES)
    assert (coins, guesses) == (CANDIDATES // 2, GUESSES)
    return one_run_epsilon(coins, guesses, correct)


def test_copies_are_proven(everybody: Cohort) -> None:
    """Every guess is right: as much as so many guesses can prove."""
    assert audit(everybody, "copy", 0) == pytest.approx(
        one_run_epsilon(CANDIDATES // 2, GUESSES, GUESSES)
    )
    assert audit(everybody, "copy", 0) > 3
    assert audit(everybody, "noise05", 0) > 3


def test_people_nobody_was_trained_on_prove_nothing(everybody: Cohort) -> None:
    """Of 40 runs with a generator without leak at most five have a bound above 0."""
    bounds = [audit(everybody, "real", seed) for seed in range(40)]
    assert sum(b > 0 for b in bounds) <= 5  # 2 expected at most; P(more than 5) < .02
