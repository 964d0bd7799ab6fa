"""The association task: real people agree with real people, and what does not, does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from genobench.cohort import Cohort, Genotypes
from genobench.data.split import Split
from genobench.errors import GenobenchError
from genobench.generator import Budget
from genobench.registry import find_generator, find_task
from genobench.task import Estimate, Reference, validated

Scores = dict[str, Estimate]
CARD = find_task("association").card
CAUSAL = {name for name, card in CARD.metrics.items() if "effects" in card.needs}


def prepared(everybody: Cohort) -> Reference:
    """A split of 3,400 people and what the task prepares of it."""
    edges = np.cumsum([0, 1500, 200, 850, 850])
    split = Split(*(everybody.take(slice(a, b)) for a, b in pairwise(edges)))
    return Reference(split, find_task("association").load()().prepare(split, seed=0))


@pytest.fixture(scope="module")
def binary(make_cohort: Callable[..., Cohort]) -> Reference:
    """LD-rich panel of 192 SNPs, binary trait."""
    return prepared(make_cohort(3400, 192, 3))


@pytest.fixture(scope="module")
def quantitative(make_cohort: Callable[..., Cohort]) -> Reference:
    """The same, quantitative trait."""
    return prepared(make_cohort(3400, 192, 3, kind="quantitative"))


def score(reference: Reference, people: Cohort) -> Scores:
    """What the task says of these people, checked against its card."""
    return validated(find_task("association").load()().score(people, reference, seed=1), CARD)


def control(reference: Reference, name: str) -> Scores:
    """Scores of a registered control, as the harness fits it."""
    from genobench.conditioning import build

    plugin, split = find_generator(name), reference.split
    people = split.control if plugin.card.fit_on == "control" else split.train
    generator = build(plugin.card, plugin.load(), {})
    fitted = generator.fit(people, split.validation, seed=0, budget=Budget())
    made: Genotypes = fitted.sample(people.labels, seed=1)
    return score(reference, Cohort(made, people.variants, people.samples, people.trait))


@pytest.mark.parametrize("kind", ["binary", "quantitative"])
def test_real_passes(kind: str, request: pytest.FixtureRequest) -> None:
    """Other real people find what test people find, with effects of the same size."""
    found = control(request.getfixturevalue(kind), "real")
    assert set(found) == set(CARD.metrics)
    assert found["z_correlation"].value > 0.75
    assert found["effect_slope"].low < 1 < found["effect_slope"].high
    assert found["lambda_ratio"].low < 1 < found["lambda_ratio"].high
    assert found["hit_recall"].value > 0.5
    assert found["false_discoveries"].low < 0.05
    assert found["causal_correlation"].value > 0.6
    assert found["causal_ranking"].low > 0.5


@pytest.mark.parametrize("kind", ["binary", "quantitative"])
def test_labels_without_meaning(kind: str, request: pytest.FixtureRequest) -> None:
    """Shuffled labels, or independent sites at everybody's frequencies: nothing agrees."""
    reference = request.getfixturevalue(kind)
    train, trait = reference.split.train, reference.split.train.trait
    labels = np.random.default_rng(0).permutation(train.labels)
    real = control(reference, "real")
    for found in (
        score(reference, train.with_trait(replace(trait, values=labels))),
        control(reference, "hwe"),
    ):
        assert abs(found["z_correlation"].value) < 0.35
        assert found["z_correlation"].high < real["z_correlation"].low
        assert found["effect_slope"].high < 0.5
        assert found["hit_recall"].high < 0.2
        assert found["lambda_ratio"].high < 0.5
        assert found["causal_correlation"].high < real["causal_correlation"].low
        assert found["causal_ranking"].low < 0.5 < found["causal_ranking"].high


