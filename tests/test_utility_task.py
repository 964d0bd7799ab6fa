"""The utility task: what real labels and real LD are worth, and what their absence costs."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from genobench.cohort import Cohort, Genotypes, Labels, Trait
from genobench.data.split import Split
from genobench.errors import GenobenchError
from genobench.generator import Budget
from genobench.metrics import moments
from genobench.metrics.prediction import FOLDS
from genobench.registry import find_generator, find_task
from genobench.task import Estimate, Reference, validated

Scores = dict[str, Estimate]
PREDICTORS = ("prs", "joint", "ldpred", "xgb")
SORTING = ("odds_ratio_gap", "top_lift_gap", "ap_lift_gap")
AUGMENTATION = ("augment_10", "augment_25", "augment_50", "augment_100")


def prepared(everybody: Cohort) -> Reference:
    """A split of 2,200 people and what the task prepares of it."""
    edges = np.cumsum([0, 1000, 200, 500, 500])
    split = Split(*(everybody.take(slice(a, b)) for a, b in pairwise(edges)))
    return Reference(split, find_task("prs_utility").load()().prepare(split, seed=0))


@pytest.fixture(scope="module")
def binary(make_cohort: Callable[..., Cohort]) -> Reference:
    """LD-rich panel of 128 SNPs, binary trait."""
    return prepared(make_cohort(2200, 128, 11))


@pytest.fixture(scope="module")
def quantitative(make_cohort: Callable[..., Cohort]) -> Reference:
    """The same, quantitative trait."""
    return prepared(make_cohort(2200, 128, 11, kind="quantitative"))


def score(reference: Reference, genotypes: Genotypes, labels: Labels) -> Scores:
    """What the task says of these people, checked against its card."""
    plugin, split = find_task("prs_utility"), reference.split
    assert split.train.trait is not None
    names = [f"syn{i}" for i in range(len(genotypes))]
    samples = pd.DataFrame({"fid": names, "iid": names, "sex": 0})
    trait = replace(split.train.trait, values=labels)
    people = Cohort(genotypes, split.train.variants, samples, trait)
    return validated(plugin.load()().score(people, reference, seed=1), plugin.card)


def control(reference: Reference, name: str) -> Scores:
    """Scores of a registered control, as the harness fits it."""
    from genobench.conditioning import build

    plugin, split = find_generator(name), reference.split
    people = split.control if plugin.card.fit_on == "control" else split.train
    generator = build(plugin.card, plugin.load(), {})
    fitted = generator.fit(people, split.validation, seed=0, budget=Budget())
    return score(reference, fitted.sample(people.labels, seed=1), people.labels)


def expected_metrics(kind: str) -> set[str]:
    """Names on the card whose needs a trait of this kind meets."""
    metrics = find_task("prs_utility").card.metrics
    return {n for n, c in metrics.items() if not c.needs or kind in c.needs}


@pytest.mark.parametrize("kind", ["binary", "quantitative"])
def test_real_passes(kind: str, request: pytest.FixtureRequest) -> None:
    """Other real people are as useful as training people of the same number."""
    found = control(request.getfixturevalue(kind), "real")
    assert set(found) == expected_metrics(kind)
    for name in PREDICTORS:
        assert found[f"{name}_gap"].low < 0 < found[f"{name}_gap"].high, name
    assert found["label_lift"].low > 0
    assert found["calibration_slope"].value == pytest.approx(1, abs=0.3)
    assert found["calibration_intercept"].value == pytest.approx(0, abs=0.2)
    gaps = ["calibration_slope_gap", "calibration_intercept_gap", "trts_gap", "inside_gap"]
    for name in gaps + list(SORTING if kind == "binary" else ()):
        assert found[name].low < 0 < found[name].high, name
    gains = [found[name].value for name in AUGMENTATION]
    assert found["augment_10"].low > 0
    assert gains[0] > gains[1] > gains[3]  # the more real people, the less new ones add


@pytest.mark.parametrize("kind", ["binary", "quantitative"])
def test_copies_are_exactly_as_useful(kind: str, request: pytest.FixtureRequest) -> None:
    """The training people themselves, in their own order, have no gap at all."""
    reference = request.getfixturevalue(kind)
    train = reference.split.train
    found = score(reference, train.genotypes, train.labels)
    names = ("prs_gap", "joint_gap", "ldpred_gap", "calibration_slope_gap")
    for name in names + (SORTING if kind == "binary" else ()):
        assert found[name].value == pytest.approx(0, abs=1e-6), name
    assert found["trts_gap"].value > 0  # a predictor of these people knows them a bit too well
    assert found["augment_100"].value == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("kind", ["binary", "quantitative"])
def test_cond_hwe_fools_the_marginal_score_alone(kind: str, request: pytest.FixtureRequest) -> None:
    """Right frequencies per class, no LD: nothing lost marginally, much lost jointly."""
    found = control(request.getfixturevalue(kind), "cond_hwe")
    assert found["prs_gap"].value == pytest.approx(0, abs=0.03)
    assert found["joint_gap"].value < -0.02
    for name in ("joint_gap", "ldpred_gap", "xgb_gap", "calibration_slope_gap"):
        assert found[name].high < 0, name
    assert found["calibration_slope"].high < 0.9
    if kind == "binary":
        assert found["inside_gap"].low > 0  # independent SNPs add up to more than linked ones
        assert found["odds_ratio_gap"].high < 0
        assert found["ap_lift_gap"].high < 0


def test_permuted_labels_mean_nothing(binary: Reference) -> None:
    """Real genotypes under shuffled labels: chance, and no lift."""
    train = binary.split.train
    labels = np.random.default_rng(0).permutation(train.labels)
    found = score(binary, train.genotypes, labels)
    assert found["label_lift"].low < 0 < found["label_lift"].high
    for name in PREDICTORS:
        assert found[f"{name}_auc"].value == pytest.approx(0.5, abs=0.15), name
        assert found[f"{name}_gap"].high < -0.1
    for name in (*SORTING, "trts_gap", "inside_gap", "augment_10", "augment_100"):
        assert found[name].high < 0, name
    assert found["odds_ratio"].value == pytest.approx(1, abs=0.35)


def test_collapse_foretells_itself(binary: Reference) -> None:
    """Fifty training people over and over know each other's labels and little of anybody else's."""
    train = binary.split.train
    rows = np.arange(train.n) % 50
    found = score(binary, train.genotypes[rows], train.labels[rows])
    assert found["inside_gap"].low > 0.1
    assert found["joint_gap"].high < 0


def test_another_prevalence_is_no_miscalibration(binary: Reference) -> None:
    """Half of the controls left out: the intercept stays, once the prior shift is corrected."""
    train = binary.split.train
    controls = np.flatnonzero(train.labels == 0)
    kept = np.sort(np.concatenate([np.flatnonzero(train.labels == 1), controls[::3]]))
    found = score(binary, train.genotypes[kept], train.labels[kept])
    assert found["calibration_intercept"].value == pytest.approx(0, abs=0.25)
    assert found["joint_gap"].value == pytest.approx(0, abs=0.05)


def test_prepared_statistics(binary: Reference) -> None:
    """At the size of the training set and of the control group, one row per draw."""
    facts = binary.statistics
    assert {k: v.shape for k, v in facts.items() if not k.startswith("few")} == {
        "trtr_1000": (1, 4, 500),
        "joint_1000": (1, 129),
        "fold_1000": (FOLDS, 500),
        "trtr_500": (4, 4, 500),
        "joint_500": (4, 129),
        "fold_500": (FOLDS, 500),
    }
    assert [len(facts[f"few_{p}"]) for p in (10, 25, 50, 100)] == [100, 250, 500, 1000]
    joint, test = facts["joint_1000"][0], binary.split.test
    predicted = test.genotypes @ joint[:-1] + joint[-1]
    np.testing.assert_allclose(predicted, facts["trtr_1000"][0, 1], atol=1e-8)


def test_large_cohorts_are_thinned(binary: Reference, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a number of people, as many on either side tell what labels are worth."""
    task, split = find_task("prs_utility").load()(), binary.split
    whole = score(binary, split.train.genotypes, split.train.labels)
    for module in ("_predictors", "prs_utility"):
        monkeypatch.setattr(import_module(f"genobench.tasks.{module}"), "WITHIN", 300)
    found = task.score(split.train, Reference(split, task.prepare(split, seed=0)), seed=0)
    assert found["inside_gap"].n == 300
    assert abs(found["inside_gap"].value - whole["inside_gap"].value) < 0.1


