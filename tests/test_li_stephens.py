"""Li-Stephens mosaics: likelihood against enumeration, segments, and nobody copied whole."""

from __future__ import annotations

from importlib import import_module
from itertools import product
from typing import Any

import numpy as np
import pytest

from genobench.cohort import Cohort
from genobench.data.split import Split
from genobench.errors import GenobenchError
from genobench.generator import Budget

copying = import_module("genobench.baselines._copying")
LiStephens = import_module("genobench.baselines.li_stephens").LiStephens


@pytest.fixture(scope="module")
def fitted(toy_split: Split) -> Any:
    """One fit, shared by the tests that look at what it samples."""
    model = LiStephens(templates=200, held_out=100)
    return model.fit(toy_split.train, toy_split.validation, seed=1, budget=Budget())


def test_likelihood_equals_enumeration_over_who_was_copied() -> None:
    """Sum over all paths through three templates, for every person of four SNPs."""
    rng = np.random.default_rng(0)
    templates = rng.integers(0, 3, (3, 4)).astype(np.int8)
    frequency = rng.dirichlet(np.ones(3), 4)
    switch, theta = np.array([0.3, 1.0, 0.05]), 0.1
    people = np.array(list(product(range(3), repeat=4)), dtype=np.int8)
    expected = np.zeros(len(people))
    for path in product(range(3), repeat=4):
        p = np.full(len(people), 1 / 3)
        for j, t in enumerate(path):
            if j:
                p *= (1 - switch[j - 1]) * (t == path[j - 1]) + switch[j - 1] / 3
            p *= theta * frequency[j][people[:, j]] + (1 - theta) * (
                people[:, j] == templates[t, j]
            )
        expected += p
    got = np.exp(copying.log_likelihood(people, templates, frequency, switch, theta))
    np.testing.assert_allclose(got, expected, rtol=1e-4)
    assert got.sum() == pytest.approx(1, abs=1e-5)


def test_switching_is_li_and_stephens_rate() -> None:
    """1 - exp(-Ne d / N), certain between chromosomes; even spacing where positions are no map."""
    chrom = np.array(["1", "1", "1", "2", "2"], dtype=object)
    distance = copying.distances(chrom, np.array([10, 20, 50, 5, 25]))
    np.testing.assert_allclose(distance, [0.5, 1.5, np.inf, 1.0])
    np.testing.assert_allclose(
        copying.switching(distance, 20.0, 10), [1 - np.exp(-1), 1 - np.exp(-3), 1, 1 - np.exp(-2)]
    )
    falling = copying.distances(chrom, np.array([10, 5, 50, 5, 25]))
    np.testing.assert_array_equal(falling, [1, 1, np.inf, 1])


def test_segments_have_the_asked_length_and_an_end() -> None:
    """Their share of beginnings is the switching rate's; none is longer than the bound."""
    rng = np.random.default_rng(1)
    begins = copying.segments(np.full(999, 0.1), 200, 1000, rng)
    assert begins[:, 1:].mean() == pytest.approx(0.1, abs=0.005)
    capped = copying.segments(np.zeros(99), 3, 50, rng)
    np.testing.assert_array_equal(np.flatnonzero(capped[0]), [0, 50])


def test_nobody_is_a_copy_of_one_training_person(toy_split: Split) -> None:
    """Even without switches and miscopying, no synthetic person equals a training person."""
    train = toy_split.train
    model = LiStephens(sizes=(1e-9,), thetas=(0.0,))
    model.fit(train, toy_split.validation, seed=1, budget=Budget())
    rows = model.sample(train.labels, seed=2)
    real = set(map(bytes, train.genotypes))
    assert not any(bytes(row) in real for row in rows)
    half = train.m // 2
    start, end = ({bytes(g) for g in train.genotypes[:, part]} for part in _halves(half, train.m))
    assert all(bytes(row[:half]) in start and bytes(row[half:]) in end for row in rows)


def _halves(half: int, m: int) -> tuple[slice, slice]:
    return slice(0, half), slice(half, m)


def test_templates_have_the_wanted_label(toy_split: Split) -> None:
    """Every segment comes from people of the label, in both classes."""
    train = toy_split.train
    model = LiStephens(sizes=(1e-9,), thetas=(0.0,))
    model.fit(train, toy_split.validation, seed=1, budget=Budget())
    half = train.m // 2
    for label in (0, 1):
        rows = model.sample(np.full(50, label, dtype=np.float32), seed=3)
        mine = {bytes(g) for g in train.genotypes[train.labels == label, :half]}
        assert all(bytes(row[:half]) in mine for row in rows)


def test_validation_finds_the_rates_people_were_made_with(toy_split: Split) -> None:
    """Mosaics of the templates themselves, as validation people, choose few switches again."""
    train = toy_split.train
    maker = LiStephens(sizes=(20.0,), thetas=(0.01,))
    maker.fit(train, toy_split.validation, seed=1, budget=Budget())
    rows = maker.sample(toy_split.validation.labels, seed=2)
    v = toy_split.validation
    made = Cohort(rows, v.variants, v.samples, v.trait)
    grid = (1.0, 20.0, 2000.0)
    model = LiStephens(sizes=grid, thetas=(0.3, 0.01), templates=10_000)
    model.fit(train, made, seed=1, budget=Budget())
    assert model.chosen_.tolist() == [20.0, 0.01]


def test_attacks_can_find_what_it_copies(fitted: Any, toy_split: Split) -> None:
    """Synthetic people lie nearer to training people than to as many unseen ones."""
    members, others = toy_split.train, toy_split.test
    n = min(members.n, others.n)
    rows = fitted.sample(members.labels, seed=4)
    near, far = (
        np.abs(rows[:, None, :].astype(np.int16) - g[None, :n]).sum(axis=2).min(axis=1).mean()
        for g in (members.genotypes, others.genotypes)
    )
    assert near < far


def test_linkage_inside_segments_is_kept(fitted: Any, toy_split: Split) -> None:
    """r2 of neighbours follows held-out people's."""
    rows = fitted.sample(np.resize(toy_split.train.labels, 3000), seed=1)
    real, synthetic = (
        np.square(np.diagonal(np.corrcoef(g.T.astype(float)), 1))
        for g in (toy_split.test.genotypes, rows)
    )
    assert np.corrcoef(real, synthetic)[0, 1] > 0.85


def test_labels_it_was_not_shown_and_none_at_all(fitted: Any, toy: Cohort) -> None:
    """No people, and labels beyond the training range, are valid."""
    assert fitted.sample(np.empty(0, dtype=np.float32), seed=0).shape == (0, toy.m)
    assert fitted.sample(np.array([-3, 7], dtype=np.float32), seed=0).shape == (2, toy.m)


def test_a_stratum_of_one_person_is_sampled(toy_split: Split) -> None:
    """One template cannot be switched away from: its calls come back, and nothing fails."""
    train = toy_split.train
    people = np.r_[np.flatnonzero(train.labels == 0), np.flatnonzero(train.labels == 1)[:1]]
    model = LiStephens(templates=50, held_out=20)
    model.fit(train.take(people), toy_split.validation, seed=1, budget=Budget())
    assert model.sample(np.ones(3, dtype=np.float32), seed=0).shape == (3, train.m)


def test_sampling_before_fitting_says_so() -> None:
    """An error, not an attribute that is missing."""
    with pytest.raises(GenobenchError, match="before fit"):
        LiStephens().sample(np.zeros(1, dtype=np.float32), seed=0)
