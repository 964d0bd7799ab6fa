"""Across populations: a stand-in that keeps its population's distance, and those that do not."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from genobench.cohort import Cohort, Genotypes
from genobench.data.split import Split, split_populations
from genobench.errors import GenobenchError
from genobench.metrics import ld, portability
from genobench.registry import find_task
from genobench.task import Estimate, Reference, validated

PLUGIN = find_task("cross_population")
CARD, CrossPopulation = PLUGIN.card, PLUGIN.load()
Scores = dict[str, Estimate]


@pytest.fixture(scope="module")
def split(make_cohort: Any) -> Split:
    """Train and validation of P0 (1,000, 200), test and control of P1 (600 each); 128 SNPs."""
    everybody = make_cohort(2400, 128, 61, world=2)
    assert everybody.trait is not None
    population = everybody.samples["population"].to_numpy()
    rows = split_populations(everybody.trait, population, train="P0", test="P1", seed=0)
    return Split(*(everybody.take(part) for part in vars(rows).values()))


@pytest.fixture(scope="module")
def reference(split: Split) -> Reference:
    """What training people predict of the other population."""
    return Reference(split, CrossPopulation().prepare(split, seed=0))


def score(reference: Reference, genotypes: Genotypes, labels: Any = None) -> Scores:
    """Scores of synthetic people, checked against the card."""
    train = reference.split.train
    people = replace(train.take(np.zeros(len(genotypes), dtype=int)), genotypes=genotypes)
    assert train.trait is not None
    values = train.labels[: len(genotypes)] if labels is None else labels
    people = people.with_trait(replace(train.trait, values=values))
    return validated(CrossPopulation().score(people, reference, seed=1), CARD)


def test_copies_carry_over_as_training_people_do(reference: Reference) -> None:
    """No gap in prediction and LD; frequencies as far from the other population."""
    found = score(reference, reference.split.train.genotypes)
    assert set(found) == {n for n, c in CARD.metrics.items() if c.needs != ("quantitative",)}
    for name in ("joint_gap", "ld_gap"):
        assert found[name].value == pytest.approx(0, abs=1e-9)
    for name in ("fst_ratio", "difference_slope"):
        assert found[name].low < 1 < found[name].high
        assert found[name].value == pytest.approx(1, abs=0.15)


def test_fresh_people_of_the_same_population_pass(split: Split) -> None:
    """Half of the training people against the other half as the yardstick."""
    half = split.train.n // 2
    fresh = split.train.take(slice(half, 2 * half))
    smaller = replace(split, train=split.train.take(slice(0, half)))
    task = CrossPopulation()
    reference = Reference(smaller, task.prepare(smaller, seed=0))
    found = validated(task.score(fresh, reference, seed=0), CARD)
    assert found["joint_gap"].low < 0 < found["joint_gap"].high
    assert found["ld_gap"].low < 0 < found["ld_gap"].high
    assert found["difference_slope"].low < 1 < found["difference_slope"].high


def test_populations_drawn_together_are_caught(reference: Reference) -> None:
    """A stand-in half made of the other population: half the difference, a quarter of the FST."""
    split, rng = reference.split, np.random.default_rng(0)
    p = (split.train.genotypes.mean(axis=0) + split.test.genotypes.mean(axis=0)) / 4
    between = rng.binomial(2, p, split.train.genotypes.shape).astype(np.int8)
    found = score(reference, between)
    assert found["difference_slope"].value == pytest.approx(0.5, abs=0.12)
    assert found["difference_slope"].high < 0.8
    assert found["fst_ratio"].value == pytest.approx(0.25, abs=0.12)


def test_independent_sites_lose_ld_and_the_joint_predictor(reference: Reference) -> None:
    """`cond_hwe`: frequencies keep their distance, nothing that needs LD carries over."""
    train = reference.split.train
    rng, g = np.random.default_rng(1), np.empty(train.genotypes.shape, dtype=np.int8)
    for label in (0, 1):
        rows = np.flatnonzero(train.labels == label)
        p = train.genotypes[rows].mean(axis=0) / 2
        g[rows] = rng.binomial(2, p, (len(rows), train.m))
    found = score(reference, g)
    assert found["difference_slope"].value == pytest.approx(1, abs=0.1)
    assert found["ld_gap"].high < -0.5
    assert found["joint_gap"].high < 0


def test_shuffled_labels_predict_nothing(reference: Reference) -> None:
    """Chance in the other population, far below training people and below those at home."""
    train = reference.split.train
    labels = np.random.default_rng(2).permutation(train.labels)
    found = score(reference, train.genotypes, labels)
    assert found["joint_auc"].value == pytest.approx(0.5, abs=0.12)
    assert found["joint_gap"].high < -0.05
    assert found["home_gap"].high < -0.05


def test_people_of_the_other_population_are_no_stand_in(reference: Reference) -> None:
    """What the `real` control is here: at home, and not at any distance."""
    control = reference.split.control
    found = score(reference, control.genotypes, control.labels)
    assert abs(found["difference_slope"].value) < 0.15
    assert abs(found["fst_ratio"].value) < 0.15
    assert found["ld_corr"].value > 0.9
    assert found["home_gap"].value == pytest.approx(0, abs=1e-9)


def test_quantitative_traits_have_a_correlation(make_cohort: Any) -> None:
    """r in the place of the AUC."""
    everybody = make_cohort(1200, 64, 3, kind="quantitative")
    population = everybody.samples["population"].to_numpy()
    rows = split_populations(everybody.trait, population, train="P0", test="P1", seed=0)
    split = Split(*(everybody.take(part) for part in vars(rows).values()))
    task = CrossPopulation()
    reference = Reference(split, task.prepare(split, seed=0))
    found = validated(task.score(split.train, reference, seed=0), CARD)
    assert "joint_auc" not in found
    assert found["joint_r"].value > 0.3
    assert found["joint_gap"].value == pytest.approx(0, abs=1e-9)


def test_hudson_fst_by_hand() -> None:
    """Two SNPs, 5 and 10 people: Bhatia's equation 10 written out; unbiased for one population."""
    rng = np.random.default_rng(0)
    one, two = (rng.integers(0, 3, (n, 2)).astype(np.int8) for n in (5, 10))
    p, q = one.mean(axis=0) / 2, two.mean(axis=0) / 2
    above = (p - q) ** 2 - p * (1 - p) / 9 - q * (1 - q) / 19
    below = p * (1 - q) + q * (1 - p)
    assert portability.hudson_fst(one, two).value == pytest.approx(above.sum() / below.sum())
    frequency = rng.uniform(0.1, 0.9, 400)
    values = [
        portability.hudson_fst(
            *(rng.binomial(2, frequency, (n, 400)).astype(np.int8) for n in (20, 60))
        ).value
        for _ in range(60)
    ]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(60)


