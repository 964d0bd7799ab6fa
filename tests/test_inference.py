"""Label inference: by hand, on leaks, and nothing on fresh people."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest

from genobench.cohort import Cohort
from genobench.metrics.auc import auc
from genobench.metrics.inference import TIES, advantage, model_labels, nearest_labels
from genobench.metrics.intervals import Interval
from genobench.metrics.neighbours import nearest

N = 300
Kind = Literal["binary", "quantitative"]


def inferred(make_cohort: Callable[..., Cohort], kind: Kind, source: str) -> dict[str, Interval]:
    """Advantage of both attackers, whose synthetic people are of one ``source``."""
    people = make_cohort(3 * N, 256, 4, founders=150, populations=3, kind=kind)
    train, holdout, fresh = (people.take(slice(i * N, (i + 1) * N)) for i in range(3))
    made = {"copy": train, "fresh": fresh}[source]
    candidates = np.concatenate([train.genotypes, holdout.genotypes])
    labels = np.concatenate([train.labels, holdout.labels])
    member = np.arange(2 * N) < N
    rng = np.random.default_rng(0)
    guesses = {
        "nearest": nearest_labels(nearest(candidates, made.genotypes, TIES), made.labels),
        "model": model_labels(candidates, made.genotypes, made.labels, kind, rng=rng),
    }
    return {k: advantage(g, labels, member, kind, rng=rng) for k, g in guesses.items()}


@pytest.mark.parametrize("kind", ["binary", "quantitative"])
def test_copies_tell_labels_and_fresh_people_do_not(
    make_cohort: Callable[..., Cohort], kind: Kind
) -> None:
    """Either attacker gains from copies; what holds for everybody is no gain."""
    copied = inferred(make_cohort, kind, "copy")
    assert copied["nearest"].low > 0.3
    assert copied["model"].low > 0
    for name, found in inferred(make_cohort, kind, "fresh").items():
        assert found.low < 0 < found.high, name


def test_label_of_the_nearest_by_hand() -> None:
    """The label belongs to the synthetic person at that row, in whatever order they stand."""
    synthetic = np.array([[0, 0, 0], [2, 2, 2], [0, 2, 0]], np.int8)
    labels = np.array([0.5, 1.5, 2.5], np.float32)
    people = np.array([[0, 0, 1], [2, 2, 1], [0, 2, 0]], np.int8)
    assert nearest_labels(nearest(people, synthetic, len(labels)), labels).tolist() == [
        0.5,
        1.5,
        2.5,
    ]
    tied = np.array([[0, 1, 1], [1, 2, 1]], np.int8)  # the first of all has none nearer by
    assert nearest_labels(nearest(tied, synthetic, len(labels)), labels).tolist() == [1.5, 2.0]
    order = np.array([2, 0, 1])
    assert nearest_labels(
        nearest(people, synthetic[order], len(labels)), labels[order]
    ).tolist() == [0.5, 1.5, 2.5]


def test_advantage_by_hand() -> None:
    """AUC .75 of members minus AUC .5 of non-members; NaN where a group has one label."""
    guessed = np.array([3.0, 1.0, 2.0, 0.0, 1.0, 1.0, 1.0, 1.0])
    labels = np.array([1, 1, 0, 0, 1, 0, 1, 0], np.float32)
    member = np.arange(8) < 4
    rng = np.random.default_rng(0)
    found = advantage(guessed, labels, member, "binary", rng=rng)
    assert found.value == pytest.approx(auc(guessed[:4], labels[:4]) - 0.5) == 0.25
    same = advantage(guessed, np.where(member, 1, labels), member, "binary", rng=rng)
    assert math.isnan(same.value)


def test_synthetic_people_of_one_label_tell_nothing(make_cohort: Callable[..., Cohort]) -> None:
    """A constant guess has no advantage."""
    people = make_cohort(200, 32, 1)
    ones = np.ones(50, np.float32)
    guessed = model_labels(
        people.genotypes, people.genotypes[:50], ones, "binary", rng=np.random.default_rng(0)
    )
    member = np.arange(200) < 100
    found = advantage(guessed, people.labels, member, "binary", rng=np.random.default_rng(0))
    assert found.value == 0


@pytest.mark.parametrize("kind", ["binary", "quantitative"])
def test_interval_covers(make_cohort: Callable[..., Cohort], kind: Kind) -> None:
    """Over 100 draws of fresh people about 5 % of the intervals miss 0."""
    everybody = make_cohort(3000, 64, 3, kind=kind)
    rng, missed = np.random.default_rng(0), 0
    member = np.arange(200) < 100
    for _ in range(100):
        rows = rng.permutation(3000)
        people, made = everybody.take(rows[:200]), everybody.take(rows[200:400])
        guessed = nearest_labels(nearest(people.genotypes, made.genotypes, TIES), made.labels)
        found = advantage(guessed, people.labels, member, kind, rng=rng)
        missed += not found.low <= 0 <= found.high
    assert missed <= 11  # 5 expected, and three standard deviations
