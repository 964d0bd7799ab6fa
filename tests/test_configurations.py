"""Configurations of windows: counted, predicted, and what an excess of them says."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import nbinom, poisson

from genobench.cohort import Cohort
from genobench.metrics import configurations as module
from genobench.metrics.configurations import Expected, configurations, copy_ratio

People = NDArray[np.int8]


def naive_frequency(reference: People, person: People, start: int, stop: int) -> float:
    """Shrunken frequency of a person's configuration, straight from the docstring."""
    window = slice(start, stop)
    count = (reference[:, window] == person[window]).all(1).sum()
    if stop - start == 1:
        return float((count + 0.5) / (len(reference) + 1.5))
    predicted = naive_prediction(reference, person, start, stop)
    return float((count + module.SHRINK * predicted) / (len(reference) + module.SHRINK))


def naive_prediction(reference: People, person: People, start: int, stop: int) -> float:
    """P(left) P(middle | left) P(right | middle) for an even length."""
    half, quarter = (stop - start) // 2, (stop - start) // 4

    def p(a: int, b: int) -> float:
        return naive_frequency(reference, person, start + a, start + b)

    if half == 1:
        return p(0, 1) * p(1, 2)
    middle = p(quarter, quarter + half) / p(quarter, half)
    right = p(half, 2 * half) / p(half, quarter + half)
    return p(0, half) * middle * right


def naive_ratio(
    c_s: int, c_r: int, predicted: float, synthetic: int, reference: int, trained: int
) -> float:
    """The likelihood ratio as a sum over numbers of copies, with scipy's distributions."""
    copies = synthetic / trained
    shape = c_r + 1 + module.SHAPE
    rate = reference + 1 + module.SHAPE / predicted
    mean = synthetic * shape / rate
    variance = mean * (1 + copies) + mean**2 / shape
    others = nbinom(mean**2 / (variance - mean), mean / variance)
    copied = sum(poisson.pmf(k, copies) * others.pmf(c_s - k) for k in range(c_s + 1))
    return float(copied / others.pmf(c_s))


@pytest.mark.parametrize("length", [1, 7, 40])
def test_numbers_are_those_of_distinct_rows(length: int) -> None:
    """Equal numbers for equal configurations, in the order in which they appear."""
    people = np.random.default_rng(length).integers(0, 2, (200, length)).astype(np.int8)
    people[150:] = people[:50]
    found = configurations(np.ascontiguousarray(people.T))
    _, first, inverse = np.unique(people, axis=0, return_index=True, return_inverse=True)
    rank = first.argsort().argsort()
    np.testing.assert_array_equal(found, rank[inverse.ravel()])


@given(
    st.integers(0, 5), st.integers(0, 30), st.floats(1e-7, 0.9), st.sampled_from([100, 300, 700])
)
def test_ratio_equals_the_sum_over_copies(
    c_s: int, c_r: int, predicted: float, trained: int
) -> None:
    """As with scipy's negative binomial and Poisson probabilities, also for few or many copies."""
    sizes = {"synthetic": 300, "reference": 200, "trained": trained}
    got = copy_ratio(np.array([c_s]), np.array([c_r]), np.log([predicted]), **sizes)
    assert got[0] == pytest.approx(naive_ratio(c_s, c_r, predicted, **sizes), rel=1e-3)


def test_carriers_who_were_not_copied_have_that_mean_and_variance() -> None:
    """The chain of gamma, Poisson training people and Poisson copies, drawn a million times."""
    rng = np.random.default_rng(0)
    synthetic, reference, trained, c_r, predicted = 500, 200, 250, 3, 0.01
    shape, rate = c_r + 1 + module.SHAPE, reference + 1 + module.SHAPE / predicted
    carriers = rng.poisson(rng.gamma(shape, 1 / rate, 1_000_000) * trained)
    drawn = rng.poisson(carriers * synthetic / trained)
    mean = synthetic * shape / rate
    assert drawn.mean() == pytest.approx(mean, rel=0.01)
    assert drawn.var() == pytest.approx(mean * (1 + 2) + mean**2 / shape, rel=0.02)


def test_ratio_is_sane() -> None:
    """Nobody carries it: e^-lambda. It rises with S's carriers and falls with R's."""
    sizes = {"synthetic": 300, "reference": 200, "trained": 300}
    none = copy_ratio(np.zeros(1, int), np.zeros(1, int), np.log([0.01]), **sizes)
    assert none[0] == pytest.approx(math.exp(-1))
    rising = copy_ratio(np.arange(4), np.zeros(4, int), np.full(4, -6.0), **sizes)
    assert (np.diff(rising) > 0).all()
    falling = copy_ratio(np.full(4, 2), np.arange(4) * 5, np.full(4, -3.0), **sizes)
    assert (np.diff(falling) < 0).all()
    extreme = copy_ratio(np.array([0, 9]), np.array([0, 0]), np.array([-2000.0, -2000.0]), **sizes)
    assert np.isfinite(extreme).all()
    many = copy_ratio(np.array([5000]), np.array([0]), np.log([0.01]), **(sizes | {"trained": 1}))
    assert np.isfinite(many).all()


@pytest.mark.parametrize("window", [(0, 1), (3, 5), (4, 8), (8, 24)])
def test_prediction_equals_the_definition(
    make_cohort: Callable[..., Cohort], window: tuple[int, int]
) -> None:
    """As from counting each shorter window of one candidate after the other."""
    people = make_cohort(120, 32, 1).genotypes
    reference, candidates = people[:100], people[100:]
    expected = Expected(np.ascontiguousarray(people.T), len(reference))
    got = expected.predicted(*window)
    naive = naive_prediction if window[1] - window[0] > 1 else naive_frequency
    by_hand = [math.log(naive(reference, c, *window)) for c in candidates]
    np.testing.assert_allclose(got, by_hand)


def test_prediction_knows_rare_from_common(make_cohort: Callable[..., Cohort]) -> None:
    """Of configurations that R lacks, those predicted to be commoner are likelier to be about."""
    people = make_cohort(3400, 32, 1).genotypes
    reference, candidates, world = people[:200], people[200:400], people[400:]
    both = np.concatenate([reference, candidates])
    predicted = Expected(np.ascontiguousarray(both.T), 200).predicted(0, 16)
    unseen = np.array([not (reference[:, :16] == c[:16]).all(1).any() for c in candidates])
    found = np.array([(world[:, :16] == c[:16]).all(1).sum() for c in candidates])
    upper = predicted[unseen] > np.median(predicted[unseen])
    assert unseen.sum() > 50
    assert (found[unseen][upper] > 0).mean() > (found[unseen][~upper] > 0).mean() + 0.2


def test_forgetting_changes_nothing(make_cohort: Callable[..., Cohort]) -> None:
    """What is dropped is made again when somebody asks."""
    columns = np.ascontiguousarray(make_cohort(60, 48, 2).genotypes.T)
    expected = Expected(columns, 40)
    before = expected.predicted(8, 24)
    expected.forget(16)
    np.testing.assert_array_equal(expected.predicted(8, 24), before)