def test_slopes_and_ratios_are_free_of_sampling_noise() -> None:
    """Populations at FST .05, 25 people each: on average 1, where plain ratios are not."""
    rng = np.random.default_rng(5)
    slopes, ratios, plain = [], [], []
    for _ in range(60):
        base = rng.uniform(0.2, 0.8, 300)
        a, b = (rng.beta(base * 19, (1 - base) * 19) for _ in range(2))
        made, own, other = (rng.binomial(2, p, (25, 300)).astype(np.int8) for p in (a, a, b))
        slopes.append(portability.difference_slope(made, own, other).value)
        ratios.append(portability.fst_ratio(made, own, other).value)
        s, x, y = (g.mean(axis=0) / 2 for g in (made, own, other))
        plain.append((s - y) @ (x - y) / ((x - y) @ (x - y)))
    for values in (slopes, ratios):
        assert abs(np.mean(values) - 1) < 3 * np.std(values) / np.sqrt(60)
    assert np.mean(plain) < 0.95


def test_intervals_over_people_hold_what_they_promise(make_cohort: Any) -> None:
    """New people of two populations, with LD: the intervals hold 1 in most.

    Of 60 a 95 % interval that is right holds fewer than 53 once in 400 times.
    """
    slopes = ratios = 0
    for seed in range(60):
        cohort = make_cohort(700, 64, seed, world=7)
        first = cohort.samples["population"].to_numpy() == "P0"
        here, there = cohort.genotypes[first], cohort.genotypes[~first]
        half = len(here) // 2
        samples = here[:half], here[half:], there
        slope, ratio = portability.difference_slope(*samples), portability.fst_ratio(*samples)
        slopes += slope.low <= 1 <= slope.high
        ratios += ratio.low <= 1 <= ratio.high
    assert slopes >= 53
    assert ratios >= 53


def test_ld_gap_is_a_difference_of_correlations(split: Split) -> None:
    """Against `ld.r2_correlation` of either side."""
    which = ld.pairs(
        chromosome=np.zeros(128, dtype=np.int64),
        position=np.arange(128),
        frequency=split.test.genotypes.mean(axis=0) / 2,
        reach=8,
    )
    made, own, other = (
        ld.r2_band(c.genotypes, reach=8) for c in (split.validation, split.train, split.test)
    )
    one, two = (ld.r2_correlation(band, other, which).value for band in (made, own))
    found = portability.ld_gap(made, own, other, which)
    assert found.value == pytest.approx(one - two, abs=1e-5)
    assert found.low <= found.value <= found.high


def test_populations_that_do_not_differ_have_no_ratio() -> None:
    """Two samples of one population, identical: NaN, not a large number."""
    g = np.random.default_rng(0).integers(0, 3, (50, 30)).astype(np.int8)
    assert math.isnan(portability.fst_ratio(g, g, g).value)
    constant = np.zeros((50, 30), dtype=np.int8)
    assert math.isnan(portability.hudson_fst(constant, constant).value)


def test_without_two_populations_nothing_is_said(toy_split: Split) -> None:
    """Mixed populations in every part: the harness refuses it with words of its own."""
    assert CrossPopulation().prepare(toy_split, seed=0) == {}
    assert CrossPopulation().score(toy_split.control, Reference(toy_split, {}), seed=0) == {}


def test_bad_input_is_named(reference: Reference, make_cohort: Any) -> None:
    """Other variants, no trait, another kind of trait, few people."""
    train, task = reference.split.train, CrossPopulation()
    with pytest.raises(GenobenchError, match="50 variants, real people 128"):
        task.score(train.take(variants=slice(0, 50)), reference, seed=0)
    height = make_cohort(100, 128, kind="quantitative").trait
    wrong: list[Cohort] = [train.with_trait(None), train.take(slice(0, 100)).with_trait(height)]
    for people in wrong:
        with pytest.raises(GenobenchError, match="need the same trait"):
            task.score(people, reference, seed=0)
    few = replace(reference.split, test=reference.split.test.take(slice(0, 20)))
    with pytest.raises(GenobenchError, match="20 test people, 40 are the least"):
        task.prepare(few, seed=0)