def test_wrong_effects_are_seen(binary: Reference) -> None:
    """Labels redrawn at random for half of the people: effects of half the size, fewer hits."""
    train = binary.split.train
    assert train.trait is not None
    rng = np.random.default_rng(0)
    labels = np.array(train.labels)
    some = rng.permutation(train.n)[: train.n // 2]
    labels[some] = rng.permutation(labels[some])
    found = score(binary, train.with_trait(replace(train.trait, values=labels)))
    real = control(binary, "real")
    assert found["effect_slope"].value == pytest.approx(0.5, abs=0.2)
    assert found["effect_slope"].high < 1
    assert found["hit_recall"].value < real["hit_recall"].value
    assert found["lambda_ratio"].value < real["lambda_ratio"].value


def test_independent_sites_lose_the_causal_snps(binary: Reference, quantitative: Reference) -> None:
    """Right frequencies per class keep associations; which SNP is causal takes LD to say."""
    lost = []
    for reference in (binary, quantitative):
        found, real = control(reference, "cond_hwe"), control(reference, "real")
        assert found["z_correlation"].value > 0.5
        assert found["causal_correlation"].value > real["causal_correlation"].low
        lost.append(real["causal_ranking"].value - found["causal_ranking"].value)
    assert np.mean(lost) > 0.05


def test_the_counted_allele_does_not_matter(binary: Reference) -> None:
    """Counting other alleles in everybody leaves every value as it is."""
    flip = np.arange(binary.split.train.m) % 3 == 0

    def flipped(cohort: Cohort) -> Cohort:
        beta = np.where(flip, -1, 1) * cohort.variants["beta"].to_numpy()
        g = np.where(flip, 2 - cohort.genotypes, cohort.genotypes).astype(np.int8)
        return Cohort(g, cohort.variants.assign(beta=beta), cohort.samples, cohort.trait)

    parts = (flipped(getattr(binary.split, p)) for p in ("train", "validation", "test", "control"))
    split = Split(*parts)
    other = Reference(split, find_task("association").load()().prepare(split, seed=0))
    one, two = score(binary, binary.split.control), score(other, split.control)
    for name, estimate in one.items():
        assert two[name].value == pytest.approx(estimate.value, abs=1e-3), name


def test_unknown_effects_are_left_out(binary: Reference) -> None:
    """Without true effects the metrics of causal SNPs are not there, the others are the same."""

    def plain(cohort: Cohort) -> Cohort:
        variants = cohort.variants.drop(columns=["causal", "beta"])
        return Cohort(cohort.genotypes, variants, cohort.samples, cohort.trait)

    parts = (getattr(binary.split, p) for p in ("train", "validation", "test", "control"))
    split = Split(*(plain(part) for part in parts))
    reference = Reference(split, find_task("association").load()().prepare(split, seed=0))
    found = score(reference, split.control)
    assert set(found) == set(CARD.metrics) - CAUSAL
    assert (
        found["z_correlation"].value == score(binary, binary.split.control)["z_correlation"].value
    )


def test_equal_numbers(binary: Reference) -> None:
    """More synthetic people are cut to the test people's number, and the other way round."""
    split = binary.split
    assert score(binary, split.train)["z_correlation"].n == split.test.n
    few = score(binary, split.control.take(slice(0, 400)))
    assert few["z_correlation"].n == 400
    assert 0.5 < few["z_correlation"].value < 0.95  # with other people, not with themselves
    assert few["lambda_ratio"].value == pytest.approx(1, abs=0.6)


def test_one_chromosome_has_no_axes(make_cohort: Callable[..., Cohort]) -> None:
    """Components of one region would be its LD; the scan then has no covariates."""
    everybody = make_cohort(1200, 64, 3)
    variants = everybody.variants.assign(chrom="6")
    everybody = Cohort(everybody.genotypes, variants, everybody.samples, everybody.trait)
    edges = (0, 400, 500, 850, 1200)
    split = Split(*(everybody.take(slice(a, b)) for a, b in pairwise(edges)))
    reference = Reference(split, find_task("association").load()().prepare(split, seed=0))
    assert len(reference.statistics["columns"]) == 0
    assert score(reference, split.control)["z_correlation"].value > 0.6


@pytest.mark.parametrize("kind", ["binary", "quantitative"])
def test_a_degenerate_cohort_finds_nothing(kind: str, request: pytest.FixtureRequest) -> None:
    """One label, or one person over and over: no association, without a crash."""
    reference = request.getfixturevalue(kind)
    train = reference.split.train
    same = replace(train.trait, values=np.ones_like(train.labels))
    one = Cohort(np.tile(train.genotypes[:1], (train.n, 1)), train.variants, train.samples)
    for people in (train.with_trait(same), one.with_trait(train.trait)):
        found = score(reference, people)
        assert found["z_correlation"].value == 0
        assert found["hit_recall"].value == 0
        assert found["lambda_ratio"].value == 0
        assert np.isnan(found["false_discoveries"].value)
        assert found["causal_ranking"].value == pytest.approx(0.5)


def test_bad_input_is_named(binary: Reference, quantitative: Reference) -> None:
    """Another trait, no trait, other variants, too few people."""
    task, people = find_task("association").load()(), binary.split.control
    for wrong in (people.with_trait(None), quantitative.split.control):
        with pytest.raises(GenobenchError, match="same trait"):
            task.score(wrong, binary, seed=0)
    with pytest.raises(GenobenchError, match="50 variants"):
        task.score(people.take(variants=slice(0, 50)), binary, seed=0)
    with pytest.raises(GenobenchError, match="needs 40"):
        task.score(people.take(slice(0, 30)), binary, seed=0)
