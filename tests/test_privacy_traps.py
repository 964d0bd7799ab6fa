"""Mistakes that privacy measures of other tools make, each with the number it would give away."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from genobench.cohort import Cohort, Trait
from genobench.data.split import Split
from genobench.metrics import disclosure, membership
from genobench.metrics.auc import auc
from genobench.metrics.disclosure import Neighbours
from genobench.metrics.neighbours import minimum, nearest
from genobench.registry import find_task
from genobench.task import Reference

People = NDArray[np.int8]
N = 300


@pytest.fixture(scope="module")
def split(make_cohort: Callable[..., Cohort]) -> Split:
    """Train 300, validation 300, test 300, control 300; 128 SNPs."""
    everybody = make_cohort(4 * N, 128, 6, founders=100, populations=2)
    return Split(*(everybody.take(slice(a, b)) for a, b in pairwise(range(0, 5 * N, N))))


def noisy(people: People, rate: float) -> People:
    """People with a share of the calls redrawn from the site's own distribution."""
    rng = np.random.default_rng(0)
    other = rng.permuted(people, axis=0)
    return np.where(rng.random(people.shape) < rate, other, people).astype(np.int8)


def test_a_kernel_of_the_distance_underflows(split: Split) -> None:
    """exp(-d^2) is 0 for nearly everybody and reads .5 where -d tells members of blurred copies."""
    candidates = np.concatenate([split.train.genotypes, split.test.genotypes])
    member = np.arange(2 * N) < N
    scores = membership.nearest_scores(minimum(candidates, noisy(split.train.genotypes, 0.6)))
    with np.errstate(under="ignore"):
        assert auc(np.exp(-(scores**2)), member) < 0.55
    assert auc(scores, member) > 0.8


def test_duplicated_training_rows_are_not_private(split: Split) -> None:
    """Whoever stands twice in train and is copied has NNDR 0; calling 0 / 0 1 says private."""
    train = np.concatenate([split.train.genotypes, split.train.genotypes])
    copied, _ = nearest(split.train.genotypes, train, 2)
    fresh, _ = nearest(split.test.genotypes, train, 2)
    assert (copied == 0).all()
    assert disclosure.first_to_second(copied).max() == 0
    assert disclosure.nndr_gap(copied, fresh).high < -0.9


def test_members_are_training_people_only(split: Split) -> None:
    """Validation people among the members would dilute an attack that finds every one."""
    task = find_task("privacy").load()()
    statistics = task.prepare(split, seed=0)
    chosen = split.train.genotypes[statistics["members"]]
    assert (minimum(chosen, split.train.genotypes) == 0).all()
    assert len(statistics["members"]) == len(set(statistics["members"].tolist())) == N
    copies = split.train.genotypes
    diluted = np.concatenate([copies, split.validation.genotypes, split.test.genotypes])
    wrong = auc(membership.nearest_scores(minimum(diluted, copies)), np.arange(3 * N) < 2 * N)
    right = membership.nearest_scores(minimum(np.delete(diluted, slice(N, 2 * N), axis=0), copies))
    assert auc(right, np.arange(2 * N) < N) > 0.99
    assert wrong < 0.85


@pytest.mark.parametrize("size", [N - 100, N + 100])
def test_subsamples_are_seeded(split: Split, size: int) -> None:
    """More or fewer synthetic people than real ones: drawn alike whatever numpy drew before."""
    task = find_task("privacy").load()()
    reference = Reference(split, task.prepare(split, seed=0))
    genotypes = np.concatenate([split.control.genotypes, split.validation.genotypes])[:size]
    names = [f"s{i}" for i in range(size)]
    samples = pd.DataFrame({"fid": names, "iid": names, "sex": 0})
    people = Cohort(genotypes, split.train.variants, samples)
    found = []
    for state in (1, 2):
        np.random.seed(state)  # noqa: NPY002 - the global state that must not matter
        found.append({k: e.value for k, e in task.score(people, reference, seed=5).items()})
        again = task.prepare(split, seed=0)
        for name, value in again.items():
            np.testing.assert_array_equal(value, reference.statistics[name])
    assert found[0] == found[1]


def test_subsampling_keeps_people_and_their_own_selves_together(split: Split) -> None:
    """Nobody is his own neighbour, in samples as well: fresh people stay at .5, not near 0."""
    train = split.train.genotypes
    draw = np.random.default_rng(0)
    rows, others = (np.sort(draw.choice(N, 200, replace=False)) for _ in range(2))
    # two independent samples of train: people in both would be "nearest" to themselves
    assert (minimum(train[rows], train[others]) == 0).mean() > 0.4
    truth, syn = disclosure.adversarial_accuracy(
        Neighbours.between(train[rows], split.control.genotypes[:200])
    )
    assert truth.value == pytest.approx(0.5, abs=0.12)
    assert syn.value == pytest.approx(0.5, abs=0.12)


def test_ties_count_half(split: Split) -> None:
    """At 16 SNPs strict ties would mark fresh people down as if they were copies."""
    train, fresh = split.train.genotypes[:, :16], split.control.genotypes[:, :16]
    own = minimum(train, train, exclude_self=True)
    other = minimum(train, fresh)
    assert (other > own).mean() < 0.4
    truth, _ = disclosure.adversarial_accuracy(Neighbours.between(train, fresh))
    assert truth.value == pytest.approx(0.5, abs=0.1)


def test_adversarial_accuracy_has_its_best_at_a_half(split: Split) -> None:
    """0 for copies and 1 for people unlike any; a scale on which 0 is best would praise copies."""
    train = split.train.genotypes
    copies = disclosure.adversarial_accuracy(Neighbours.between(train, train[::-1].copy()))
    unlike = disclosure.adversarial_accuracy(
        Neighbours.between(train, np.random.default_rng(0).permuted(train, axis=0))
    )
    fresh = disclosure.adversarial_accuracy(Neighbours.between(train, split.control.genotypes))
    card = find_task("privacy").card
    for part, name in enumerate(("aa_truth", "aa_syn")):
        loss = card.metrics[name].loss
        assert copies[part].value == 0
        assert loss(fresh[part].value) < loss(copies[part].value)
    assert unlike[0].value > 0.9
    assert card.metrics["aa_truth"].loss(fresh[0].value) < card.metrics["aa_truth"].loss(
        unlike[0].value
    )


def test_shuffled_rows_change_no_score(split: Split) -> None:
    """A distance looked up under another cohort's index changes when rows change places."""
    task = find_task("privacy").load()()
    copied = np.concatenate([split.train.genotypes[:100], split.control.genotypes[:200]])
    labels = np.concatenate([split.train.labels[:100], split.control.labels[:200]])
    shuffle = np.random.default_rng(1).permutation(N)
    found = []
    for order in (np.arange(N), shuffle):
        trait = Trait("toy", "binary", labels[order])
        people = Cohort(copied[order], split.control.variants, split.control.samples, trait)
        shuffled = Split(
            split.train.take(order), split.validation, split.test.take(order), split.control
        )
        reference = Reference(shuffled, task.prepare(shuffled, seed=0))
        found.append(task.score(people, reference, seed=0))
    assert set(found[0]) == set(found[1])
    for name, estimate in found[0].items():
        assert estimate.value == pytest.approx(found[1][name].value, abs=1e-6), name
