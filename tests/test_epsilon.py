"""Lower bounds of epsilon: published values, exact tails, valid level, above 0 with a leak."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import beta, hypergeom

from genobench.errors import GenobenchError
from genobench.metrics.epsilon import MOST, guess, holdout_epsilon, one_run_epsilon

Floats = NDArray[np.float64]


def planted(leaked: int, n: int = 1500, seed: int = 0) -> tuple[Floats, NDArray[np.bool_]]:
    """Chance scores of n members and n non-members, ``leaked`` members far above everybody."""
    scores = np.random.default_rng(seed).random(2 * n)
    scores[:leaked] += 1
    return scores, np.arange(2 * n) < n


@pytest.mark.parametrize(
    ("correct", "delta", "expected"),
    [(600, 1e-5, 5.270399), (480, 1e-5, 1.214700), (480, 0.0, 1.215267), (300, 1e-5, 0.0)],
)
def test_one_run_golden_values(correct: int, delta: float, expected: float) -> None:
    """1,000 coins, 600 guesses, at 95 %."""
    assert one_run_epsilon(1000, 600, correct, delta=delta) == pytest.approx(expected, abs=1e-6)


def test_one_run_without_delta_is_a_binomial_bound() -> None:
    """Randomised response: the bound is the logit of Clopper and Pearson's lower bound."""
    low = beta.ppf(0.05, 480, 600 - 480 + 1)
    expected = math.log(low / (1 - low))
    assert one_run_epsilon(1000, 600, 480, delta=0) == pytest.approx(expected, abs=1e-6)
    assert one_run_epsilon(1000, 600, 480, delta=1e-3) < expected
    rising = [one_run_epsilon(1000, 600, v) for v in range(300, 601, 20)]
    assert rising == sorted(rising)


def test_hold_out_test_is_exact_without_a_leak() -> None:
    """At epsilon 0, as probable as so many members among the highest: a hypergeometric tail."""
    n1, n0 = 400, 300
    member = np.arange(n1 + n0) < n1
    for rate, allowed in ((0.0, 0), (0.01, 3), (0.1, 30)):
        edge = None
        for hits in range(1, 120):
            scores = np.zeros(n1 + n0)
            scores[:hits], scores[n1 : n1 + allowed], scores[n1 + allowed] = 2, 3, 1
            found = holdout_epsilon({"a": scores}, member, rates=(rate,), delta=0)
            if found > 0 and edge is None:
                edge = hits
        exact = hypergeom.sf(np.arange(120) - 1, n1 + n0, n1, allowed + np.arange(120))
        assert edge == int(np.argmax(exact < 0.05)), rate


def test_hold_out_test_has_its_level_under_a_leak() -> None:
    """True epsilon 1 at every threshold: the bound exceeds it in at most 5 % of 1,000 draws."""
    rng = np.random.default_rng(0)
    n, above = 300, 0
    member = np.arange(2 * n) < n
    for _ in range(1000):
        # members' share above any threshold is e times that of non-members, up to all of them
        scores = np.concatenate([1 - rng.random(n) / math.e, 1 - rng.random(n)])
        above += holdout_epsilon({"a": scores}, member, rates=(0.01,), delta=0) > 1
    assert 0.02 < above / 1000 < 0.07


def test_one_in_a_hundred_leaked_is_proven() -> None:
    """15 of 1,500 verbatim rows: .83 by Clopper and Pearson, and the exact test proves more."""
    scores, member = planted(15)
    known = beta.ppf(0.025, 15, 1500 - 15 + 1) / beta.ppf(0.975, 1, 1500)
    assert math.log(known) == pytest.approx(0.83, abs=0.01)
    alone = holdout_epsilon({"exact": scores}, member, rates=(0.0,))
    assert alone > 0.83
    other = planted(0, seed=1)[0]
    corrected = holdout_epsilon({"exact": scores, "other": other}, member)
    assert 0.5 < corrected < alone


def test_no_leak_no_bound() -> None:
    """Two chance attacks at three points: a bound above 0 in at most 5 % of 400 draws."""
    draws = [
        {name: planted(0, 200, 2 * i + k)[0] for k, name in enumerate("ab")} for i in range(400)
    ]
    member = np.arange(400) < 200
    assert sum(holdout_epsilon(attacks, member) > 0 for attacks in draws) <= 28  # .05 + 2 sd


def test_ties_prove_nothing() -> None:
    """A constant score, and a tie at the top of members with a non-member."""
    member = np.arange(200) < 100
    assert holdout_epsilon({"a": np.zeros(200)}, member) == 0
    tied = np.zeros(200)
    tied[:60], tied[100] = 1, 1
    assert holdout_epsilon({"a": tied}, member, rates=(0.0,)) == 0
    assert holdout_epsilon({"a": tied}, member, rates=(0.01,)) > 0


def test_bound_rises_with_the_leak() -> None:
    """From none to all; copies of everybody are limited by how many people there are."""
    found = [holdout_epsilon({"a": planted(k, 400)[0]}, planted(0, 400)[1]) for k in (0, 20, 100)]
    everybody = holdout_epsilon({"a": planted(400, 400)[0]}, planted(0, 400)[1])
    assert found == sorted(found)
    assert found[-1] < everybody < math.log(400)


def test_guesses_by_hand() -> None:
    """Family a of two is one coin; the highest is guessed in, the lowest out, b abstained from."""
    scores = np.array([5.0, 3.0, 2.0, 1.0])
    families = np.array([7, 7, 3, 9])
    assert guess(scores, np.array([1, 1, 0, 0], bool), families, guesses=2) == (3, 2, 2)
    assert guess(scores, np.array([0, 0, 0, 1], bool), families, guesses=2) == (3, 2, 0)


def test_bad_input_is_named() -> None:
    """More right than guessed; guesses of fewer families; one class."""
    with pytest.raises(GenobenchError, match="7 right of 6 guesses of 10"):
        one_run_epsilon(10, 6, 7)
    with pytest.raises(GenobenchError, match="8 guesses of 3 families"):
        guess(np.arange(3.0), np.ones(3, bool), np.arange(3), guesses=8)
    with pytest.raises(GenobenchError, match="members and non-members"):
        holdout_epsilon({"a": np.arange(3.0)}, np.ones(3, bool))
    assert one_run_epsilon(10**6, 10**6, 10**6, delta=0) < MOST