@pytest.mark.parametrize("kind", ["binary", "quantitative"])
def test_few_test_people(kind: str, request: pytest.FixtureRequest) -> None:
    """Twenty test people are too few to say much; nothing crashes."""
    split = request.getfixturevalue(kind).split
    test = split.test.take(np.r_[np.flatnonzero(split.test.labels <= 0)[:18], [0, 1]])
    small = replace(split, test=test, control=split.control.take(slice(0, 30)))
    task = find_task("prs_utility").load()()
    found = task.score(small.train, Reference(small, task.prepare(small, seed=0)), seed=0)
    assert set(validated(found, find_task("prs_utility").card)) == expected_metrics(kind)
    assert found["joint_gap"].value == pytest.approx(0, abs=1e-9)


def test_hwe_knows_no_label(binary: Reference) -> None:
    """Frequencies of everybody together carry nothing of the trait."""
    found = control(binary, "hwe")
    assert found["joint_gap"].high < -0.1
    assert found["label_lift"].low < 0 < found["label_lift"].high


def test_null_phenotype(binary: Reference) -> None:
    """Where the real labels mean nothing no predictor rises above chance."""
    rng = np.random.default_rng(3)
    split = binary.split

    def shuffled(cohort: Cohort) -> Cohort:
        return cohort.with_trait(Trait("null", "binary", rng.permutation(cohort.labels)))

    parts = (split.train, split.validation, split.test, split.control)
    null = Split(*(shuffled(part) for part in parts))
    task = find_task("prs_utility").load()()
    reference = Reference(null, task.prepare(null, seed=0))
    found = task.score(null.train, reference, seed=0)
    for name in PREDICTORS:
        assert found[f"{name}_auc"].low < 0.5 < found[f"{name}_auc"].high
    assert found["trts_gap"].low > 0  # copies: a predictor that learned noise knows its people
    assert found["inside_gap"].low < 0 < found["inside_gap"].high
    assert found["label_lift"].low < 0 < found["label_lift"].high


