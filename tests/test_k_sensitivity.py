"""Precision and recall over k and n: the real curve, who falls below it, and where."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genobench.cohort import Cohort, Genotypes
from genobench.data.split import Split
from genobench.errors import GenobenchError
from genobench.metrics.intervals import Interval, wilson
from genobench.metrics.manifold import manifold_curve
from genobench.metrics.manifold_grid import grid, part_radii, parts, shortfall
from genobench.registry import find_task
from genobench.task import Estimate, Reference, validated

PLUGIN = find_task("k_sensitivity")
CARD, KSensitivity = PLUGIN.card, PLUGIN.load()
Scores = dict[str, Estimate]


@pytest.fixture(scope="module")
def split(make_cohort: Any) -> Split:
    """400 training, 100 validation, 300 test and 300 control people; 96 SNPs."""
    everybody = make_cohort(1100, 96, 21)
    return Split(*(everybody.take(rows) for rows in np.split(np.arange(1100), [400, 500, 800])))


@pytest.fixture(scope="module")
def reference(split: Split) -> Reference:
    """The real curve."""
    return Reference(split, KSensitivity().prepare(split, seed=0))


def score(reference: Reference, people: Cohort, seed: int = 0) -> Scores:
    """Scores, checked against the card."""
    return validated(KSensitivity().score(people, reference, seed=seed), CARD)


def made(split: Split, genotypes: Genotypes) -> Cohort:
    """Synthetic people."""
    like = split.train.take(np.zeros(len(genotypes), dtype=int))
    return Cohort(genotypes, like.variants, like.samples, like.trait)


def test_real_people_equal_their_own_curve(split: Split, reference: Reference) -> None:
    """The control people as synthetic ones: no gap at any k and n, whatever the seed."""
    for seed in (0, 5):
        found = score(reference, split.control, seed)
        assert found["recall_shortfall"].value == found["precision_shortfall"].value == 0
        names = [name for name in found if name.startswith("real_")]
        assert len(names) == 24
        for name in names:
            assert found[name].value == found[name.removeprefix("real_")].value
    assert set(found) == set(CARD.metrics)


def test_the_real_curve_is_below_one_and_rises(reference: Reference, split: Split) -> None:
    """With k at every n; what is read off one k is a matter of k."""
    found = score(reference, split.control)
    for what in ("precision", "recall"):
        for n in (1, 2, 4):
            curve = [found[f"real_{what}_k{k}_n{n}"].value for k in (3, 5, 10, 50)]
            assert curve == sorted(curve)
            assert curve[0] < 0.95
            assert curve[-1] > 0.95


def test_fresh_real_people_pass(reference: Reference, split: Split) -> None:
    """Other people (here the training ones) lie within chance of the curve."""
    found = score(reference, split.train.take(slice(0, 300)))
    assert found["recall_shortfall"].low < 0.02
    assert found["precision_shortfall"].low < 0.02
    assert found["recall_shortfall"].value < 0.12


def test_collapse_loses_recall_and_independent_sites_both(
    reference: Reference, split: Split
) -> None:
    """15 people repeated keep precision; sites drawn one by one keep neither."""
    g, rng = split.train.genotypes, np.random.default_rng(0)
    collapse = score(reference, made(split, g[rng.integers(0, 15, 400)]))
    assert collapse["recall_shortfall"].low > 0.5
    assert collapse["precision_shortfall"].value < 0.25
    hwe = rng.binomial(2, g.mean(axis=0) / 2, g.shape).astype(np.int8)
    found = score(reference, made(split, hwe))
    assert found["precision_shortfall"].low > 0.5
    assert found["recall_shortfall"].low > 0.12  # where fresh people end, see above


def test_the_headline_is_the_largest_gap(reference: Reference, split: Split) -> None:
    """One of the gaps in the table, and none is larger."""
    g = split.train.genotypes
    found = score(reference, made(split, g[np.random.default_rng(1).integers(0, 40, 300)]))
    for what in ("precision", "recall"):
        gaps = [
            found[f"real_{name}"].value - found[name].value
            for name in found
            if name.startswith(f"{what}_k")
        ]
        assert len(gaps) == 12
        assert found[f"{what}_shortfall"].value == pytest.approx(max(gaps))


def test_fewer_people_meet_the_curve_of_as_many(split: Split, reference: Reference) -> None:
    """120 control people: their own curve at 120, without k = 50 at a quarter of them."""
    found = score(reference, split.control.take(slice(0, 120)))
    assert {e.n for e in found.values()} == {120}
    assert "recall_k50_n4" not in found
    assert "recall_k50_n2" in found
    assert found["recall_shortfall"].low < 0.05


def test_counts_are_those_of_the_manifold_metrics(split: Split) -> None:
    """The whole sample is `manifold_curve` itself; halves are two of them, added up."""
    one, two = split.control.genotypes, split.test.genotypes
    found = grid(one, two, ks=(3, 10), divisors=(2, 1))
    for column, at_k in enumerate(manifold_curve(one, two, ks=(3, 10))):
        assert found.recall(1, column) == at_k.recall
        assert found.precision(1, column) == at_k.precision
    halves = [
        manifold_curve(a, b, ks=(3,))[0].recall.value
        for a, b in zip(parts(one, 2), parts(two, 2), strict=True)
    ]
    assert found.recall(0, 0).value == pytest.approx(np.mean(halves))
    known = [part_radii(two, d, (3, 10)) for d in (2, 1)]
    again = grid(one, two, ks=(3, 10), divisors=(2, 1), real_radii=known)
    np.testing.assert_array_equal(again.recalled, found.recalled)


def test_newcombe_against_his_own_example() -> None:
    """56/70 against 48/80: method 10 gives .0524 to .3339 (Newcombe 1998, table II, row a)."""
    found = shortfall([wilson(48, 80)], [wilson(56, 70)])
    assert found == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=6))
@settings(max_examples=50, deadline=None)
def test_shortfall_is_a_maximum_inside_its_interval(pairs: list[tuple[int, int]]) -> None:
    """Of any shares; pairs that are not there count for nothing."""
    one = [wilson(a, 50) for a, _ in pairs]
    two = [wilson(b, 50) for _, b in pairs]
    found = shortfall([*one, Interval(math.nan)], [*two, Interval(1.0, 1.0, 1.0)])
    assert found.value == pytest.approx(max((b - a) / 50 for a, b in pairs))
    assert found.low <= found.value <= found.high
    assert math.isnan(shortfall([], []).value)


def test_bad_input_is_named(split: Split, reference: Reference) -> None:
    """Too few people, unequal numbers, other variants."""
    with pytest.raises(GenobenchError, match="20 people, but this metric needs 40"):
        score(reference, split.control.take(slice(0, 20)))
    with pytest.raises(GenobenchError, match="50 variants, real people 96"):
        score(reference, split.control.take(variants=slice(0, 50)))
    with pytest.raises(GenobenchError, match="equal numbers of people are needed: 30, 300"):
        grid(split.test.genotypes[:30], split.test.genotypes, ks=(3,), divisors=(1,))
    few = Split(split.train, split.validation, split.test.take(slice(0, 30)), split.control)
    with pytest.raises(GenobenchError, match="30 test or control people, 40 are the least"):
        KSensitivity().prepare(few, seed=0)