@pytest.mark.parametrize("kind", ["binary", "quantitative"])
def test_a_degenerate_cohort_teaches_nothing(kind: str, request: pytest.FixtureRequest) -> None:
    """One label, or one person over and over: chance, without a crash."""
    reference = request.getfixturevalue(kind)
    train = reference.split.train
    chance, measure = (0.5, "auc") if kind == "binary" else (0.0, "r")
    for genotypes, labels in (
        (train.genotypes, np.ones_like(train.labels)),
        (np.tile(train.genotypes[:1], (train.n, 1)), train.labels),
    ):
        found = score(reference, genotypes, labels)
        for name in PREDICTORS:
            assert found[f"{name}_{measure}"].value == pytest.approx(chance)
        assert np.isnan(found["calibration_slope"].value)
        assert np.isnan(found["calibration_slope_gap"].value)
        assert found["label_lift"].value == pytest.approx(0)


def test_other_sizes_meet_real_people_of_their_size(binary: Reference) -> None:
    """A cohort of another size than was prepared for is held against as many training people."""
    control = binary.split.control
    found = score(binary, control.genotypes[:250], control.labels[:250])
    assert found["joint_gap"].low < 0 < found["joint_gap"].high
    many = np.tile(binary.split.train.genotypes, (2, 1))
    doubled = score(binary, many, np.tile(binary.split.train.labels, 2))
    assert doubled["prs_gap"].value == pytest.approx(0, abs=1e-9)


def test_bad_input_is_named(binary: Reference, quantitative: Reference) -> None:
    """Another trait, no trait, other variants, missing calls, too few people."""
    task, control = find_task("prs_utility").load()(), binary.split.control
    for wrong in (control.with_trait(None), quantitative.split.control):
        with pytest.raises(GenobenchError, match="same trait"):
            task.score(wrong, binary, seed=0)
    with pytest.raises(GenobenchError, match="50 variants, the test people 128"):
        task.score(control.take(variants=slice(0, 50)), binary, seed=0)
    with pytest.raises(GenobenchError, match="needs 10"):
        task.score(control.take(slice(0, 5)), binary, seed=0)
    holed = np.array(control.genotypes)
    holed[0, 1] = -1
    with pytest.raises(GenobenchError, match="person 0, variant 1"):
        score(binary, holed, control.labels)


def test_consistency_widens_a_few_people_at_a_time(
    make_cohort: Callable[..., Cohort], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same gaps, in less memory than a float32 copy of the synthetic people alone."""
    task = import_module(type(find_task("prs_utility").load()()).__module__)
    everybody = make_cohort(9_000, 128, 12)
    made, test = everybody.take(slice(0, 8_000)), everybody.take(slice(8_000, None))
    monkeypatch.setattr(task, "WITHIN", 500)
    rng = np.random.default_rng(0)
    facts = {
        f"trtr_{made.n}": rng.normal(size=(1, 4, test.n)),
        f"joint_{made.n}": rng.normal(size=(1, made.m + 1)),
        f"fold_{made.n}": rng.normal(size=(FOLDS, test.n)),
    }

    def gaps() -> dict[str, Estimate]:
        found = task._Found(test.n)
        task._consistency(found, made, Split(made, test, test, test), facts, seed=0)
        estimates: dict[str, Estimate] = found.estimates
        return estimates

    expected = gaps()
    monkeypatch.setattr(moments, "WHOLE", 0)
    monkeypatch.setattr(moments, "CELLS", 1 << 14)
    gaps()  # compiles
    tracemalloc.start()
    try:
        found, peak = gaps(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * made.genotypes.nbytes
    for name in ("trts_gap", "inside_gap"):
        assert found[name].value == pytest.approx(expected[name].value, abs=1e-6)
